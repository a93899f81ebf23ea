//! A broker or a feed that goes away at any point: nothing is lost, nothing is published twice.

use super::*;
use async_nats::HeaderMap;
use testbed::Proxy;

/// Appends in the background until told to stop; gives how many.
fn load(handle: &Handle) -> (watch::Sender<bool>, JoinHandle<u64>) {
    let (stop, stopped) = watch::channel(false);
    let handle = handle.clone();
    let appending = tokio::spawn(async move {
        let mut appended = 0;
        while !*stopped.borrow() {
            grow(&handle, 20).await;
            appended += 20;
        }
        appended
    });
    (stop, appending)
}

#[tokio::test(flavor = "multi_thread")]
async fn appends_go_on_without_a_broker_and_are_published_later() {
    let (mut nats, log) = (Nats::start().await, Log::create().await);
    let handle = log.open();
    let mut feed = Running::start(&handle, &nats, quick()).await;
    feed.published(grow(&handle, 20).await).await;
    nats.stop().await;
    let size = grow(&handle, 1_500).await;
    feed.until("the outage", |status| matches!(status.phase, Phase::Waiting { .. }))
        .await;
    assert!(handle.published().borrow().expect("a feed") < size);
    nats.restart().await;
    feed.published(size).await;
    assert_holds(&context(&nats).await, &handle, 0).await;
    feed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_not_there_yet_is_waited_for() {
    let (mut nats, log) = (Nats::start().await, Log::create().await);
    let handle = log.open();
    nats.stop().await;
    let client = async_nats::ConnectOptions::new()
        .retry_on_initial_connect()
        .connect(nats.url())
        .await
        .expect("begins to connect");
    let feed = Feed::new(handle.clone(), client, quick());
    let mut status = feed.status();
    let task = tokio::spawn(feed.run(std::future::pending()));
    let waiting = status.wait_for(|status| matches!(status.phase, Phase::Waiting { .. }));
    tokio::time::timeout(PATIENCE, waiting)
        .await
        .expect("in time")
        .expect("it runs");
    let size = grow(&handle, 10).await;
    nats.restart().await;
    let live = status.wait_for(|status| status.published == size);
    tokio::time::timeout(PATIENCE, live)
        .await
        .expect("in time")
        .expect("it runs");
    task.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_killed_under_load_loses_nothing() {
    let (mut nats, log) = (Nats::start().await, Log::create().await);
    let handle = log.open();
    let mut feed = Running::start(&handle, &nats, quick()).await;
    let (stop, appending) = load(&handle);
    for round in 1..=3 {
        feed.published(round * 60).await;
        nats.kill().await;
        nats.restart().await;
    }
    stop.send(true).expect("it appends");
    appending.await.expect("appends");
    feed.published(handle.head().await.expect("a head").size).await;
    assert_holds(&context(&nats).await, &handle, 0).await;
    feed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_that_is_killed_at_any_point_is_gone_on_with() {
    let (nats, log) = (Nats::start().await, Log::create().await);
    let handle = log.open();
    let (stop, appending) = load(&handle);
    for round in 0..8 {
        let mut feed = Running::start(&handle, &nats, quick()).await;
        feed.published(round * 50 + 1).await;
        feed.abort().await;
    }
    stop.send(true).expect("it appends");
    appending.await.expect("appends");
    let mut feed = Running::start(&handle, &nats, quick()).await;
    feed.published(handle.head().await.expect("a head").size).await;
    assert_holds(&context(&nats).await, &handle, 0).await;
    feed.stop().await;
}

/// Published and not acknowledged, or acknowledged and not noted: the next run finds the records in the stream.
#[tokio::test(flavor = "multi_thread")]
async fn records_that_the_stream_has_already_are_not_published_again() {
    let (nats, log) = (Nats::start().await, Log::create().await);
    let handle = log.open();
    let mut feed = Running::start(&handle, &nats, quick()).await;
    let published = grow(&handle, 10).await;
    feed.published(published).await;
    feed.stop().await;
    let size = grow(&handle, 10).await;
    let context = context(&nats).await;
    for committed in handle.read(published, 5).await.expect("reads") {
        publish_as_the_feed_does(&context, &committed).await;
    }
    let mut feed = Running::start(&handle, &nats, quick()).await;
    feed.published(size).await;
    assert_holds(&context, &handle, 0).await;
    feed.stop().await;
}

async fn publish_as_the_feed_does(context: &Context, committed: &ledger_client::Committed) {
    let record = Record::parse(committed.bytes.to_vec()).expect("a record");
    let mut headers = HeaderMap::new();
    headers.insert(
        async_nats::header::NATS_EXPECTED_LAST_SEQUENCE,
        committed.offset.to_string(),
    );
    let subject = wire::subject(&slug(), &record.tenant, &record.kind);
    let body = bytes::Bytes::from(committed.bytes.to_vec());
    let ack = context
        .publish_with_headers(subject, headers, body)
        .await
        .expect("publishes");
    assert_eq!(ack.await.expect("is acknowledged").sequence, committed.offset + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_hangs_is_waited_for() {
    let (nats, log) = (Nats::start().await, Log::create().await);
    let handle = log.open();
    let mut feed = Running::start(&handle, &nats, quick()).await;
    feed.published(grow(&handle, 10).await).await;
    nats.pause().await;
    let size = grow(&handle, 900).await;
    feed.until("the outage", |status| matches!(status.phase, Phase::Waiting { .. }))
        .await;
    nats.resume().await;
    feed.published(size).await;
    assert_holds(&context(&nats).await, &handle, 0).await;
    feed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_break_in_the_middle_of_a_message_do_no_harm() {
    let (nats, log) = (Nats::start().await, Log::create().await);
    let handle = log.open();
    let proxy = Proxy::before(nats.address()).await;
    let client = async_nats::connect(proxy.url(&nats.url())).await.expect("connects");
    let feed = Feed::new(handle.clone(), client, quick());
    let mut status = feed.status();
    let task = tokio::spawn(feed.run(std::future::pending()));
    for bytes in [20_000, 70_001, 3_003] {
        proxy.cut_after(bytes);
        let size = grow(&handle, 200).await;
        let reached = status.wait_for(|status| status.published >= size);
        tokio::time::timeout(PATIENCE, reached)
            .await
            .expect("in time")
            .expect("it runs");
    }
    assert!(proxy.accepted() > 1, "at least one connection broke");
    assert_holds(&context(&nats).await, &handle, 0).await;
    task.abort();
}

/// More bytes than one request for the stream's end brings.
#[tokio::test(flavor = "multi_thread")]
async fn an_end_of_large_records_is_compared_too() {
    let (nats, log) = (Nats::start().await, Log::create().await);
    let handle = log.open();
    let large = |at: usize| {
        let mut record = event(&format!("large{at}"));
        record.payload["data"] = serde_json::json!({"text": "x".repeat(700_000)});
        record
    };
    for result in handle.append_many((0..14).map(large).collect()).await.expect("appends") {
        result.expect("is written");
    }
    let size = grow(&handle, 1).await;
    for _ in 0..2 {
        let mut feed = Running::start(&handle, &nats, Config::default()).await;
        feed.published(size).await;
        feed.stop().await;
    }
    assert_holds(&context(&nats).await, &handle, 0).await;
}
