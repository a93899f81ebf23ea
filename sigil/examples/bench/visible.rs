//! The distributed form over HTTP: how fast it appends beside one process that does everything, and how soon an
//! acknowledged record is on the timeline that Postgres answers from.

use crate::client::{Client, get};
use crate::server::{Home, Server};
use crate::stage::Stage;
use crate::{http, table};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long the load lasts under which visibility is measured.
const WINDOW: Duration = Duration::from_secs(20);
/// One record in so many is looked for.
const CONNECTIONS: usize = 16;
const PER_REQUEST: u64 = 20;

/// Both.
pub async fn run() {
    let embedded = {
        let home = Home::create();
        let server = Server::start(&home);
        http::rate(server.address, 64, 1).await
    };
    let stage = Stage::create().await;
    let roles = ["ledger", "projector", "gateway"].map(|role| stage.start(role));
    let gateway = roles[2].address();
    caught_up(gateway).await;
    let separate = http::rate(gateway, 64, 1).await;
    table::row(
        "HTTP through three processes (vs one, 64 connections)",
        separate,
        embedded,
        "0.50",
    );
    caught_up(gateway).await;
    let most = http::rate(gateway, CONNECTIONS, PER_REQUEST).await;
    caught_up(gateway).await;
    table::note("  the most, 20 records a request (records/s)", &format!("{most:.0}"));
    let (mut seen, rate) = seen(gateway, most / 2.0).await;
    seen.sort_unstable();
    let at = |share: usize| seen[(seen.len() * share / 100).min(seen.len() - 1)].as_secs_f64() * 1e3;
    table::note(
        "  load while visibility was measured (records/s)",
        &format!("{rate:.0}"),
    );
    table::row(
        "append to visible at half of that, p99 (ms, at most)",
        at(99),
        250.0,
        "1.00",
    );
    table::note("  p50 (ms), of so many", &format!("{:.1}, {}", at(50), seen.len()));
    for (role, name) in roles.iter().zip(["ledger", "projector", "gateway"]) {
        let memory = crate::server::memory_mb(role.id(), "VmHWM:");
        table::note(&format!("  peak memory of the {name} (MB)"), &format!("{memory:.0}"));
    }
}

/// Waits until the read model has what the log has.
async fn caught_up(gateway: SocketAddr) {
    let mut client = Client::connect(gateway).await;
    loop {
        let (status, body) = client.send(&get("/v1/head")).await;
        let head: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
        if status == 200 && head["size"] == head["position"] {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Appends at `rate` and, beside it, one record at a time that is then asked for: the time from sending it to the page
/// of the timeline that has it. Gives the times and the rate that was kept.
async fn seen(gateway: SocketAddr, rate: f64) -> (Vec<Duration>, f64) {
    let pace = Duration::from_secs_f64(CONNECTIONS as f64 * PER_REQUEST as f64 / rate);
    let start = Instant::now();
    let load = (0..CONNECTIONS).map(|worker| {
        tokio::spawn(async move {
            let mut client = Client::connect(gateway).await;
            let mut ticks = tokio::time::interval(pace);
            let mut sent = 0;
            while start.elapsed() < WINDOW {
                ticks.tick().await;
                let first = (worker as u64) << 32 | sent;
                client.send(&http::request(first, PER_REQUEST)).await;
                sent += PER_REQUEST;
            }
            sent
        })
    });
    let load: Vec<_> = load.collect();
    let probes = (0..4).map(|_| tokio::spawn(probe(gateway, start)));
    let probes: Vec<_> = probes.collect();
    let mut seen = Vec::new();
    for probe in probes {
        seen.extend(probe.await.expect("a probe ends"));
    }
    let mut sent = 0;
    for worker in load {
        sent += worker.await.expect("a worker ends");
    }
    (seen, sent as f64 / start.elapsed().as_secs_f64())
}

async fn probe(gateway: SocketAddr, start: Instant) -> Vec<Duration> {
    let mut client = Client::connect(gateway).await;
    let mut seen = Vec::new();
    while start.elapsed() < WINDOW {
        let sent = Instant::now();
        let (status, body) = client.send(&http::request(u64::from(u32::MAX), 1)).await;
        assert_eq!(status, 201, "{}", String::from_utf8_lossy(body));
        let receipt: serde_json::Value = serde_json::from_slice(body).expect("JSON");
        let (offset, id) = (
            receipt["offset"].as_u64().expect("an offset"),
            receipt["id"].to_string(),
        );
        let page = format!("/v1/audit/timeline?limit=100&min_position={}&timeout=30s", offset + 1);
        let (status, body) = client.send(&get(&page)).await;
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(body));
        let took = sent.elapsed();
        // A page of the newest records can be full of later ones: then the record is behind it, and visible as well.
        let page = std::str::from_utf8(body).expect("JSON");
        assert!(
            page.contains(id.trim_matches('"')) || page.contains("next_cursor\":\""),
            "the record is not on the page"
        );
        seen.push(took);
    }
    seen
}
