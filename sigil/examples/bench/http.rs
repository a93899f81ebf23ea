//! Appends over HTTP: one record a request against Postgres, and many a request against the signing limit.

use crate::client::{Client, post};
use crate::server::{Home, Server};
use crate::{limit, load, postgres, table};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const WINDOW: Duration = Duration::from_secs(8);

/// One record a request over 64 kept connections, against a plain and a hash-chained Postgres audit table.
pub async fn single() {
    let home = Home::create();
    let server = Server::start(&home);
    let measured = rate(server.address, 64, 1).await;
    let memory = server.peak_memory_mb();
    drop(server);
    table::note(
        "HTTP, one record a request, 64 connections (records/s)",
        &format!("{measured:.0}"),
    );
    table::note("  peak memory of the server (MB, target 600)", &format!("{memory:.0}"));
    let Some(postgres) = postgres::Peer::find() else {
        return table::note("  Postgres", "not available: the comparison is left out");
    };
    let plain = postgres.plain();
    table::row(
        "HTTP, one record a request (vs plain Postgres table)",
        measured,
        plain,
        "1.00",
    );
    let chained = postgres.chained();
    table::row(
        "HTTP, one record a request (vs hash-chained table)",
        measured,
        chained,
        "3.00",
    );
}

/// A hundred records a request.
pub async fn ndjson() {
    let home = Home::create();
    let server = Server::start(&home);
    let before = limit::signing();
    let measured = rate(server.address, 16, 100).await;
    let limit = f64::midpoint(before, limit::signing());
    table::row(
        "NDJSON, 100 records a request (records/s vs signing)",
        measured,
        limit,
        "0.40",
    );
    table::note(
        "  peak memory of the server (MB, target 600)",
        &format!("{:.0}", server.peak_memory_mb()),
    );
}

/// When a load is over.
#[derive(Debug, Clone, Copy)]
pub enum Until {
    /// After so long.
    Elapsed(Duration),
    /// With record number so many.
    Record(u64),
}

/// Acknowledged records a second.
pub async fn rate(address: SocketAddr, connections: usize, per_request: u64) -> f64 {
    load(address, connections, per_request, 0, Until::Elapsed(WINDOW)).await
}

/// The same, from record number `first` on and until something else. A whole number of requests is sent.
pub async fn load(address: SocketAddr, connections: usize, per_request: u64, first: u64, until: Until) -> f64 {
    let next = Arc::new(AtomicU64::new(first));
    let start = Instant::now();
    let worker = |_| {
        let next = Arc::clone(&next);
        tokio::spawn(async move {
            let mut client = Client::connect(address).await;
            let mut done = 0;
            loop {
                let first = next.fetch_add(per_request, Ordering::Relaxed);
                let over = match until {
                    Until::Elapsed(window) => start.elapsed() >= window,
                    Until::Record(end) => first >= end,
                };
                if over {
                    return done;
                }
                let (status, body) = client.send(&request(first, per_request)).await;
                assert!(
                    status == 201 || status == 200,
                    "{status}: {}",
                    String::from_utf8_lossy(body)
                );
                done += per_request;
            }
        })
    };
    let workers: Vec<_> = (0..connections).map(worker).collect();
    let mut done = 0;
    for worker in workers {
        done += worker.await.expect("a worker ends");
    }
    done as f64 / start.elapsed().as_secs_f64()
}

/// A request that appends these records.
pub fn request(first: u64, count: u64) -> Vec<u8> {
    if count == 1 {
        return post("/v1/records", "application/json", &load::body(first));
    }
    let lines: Vec<String> = (first..first + count).map(load::body).collect();
    post("/v1/records", "application/x-ndjson", &lines.join("\n"))
}
