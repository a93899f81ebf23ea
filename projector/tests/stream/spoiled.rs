//! Streams that others wrote to, or that lost something: forged, repeated, reordered and missing messages.

use super::*;
use crate::log::key;

/// Reads a log through a stream with these bodies.
async fn read(log: &Log, bodies: &[Bytes]) -> (Vec<Change>, u64) {
    let nats = Nats::start().await;
    let publisher = Publisher::create(&nats, 0).await;
    publisher.publish(bodies).await;
    let mut reader = Reader::new(&nats, log).await;
    let changes = reader
        .consume(log.records.len() as u64)
        .await
        .expect("the ledger is right");
    (changes, reader.ledger_gave())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_no_record_never_reaches_the_projection() {
    let log = Log::sample(60);
    let mut bodies = log.records.clone();
    bodies[20] = b"{\"forged\":true}".as_slice().into();
    let (changes, ledger_gave) = read(&log, &bodies).await;
    assert_eq!(changes, expected(&log));
    assert!(ledger_gave > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_signed_by_a_thief_never_reaches_the_projection() {
    let mut log = Log::sample(60);
    let honest = log.next.clone();
    log.next.signer = key(200);
    log.next.claimed = key(200);
    let forged = log.event("acme", 60, &[]);
    log.records.pop();
    log.next = honest;
    let mut log = Log::sample(60);
    let mut bodies = log.records.clone();
    log.event("acme", 60, &[]);
    bodies.push(forged);
    let (changes, _) = read(&log, &bodies).await;
    assert_eq!(changes, expected(&log));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_record_has_one_effect() {
    let log = Log::sample(60);
    let mut bodies = log.records.clone();
    bodies.insert(31, Arc::clone(&log.records[30]));
    let (changes, _) = read(&log, &bodies).await;
    assert_eq!(changes, expected(&log));
}

#[tokio::test(flavor = "multi_thread")]
async fn reordered_records_are_projected_in_order() {
    let log = Log::sample(60);
    let mut bodies = log.records.clone();
    bodies[20..40].reverse();
    let (changes, _) = read(&log, &bodies).await;
    assert_eq!(changes, expected(&log));
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_messages_are_asked_of_the_ledger() {
    let nats = Nats::start().await;
    let log = Log::sample(60);
    let publisher = Publisher::create(&nats, 0).await;
    publisher.publish(&log.records).await;
    let stream = publisher.stream().await;
    for sequence in [1, 21, 22, 23, 50] {
        assert!(stream.delete_message(sequence).await.expect("deletes"));
    }
    let mut reader = Reader::new(&nats, &log).await;
    assert_eq!(reader.consume(60).await.expect("the ledger has them"), expected(&log));
    assert!(reader.ledger_gave() >= 5, "{}", reader.ledger_gave());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_ledger_gives_wrongly_too_halts() {
    let nats = Nats::start().await;
    let log = Log::sample(60);
    let mut bodies = log.records.clone();
    let mut bytes = bodies[20].to_vec();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    bodies[20] = bytes.into();
    let publisher = Publisher::create(&nats, 0).await;
    publisher.publish(&bodies).await;
    let mut reader = Reader::with_ledger(&nats, &log, bodies).await;
    match reader.consume(60).await {
        Err(Error::Unverified { offset: 20, .. }) => {}
        other => panic!("expected a refused record, got {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_foreign_messages_changes_nothing() {
    let nats = Nats::start().await;
    let log = Log::sample(80);
    let publisher = Publisher::create(&nats, 0).await;
    publisher.publish(&log.records[..40]).await;
    let junk: Bytes = b"junk".as_slice().into();
    publisher.publish(&vec![junk; 500]).await;
    let mut reader = Reader::new(&nats, &log).await;
    assert_eq!(reader.consume(80).await.expect("the ledger has them"), expected(&log));
}

#[tokio::test(flavor = "multi_thread")]
async fn below_the_newest_stream_the_ledger_is_asked() {
    let nats = Nats::start().await;
    let log = Log::sample(100);
    let old = Publisher::create(&nats, 0).await;
    old.publish(&log.records[..40]).await;
    old.publish(&[b"foreign".as_slice().into()]).await;
    old.retire().await;
    let new = Publisher::create(&nats, 40).await;
    new.publish(&log.records[40..]).await;
    let mut reader = Reader::new(&nats, &log).await;
    assert_eq!(reader.consume(100).await.expect("both have them"), expected(&log));
    assert!(reader.ledger_gave() >= 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_moves_on_to_a_stream_that_takes_the_place_of_its_own() {
    let nats = Nats::start().await;
    let log = Log::sample(100);
    let old = Publisher::create(&nats, 0).await;
    old.publish(&log.records[..40]).await;
    let mut reader = Reader::new(&nats, &log).await;
    let mut changes = reader.consume(40).await.expect("the stream is right");
    old.retire().await;
    let new = Publisher::create(&nats, 40).await;
    new.publish(&log.records[40..]).await;
    changes.extend(reader.consume(100).await.expect("the new one is right"));
    assert_eq!(changes, expected(&log));
}
