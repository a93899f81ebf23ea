//! `kill -9` in a loop under load: what was acknowledged is there, exactly once; what was in doubt at most once.
//!
//! Nothing is durable but what the ledger fsynced: the page cache survives the process, so a lost power supply is not
//! what this test shows. `SIGIL_CRASH_ROUNDS` sets the number of rounds and `SIGIL_CRASH_SEED` repeats a run.

use crate::client::Client;
use crate::log::{Log, OWN_KIND, event, id};
use crate::server::Server;
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const ROUNDS: u64 = 200;
/// Rounds between two readings of the whole log.
const READING: u64 = 25;
const SEED: u64 = 0x51_61_11;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

/// SplitMix64: enough to vary the moments, and the same for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

/// What clients know of their records, by number.
#[derive(Default)]
struct Knowledge {
    /// Number and the offset that the server named.
    acknowledged: HashMap<u64, u64>,
    in_doubt: HashSet<u64>,
}

/// What one connection learned before it broke.
struct Seen {
    acknowledged: Vec<(u64, u64)>,
    in_doubt: Vec<u64>,
    retried: usize,
}

fn numbered(number: u64) -> Value {
    let mut record = event(&format!("agent:a{}", number % 7), "crash.test");
    record["id"] = id(number).into();
    record["payload"]["data"] = serde_json::json!({"number": number});
    record
}

/// Appends over one connection until it breaks: what is in doubt first, then new records.
fn load(peer: SocketAddr, retry: Vec<u64>, next: &AtomicU64) -> Seen {
    let mut seen = Seen {
        acknowledged: Vec::new(),
        in_doubt: Vec::new(),
        retried: 0,
    };
    let mut retry = retry.into_iter();
    let Ok(mut client) = Client::connect(peer) else {
        seen.in_doubt.extend(retry);
        return seen;
    };
    loop {
        let again = retry.next();
        let number = again.unwrap_or_else(|| next.fetch_add(1, Ordering::Relaxed));
        match client.post(&numbered(number)) {
            Ok(answer) => {
                let expected: &[u16] = if again.is_some() { &[200, 201] } else { &[201] };
                assert!(expected.contains(&answer.status), "{number}: {answer:?}");
                let offset = answer.header("sigil-offset").parse().expect("an offset");
                seen.acknowledged.push((number, offset));
                seen.retried += usize::from(answer.status == 200);
            }
            Err(_) => {
                seen.in_doubt.push(number);
                seen.in_doubt.extend(retry);
                return seen;
            }
        }
    }
}

/// Reads the whole log and holds it against what clients know.
fn check(log: &Log, known: &Knowledge, round: u64) -> u64 {
    let mut stored = HashMap::new();
    let records = log.records();
    for (at, record) in records.iter().enumerate() {
        assert_eq!(record["offset"], at as u64, "round {round}: offsets have no gap");
        if record["kind"] == OWN_KIND {
            continue;
        }
        let id = record["id"].as_str().expect("an id").to_owned();
        assert_eq!(
            stored.insert(id, at as u64),
            None,
            "round {round}: {record} is there twice"
        );
    }
    for (number, offset) in &known.acknowledged {
        let found = stored.remove(&id(*number));
        assert_eq!(
            found,
            Some(*offset),
            "round {round}: record {number} was acknowledged at {offset}"
        );
    }
    for number in &known.in_doubt {
        stored.remove(&id(*number));
    }
    // What is left is what `init` wrote: genesis and tenant.
    assert_eq!(stored.len(), 2, "round {round}: {stored:?} were never sent, or refused");
    records.len() as u64
}

#[test]
fn acknowledged_records_survive_kill_9_in_a_loop_exactly_once() {
    let (rounds, seed) = (setting("SIGIL_CRASH_ROUNDS", ROUNDS), setting("SIGIL_CRASH_SEED", SEED));
    let (log, next, began) = (Log::new(), AtomicU64::new(0), Instant::now());
    let (mut dice, mut known, mut replayed) = (Dice(seed), Knowledge::default(), 0);
    for round in 1..=rounds {
        let server = Server::start(&log);
        let connections = 8 + dice.below(9);
        let window = Duration::from_millis(20 + dice.below(61));
        let mut retries: Vec<Vec<u64>> = vec![Vec::new(); usize::try_from(connections).expect("a few")];
        for (at, number) in known.in_doubt.drain().enumerate() {
            let connection = at % retries.len();
            retries[connection].push(number);
        }
        let peer = server.peer;
        let seen: Vec<Seen> = std::thread::scope(|scope| {
            let next = &next;
            let loads = retries
                .into_iter()
                .map(|retry| scope.spawn(move || load(peer, retry, next)));
            let loads: Vec<_> = loads.collect();
            std::thread::sleep(window); // waits for: the moment of the crash, which is what the test varies
            server.kill();
            loads
                .into_iter()
                .map(|load| load.join().expect("no answer was wrong"))
                .collect()
        });
        for seen in seen {
            known.acknowledged.extend(seen.acknowledged);
            known.in_doubt.extend(seen.in_doubt);
            replayed += seen.retried;
        }
        if round % READING == 0 || round == rounds {
            let size = check(&log, &known, round);
            eprintln!(
                "seed {seed}, round {round}: {size} records, {replayed} found by a retry, {:?}",
                began.elapsed()
            );
        }
    }
    assert!(
        known.acknowledged.len() as u64 > rounds,
        "there was no load to speak of"
    );
    settle(&log, &mut known);
    eprintln!("{rounds} rounds in {:?}", began.elapsed());
}

/// Sends what is in doubt a last time, and has everything checked by the verifier.
fn settle(log: &Log, known: &mut Knowledge) {
    let server = Server::start(log);
    let mut client = server.client();
    for number in known.in_doubt.drain() {
        let answer = client.post(&numbered(number)).expect("the server answers");
        assert!([200, 201].contains(&answer.status), "{answer:?}");
        let offset = answer.header("sigil-offset").parse().expect("an offset");
        known.acknowledged.insert(number, offset);
    }
    let size = client.get("/v1/head").is(200).json()["size"]
        .as_u64()
        .expect("a number");
    let head = client
        .get(&format!("/v1/head?min_position={size}&timeout=30s"))
        .is(200)
        .json();
    assert!(head["position"].as_u64() >= Some(size), "{head}");
    server.stop();
    // The log may have written one more root of its maps before its last checkpoint.
    let size = check(log, known, 0);
    let verified = log.verify(&log.trust_file()).exits(0).json();
    assert_eq!(verified["size"], size);
    assert_eq!(verified["store_findings"], serde_json::json!([]));
}
