//! What proofs cost and how large they are: appends with and without map and checkpoints, receipts of inclusion and of a
//! quorum of witnesses, pages with and without proof, one record's proof, and a bundle.

use crate::client::{Client, get, post};
use crate::server::{self, Home, Server};
use crate::{append, load, size, table};
use ledger::{CheckpointConfig, Handle};
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const INTERVAL: Duration = Duration::from_secs(1);
const ROUNDS: usize = 4;
const RECORDS: usize = 65_536;
/// Connections that append without pause, and those that wait for a receipt, while receipts are measured.
const LOADERS: usize = 8;
const WAITERS: usize = 16;
const WINDOW: Duration = Duration::from_secs(15);
/// Records of the bundle.
const BUNDLE: u64 = 100_000;

pub async fn run() {
    cost().await;
    let home = Home::create();
    let records = std::env::var("SIGIL_BENCH_RECORDS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(1_000_000);
    size::grow(&home, records).await;
    table::note(&format!("-- at {records} records"), "");
    {
        let server = Server::start(&home);
        size::wait_until_caught_up(&server).await;
        single(&server).await;
        pages(&server, records).await;
    }
    bundle(&home, records.min(BUNDLE));
}

/// The append rate with checkpoints every second against that without, in turns, each into a log of its own: one that had
/// been without would have to catch up meanwhile.
async fn cost() {
    let homes = [Home::create(), Home::create()];
    let (mut rates, mut spent) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for round in 0..2 * ROUNDS {
        let side = round % 2;
        let mut config = homes[side].place.config();
        config.checkpoints = (side == 0).then(|| CheckpointConfig {
            interval: INTERVAL,
            ..CheckpointConfig::new()
        });
        let handle = Handle::open(config).expect("the log opens");
        let (rate, processor) = append::rate(&handle, 256, RECORDS).await;
        handle.close();
        rates[side].push(rate);
        spent[side].push(processor / RECORDS as f64 * 1e6);
    }
    let [with, without] = rates.each_mut().map(|rates| median(rates));
    table::row("append with map and checkpoints (vs without)", with, without, "0.80");
    let [with, without] = spent.each_mut().map(|spent| median(spent));
    table::row("  processor time of an append (us vs without)", with, without, "");
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// How long an acknowledgement, an inclusion receipt and a witnessed one take, under the same load.
pub async fn receipts() {
    let home = Home::create();
    let server = Server::start(&home);
    let next = Arc::new(AtomicU64::new(0));
    let mut tails = Vec::new();
    for until in ["committed", "included", "witnessed"] {
        let over = Arc::new(AtomicBool::new(false));
        let loaders: Vec<_> = (0..LOADERS)
            .map(|_| {
                tokio::spawn(appending(
                    server.address,
                    "committed",
                    Arc::clone(&next),
                    Arc::clone(&over),
                ))
            })
            .collect();
        let waiters: Vec<_> = (0..WAITERS)
            .map(|_| tokio::spawn(appending(server.address, until, Arc::clone(&next), Arc::clone(&over))))
            .collect();
        tokio::time::sleep(WINDOW).await;
        over.store(true, Ordering::Relaxed);
        let mut taken = Vec::new();
        for waiter in waiters {
            taken.extend(waiter.await.expect("a worker ends"));
        }
        for loader in loaders {
            loader.await.expect("a worker ends");
        }
        taken.sort_by(f64::total_cmp);
        tails.push(taken[taken.len() * 99 / 100]);
    }
    let (committed, included, witnessed) = (tails[0], tails[1], tails[2]);
    table::note("  acknowledged p99 under that load (ms)", &format!("{committed:.1}"));
    table::row(
        "inclusion receipt p99 (ms vs 2 x acknowledged + interval)",
        included,
        2.0f64.mul_add(committed, INTERVAL.as_secs_f64() * 1_000.0),
        "<=1.00",
    );
    table::row(
        "2-of-3 witnessed receipt p99 (ms vs included + 250 ms)",
        witnessed,
        included + 250.0,
        "<=1.00",
    );
}

/// Appends one record after the other until it is over; how long each answer took, in milliseconds.
async fn appending(address: SocketAddr, until: &str, next: Arc<AtomicU64>, over: Arc<AtomicBool>) -> Vec<f64> {
    let mut client = Client::connect(address).await;
    let mut taken = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let body = load::body(next.fetch_add(1, Ordering::Relaxed));
        let request = post(&format!("/v1/records?until={until}"), "application/json", &body);
        let start = Instant::now();
        let (status, body) = client.send(&request).await;
        assert_eq!(status, 201, "{}", String::from_utf8_lossy(body));
        let answer: Value = serde_json::from_slice(body).expect("JSON");
        assert_eq!(answer["state"], until, "the answer waited for it");
        taken.push(start.elapsed().as_secs_f64() * 1_000.0);
    }
    taken
}

/// The size of one record's proof.
async fn single(server: &Server) {
    let mut client = Client::connect(server.address).await;
    let (_, body) = client.send(&get("/v1/audit/timeline?limit=1&actor=agent:7")).await;
    let page: Value = serde_json::from_slice(body).expect("JSON");
    let id = page["data"][0]["id"].as_str().expect("an id").to_owned();
    let request = get(&format!("/v1/records/{id}/proof"));
    // A log that grew without checkpoints has its maps made first.
    while client.send(&request).await.0 == 409 {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let (status, proof) = client.send(&request).await;
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(proof));
    let witnesses = String::from_utf8_lossy(proof).matches("\n\u{2014} ").count() - 1;
    table::row(
        "proof of one record (bytes vs 2,100)",
        proof.len() as f64,
        2_100.0,
        "<=1.00",
    );
    table::note("  its cosignatures", &witnesses.to_string());
}

/// Pages of 50 with and without proof: p50 of each, and how many bytes the proof adds.
async fn pages(server: &Server, records: u64) {
    let mut client = Client::connect(server.address).await;
    let (_, body) = client
        .send(&get("/v1/audit/timeline?order=asc&limit=1&kind=audit.event"))
        .await;
    let first: Value = serde_json::from_slice(body).expect("JSON");
    let head = size::latest(server).await;
    let first = record::Timestamp::parse(first["data"][0]["ts"].as_str().expect("a time")).expect("a time");
    let middle = record::Timestamp::from_micros(i64::midpoint(first.micros(), head.micros())).expect("in range");
    for (name, query) in [
        ("head, all records", "kind=audit.event".to_owned()),
        ("middle, all records", format!("kind=audit.event&recorded_to={middle}")),
        ("head, an actor", "actor=agent:7".to_owned()),
        ("middle, an actor", format!("actor=agent:7&recorded_to={middle}")),
    ] {
        let path = format!("/v1/audit/timeline?{query}&limit=50");
        let (plain, plain_bytes) = page(&mut client, &path).await;
        let (proven, proven_bytes) = page(&mut client, &format!("{path}&proof=true")).await;
        table::row(
            &format!("page of 50 with proof, {name} (p50, ms vs without)"),
            proven,
            plain,
            "<=2.00",
        );
        table::row(
            "  bytes that the proof adds (vs 6,144)",
            proven_bytes - plain_bytes,
            6_144.0,
            "<=1.00",
        );
    }
    table::note("  records in the longest of these timelines", &records.to_string());
}

/// p50 in milliseconds and the bytes of the answer.
async fn page(client: &mut Client, path: &str) -> (f64, f64) {
    let request = get(path);
    let mut taken = Vec::new();
    let mut bytes = 0;
    for _ in 0..200 {
        let start = Instant::now();
        let (status, body) = client.send(&request).await;
        taken.push(start.elapsed().as_secs_f64() * 1_000.0);
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(body));
        bytes = body.len();
    }
    if path.contains("proof=true") {
        let (_, body) = client.send(&request).await;
        let answer: Value = serde_json::from_slice(body).expect("JSON");
        assert_eq!(answer["completeness"], "proven", "{}", answer["reason"]);
    }
    (median(&mut taken), bytes as f64)
}

/// The size of what a bundle holds beside its records.
fn bundle(home: &Home, records: u64) {
    let file = home.path("bundle.sigil-proof");
    let start = Instant::now();
    let mut export = server::own();
    export.args([
        "export",
        "proof",
        "--log",
        "--from",
        "0",
        "--until",
        &records.to_string(),
        "--out",
    ]);
    let output = export.arg(&file).arg("--data-dir").arg(&home.place.data_dir).output();
    let output = output.expect("the command starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let took = start.elapsed().as_secs_f64();
    let text = std::fs::read_to_string(&file).expect("the bundle reads");
    let header = text.lines().next().map_or(0, str::len);
    table::row(
        &format!("proof in a bundle of {records} records (bytes vs 8,192)"),
        header as f64,
        8_192.0,
        "<=1.00",
    );
    table::note("  time to write it (s)", &format!("{took:.1}"));
}
