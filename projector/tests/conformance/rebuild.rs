//! A rebuild: the same tables as live, questions answered throughout, and the old ones standing until the switch.

use super::{Bytes, Log, Memory, Model, Place, filled, key, run_to};
use projector::query::{Pending, Queries as _};
use projector::{Cancel, Error, Progress, ReadModel as _, Source, Stage, Trigger};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::watch;

#[tokio::test]
async fn rebuilt_tables_equal_live_ones() {
    let log = Log::sample(300);
    let (place, model) = filled(&log).await;
    let live = model.digest().await.unwrap();
    let old = place.current().await;
    place
        .tamper("UPDATE timelines SET count = 0; DELETE FROM canon_entries")
        .await;
    assert_ne!(model.digest().await.unwrap(), live);
    for limit in [1, 40, 10_000] {
        let mut seen: Vec<Progress> = Vec::new();
        let mut progress = |one: Progress| seen.push(one);
        model
            .rebuild(&mut log.source(limit), &mut progress, &Cancel::never())
            .await
            .unwrap();
        assert_eq!(model.digest().await.unwrap(), live);
        assert!(seen.is_sorted_by_key(|one| one.position));
        assert!(
            seen.iter()
                .any(|one| one.stage == Stage::Loading && one.head == log.records.len() as u64)
        );
        assert!(seen.iter().any(|one| one.stage == Stage::Indexing));
    }
    assert_ne!(place.current().await, old);
    assert_eq!(place.generations().await.len(), 1);
    // The new tables have every index, and go on.
    let mut log = log;
    log.event("acme", 301, &[]);
    run_to(&model, &mut log.source(10), log.records.len()).await;
    let (_other, whole) = filled(&log).await;
    assert_eq!(model.digest().await.unwrap(), whole.digest().await.unwrap());
}

#[tokio::test]
async fn a_rebuild_beside_the_live_loop_loses_nothing_and_never_steps_back() {
    let log = Log::sample(400);
    let (sender, receiver) = watch::channel(log.records[..100].to_vec());
    let place = Place::new().await;
    let model = place.open(&log.origin).await;
    let (trigger, cancel) = Trigger::new();
    let (mut live, mut again) = (
        Memory {
            log: receiver.clone(),
            limit: 50,
        },
        Memory {
            log: receiver,
            limit: 50,
        },
    );
    let mut positions = model.positions();
    let work = async {
        positions.wait_for(|position| *position >= 100).await.unwrap();
        // The log grows at every step of the rebuild, while its indexes are made as well.
        let (mut size, mut before) = (100, 0);
        let mut grow = |_: Progress| {
            size = (size + 17).min(log.records.len());
            sender.send_replace(log.records[..size].to_vec());
            let now = *positions.borrow();
            assert!(now >= before);
            before = now;
        };
        model.rebuild(&mut again, &mut grow, &Cancel::never()).await.unwrap();
        assert!(model.position().await.unwrap() >= before);
        sender.send_replace(log.records.clone());
        let mut positions = model.positions();
        positions
            .wait_for(|position| *position == log.records.len() as u64)
            .await
            .unwrap();
        trigger.cancel();
    };
    let (outcome, ()) = tokio::join!(model.run(&mut live, &cancel), work);
    outcome.unwrap();
    let (_other, whole) = filled(&log).await;
    assert_eq!(model.digest().await.unwrap(), whole.digest().await.unwrap());
}

/// A source that says how long the log was, after the live loop has applied what came since, and stopped.
struct Late {
    log: Memory,
    whole: Vec<Bytes>,
    grow: watch::Sender<Vec<Bytes>>,
    positions: watch::Receiver<u64>,
    indexing: Arc<AtomicBool>,
    live: Trigger,
}

impl Source for Late {
    fn next(&mut self, from: u64) -> Pending<'_, Vec<Bytes>> {
        self.log.next(from)
    }

    fn head(&mut self) -> Pending<'_, u64> {
        Box::pin(async move {
            let head = self.log.head().await?;
            if self.indexing.load(Ordering::SeqCst) {
                self.grow.send_replace(self.whole.clone());
                let whole = self.whole.len() as u64;
                let applied = self.positions.wait_for(|position| *position == whole).await;
                applied.map_err(|error| Error::Source(error.to_string()))?;
                self.live.cancel();
            }
            Ok(head)
        })
    }
}

