//! The comparison with a replay: damaged rows of every table are named, and appends go on meanwhile.

use super::{Bytes, Log, Memory, Model, Place, filled, key, run_to};
use projector::query::{Pending, Queries as _};
use projector::{Cancel, Error, NAMED_ROWS, Progress, ReadModel as _, Source, Stage, Trigger, Verification, verify};
use tokio::sync::watch;

/// Compares `model` with a replay of `log`.
async fn compare(model: &Model, log: &Log) -> Verification {
    let scratch_place = Place::new().await;
    let scratch = scratch_place.open(&log.origin).await;
    let source = &mut log.source(50);
    let found = verify(model, &scratch, source, &mut |_| {}, &Cancel::never())
        .await
        .unwrap();
    scratch.close().await;
    found
}

#[tokio::test]
async fn an_untouched_read_model_equals_its_replay() {
    let log = Log::sample(120);
    let (_place, model) = filled(&log).await;
    let found = compare(&model, &log).await;
    assert!(
        found.equal() && found.rows.is_empty() && found.damaged == 0 && !found.cut,
        "{found:?}"
    );
    assert_eq!((found.position, found.parked), (log.records.len() as u64, 0));
    assert_eq!(found.digest, model.digest().await.unwrap().1.value());
}

#[tokio::test]
async fn every_damaged_row_is_named_with_what_is_wrong_with_it() {
    let log = Log::sample(120);
    for (sql, rows) in [
        (
            "UPDATE records SET bytes = x'00' WHERE offset = 7",
            &[r#"records ["7"]: changed"#][..],
        ),
        (
            "DELETE FROM records WHERE offset IN (7, 30)",
            &[r#"records ["7"]: missing"#, r#"records ["30"]: missing"#],
        ),
        (
            "INSERT INTO records SELECT 5000, tenant, 9000, x'00', kind, hash, bytes FROM records WHERE offset = 7",
            &[r#"records ["5000"]: extra"#],
        ),
        (
            "UPDATE timeline SET outcome = 'other' WHERE offset = 11",
            &[r#"timeline ["11"]: changed"#],
        ),
        (
            "DELETE FROM timeline WHERE offset = 12",
            &[r#"timeline ["12"]: missing"#],
        ),
        (
            "UPDATE links SET position = 500 WHERE timeline = 1 AND offset = 1",
            &[r#"links ["1","1"]: changed"#],
        ),
        (
            "UPDATE links SET timeline = 99 WHERE timeline = 1 AND offset = 1",
            &[r#"links ["1","1"]: missing"#, r#"links ["99","1"]: extra"#],
        ),
        (
            "UPDATE timelines SET count = 0 WHERE id = 3",
            &[r#"timelines ["3"]: changed"#],
        ),
        (
            "INSERT INTO timelines VALUES (99999, 'acme', 'actor', 'agent:other', 1)",
            &[r#"timelines ["99999"]: extra"#],
        ),
        (
            "UPDATE canon_entries SET min_loa = 9 WHERE key = 'k1' AND tenant = 'acme'",
            &[r#"canon_entries ["acme","k1"]: changed"#],
        ),
        (
            "DELETE FROM canon_entries WHERE key = 'k2' AND tenant = 'acme'",
            &[r#"canon_entries ["acme","k2"]: missing"#],
        ),
        (
            "INSERT INTO parked VALUES (9, 'acme', 'audit.event', 1, 'KIND_UNKNOWN', '', 1)",
            &[r#"parked ["9"]: extra"#],
        ),
        (
            "UPDATE records SET offset = -4 WHERE offset = 7",
            &[r#"records ["7"]: missing"#, r#"records ["-4"]: extra"#],
        ),
    ] {
        let (place, model) = filled(&log).await;
        place.tamper(sql).await;
        let found = compare(&model, &log).await;
        let named: Vec<String> = found.rows.iter().map(ToString::to_string).collect();
        assert_eq!(named, rows, "{sql}");
        assert!(!found.equal() && found.damaged == rows.len() as u64, "{sql}");
        // A comparison repairs nothing; a rebuild does.
        assert!(!compare(&model, &log).await.equal());
        model
            .rebuild(&mut log.source(50), &mut |_| {}, &Cancel::never())
            .await
            .unwrap();
        assert!(compare(&model, &log).await.equal(), "{sql}");
    }
}

#[tokio::test]
async fn many_damaged_rows_are_counted_and_the_first_ones_named() {
    let log = Log::sample(220);
    let (place, model) = filled(&log).await;
    place.tamper("UPDATE timeline SET kind = 'other'").await;
    let found = compare(&model, &log).await;
    assert_eq!(
        (found.rows.len(), found.damaged),
        (NAMED_ROWS, log.records.len() as u64)
    );
    assert_eq!(found.rows[0].to_string(), r#"timeline ["0"]: changed"#);
    assert!(
        found
            .rows
            .is_sorted_by_key(|row| row.key.trim_matches(['[', ']', '"']).parse::<u64>().unwrap())
    );
}

/// A log that grows by a few records whenever it is read, until it is whole.
struct Growing {
    log: Memory,
    whole: Vec<Bytes>,
    grow: watch::Sender<Vec<Bytes>>,
    step: usize,
}

impl Source for Growing {
    fn next(&mut self, from: u64) -> Pending<'_, Vec<Bytes>> {
        let size = (self.grow.borrow().len() + self.step).min(self.whole.len());
        self.grow.send_replace(self.whole[..size].to_vec());
        self.log.next(from)
    }

    fn head(&mut self) -> Pending<'_, u64> {
        self.log.head()
    }
}

#[tokio::test]
async fn appends_go_on_while_a_comparison_runs_and_do_not_disturb_it() {
    let log = Log::sample(600);
    for damaged in [false, true] {
        let (grow, receiver) = watch::channel(log.records[..100].to_vec());
        let mut live = Memory {
            log: receiver.clone(),
            limit: 16,
        };
        let mut source = Growing {
            log: Memory {
                log: receiver,
                limit: 10,
            },
            whole: log.records.clone(),
            grow,
            step: 40,
        };
        let (place, scratch_place) = (Place::new().await, Place::new().await);
        let model = place.open(&log.origin).await;
        let scratch = scratch_place.open(&log.origin).await;
        let (trigger, cancel) = Trigger::new();
        let mut positions = model.positions();
        let work = async {
            positions.wait_for(|position| *position >= 100).await.unwrap();
            if damaged {
                place
                    .tamper("UPDATE timeline SET outcome = 'other' WHERE offset = 11")
                    .await;
            }
            let found = verify(&model, &scratch, &mut source, &mut |_| {}, &Cancel::never())
                .await
                .unwrap();
            source.grow.send_replace(source.whole.clone());
            positions
                .wait_for(|position| *position == log.records.len() as u64)
                .await
                .unwrap();
            trigger.cancel();
            found
        };
        let (outcome, found) = tokio::join!(model.run(&mut live, &cancel), work);
        outcome.unwrap();
        assert!(
            found.position < log.records.len() as u64,
            "it was pinned before the end"
        );
        let named: Vec<String> = found.rows.iter().map(ToString::to_string).collect();
        let expected: &[&str] = if damaged { &[r#"timeline ["11"]: changed"#] } else { &[] };
        assert_eq!(
            (found.equal(), named.as_slice()),
            (
                !damaged,
                &expected.iter().map(ToString::to_string).collect::<Vec<_>>()[..]
            )
        );
    }
}

#[tokio::test]
async fn a_comparison_is_cancelled_at_every_step_and_leaves_both_sides_usable() {
    let log = Log::sample(120);
    let (place, model) = filled(&log).await;
    let (before, file) = (model.digest().await.unwrap(), place.current().await);
    let (mut steps, mut stages) = (0, Vec::new());
    for stop_at in 0.. {
        let (trigger, cancel) = Trigger::new();
        if stop_at == 0 {
            trigger.cancel();
        }
        let mut seen = 0;
        let mut progress = |one: Progress| {
            seen += 1;
            if seen == stop_at {
                stages.push(one.stage);
                trigger.cancel();
            }
        };
        let scratch_place = Place::new().await;
        let scratch = scratch_place.open(&log.origin).await;
        let outcome = verify(&model, &scratch, &mut log.source(40), &mut progress, &cancel).await;
        if outcome.is_ok() {
            break;
        }
        assert!(matches!(outcome, Err(Error::Cancelled)), "{outcome:?}");
        scratch.position().await.unwrap();
        steps += 1;
    }
    assert!(
        steps > 8 && stages.contains(&Stage::Indexing) && stages.contains(&Stage::Comparing),
        "{stages:?}"
    );
    assert_eq!((model.digest().await.unwrap(), place.current().await), (before, file));
}

#[tokio::test]
async fn a_log_that_is_shorter_or_damaged_is_not_compared() {
    let log = Log::sample(60);
    let (_place, model) = filled(&log).await;
    let scratch_place = Place::new().await;
    let scratch = scratch_place.open(&log.origin).await;
    let shorter = verify(
        &model,
        &scratch,
        &mut Log::sample(20).source(10),
        &mut |_| {},
        &Cancel::never(),
    )
    .await;
    assert!(matches!(shorter, Err(Error::LogBehind { .. })), "{shorter:?}");
    let mut forged = Log::sample(30);
    forged.next.signer = key(200);
    for at in 0..40 {
        forged.event("acme", at, &[]);
    }
    let outcome = verify(&model, &scratch, &mut forged.source(10), &mut |_| {}, &Cancel::never()).await;
    assert!(matches!(outcome, Err(Error::Unverified { .. })), "{outcome:?}");
    // The same scratch set serves another comparison.
    let found = verify(&model, &scratch, &mut log.source(10), &mut |_| {}, &Cancel::never())
        .await
        .unwrap();
    assert!(found.equal());
    let mut log = log;
    log.event("acme", 61, &[]);
    run_to(&model, &mut log.source(10), log.records.len()).await;
}
