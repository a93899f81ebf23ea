//! `sigil stream status|rebuild` against a real nats-server.

use crate::log::{Log, Ran, event};
use async_nats::jetstream;
use serde_json::Value;
use testbed::Nats;

const STREAM: &str = "SIGIL_AUDIT_00000000000000000000";

/// Runs a verb of `sigil stream` on this log and broker.
async fn stream(log: &Log, nats: &Nats, args: &[&str]) -> Ran {
    let mut command = log.command(&[&["stream"], args].concat());
    command
        .args(["--json", "--nats", &nats.url()])
        .arg("--key-file")
        .arg(log.key_file());
    let run = move || Ran::of(&mut command);
    tokio::task::spawn_blocking(run).await.expect("it ran")
}

/// A log with some records.
fn log() -> Log {
    let log = Log::new();
    let records: Vec<String> = (0..5)
        .map(|n| event("agent:a1", &format!("a{n}")).to_string())
        .collect();
    log.feed(&["record", "append", "--ndjson"], &records.join("\n"))
        .exits(0);
    log
}

async fn context(nats: &Nats) -> jetstream::Context {
    jetstream::new(async_nats::connect(nats.url()).await.expect("connects"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_shown_and_begun_and_rebuilt() {
    let (nats, log) = (Nats::start().await, log());
    let records = log.records().len() as u64;
    let none = stream(&log, &nats, &["status"]).await.exits(0);
    assert!(none.out.is_empty() && none.err.contains("no stream yet"), "{none:#?}");
    // Where no ledger runs, the command publishes by itself.
    let begun = stream(&log, &nats, &["rebuild"]).await.exits(0).json();
    assert_eq!(
        (begun["stream"].as_str(), begun["published"].as_u64()),
        (Some(STREAM), Some(records))
    );
    let shown = stream(&log, &nats, &["status"]).await.exits(0).json();
    assert_eq!(
        (shown["state"].as_str(), shown["messages"].as_u64()),
        (Some("current"), Some(records))
    );
    // Somebody publishes on the log's subjects.
    let context = context(&nats).await;
    let forged = context
        .publish("sigil.v1.audit.default.audit.event", "foreign".into())
        .await;
    forged.expect("publishes").await.expect("is acknowledged");
    let rebuilt = stream(&log, &nats, &["rebuild"]).await.exits(0).json();
    assert_eq!(rebuilt["stream"], format!("SIGIL_AUDIT_{records:020}"));
    let both = stream(&log, &nats, &["status"]).await.exits(0).lines();
    let states: Vec<&Value> = both.iter().map(|stream| &stream["state"]).collect();
    assert_eq!(states, ["retired", "current"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_stream_is_named_and_published_again() {
    let (nats, log) = (Nats::start().await, log());
    stream(&log, &nats, &["rebuild"]).await.exits(0);
    context(&nats).await.delete_stream(STREAM).await.expect("deletes");
    let lost = stream(&log, &nats, &["status"]).await.exits(3);
    assert!(lost.err.contains("STREAM_DIVERGED"), "{lost:#?}");
    let rebuilt = stream(&log, &nats, &["rebuild"]).await.exits(0).json();
    assert_eq!(rebuilt["published"].as_u64(), Some(log.records().len() as u64));
    stream(&log, &nats, &["status"]).await.exits(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_delete_messages_waits_for_force() {
    let (nats, log) = (Nats::start().await, log());
    stream(&log, &nats, &["rebuild"]).await.exits(0);
    let context = context(&nats).await;
    let config = context
        .get_stream(STREAM)
        .await
        .expect("a stream")
        .cached_info()
        .config
        .clone();
    context.delete_stream(STREAM).await.expect("deletes");
    context.create_stream(config).await.expect("creates");
    let forged = context
        .publish("sigil.v1.audit.default.audit.event", "foreign".into())
        .await;
    forged.expect("publishes").await.expect("is acknowledged");
    let refused = stream(&log, &nats, &["rebuild"]).await.exits(3);
    assert!(refused.err.contains("--force"), "{refused:#?}");
    let rebuilt = stream(&log, &nats, &["rebuild", "--force"]).await.exits(0).json();
    assert_eq!(rebuilt["stream"], STREAM);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_broker_it_says_so() {
    let (mut nats, log) = (Nats::start().await, log());
    nats.stop().await;
    let refused = stream(&log, &nats, &["status"]).await.exits(6);
    assert!(refused.err.contains("broker"), "{refused:#?}");
}
