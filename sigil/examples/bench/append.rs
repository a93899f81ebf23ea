//! Appends through `Handle`, each acknowledged after its fsync, against the signing limit of the same minute.

use crate::{limit, load, server, table};
use ledger::Handle;
use ledger_client::{Append, LedgerClient as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const WINDOW: Duration = Duration::from_secs(5);
const ROUNDS: usize = 3;

/// Measures 256 and 1,024 appends in flight; the best of three rounds.
pub async fn run() {
    let home = server::Home::create().await;
    for (in_flight, target) in [(256, "0.45"), (1_024, "0.50")] {
        let mut best = (0.0, 1.0);
        for _ in 0..ROUNDS {
            let before = limit::signing();
            let handle = Handle::open(home.place.config()).expect("the log opens");
            let measured = rate(&handle, in_flight, WINDOW).await;
            handle.close();
            let limit = f64::midpoint(before, limit::signing());
            if measured / limit > best.0 / best.1 {
                best = (measured, limit);
            }
        }
        table::row(
            &format!("append, {in_flight} in flight (records/s vs signing)"),
            best.0,
            best.1,
            target,
        );
    }
}

/// Acknowledged appends a second with so many in flight.
pub async fn rate(handle: &Handle, in_flight: usize, window: Duration) -> f64 {
    let next = Arc::new(AtomicU64::new(0));
    let start = Instant::now();
    let worker = |_| {
        let (handle, next) = (handle.clone(), Arc::clone(&next));
        tokio::spawn(async move {
            let mut done = 0_u64;
            while start.elapsed() < window {
                let record = load::record(next.fetch_add(1, Ordering::Relaxed));
                handle.append(Append { record, guard: None }).await.expect("appends");
                done += 1;
            }
            done
        })
    };
    let workers: Vec<_> = (0..in_flight).map(worker).collect();
    let mut done = 0;
    for worker in workers {
        done += worker.await.expect("a worker ends");
    }
    done as f64 / start.elapsed().as_secs_f64()
}
