//! A broker that is stopped, killed, wiped, hangs, or is behind.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_killed_and_comes_back_is_read_on() {
    let mut nats = Nats::start().await;
    let log = Log::sample(120);
    let publisher = Publisher::create(&nats, 0).await;
    publisher.publish(&log.records[..40]).await;
    let mut reader = Reader::with_ledger(&nats, &log, log.records[..40].to_vec()).await;
    let mut changes = reader.consume(40).await.expect("the stream is right");
    nats.kill().await;
    nats.restart().await;
    publisher.publish(&log.records[40..]).await;
    // The ledger is behind in this test: what comes, comes from the stream.
    changes.extend(reader.consume(120).await.expect("the stream is right"));
    assert_eq!(changes, expected(&log));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_broker_is_down_the_ledger_is_read() {
    let mut nats = Nats::start().await;
    let log = Log::sample(160);
    let publisher = Publisher::create(&nats, 0).await;
    publisher.publish(&log.records[..40]).await;
    let mut reader = Reader::with_ledger(&nats, &log, log.records[..40].to_vec()).await;
    let mut changes = reader.consume(40).await.expect("the stream is right");
    nats.stop().await;
    reader.grow.send(log.records[..80].to_vec()).expect("somebody reads");
    changes.extend(reader.consume(80).await.expect("the ledger has them"));
    assert!(reader.ledger_gave() >= 40);
    nats.restart().await;
    publisher.publish(&log.records[40..]).await;
    reader.grow.send(log.records.clone()).expect("somebody reads");
    changes.extend(reader.consume(160).await.expect("both have them"));
    assert_eq!(changes, expected(&log));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wiped_broker_is_survived() {
    let mut nats = Nats::start().await;
    let log = Log::sample(120);
    let publisher = Publisher::create(&nats, 0).await;
    publisher.publish(&log.records[..60]).await;
    let mut reader = Reader::new(&nats, &log).await;
    let mut changes = reader.consume(60).await.expect("the stream is right");
    nats.wipe().await;
    changes.extend(reader.consume(90).await.expect("the ledger has them"));
    publisher.create_stream().await;
    publisher.publish(&log.records).await;
    changes.extend(reader.consume(120).await.expect("both have them"));
    assert_eq!(changes, expected(&log));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_hangs_does_not_hold_the_reader_up() {
    let nats = Nats::start().await;
    let log = Log::sample(120);
    let publisher = Publisher::create(&nats, 0).await;
    publisher.publish(&log.records[..60]).await;
    let mut reader = Reader::new(&nats, &log).await;
    let mut changes = reader.consume(60).await.expect("the stream is right");
    nats.pause().await;
    changes.extend(reader.consume(90).await.expect("the ledger has them"));
    nats.resume().await;
    publisher.publish(&log.records[60..]).await;
    changes.extend(reader.consume(120).await.expect("both have them"));
    assert_eq!(changes, expected(&log));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_behind_the_log_does_not_hold_the_reader_up() {
    let nats = Nats::start().await;
    let log = Log::sample(120);
    let publisher = Publisher::create(&nats, 0).await;
    publisher.publish(&log.records[..60]).await;
    let mut reader = Reader::new(&nats, &log).await;
    let mut changes = reader.consume(100).await.expect("the ledger has them");
    // What the stream brings late was read already.
    publisher.publish(&log.records[60..]).await;
    changes.extend(reader.consume(120).await.expect("both have them"));
    assert_eq!(changes, expected(&log));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_stream_the_ledger_is_read() {
    let nats = Nats::start().await;
    let log = Log::sample(60);
    let mut reader = Reader::new(&nats, &log).await;
    assert_eq!(reader.consume(60).await.expect("the ledger has them"), expected(&log));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_the_log_is_the_ledgers_word() {
    let nats = Nats::start().await;
    let log = Log::sample(60);
    let publisher = Publisher::create(&nats, 0).await;
    publisher.publish(&log.records).await;
    let mut reader = Reader::with_ledger(&nats, &log, log.records[..10].to_vec()).await;
    assert_eq!(reader.source.head().await.expect("a head"), 10);
}
