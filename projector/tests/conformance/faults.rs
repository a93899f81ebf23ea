//! What halts the live loop or an open, and that nothing of a refused batch is in the tables.

use super::{Log, Place, filled, key, run_to};
use projector::query::Queries as _;
use projector::{Cancel, Error, ReadModel as _};
use record::{Code, Origin};
use std::sync::Arc;

/// Feeds `log` to a read model that has the first 20 records, and returns why it stopped.
async fn halt(log: &Log) -> Error {
    let sound = Log::sample(20);
    let (_place, model) = filled(&sound).await;
    let before = model.digest().await.unwrap();
    let error = model.run(&mut log.source(1_000), &Cancel::never()).await.unwrap_err();
    assert_eq!(model.digest().await.unwrap(), before, "{error}");
    error
}

#[tokio::test]
async fn a_wrong_record_halts_and_applies_nothing_of_its_batch() {
    let grown = || Log::sample(30);
    let mut gap = grown();
    gap.records.remove(25);
    // With a record missing, the head is where the last one no longer is.
    gap.records.push(Arc::clone(&gap.records[28]));
    assert!(matches!(
        halt(&gap).await,
        Error::Gap {
            expected: 25,
            found: 26
        }
    ));

    let mut twice = grown();
    twice.records.insert(25, Arc::clone(&twice.records[24]));
    assert!(matches!(
        halt(&twice).await,
        Error::Gap {
            expected: 25,
            found: 24
        }
    ));

    let mut swapped = grown();
    swapped.records.swap(25, 26);
    assert!(matches!(
        halt(&swapped).await,
        Error::Gap {
            expected: 25,
            found: 26
        }
    ));

    let mut changed = grown();
    let mut bytes = changed.records[27].to_vec();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    changed.records[27] = bytes.into();
    assert!(matches!(halt(&changed).await, Error::Unverified { offset: 27, .. }));

    let mut forged = grown();
    forged.next.signer = key(200);
    forged.event("acme", 30, &[]);
    let error = halt(&forged).await;
    assert!(
        matches!(&error, Error::Unverified { offset: 30, fault } if fault.code == Code::SignatureInvalid),
        "{error}"
    );

    let mut thief = grown();
    (thief.next.claimed, thief.next.signer) = (key(200), key(200));
    thief.event("acme", 30, &[]);
    assert!(matches!(halt(&thief).await, Error::Unverified { offset: 30, .. }));

    let mut chain = grown();
    chain.next.prev = Some(None);
    chain.event("acme", 30, &[]);
    assert!(matches!(halt(&chain).await, Error::BrokenChain { offset: 30, .. }));
}

#[tokio::test]
async fn a_log_that_is_shorter_or_another_one_is_refused() {
    let log = Log::sample(30);
    let (place, model) = filled(&log).await;
    let shorter = model.run(&mut Log::sample(10).source(10), &Cancel::never()).await;
    assert!(
        matches!(shorter, Err(Error::LogBehind { position: 30, head: 10 })),
        "{shorter:?}"
    );
    let shorter = model
        .rebuild(&mut Log::sample(10).source(10), &mut |_| {}, &Cancel::never())
        .await;
    assert!(
        matches!(shorter, Err(Error::LogBehind { position: 30, head: 10 })),
        "{shorter:?}"
    );
    drop(model);
    let other = Origin::parse("example.com/other").unwrap();
    let foreign = place.try_open(&other).await.map(drop);
    assert!(matches!(foreign, Err(Error::ForeignLog { .. })), "{foreign:?}");
}

#[tokio::test]
async fn rows_and_position_change_together() {
    let log = Log::sample(40);
    let sound = Log::sample(20);
    let (place, model) = filled(&sound).await;
    let before = model.digest().await.unwrap();
    // The last table of a batch refuses its rows, after the position and most rows are written.
    place.break_counts().await;
    let stopped = model.run(&mut log.source(100), &Cancel::never()).await;
    assert!(matches!(stopped, Err(Error::Database(_))), "{stopped:?}");
    assert_eq!(model.digest().await.unwrap(), before);
    place.mend_counts().await;
    run_to(&model, &mut log.source(100), log.records.len()).await;
    let (_other, whole) = filled(&log).await;
    assert_eq!(model.digest().await.unwrap(), whole.digest().await.unwrap());
}

