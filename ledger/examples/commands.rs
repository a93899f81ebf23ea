//! What a command over NATS costs: the same appends through `Handle` and through a bus, on the same machine.
//!
//! `cargo run --release -p ledger --example commands [records] [in flight]`. Ledger, gateway and nats-server share the
//! cores, as they do when they are processes of one machine.

use domain::payload::GatewayRole;
use ledger::rpc::{self, Service};
use ledger::{Clock as _, Config, Handle, Init, KeySource, SystemClock};
use ledger_client::nats::{self, NatsClient, Pin};
use ledger_client::wire::GatewayKey;
use ledger_client::{Append, LedgerClient};
use record::{Auth, Author, Kind, Link, NewRecord, Origin, PublicKey, Record, Slug, Space, Tenant};
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
    let dir = tempfile::tempdir().expect("a directory");
    let handle = begin(dir.path()).await;
    let key = GatewayKey::generate("gw-1").expect("entropy");
    let enrolled = handle.enroll_gateway("gw-1", &key.public(), GatewayRole::Gateway).await;
    enrolled.expect("enrols");
    let server = testbed::Nats::start().await;
    let connect = || async { async_nats::connect(server.url()).await.expect("connects") };
    let service = Service::start(handle.clone(), connect().await, rpc::Config::new(true)).await;
    let service = service.expect("starts");
    let counters = service.counters();
    tokio::spawn(service.run(std::future::pending()));
    let slug = Slug::parse("audit").expect("a slug");
    let config = nats::Config::new(key, pin(&handle).await, slug, true);
    let client = NatsClient::new(connect().await, config).await.expect("a client");
    let (embedded, client): (Arc<dyn LedgerClient>, Arc<dyn LedgerClient>) = (Arc::new(handle), Arc::new(client));
    // Both once, so that neither pays for first times.
    for ledger in [&embedded, &client] {
        run(ledger, records / 10, in_flight).await;
    }
    for round in 1..=2 {
        let (direct, alone) = run(&embedded, records, in_flight).await;
        let before = counters.read();
        let (bus, both) = run(&client, records, in_flight).await;
        let after = counters.read();
        let per_request = (after.records - before.records) as f64 / (after.taken - before.taken).max(1) as f64;
        println!(
            "round {round}, {in_flight} in flight: embedded {direct:.0}/s ({alone:.0} us of processor each), over NATS \
             {bus:.0}/s ({both:.0} us), ratio {:.2}, {per_request:.1} records a request",
            bus / direct
        );
    }
    for (name, ledger) in [("embedded", &embedded), ("over NATS", &client)] {
        let (rate, _) = run(ledger, 500, 1).await;
        println!("{name}, one at a time: {:.0} us", 1e6 / rate);
    }
}

/// Appends `records`, so many at once; the rate, and processor microseconds of this process per record.
async fn run(ledger: &Arc<dyn LedgerClient>, records: u64, in_flight: u64) -> (f64, f64) {
    let left = Arc::new(AtomicU64::new(records));
    let (start, cpu) = (Instant::now(), processor_time());
    let workers: Vec<_> = (0..in_flight)
        .map(|worker| tokio::spawn(work(Arc::clone(ledger), worker, Arc::clone(&left))))
        .collect();
    for worker in workers {
        worker.await.expect("no panic");
    }
    let used = processor_time().saturating_sub(cpu);
    let rate = records as f64 / start.elapsed().as_secs_f64();
    (rate, used.as_secs_f64() * 1e6 / records as f64)
}

/// Appends one after the other, as long as any are left.
async fn work(ledger: Arc<dyn LedgerClient>, worker: u64, left: Arc<AtomicU64>) {
    let take = |left: u64| left.checked_sub(1);
    while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok() {
        let append = Append {
            record: event(worker),
            guard: None,
        };
        ledger.append(append).await.expect("appends");
    }
}

fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// An event of about 1 KB once it is stored.
fn event(worker: u64) -> NewRecord {
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
            link("session", format!("session:s{worker}")),
        ],
        disclosures: Vec::new(),
    }
}

async fn begin(dir: &std::path::Path) -> Handle {
    let config = Config::new(dir.join("log"), KeySource::File(dir.join("key")));
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

async fn pin(handle: &Handle) -> Pin {
    let genesis = handle.read(0, 1).await.expect("reads").into_iter().next();
    let record = Record::parse(genesis.expect("genesis").bytes.to_vec()).expect("a record");
    let root = record.payload.get("root_key").and_then(serde_json::Value::as_str);
    Pin {
        log: handle.origin().clone(),
        genesis: record.hash,
        root: root.and_then(PublicKey::from_base64).expect("a key"),
    }
}
