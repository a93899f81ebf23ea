//! How fast the feed publishes, against how fast the same log is appended to in the same run: `cargo run --release -p
//! ledger --example feed_rate`. Ledger, feed, load and a real nats-server share the cores of this machine.

use ledger::feed::{Config, Feed, Phase};
use ledger::{Handle, Init, KeySource, SystemClock};
use ledger_client::{Append, LedgerClient as _};
use record::{Auth, Author, Kind, Link, NewRecord, Origin, Slug, Space, Tenant};
use serde_json::json;
use std::time::{Duration, Instant};
use testbed::Nats;

/// Records of one measurement, about 1 KB each, and appends in flight.
const RECORDS: usize = 98_304;
const IN_FLIGHT: usize = 1_024;

#[tokio::main]
async fn main() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = ledger::Config::new(dir.path().join("log"), KeySource::File(dir.path().join("key")));
    let init = Init {
        config: config.clone(),
        root_key_file: dir.path().join("root"),
        log: Origin::parse("example.com/audit").expect("an origin"),
        slug: Slug::parse("audit").expect("a slug"),
        tenants: vec![Tenant::parse("default").expect("a tenant")],
    };
    ledger::create(init).await.expect("creates");
    let handle = Handle::open(config).expect("opens");
    let nats = Nats::start().await;
    println!(
        "nats-server {}, {RECORDS} records of about 1 KB, {IN_FLIGHT} appends in flight",
        nats.version()
    );
    for round in 1..=2 {
        let alone = append(&handle).await;
        println!(
            "{round}: append alone            {alone:>8.0} records/s   memory {:>4} MiB",
            memory()
        );
        let behind = publish(&handle, &nats, true).await;
        println!(
            "{round}: catching up              {:>8.0} records/s   memory {:>4} MiB",
            behind.published,
            memory()
        );
        let beside = publish(&handle, &nats, false).await;
        println!("{round}: append beside the feed   {:>8.0} records/s", beside.appended);
        println!(
            "{round}: published meanwhile      {:>8.0} records/s   memory {:>4} MiB, {} records behind at the end",
            beside.published,
            memory(),
            beside.behind
        );
        println!(
            "{round}: published / appended     {:>8.2}   published / append alone {:.2}",
            beside.published / beside.appended,
            beside.published / alone
        );
    }
    handle.close();
}

struct Rates {
    appended: f64,
    published: f64,
    behind: u64,
}

/// Publishes what is there, or appends beside it and publishes that.
async fn publish(handle: &Handle, nats: &Nats, catch_up: bool) -> Rates {
    let client = async_nats::connect(nats.url()).await.expect("connects");
    let feed = Feed::new(handle.clone(), client, Config::default());
    let mut status = feed.status();
    let before = async_size(handle).await;
    let start = Instant::now();
    let running = tokio::spawn(feed.run(std::future::pending()));
    if !catch_up {
        status
            .wait_for(|status| status.phase == Phase::Live)
            .await
            .expect("it runs");
    }
    let begun = if catch_up { start } else { Instant::now() };
    let appended = if catch_up { 0.0 } else { append(handle).await };
    let size = async_size(handle).await;
    let behind = size - status.borrow().published;
    let reached = status.wait_for(|status| status.published >= size);
    tokio::time::timeout(Duration::from_secs(600), reached)
        .await
        .expect("in time")
        .expect("it runs");
    let records = if catch_up {
        RECORDS as f64
    } else {
        (size - before) as f64
    };
    let published = records / begun.elapsed().as_secs_f64();
    running.abort();
    Rates {
        appended,
        published,
        behind,
    }
}

async fn async_size(handle: &Handle) -> u64 {
    handle.head().await.expect("a head").size
}

/// Appends, each acknowledged after its fsync; the records are made before the clock starts.
async fn append(handle: &Handle) -> f64 {
    let share = RECORDS / IN_FLIGHT;
    let loads: Vec<Vec<NewRecord>> = (0..IN_FLIGHT)
        .map(|worker| (0..share).map(|n| record(n * IN_FLIGHT + worker)).collect())
        .collect();
    let start = Instant::now();
    let worker = |load: Vec<NewRecord>| {
        let handle = handle.clone();
        tokio::spawn(async move {
            for record in load {
                handle.append(Append { record, guard: None }).await.expect("appends");
            }
        })
    };
    let workers: Vec<_> = loads.into_iter().map(worker).collect();
    for worker in workers {
        worker.await.expect("a worker ends");
    }
    RECORDS as f64 / start.elapsed().as_secs_f64()
}

fn record(n: usize) -> NewRecord {
    use ledger::Clock as _;
    let link = |label: &str, target: String| Link::new(label, target).expect("a link");
    NewRecord {
        tenant: Tenant::parse("default").expect("a tenant"),
        kind: Kind::parse("audit.event").expect("a kind"),
        schema_version: 1,
        id: ledger::fresh_id(SystemClock.read().wall).expect("entropy"),
        space: Space::User,
        author: Author::new("local:bench", Auth::Local),
        payload: json!({
            "action": "tool.call", "outcome": "success", "source": "bench",
            "data": {"n": n, "text": format!("{n:016x}").repeat(36), "tool": "search"},
        }),
        links: vec![
            link("actor", format!("agent:{}", n % 100)),
            link("session", format!("session:{}", n / 50)),
        ],
        disclosures: Vec::new(),
    }
}

/// Resident memory of this process in MiB.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) / 1_024
}
