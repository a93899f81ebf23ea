//! What maps and checkpoints cost an append: the same records into two logs, one of which makes checkpoints.
//!
//! `cargo run --release -p ledger --example maps [records] [in flight] [targets]`. Every record has four links, one of them
//! to one of so many targets. The processor time is that of the whole process, the map's thread included.

use ledger::{CheckpointConfig, Clock as _, Config, Handle, Init, KeySource, SystemClock};
use ledger_client::{Append, LedgerClient as _};
use record::{Auth, Author, Kind, Link, NewRecord, Origin, Slug, Space, Tenant};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args()
        .skip(1)
        .filter_map(|argument| argument.parse::<u64>().ok());
    let records = arguments.next().unwrap_or(60_000);
    let in_flight = arguments.next().unwrap_or(256);
    let targets = arguments.next().unwrap_or(100_000);
    let dir = tempfile::tempdir().expect("a directory");
    let without = begin(&dir.path().join("without"), None).await;
    let with = begin(&dir.path().join("with"), Some(CheckpointConfig::default())).await;
    // Both once, so that neither pays for first times.
    for handle in [&without, &with] {
        run(handle, records / 10, in_flight, targets).await;
    }
    for round in 1..=3 {
        let (plain, alone) = run(&without, records, in_flight, targets).await;
        let (proven, both) = run(&with, records, in_flight, targets).await;
        println!(
            "round {round}: without {:.0}/s, p50 {:.0} us, p99 {:.0} us, {alone:.1} us of processor each; with maps and \
             checkpoints {:.0}/s, p50 {:.0} us, p99 {:.0} us, {both:.1} us; rate {:.3}",
            plain.rate,
            plain.p50,
            plain.p99,
            proven.rate,
            proven.p50,
            proven.p99,
            proven.rate / plain.rate
        );
    }
}

struct Measured {
    rate: f64,
    p50: f64,
    p99: f64,
}

/// Appends `records`, so many at once; and the processor microseconds of this process per record.
async fn run(handle: &Handle, records: u64, in_flight: u64, targets: u64) -> (Measured, f64) {
    let left = Arc::new(AtomicU64::new(records));
    let (start, cpu) = (Instant::now(), processor_time());
    let workers: Vec<_> = (0..in_flight)
        .map(|worker| tokio::spawn(work(handle.clone(), worker, Arc::clone(&left), targets)))
        .collect();
    let mut times = Vec::new();
    for worker in workers {
        times.extend(worker.await.expect("no panic"));
    }
    let (elapsed, used) = (start.elapsed(), processor_time().saturating_sub(cpu));
    times.sort_unstable();
    let at = |share: usize| times.get(times.len() * share / 100).map_or(0.0, Duration::as_secs_f64) * 1e6;
    let measured = Measured {
        rate: records as f64 / elapsed.as_secs_f64(),
        p50: at(50),
        p99: at(99),
    };
    (measured, used.as_secs_f64() * 1e6 / records as f64)
}

/// Appends one after the other, as long as any are left; how long each took.
async fn work(handle: Handle, worker: u64, left: Arc<AtomicU64>, targets: u64) -> Vec<Duration> {
    let (take, mut times) = (|left: u64| left.checked_sub(1), Vec::new());
    while let Ok(number) = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take) {
        let append = Append {
            record: event(worker, number.wrapping_mul(2_654_435_761) % targets),
            guard: None,
        };
        let start = Instant::now();
        handle.append(append).await.expect("appends");
        times.push(start.elapsed());
    }
    times
}

fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// An event of about 1 KB once it is stored.
fn event(worker: u64, target: u64) -> NewRecord {
    let link = |label: &str, target: String| Link::new(label, target).expect("a link");
    let data = json!({"text": "x".repeat(300)});
    NewRecord {
        tenant: Tenant::parse("default").expect("a tenant"),
        kind: Kind::parse("audit.event").expect("a kind"),
        schema_version: 1,
        id: ledger::fresh_id(SystemClock.read().wall).expect("entropy"),
        space: Space::User,
        author: Author::new("local:bench", Auth::Local),
        payload: json!({"action": "tool.call", "outcome": "success", "source": "bench", "data": data}),
        links: vec![
            link("actor", format!("agent:a{worker}")),
            link("resource", format!("file:f{}", target % 1_000)),
            link("session", format!("session:s{worker}")),
            link("subject", format!("user:u{target}")),
        ],
        disclosures: Vec::new(),
    }
}

async fn begin(dir: &std::path::Path, checkpoints: Option<CheckpointConfig>) -> Handle {
    std::fs::create_dir_all(dir).expect("a directory");
    let config = Config {
        checkpoints,
        ..Config::new(dir.join("log"), KeySource::File(dir.join("key")))
    };
    let init = Init {
        config: config.clone(),
        root_key_file: dir.join("root"),
        log: Origin::parse("example.com/bench").expect("an origin"),
        slug: Slug::parse("audit").expect("a slug"),
        tenants: vec![Tenant::parse("default").expect("a tenant")],
    };
    ledger::create(init).await.expect("creates");
    Handle::open(config).expect("opens")
}
