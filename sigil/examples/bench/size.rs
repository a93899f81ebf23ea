//! What the size of a log changes: append rate, time to open, memory, timeline pages, verification.

use crate::client::{Client, get};
use crate::server::{Home, Server};
use crate::{append, cpu, limit, load, table};
use ledger::Handle;
use ledger::inspect::Inspection;
use ledger_client::LedgerClient as _;
use projector::ReadModel as _;
use record::Record;
use sigil::embedded::Embedded;
use std::time::{Duration, Instant};

const CLIENTS: usize = 16;
const REQUESTS: usize = 150;

/// Grows one log through the sizes and measures at each; with `full` at 10^4 and 10^5 as well as at 10^6.
pub async fn run(full: bool) {
    let home = Home::create();
    let largest = std::env::var("SIGIL_BENCH_RECORDS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(1_000_000);
    let sizes: Vec<u64> = [10_000, 100_000, 1_000_000]
        .into_iter()
        .filter(|size| *size < largest && full)
        .collect();
    for size in sizes.into_iter().chain([largest]) {
        table::note(&format!("-- at {size} records"), "");
        grow(&home, size).await;
        opening(&home, size);
        appending(&home).await;
        pages(&home, size).await;
        verification(&home);
    }
}

pub async fn grow(home: &Home, size: u64) {
    let embedded = Embedded::open(&home.place)
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    let mut next = embedded.handle.head().await.expect("a head").size;
    let mut projecting = embedded.project(None);
    while next < size {
        let count = 4_096.min(size - next);
        for receipt in embedded
            .handle
            .append_many((next..next + count).map(load::record).collect())
            .await
            .expect("appends")
        {
            receipt.expect("is appended");
        }
        next += count;
    }
    let start = Instant::now();
    let caught_up = embedded.read_model.positions();
    let mut caught_up = caught_up;
    tokio::select! {
        reached = caught_up.wait_for(|position| *position >= next) => drop(reached.expect("the projector runs")),
        error = projecting.halted() => panic!("{error}"),
    }
    table::note(
        "read model caught up after the last append (s)",
        &format!("{:.1}", start.elapsed().as_secs_f64()),
    );
    projecting.stop().await.unwrap_or_else(|error| panic!("{error}"));
    embedded.close().await.unwrap_or_else(|error| panic!("{error}"));
}

fn opening(home: &Home, size: u64) {
    let start = Instant::now();
    let handle = Handle::open(home.place.config()).expect("the log opens");
    let took = start.elapsed().as_secs_f64();
    handle.close();
    let target = if size == 1_000_000 { "1.00" } else { "" };
    table::row("time to open (s vs 3 s)", took, 3.0, target);
}

async fn appending(home: &Home) {
    let before = limit::signing();
    let handle = Handle::open(home.place.config()).expect("the log opens");
    let measured = append::rate(&handle, 256, 65_536).await.0;
    handle.close();
    table::row(
        "append, 256 in flight (vs signing)",
        measured,
        f64::midpoint(before, limit::signing()),
        "0.45",
    );
}

async fn pages(home: &Home, size: u64) {
    let server = Server::start(home);
    wait_until_caught_up(&server).await;
    let ids = sample_ids(&server).await;
    let lookup = latencies(&server, |n| format!("/v1/records/{}", ids[n % ids.len()])).await;
    table::note(
        "lookup by primary key, 16 clients: p50 (ms)",
        &format!("{:.2}", lookup.0),
    );
    let actor = |n: usize| format!("/v1/audit/timeline?actor=agent:{}&limit=50", n % 100);
    let session = |n: usize| {
        format!(
            "/v1/audit/timeline?session=session:{}&limit=50",
            (n * 7_919) as u64 % (size / 50)
        )
    };
    let head = latest(&server).await;
    let time = |n: usize| format!("/v1/audit/timeline?to={}&limit=50", minutes_before(&head, n % 60));
    for (name, paged) in [
        ("actor", latencies(&server, actor).await),
        ("session", latencies(&server, session).await),
        ("time", latencies(&server, time).await),
    ] {
        table::row(
            &format!("page of 50 by {name}: p99 (ms vs p50 of lookup x 10)"),
            paged.1,
            lookup.0 * 10.0,
            "<=1.00",
        );
    }
    table::note(
        "peak memory of the server (MB, target 600)",
        &format!("{:.0}", server.peak_memory_mb()),
    );
}

/// p50 and p99 in milliseconds over 16 clients.
async fn latencies(server: &Server, path: impl Fn(usize) -> String) -> (f64, f64) {
    let workers: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let requests: Vec<Vec<u8>> = (0..REQUESTS).map(|n| get(&path(client * REQUESTS + n))).collect();
            let address = server.address;
            tokio::spawn(async move {
                let mut client = Client::connect(address).await;
                let mut taken = Vec::with_capacity(REQUESTS);
                for request in requests {
                    let start = Instant::now();
                    let (status, body) = client.send(&request).await;
                    assert_eq!(status, 200, "{}", String::from_utf8_lossy(body));
                    taken.push(start.elapsed().as_secs_f64() * 1_000.0);
                }
                taken
            })
        })
        .collect();
    let mut all = Vec::new();
    for worker in workers {
        all.extend(worker.await.expect("a worker ends"));
    }
    all.sort_by(f64::total_cmp);
    (all[all.len() / 2], all[all.len() * 99 / 100])
}

