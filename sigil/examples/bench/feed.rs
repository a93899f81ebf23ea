//! The feed to JetStream while records are appended, against the append rate without it: what is published lags, and what
//! is held in memory for it stays small.

use crate::{append, server, table};
use ledger::Handle;
use ledger::feed::{Config, Feed};
use std::time::{Duration, Instant};
use testbed::Nats;

/// Records of one round.
const RECORDS: usize = 131_072;
const IN_FLIGHT: usize = 256;
const ROUNDS: usize = 3;

/// The best of three rounds.
pub async fn run() {
    let mut best = (0.0, 1.0);
    let mut caught_up = Duration::MAX;
    for _ in 0..ROUNDS {
        let alone = {
            let home = server::Home::create();
            let handle = Handle::open(home.place.config()).expect("the log opens");
            let alone = append::rate(&handle, IN_FLIGHT, RECORDS).await.0;
            handle.close();
            alone
        };
        let (published, behind) = published().await;
        if published / alone > best.0 / best.1 {
            best = (published, alone);
        }
        caught_up = caught_up.min(behind);
    }
    table::row(
        "feed beside appends (records/s vs appends without it)",
        best.0,
        best.1,
        "0.80",
    );
    let what = "  time from the last append until it was published (ms)";
    table::note(what, &format!("{:.0}", caught_up.as_secs_f64() * 1e3));
}

/// Records published a second while they are appended, until the last one is; and how long that took after the last append.
async fn published() -> (f64, Duration) {
    let (home, nats) = (server::Home::create(), Nats::start().await);
    let handle = Handle::open(home.place.config()).expect("the log opens");
    let client = async_nats::connect(nats.url()).await.expect("the broker answers");
    let feed = Feed::new(handle.clone(), client, Config::default());
    let mut status = feed.status();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(feed.run(async {
        let _dropped = stopped.await;
    }));
    let first = status
        .wait_for(|status| status.published > 0)
        .await
        .expect("it runs")
        .published;
    let start = Instant::now();
    append::rate(&handle, IN_FLIGHT, RECORDS).await;
    let appended = Instant::now();
    let all = first + RECORDS as u64;
    status
        .wait_for(|status| status.published >= all)
        .await
        .expect("it runs");
    let (elapsed, behind) = (start.elapsed(), appended.elapsed());
    drop(stop);
    running.await.expect("it ends").expect("it does not fail");
    handle.close();
    (RECORDS as f64 / elapsed.as_secs_f64(), behind)
}
