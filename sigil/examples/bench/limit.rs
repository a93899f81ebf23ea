//! What the machine can do at most: signatures made and checked on two cores, measured when asked.

use crate::table;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// How long each limit is measured.
pub const WINDOW: Duration = Duration::from_millis(600);
const BATCH: usize = 256;

/// Signatures a second on all cores.
pub fn signing() -> f64 {
    on_all_cores(|| {
        let key = SigningKey::from_bytes(&[7; 32]);
        let mut count = 0_u64;
        move || {
            black_box(key.sign(&count.to_be_bytes()));
            count += 1;
            1
        }
    })
}

/// Signatures checked a second on all cores, in batches of 256 of one key.
pub fn verifying() -> f64 {
    on_all_cores(|| {
        let key = SigningKey::from_bytes(&[7; 32]);
        let messages: Vec<[u8; 48]> = (0..BATCH).map(|n| [u8::try_from(n % 251).unwrap_or(0); 48]).collect();
        let signatures: Vec<Signature> = messages.iter().map(|message| key.sign(message)).collect();
        let keys: Vec<VerifyingKey> = vec![key.verifying_key(); BATCH];
        move || {
            let slices: Vec<&[u8]> = messages.iter().map(<[u8; 48]>::as_slice).collect();
            ed25519_dalek::verify_batch(&slices, &signatures, &keys).expect("the signatures are right");
            BATCH as u64
        }
    })
}

fn on_all_cores<W: FnMut() -> u64>(work: impl Fn() -> W + Sync) -> f64 {
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(|| rate(work()))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("the work does not panic"))
            .sum()
    })
}

fn rate(mut work: impl FnMut() -> u64) -> f64 {
    let (start, mut done) = (Instant::now(), 0);
    while start.elapsed() < WINDOW {
        done += work();
    }
    done as f64 / start.elapsed().as_secs_f64()
}

/// Prints both limits.
pub fn print() {
    table::note("signing limit, all cores (signatures/s)", &format!("{:.0}", signing()));
    table::note(
        "batch verification limit, all cores (signatures/s)",
        &format!("{:.0}", verifying()),
    );
}