pub async fn wait_until_caught_up(server: &Server) {
    let mut client = Client::connect(server.address).await;
    loop {
        let (_, body) = client.send(&get("/v1/head")).await;
        let head: serde_json::Value = serde_json::from_slice(body).expect("JSON");
        if head["position"] == head["size"] {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn sample_ids(server: &Server) -> Vec<String> {
    let mut client = Client::connect(server.address).await;
    let (_, body) = client.send(&get("/v1/audit/timeline?limit=500&actor=agent:5")).await;
    let page: serde_json::Value = serde_json::from_slice(body).expect("JSON");
    let ids = page["data"].as_array().expect("rows").iter();
    ids.map(|row| row["id"].as_str().expect("an id").to_owned()).collect()
}

pub async fn latest(server: &Server) -> record::Timestamp {
    let mut client = Client::connect(server.address).await;
    let (_, body) = client.send(&get("/v1/head")).await;
    let head: serde_json::Value = serde_json::from_slice(body).expect("JSON");
    record::Timestamp::parse(head["ts"].as_str().expect("a time")).expect("a time")
}

fn minutes_before(head: &record::Timestamp, minutes: usize) -> String {
    let micros = head.micros() - i64::try_from(minutes).unwrap_or(0) * 1_000_000;
    record::Timestamp::from_micros(micros).expect("in range").to_string()
}

fn verification(home: &Home) {
    let scratch = home.place.scratch("bench-verify");
    let inspection = Inspection::open(&home.place.config(), &scratch).expect("the log opens");
    let total = inspection.ends().tip.map_or(0, |tip| tip.0);
    let before = limit::verifying();
    let (start, used) = (Instant::now(), cpu::seconds());
    let items = inspection.blocks().map(|block| {
        let records = block.expect("a block reads").1.into_iter();
        let timeline = |entry: ledger::TimelineEntry| verifier::TimelineEntry {
            position: entry.position,
            completed: entry.completed,
        };
        let stored = |record: ledger::StoredRecord| verifier::StoredRecord {
            bytes: record.bytes,
            timelines: record.timelines.into_iter().map(timeline).collect(),
        };
        verifier::Item::Records(records.map(stored).collect())
    });
    let report = verifier::verify_log(items, None, &verifier::Claims::default(), &verifier::Options::default());
    let rate = total as f64 / start.elapsed().as_secs_f64();
    let per_record = (cpu::seconds() - used) * 1e6 / total as f64;
    assert_eq!(report.counts.records, total, "every record is verified");
    let first = inspection.record(0).expect("reads").expect("there is a genesis");
    assert!(Record::parse(first.bytes.to_vec()).is_ok());
    let (after, used) = cpu::of(limit::verifying);
    table::row(
        "whole-log verification (records/s vs batch verification)",
        rate,
        f64::midpoint(before, after),
        "0.70",
    );
    // What others do on the machine meanwhile does not change this ratio much.
    let per_signature = used * 1e6 / (after * limit::WINDOW.as_secs_f64());
    table::row(
        "the same by processor time (us a signature vs a record)",
        per_signature,
        per_record,
        "0.70",
    );
}