#[tokio::test]
async fn the_switch_waits_for_what_the_old_tables_already_have() {
    let log = Log::sample(120);
    let (grow, receiver) = watch::channel(log.records[..80].to_vec());
    let place = Place::new().await;
    let model = place.open(&log.origin).await;
    let before = place.current().await;
    let (trigger, cancel) = Trigger::new();
    let mut live = Memory {
        log: receiver.clone(),
        limit: 50,
    };
    let indexing = Arc::new(AtomicBool::new(false));
    let mut late = Late {
        log: Memory {
            log: receiver,
            limit: 50,
        },
        whole: log.records.clone(),
        grow,
        positions: model.positions(),
        indexing: Arc::clone(&indexing),
        live: trigger,
    };
    let work = async {
        let mut progress = |one: Progress| indexing.store(one.stage == Stage::Indexing, Ordering::SeqCst);
        model.rebuild(&mut late, &mut progress, &Cancel::never()).await.unwrap();
        // The live loop had stopped before the switch: this is what was switched to.
        assert_eq!(model.position().await.unwrap(), log.records.len() as u64);
    };
    let (outcome, ()) = tokio::join!(model.run(&mut live, &cancel), work);
    outcome.unwrap();
    assert_ne!(place.current().await, before);
}

#[tokio::test]
async fn a_cancelled_rebuild_leaves_the_old_tables_at_every_step() {
    let log = Log::sample(200);
    let (place, model) = filled(&log).await;
    let (before, file) = (model.digest().await.unwrap(), place.current().await);
    let mut steps = 0;
    for stop_at in 0.. {
        let (trigger, cancel) = Trigger::new();
        if stop_at == 0 {
            trigger.cancel();
        }
        let mut seen = 0;
        let mut progress = |_: Progress| {
            seen += 1;
            if seen == stop_at {
                trigger.cancel();
            }
        };
        let outcome = model.rebuild(&mut log.source(50), &mut progress, &cancel).await;
        if outcome.is_ok() {
            break;
        }
        assert!(matches!(outcome, Err(Error::Cancelled)), "{outcome:?}");
        assert_eq!(model.digest().await.unwrap(), before);
        assert_eq!(place.current().await, file);
        steps += 1;
    }
    assert!(steps > 8, "a rebuild of {steps} steps has indexes among them");
    assert_eq!(model.digest().await.unwrap(), before);
}

#[tokio::test]
async fn a_rebuild_that_meets_a_wrong_record_leaves_the_old_tables() {
    let log = Log::sample(50);
    let (place, model) = filled(&log).await;
    let before = model.digest().await.unwrap();
    let mut forged = Log::sample(50);
    forged.next.signer = key(200);
    forged.event("acme", 50, &[]);
    let outcome = model
        .rebuild(&mut forged.source(10), &mut |_| {}, &Cancel::never())
        .await;
    let at = log.records.len() as u64;
    assert!(
        matches!(outcome, Err(Error::Unverified { offset, .. }) if offset == at),
        "{outcome:?}"
    );
    assert_eq!(model.digest().await.unwrap(), before);
    assert_eq!(place.generations().await.len(), 1, "what was built is removed");
}

#[tokio::test]
async fn tables_too_damaged_to_read_are_rebuilt_in_place() {
    let log = Log::sample(50);
    let (place, model) = filled(&log).await;
    let before = model.digest().await.unwrap();
    place.tamper("DROP TABLE projection_state").await;
    assert!(model.position().await.is_err());
    model
        .rebuild(&mut log.source(10), &mut |_| {}, &Cancel::never())
        .await
        .unwrap();
    assert_eq!(model.digest().await.unwrap(), before);
}

#[tokio::test]
async fn an_empty_log_rebuilds_to_empty_tables() {
    let log = Log::empty();
    let place = Place::new().await;
    let model: Model = place.open(&log.origin).await;
    model
        .rebuild(&mut log.source(10), &mut |_| {}, &Cancel::never())
        .await
        .unwrap();
    assert_eq!(model.position().await.unwrap(), 0);
}