#[tokio::test]
async fn a_batch_applied_by_another_projector_is_not_applied_again() {
    let log = Log::sample(40);
    let sound = Log::sample(20);
    let (place, model) = filled(&sound).await;
    let (sender, receiver) = tokio::sync::watch::channel(sound.records.clone());
    let mut source = super::Memory {
        log: receiver,
        limit: 100,
    };
    let cancel = Cancel::never();
    let meddle = async {
        // The loop has read its position once it waits for offset 20; then somebody else moves it.
        tokio::task::yield_now().await;
        place.tamper("UPDATE projection_state SET position = 25").await;
        sender.send_replace(log.records.clone());
    };
    let mut positions = model.positions();
    positions.mark_unchanged();
    let running = model.run(&mut source, &cancel);
    let started = async {
        positions.changed().await.unwrap();
        meddle.await;
    };
    let both = async { tokio::join!(running, started) };
    let (outcome, ()) = tokio::time::timeout(std::time::Duration::from_secs(60), both)
        .await
        .unwrap();
    assert!(
        matches!(outcome, Err(Error::PositionConflict { expected: 20 })),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn tables_that_do_not_reach_the_position_are_damage() {
    for sql in [
        "DELETE FROM records WHERE offset = 29",
        "DELETE FROM links WHERE offset = 29",
        "UPDATE projection_state SET position = 28",
        "DELETE FROM projection_state",
    ] {
        let log = Log::sample(30);
        let (place, model) = filled(&log).await;
        drop(model);
        place.tamper(sql).await;
        let refused = place.try_open(&log.origin).await.map(drop);
        assert!(matches!(refused, Err(Error::Damaged(_))), "{sql}: {refused:?}");
    }
    let log = Log::sample(30);
    let (place, model) = filled(&log).await;
    drop(model);
    place.tamper("UPDATE projection_state SET version = 99").await;
    let refused = place.try_open(&log.origin).await.map(drop);
    assert!(matches!(refused, Err(Error::Outdated { found: 99, .. })), "{refused:?}");
}

#[tokio::test]
async fn the_digest_names_the_bucket_of_every_row_changed_by_hand() {
    let log = Log::sample(60);
    let (_other, sound) = filled(&log).await;
    let (_, sound) = sound.digest().await.unwrap();
    for (sql, table) in [
        ("UPDATE records SET bytes = x'00' WHERE offset = 7", "records"),
        (
            "UPDATE timeline SET outcome = 'success' WHERE outcome = 'denied'",
            "timeline",
        ),
        ("UPDATE links SET position = 5 WHERE offset = 9", "links"),
        ("DELETE FROM links WHERE offset = 9", "links"),
        ("UPDATE timelines SET count = 0 WHERE id = 3", "timelines"),
        (
            "UPDATE canon_entries SET min_loa = 0 WHERE min_loa > 0",
            "canon_entries",
        ),
    ] {
        let (place, model) = filled(&log).await;
        place.tamper(sql).await;
        let (_, damaged) = model.digest().await.unwrap();
        let differences = sound.differences(&damaged);
        assert!(
            !differences.is_empty() && differences.iter().all(|one| one.table == table),
            "{sql}: {differences:?}"
        );
        assert_ne!(sound.value(), damaged.value());
    }
}

#[tokio::test]
async fn a_position_is_not_taken_from_a_file_of_another_kind() {
    let log = Log::sample(30);
    let place = Place::new().await;
    let model = place.open(&log.origin).await;
    assert_eq!(model.position().await.unwrap(), 0);
    model.close().await;
    assert!(
        matches!(model.position().await, Err(Error::Database(_))),
        "a closed read model answers nothing"
    );
}
