//! What a message looks like, and which servers and streams are refused.

use super::*;
use async_nats::jetstream::stream::{Config as StreamConfig, DiscardPolicy, StorageType};
use ledger_client::trace::{self, TraceContext};
use record::{Link, cloud_event};
use serde_json::json;
use testbed::NatsOptions;

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_a_cloud_event_in_binary_mode() {
    let (nats, log) = (Nats::start().await, Log::create().await);
    let handle = log.open();
    let mut record = event("tool.call");
    record
        .links
        .push(Link::new("subject", "user:\u{fc} \"%1").expect("a link"));
    let receipt = append(&handle, record).await;
    let mut feed = Running::start(&handle, &nats, Config::default()).await;
    feed.published(receipt.committed.offset + 1).await;
    let stream = context(&nats)
        .await
        .get_stream(wire::stream_name(&slug(), 0))
        .await
        .expect("a stream");
    let message = stream
        .get_raw_message(receipt.committed.offset + 1)
        .await
        .expect("a message");
    let record = Record::parse(message.payload.to_vec()).expect("the body is the record");
    let header = |name: &str| message.headers.get(name).map(ToString::to_string);
    for (name, value) in cloud_event::attributes(&record) {
        assert_eq!(
            header(&format!("ce-{name}")),
            Some(cloud_event::header_value(&value)),
            "{name}"
        );
    }
    assert_eq!(header("ce-subject").as_deref(), Some("user:%C3%BC%20%22%251"));
    assert_eq!(
        header("ce-sequence").as_deref(),
        Some(&*format!("{:020}", receipt.committed.offset))
    );
    assert_eq!(header("ce-recordhash"), Some(receipt.hash.to_string()));
    assert_eq!(header("ce-id"), Some(receipt.id.to_string()));
    assert_eq!(header("Nats-Msg-Id"), None, "a squatted id would be acknowledged");
    assert_eq!(message.subject.as_str(), "sigil.v1.audit.default.audit.event");
    feed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_is_what_the_format_says() {
    let (nats, log) = (Nats::start().await, Log::create().await);
    let handle = log.open();
    let mut feed = Running::start(&handle, &nats, Config::default()).await;
    feed.published(1).await;
    let stream = context(&nats)
        .await
        .get_stream("SIGIL_AUDIT_00000000000000000000")
        .await
        .expect("a stream");
    let config = &stream.cached_info().config;
    assert_eq!(config.subjects, ["sigil.v1.audit.>"]);
    assert_eq!(
        (config.storage, config.discard),
        (StorageType::File, DiscardPolicy::New)
    );
    assert!(config.deny_delete && config.deny_purge && !config.allow_rollup);
    stream.delete_message(1).await.expect_err("deleting is denied");
    stream.purge().await.expect_err("purging is denied");
    feed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_for_small_messages_is_refused() {
    let small = NatsOptions {
        max_payload: Some(512 * 1_024),
        ..NatsOptions::default()
    };
    let (nats, log) = (Nats::with(small).await, Log::create().await);
    let handle = log.open();
    let feed = Running::start(&handle, &nats, Config::default()).await;
    let error = feed.task.await.expect("no panic").expect_err("is refused");
    assert!(
        matches!(&error, Error::Unfit(text) if text.contains("max_payload")),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_with_another_configuration_is_refused() {
    let (nats, log) = (Nats::start().await, Log::create().await);
    let handle = log.open();
    let foreign = StreamConfig {
        name: wire::stream_name(&slug(), 0),
        subjects: vec![wire::subjects(&slug())],
        max_messages: 5,
        ..StreamConfig::default()
    };
    context(&nats).await.create_stream(foreign).await.expect("creates");
    let feed = Running::start(&handle, &nats, Config::default()).await;
    let error = feed.task.await.expect("no panic").expect_err("is refused");
    let named = |name: &str| error.to_string().contains(name);
    assert!(
        named("discard") && named("deny_delete") && named("deny_purge") && named("max_msgs"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn more_replicas_than_there_are_servers_are_refused() {
    let (nats, log) = (Nats::start().await, Log::create().await);
    let handle = log.open();
    let config = Config {
        replicas: 3,
        ..Config::default()
    };
    let feed = Running::start(&handle, &nats, config).await;
    let error = feed.task.await.expect("no panic").expect_err("is refused");
    assert!(
        matches!(&error, Error::Unfit(text) if text.contains("replicas")),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn subjects_that_another_stream_has_are_refused() {
    let (nats, log) = (Nats::start().await, Log::create().await);
    let handle = log.open();
    let foreign = StreamConfig {
        name: "EVERYTHING".to_owned(),
        subjects: vec!["sigil.v1.>".to_owned()],
        ..StreamConfig::default()
    };
    context(&nats).await.create_stream(foreign).await.expect("creates");
    let feed = Running::start(&handle, &nats, Config::default()).await;
    let error = feed.task.await.expect("no panic").expect_err("is refused");
    assert!(
        matches!(&error, Error::Unfit(text) if text.contains("overlap")),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_legal_record_goes_through() {
    let (nats, log) = (Nats::start().await, Log::create().await);
    let handle = log.open();
    let mut record = event("large");
    record.payload["data"] = json!({"text": "x".repeat(786_432 - 2_048)});
    for (at, target) in ["\u{20ac}".repeat(160), "y".repeat(480)].into_iter().enumerate() {
        let link = Link::new(["subject", "parent"][at], format!("user:{target}"));
        record.links.push(link.expect("a link"));
    }
    let mut size = 0;
    // Found by trying: the largest that is still legal.
    for less in 0..64 {
        let mut record = record.clone();
        record.id = crate::log::fresh_id();
        let text = "x".repeat(786_432 - 2_900 + 64 * (16 - less));
        record.payload["data"] = json!({ "text": text });
        if let Ok(receipt) = handle.append(crate::log::plain(record)).await {
            size = receipt.committed.bytes.len();
            break;
        }
    }
    assert!(size > 786_432 - 128, "{size} is about the limit");
    let size = handle.head().await.expect("a head").size;
    let mut feed = Running::start(&handle, &nats, Config::default()).await;
    feed.published(size).await;
    assert_holds(&context(&nats).await, &handle, 0).await;
    feed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trace_that_a_record_was_asked_for_in_goes_with_it() {
    let (nats, log) = (Nats::start().await, Log::create().await);
    let handle = log.open();
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let trace = TraceContext::parse(traceparent, None).expect("a trace");
    let traced = trace::within(trace, append(&handle, event("traced"))).await;
    let untraced = append(&handle, event("untraced")).await;
    let mut feed = Running::start(&handle, &nats, Config::default()).await;
    feed.published(untraced.committed.offset + 1).await;
    let stream = context(&nats)
        .await
        .get_stream(wire::stream_name(&slug(), 0))
        .await
        .expect("a stream");
    let header = async |receipt: &ledger_client::Receipt| {
        let message = stream
            .get_raw_message(receipt.committed.offset + 1)
            .await
            .expect("a message");
        message.headers.get("traceparent").map(ToString::to_string)
    };
    assert_eq!(header(&traced).await.as_deref(), Some(traceparent));
    assert_eq!(header(&untraced).await, None);
    feed.stop().await;
}
