//! Streams that are not the log's any more: lost, shortened, spoiled by others. The feed says so and stops, and a rebuild
//! gives consumers a stream that is right from its base on.

use super::*;
use async_nats::HeaderMap;
use ledger::feed::{Consent, agree};
use std::path::Path;

/// What stands on the log's subjects through another publisher's hands.
async fn forge(context: &Context, headers: HeaderMap) -> u64 {
    let subject = "sigil.v1.audit.default.audit.event";
    let ack = context.publish_with_headers(subject, headers, "foreign".into()).await;
    ack.expect("publishes").await.expect("is acknowledged").sequence
}

/// Checks that a stream was moved aside and sealed.
async fn assert_retired(context: &Context, base: u64) {
    let stream = context
        .get_stream(wire::stream_name(&slug(), base))
        .await
        .expect("it is kept");
    let config = &stream.cached_info().config;
    assert!(config.sealed);
    assert_eq!(config.subjects, [wire::retired_subjects(&slug(), base)]);
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("creates");
    for entry in std::fs::read_dir(from).expect("reads") {
        let entry = entry.expect("reads");
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            std::fs::copy(from, to).expect("copies");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_deleted_stops_the_feed_until_an_operator_agrees() {
    let (nats, log) = (Nats::start().await, Log::create().await);
    let handle = log.open();
    let mut feed = Running::start(&handle, &nats, quick()).await;
    feed.published(grow(&handle, 30).await).await;
    let context = context(&nats).await;
    context
        .delete_stream(wire::stream_name(&slug(), 0))
        .await
        .expect("deletes");
    let size = grow(&handle, 5).await;
    assert_eq!(feed.diverged().await, Reason::Lost);
    assert_eq!(*handle.published().borrow(), Some(0), "the stream holds nothing");
    assert!(
        context.get_stream(wire::stream_name(&slug(), 0)).await.is_err(),
        "nothing is created"
    );
    agree(&log.config().data_dir, Consent::Rebuild).expect("writes");
    feed.published(size).await;
    assert_holds(&context, &handle, 0).await;
    feed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consent_is_used_once() {
    let (nats, log) = (Nats::start().await, Log::create().await);
    let handle = log.open();
    agree(&log.config().data_dir, Consent::Rebuild).expect("writes");
    let mut feed = Running::start(&handle, &nats, quick()).await;
    feed.published(grow(&handle, 3).await).await;
    let context = context(&nats).await;
    context
        .delete_stream(wire::stream_name(&slug(), 0))
        .await
        .expect("deletes");
    grow(&handle, 1).await;
    assert_eq!(feed.diverged().await, Reason::Lost);
    feed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wiped_broker_gets_everything_again() {
    let (mut nats, log) = (Nats::start().await, Log::create().await);
    let handle = log.open();
    let mut feed = Running::start(&handle, &nats, automatic()).await;
    feed.published(grow(&handle, 100).await).await;
    nats.wipe().await;
    let size = grow(&handle, 10).await;
    feed.published(size).await;
    assert_holds(&context(&nats).await, &handle, 0).await;
    feed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_vanished_between_two_runs_is_missed() {
    let (mut nats, log) = (Nats::start().await, Log::create().await);
    let handle = log.open();
    let mut feed = Running::start(&handle, &nats, quick()).await;
    feed.published(grow(&handle, 10).await).await;
    feed.stop().await;
    nats.wipe().await;
    let mut feed = Running::start(&handle, &nats, quick()).await;
    assert_eq!(feed.diverged().await, Reason::Lost);
    feed.stop().await;
}

/// The broker comes back with an older copy of its files: the tail is published again, and nobody calls it a divergence.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_tail_is_published_again() {
    let (mut nats, log) = (Nats::start().await, Log::create().await);
    let handle = log.open();
    let mut feed = Running::start(&handle, &nats, quick()).await;
    feed.published(grow(&handle, 40).await).await;
    nats.stop().await;
    let aside = tempfile::tempdir().expect("a directory");
    copy(&nats.store(), aside.path());
    nats.restart().await;
    feed.published(grow(&handle, 40).await).await;
    nats.kill().await;
    std::fs::remove_dir_all(nats.store()).expect("removes");
    copy(aside.path(), &nats.store());
    nats.restart().await;
    let size = grow(&handle, 1).await;
    let status = feed.published(size).await;
    assert_eq!(status.stream, Some(wire::stream_name(&slug(), 0)), "the same stream");
    assert_holds(&context(&nats).await, &handle, 0).await;
    feed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_message_stops_the_feed_and_a_rebuild_begins_behind_what_is_right() {
    let (nats, log) = (Nats::start().await, Log::create().await);
    let handle = log.open();
    let mut feed = Running::start(&handle, &nats, quick()).await;
    let right = grow(&handle, 30).await;
    feed.published(right).await;
    let context = context(&nats).await;
    let sequence = forge(&context, HeaderMap::new()).await;
    let size = grow(&handle, 20).await;
    let offset = right;
    assert_eq!(feed.diverged().await, Reason::Foreign { sequence, offset });
    assert_eq!(*handle.published().borrow(), Some(right), "what is before it stands");
    agree(&log.config().data_dir, Consent::Rebuild).expect("writes");
    let status = feed.published(size).await;
    assert_eq!(status.stream, Some(wire::stream_name(&slug(), right)));
    assert_retired(&context, 0).await;
    // The record after it was refused; those after that had found their own places, which is why an end alone says little.
    let kept = messages(&context, 0).await;
    assert_eq!(
        kept[right as usize].2, b"foreign",
        "the foreign message is kept as evidence"
    );
    assert_holds(&context, &handle, right).await;
    feed.stop().await;
}

/// While records are under way, the ones behind the foreign message find their own place and are acknowledged.
#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_message_in_the_middle_of_the_pipeline_is_found() {
    let (nats, log) = (Nats::start().await, Log::create().await);
    let handle = log.open();
    let mut feed = Running::start(&handle, &nats, automatic()).await;
    let context = context(&nats).await;
    feed.published(grow(&handle, 5).await).await;
    for _ in 0..3 {
        let growing = tokio::spawn({
            let handle = handle.clone();
            async move { grow(&handle, 600).await }
        });
        let before = *handle.published().borrow();
        let mut published = handle.published();
        let moving = published.wait_for(|now| *now > before);
        tokio::time::timeout(PATIENCE, moving)
            .await
            .expect("in time")
            .expect("it runs");
        forge(&context, HeaderMap::new()).await;
        growing.await.expect("grows");
    }
    let size = grow(&handle, 1).await;
    feed.published(size).await;
    // Every stream is right up to where the next one begins, and the last one to its end.
    let mut bases: Vec<u64> = {
        use futures_util::TryStreamExt as _;
        let names: Vec<String> = context.stream_names().try_collect().await.expect("lists");
        names
            .iter()
            .filter_map(|name| wire::stream_base(&slug(), name))
            .collect()
    };
    bases.sort_unstable();
    assert!(bases.len() > 1, "at least one rebuild");
    for pair in bases.windows(2) {
        assert_retired(&context, pair[0]).await;
        let right = messages(&context, pair[0]).await;
        let records = handle.read(pair[0], (pair[1] - pair[0]) as usize).await.expect("reads");
        for (message, record) in right.iter().zip(&records) {
            assert_eq!(message.2.as_slice(), &*record.bytes);
        }
        assert!(right.len() as u64 > pair[1] - pair[0], "and then comes what is not");
    }
    assert_holds(&context, &handle, bases[bases.len() - 1]).await;
    feed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_squatted_message_id_is_no_acknowledgement() {
    let (nats, log) = (Nats::start().await, Log::create().await);
    let handle = log.open();
    let mut feed = Running::start(&handle, &nats, automatic()).await;
    feed.published(grow(&handle, 5).await).await;
    let record = event("squatted");
    let context = context(&nats).await;
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Msg-Id", record.id.to_string());
    forge(&context, headers).await;
    let receipt = append(&handle, record).await;
    let status = feed.published(receipt.committed.offset + 1).await;
    assert_eq!(
        status.stream,
        Some(wire::stream_name(&slug(), receipt.committed.offset))
    );
    assert_holds(&context, &handle, receipt.committed.offset).await;
    feed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_that_was_interrupted_is_finished() {
    let (nats, log) = (Nats::start().await, Log::create().await);
    let handle = log.open();
    let mut feed = Running::start(&handle, &nats, quick()).await;
    let right = grow(&handle, 30).await;
    feed.published(right).await;
    feed.stop().await;
    let context = context(&nats).await;
    forge(&context, HeaderMap::new()).await;
    // The crash came after the old stream was moved and sealed.
    let stream = context
        .get_stream(wire::stream_name(&slug(), 0))
        .await
        .expect("a stream");
    let config = async_nats::jetstream::stream::Config {
        subjects: vec![wire::retired_subjects(&slug(), 0)],
        sealed: true,
        ..stream.cached_info().config.clone()
    };
    context.update_stream(config).await.expect("moves it");
    let mut feed = Running::start(&handle, &nats, quick()).await;
    feed.published(right).await;
    let size = grow(&handle, 3).await;
    feed.published(size).await;
    assert_holds(&context, &handle, right).await;
    feed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_somebody_sealed_is_replaced() {
    let (nats, log) = (Nats::start().await, Log::create().await);
    let handle = log.open();
    let mut feed = Running::start(&handle, &nats, quick()).await;
    let right = grow(&handle, 10).await;
    feed.published(right).await;
    let context = context(&nats).await;
    let stream = context
        .get_stream(wire::stream_name(&slug(), 0))
        .await
        .expect("a stream");
    let config = async_nats::jetstream::stream::Config {
        sealed: true,
        ..stream.cached_info().config.clone()
    };
    context.update_stream(config).await.expect("seals it");
    let size = grow(&handle, 10).await;
    assert_eq!(feed.diverged().await, Reason::Sealed);
    agree(&log.config().data_dir, Consent::Rebuild).expect("writes");
    feed.published(size).await;
    assert_holds(&context, &handle, right).await;
    feed.stop().await;
}

/// The name of a stream that holds nothing of ours is needed again: deleting it takes an operator's stronger word.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_whose_first_message_is_foreign_is_deleted_by_force_alone() {
    let (nats, log) = (Nats::start().await, Log::create().await);
    let handle = log.open();
    let mut feed = Running::start(&handle, &nats, quick()).await;
    let right = grow(&handle, 5).await;
    feed.published(right).await;
    let context = context(&nats).await;
    feed.stop().await;
    let name = wire::stream_name(&slug(), 0);
    let config = context
        .get_stream(&name)
        .await
        .expect("a stream")
        .cached_info()
        .config
        .clone();
    context.delete_stream(&name).await.expect("deletes");
    context.create_stream(config).await.expect("creates");
    forge(&context, HeaderMap::new()).await;
    let mut feed = Running::start(&handle, &nats, automatic()).await;
    feed.until(
        "a name that is needed",
        |status| matches!(&status.phase, Phase::Diverged(divergence) if divergence.reason == Reason::NameTaken),
    )
    .await;
    assert_retired(&context, 0).await;
    agree(&log.config().data_dir, Consent::Force).expect("writes");
    feed.published(right).await;
    assert_holds(&context, &handle, 0).await;
    feed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_logs_stream_is_left_alone() {
    let nats = Nats::start().await;
    let (one, other) = (Log::create().await, Log::create().await);
    let handle = one.open();
    let mut feed = Running::start(&handle, &nats, quick()).await;
    feed.published(grow(&handle, 5).await).await;
    feed.stop().await;
    // The same slug and account, and another genesis.
    let stranger = other.open();
    let mut feed = Running::start(&stranger, &nats, automatic()).await;
    let reason = feed.diverged().await;
    assert!(
        matches!(reason, Reason::OtherLog { .. } | Reason::Foreign { sequence: 1, .. }),
        "{reason:?}"
    );
    feed.stop().await;
    assert_holds(&context(&nats).await, &handle, 0).await;
}

/// The data directory came back from an older copy. Publishing over what the ledger had signed would fork the log.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_behind_its_own_stream_is_refused() {
    let (nats, log) = (Nats::start().await, Log::create().await);
    let handle = log.open();
    let mut feed = Running::start(&handle, &nats, automatic()).await;
    let old = grow(&handle, 10).await;
    feed.published(old).await;
    feed.stop().await;
    handle.close();
    drop(handle);
    let aside = tempfile::tempdir().expect("a directory");
    copy(&log.config().data_dir, aside.path());
    let handle = log.open();
    let mut feed = Running::start(&handle, &nats, automatic()).await;
    let size = grow(&handle, 10).await;
    feed.published(size).await;
    feed.stop().await;
    handle.close();
    drop(handle);
    std::fs::remove_dir_all(log.config().data_dir).expect("removes");
    copy(aside.path(), &log.config().data_dir);
    let handle = log.open();
    let feed = Running::start(&handle, &nats, automatic()).await;
    let error = feed.task.await.expect("no panic").expect_err("is refused");
    assert!(
        matches!(error, Error::LogBehind { found, signed } if found == old && signed == old),
        "{error}"
    );
    let stream = context(&nats)
        .await
        .get_stream(wire::stream_name(&slug(), 0))
        .await
        .expect("a stream");
    assert_eq!(
        stream.cached_info().state.last_sequence,
        size,
        "the stream is as it was"
    );
}
