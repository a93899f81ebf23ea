//! What every read model must do, over real signed logs: live, rebuilt, damaged, cancelled, questioned.
//!
//! Each implementation includes this suite into a test of its own and says in `place` where its read models are, how one
//! is opened, and how a hand that has no business there changes its tables.

mod faults;
pub mod filters;
mod fixtures;
mod parked;
mod rebuild;
mod verify;

use crate::log::{Bytes, Log, Memory, START, key, public, tenant};
use crate::place::{Model, Place};
use projector::query::Queries as _;
use projector::{Cancel, ReadModel as _, Trigger};
use record::{Record, Tenant};
use serde_json::json;
use tokio::sync::watch;

/// Runs the live loop until it has applied `until` records.
pub async fn run_to(model: &Model, source: &mut Memory, until: usize) {
    let (trigger, cancel) = Trigger::new();
    let mut positions = model.positions();
    let watcher = async {
        positions.wait_for(|position| *position >= until as u64).await.unwrap();
        trigger.cancel();
        Ok(())
    };
    // A loop that halts ends the wait.
    tokio::try_join!(model.run(source, &cancel), watcher).unwrap();
}

/// A read model that has applied all of `log`.
pub async fn filled(log: &Log) -> (Place, Model) {
    let place = Place::new().await;
    let model = place.open(&log.origin).await;
    run_to(&model, &mut log.source(64), log.records.len()).await;
    (place, model)
}

#[tokio::test]
async fn every_split_of_the_input_gives_the_same_tables() {
    let log = Log::sample(150);
    let mut digests = Vec::new();
    for limit in [1, 7, 64, 1_000] {
        let place = Place::new().await;
        let model = place.open(&log.origin).await;
        run_to(&model, &mut log.source(limit), log.records.len()).await;
        digests.push(model.digest().await.unwrap());
    }
    assert_eq!(digests[0].0, log.records.len() as u64);
    assert!(digests.iter().all(|digest| *digest == digests[0]));
    let rows = |table: &str| digests[0].1.buckets(table);
    let filled = |table: &&str| (rows(table) > 0) == (*table != "parked");
    assert!(projector::digest::TABLES.iter().all(filled));
}

#[tokio::test]
async fn records_that_come_one_by_one_are_applied_one_by_one() {
    let log = Log::sample(40);
    let (sender, receiver) = watch::channel(log.records[..5].to_vec());
    let mut source = Memory {
        log: receiver,
        limit: 100,
    };
    let place = Place::new().await;
    let model = place.open(&log.origin).await;
    let (trigger, cancel) = Trigger::new();
    let mut positions = model.positions();
    let grow = async {
        for size in 5..=log.records.len() {
            sender.send_replace(log.records[..size].to_vec());
            positions.wait_for(|position| *position == size as u64).await.unwrap();
        }
        trigger.cancel();
    };
    let (outcome, ()) = tokio::join!(model.run(&mut source, &cancel), grow);
    outcome.unwrap();
    let (_other, whole) = filled(&log).await;
    assert_eq!(model.digest().await.unwrap(), whole.digest().await.unwrap());
}

#[tokio::test]
async fn an_opened_read_model_goes_on_where_it_was() {
    let log = Log::sample(160);
    let place = Place::new().await;
    for part in [0, 40, 41, 110, log.records.len()] {
        let model = place.open(&log.origin).await;
        let (_sender, receiver) = watch::channel(log.records[..part].to_vec());
        run_to(
            &model,
            &mut Memory {
                log: receiver,
                limit: 16,
            },
            part,
        )
        .await;
        assert_eq!(model.position().await.unwrap(), part as u64);
        model.close().await;
    }
    let (_other, whole) = filled(&log).await;
    assert_eq!(
        place.open(&log.origin).await.digest().await.unwrap(),
        whole.digest().await.unwrap()
    );
}

#[tokio::test]
async fn a_record_is_found_by_id_and_by_place_in_its_own_tenant_only() {
    let log = Log::sample(60);
    let (_place, model) = filled(&log).await;
    for bytes in &log.records {
        let record = Record::parse(bytes.to_vec()).unwrap();
        let by_id = model.record(record.tenant.clone(), record.id).await.unwrap().unwrap();
        let by_place = model
            .record_at(record.tenant.clone(), record.seq)
            .await
            .unwrap()
            .unwrap();
        assert_eq!((&by_id.bytes, by_id.offset), (&bytes.to_vec(), record.offset));
        assert_eq!(by_id, by_place);
        assert_eq!(model.record(tenant("other"), record.id).await.unwrap(), None);
    }
    assert_eq!(model.record_at(tenant("acme"), u64::MAX).await.unwrap(), None);
}

#[tokio::test]
async fn the_newest_canon_write_counts_within_and_across_batches() {
    let mut log = Log::new();
    let payload = |value: u64| json!({"key": "k", "value": {"b": value, "a": [1]}, "min_loa": value});
    for value in 0..5 {
        log.append("acme", "canon.user.write", payload(value), &[]);
    }
    for limit in [1, 2, 100] {
        let place = Place::new().await;
        let model = place.open(&log.origin).await;
        run_to(&model, &mut log.source(limit), log.records.len()).await;
        let entry = model
            .canon_entry(tenant("acme"), "k".to_owned())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            (entry.value.as_slice(), entry.min_loa, entry.offset),
            (br#"{"a":[1],"b":4}"#.as_slice(), 4, 5)
        );
        assert_eq!(model.canon_entry(tenant("globex"), "k".to_owned()).await.unwrap(), None);
    }
}

#[tokio::test]
async fn positions_in_timelines_are_gapless_and_counted() {
    let log = Log::sample(150);
    let (place, _model) = filled(&log).await;
    let wrong = place
        .numbers(
            "SELECT count(*) FROM timelines t WHERE count <> (SELECT count(*) FROM links l WHERE l.timeline = t.id)
                OR count - 1 <> (SELECT max(position) FROM links l WHERE l.timeline = t.id)",
        )
        .await;
    assert_eq!(wrong, [0]);
    let ids = place
        .numbers("SELECT timeline FROM links GROUP BY timeline ORDER BY min(offset), timeline")
        .await;
    assert!(
        ids.len() > 20 && ids.iter().copied().eq(0..ids.len() as i64),
        "ids count by first appearance"
    );
}

#[tokio::test]
async fn a_rotated_key_is_followed_after_reopening() {
    let mut log = Log::sample(30);
    log.rotate(key(77));
    let place = Place::new().await;
    let model = place.open(&log.origin).await;
    run_to(&model, &mut log.source(100), log.records.len()).await;
    model.close().await;
    drop(model);
    assert_eq!(public(&log.next.signer), public(&key(77)));
    log.event("acme", 31, &[]);
    let model = place.open(&log.origin).await;
    run_to(&model, &mut log.source(100), log.records.len()).await;
    assert_eq!(model.position().await.unwrap(), log.records.len() as u64);
}

#[tokio::test]
async fn nothing_is_applied_after_a_cancel() {
    let log = Log::sample(20);
    let place = Place::new().await;
    let model = place.open(&log.origin).await;
    let (trigger, cancel) = Trigger::new();
    trigger.cancel();
    model.run(&mut log.source(5), &cancel).await.unwrap();
    assert_eq!(model.position().await.unwrap(), 0);
    assert!(!Cancel::never().is_cancelled());
    let ledger: Bytes = log.records[0].clone();
    assert_eq!(Record::parse(ledger.to_vec()).unwrap().ts.micros(), START);
    assert_eq!(model.record_at(Tenant::ledger(), 0).await.unwrap(), None);
}
