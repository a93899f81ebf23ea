//! The authenticated map in the log: its roots are those that anybody computes from the records, whatever happened between.

use crate::backup::{Copy, beside, restore};
use crate::check::look;
use crate::files::{copy_dir, copy_file, journal, seams, written};
use crate::log::{Log, all, append, event, plain};
use crate::oracle::{checked_roots, varied, with_tenants};
use ledger::{CheckpointConfig, Config, Handle};
use ledger_client::LedgerClient as _;
use record::Record;
use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_secs(60);

fn config(log: &Log, interval_ms: u64) -> Config {
    Config {
        checkpoints: Some(CheckpointConfig {
            interval: Duration::from_millis(interval_ms),
            ..CheckpointConfig::default()
        }),
        ..log.config()
    }
}

fn open(log: &Log, interval_ms: u64) -> Handle {
    loop {
        match Handle::open(config(log, interval_ms)) {
            Err(ledger::Error::InUse { .. }) => std::thread::yield_now(),
            opened => return opened.expect("opens"),
        }
    }
}

/// Waits until a map root covers `size` records; gives all records.
async fn until_covered(handle: &Handle, size: u64) -> Vec<Record> {
    let deadline = Instant::now() + DEADLINE;
    let mut committed = handle.committed();
    loop {
        let records = all(handle).await;
        let covered = records
            .iter()
            .filter(|record| record.kind.as_str() == "ledger.map_root");
        let covered = covered.filter_map(|record| record.payload["size"].as_u64()).max();
        if covered.is_some_and(|covered| covered >= size) {
            return records;
        }
        assert!(Instant::now() < deadline, "{covered:?} of {size}");
        let _later = tokio::time::timeout(DEADLINE, committed.changed()).await;
    }
}

/// Everything that is said of a closed log is right.
fn sound(log: &Log) {
    if let Err(findings) = look(&log.config()) {
        panic!("{findings:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn roots_in_the_log_are_those_that_follow_from_its_records() {
    let log = Log::create().await;
    let handle = open(&log, 10);
    with_tenants(&handle).await;
    for round in 0..12 {
        let records = (round * 50..(round + 1) * 50).map(varied).collect();
        for receipt in handle.append_many(records).await.expect("answers") {
            receipt.expect("appends");
        }
    }
    let records = until_covered(&handle, handle.head().await.expect("a head").size.min(604)).await;
    assert!(checked_roots(&records).len() > 1);
    handle.close();
    drop(handle);
    let handle = log.open();
    let records = all(&handle).await;
    let last = records.last().expect("a record");
    assert_eq!(last.kind.as_str(), "ledger.map_root", "one before the close");
    let sizes = checked_roots(&records);
    // Nothing but map roots lies behind what the last one covers.
    let covered = usize::try_from(*sizes.last().expect("a root")).expect("fits");
    assert!(
        records[covered..]
            .iter()
            .all(|record| record.kind.as_str() == "ledger.map_root")
    );
    handle.close();
    drop(handle);
    sound(&log);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_checkpoints_there_is_no_map() {
    let log = Log::create().await;
    let handle = log.open();
    append(&handle, event("x")).await;
    handle.close();
    drop(handle);
    let seen = look(&log.config()).expect("is sound");
    assert!(seen.counts.contains(&("map", 0)), "{:?}", seen.counts);
    assert_eq!(seen.records.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_from_before_is_caught_up_and_an_idle_one_stays_as_it_is() {
    let log = Log::create().await;
    let handle = log.open();
    with_tenants(&handle).await;
    for n in 0..300 {
        handle.append(plain(varied(n))).await.expect("appends");
    }
    handle.close();
    drop(handle);
    let handle = open(&log, 1);
    let records = until_covered(&handle, 304).await;
    assert_eq!(checked_roots(&records), [304]);
    handle.close();
    drop(handle);
    // Opened and closed without a record: nothing is due.
    for _ in 0..3 {
        let handle = open(&log, 1);
        handle.close();
        drop(handle);
    }
    // Opened for a while: nothing is due either.
    let handle = open(&log, 1);
    let mut committed = handle.committed();
    let more = tokio::time::timeout(Duration::from_millis(700), async {
        while *committed.borrow_and_update() == records.len() as u64 {
            committed.changed().await.expect("is open");
        }
    });
    assert!(more.await.is_err(), "a map root without a record");
    append(&handle, event("next")).await;
    let records = until_covered(&handle, 306).await;
    assert_eq!(checked_roots(&records), [304, 306]);
    handle.close();
    drop(handle);
    sound(&log);
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoints_may_be_off_for_a_while() {
    let log = Log::create().await;
    let mut size = 2;
    for round in 0..4 {
        let handle = open(&log, 1);
        append(&handle, event("on")).await;
        until_covered(&handle, size + 1).await;
        handle.close();
        drop(handle);
        let handle = log.open();
        for _ in 0..round * 7 {
            append(&handle, event("off")).await;
        }
        size = handle.head().await.expect("a head").size;
        handle.close();
        drop(handle);
    }
    let handle = open(&log, 1);
    let records = until_covered(&handle, size).await;
    assert!(checked_roots(&records).len() >= 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_record_before_a_close_is_covered() {
    let log = Log::create().await;
    for round in 0..6 {
        // No interval passes in a test: what comes after the first cycle waits for the close.
        let handle = open(&log, 3_600_000);
        for _ in 0..=round {
            append(&handle, event("x")).await;
        }
        handle.close();
        drop(handle);
        let handle = log.open();
        let records = all(&handle).await;
        let sizes = checked_roots(&records);
        let last = records
            .iter()
            .rposition(|record| record.kind.as_str() != "ledger.map_root");
        // It may cover map roots before it as well.
        let covered = sizes.last().zip(last).map(|(size, last)| *size > last as u64);
        assert_eq!(covered, Some(true), "{sizes:?} for {last:?}");
        handle.close();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_cut_anywhere_leads_to_right_roots() {
    let log = Log::create().await;
    let handle = open(&log, 1);
    append(&handle, event("first")).await;
    until_covered(&handle, 3).await;
    handle.close();
    drop(handle);
    // Nothing is due, so nothing is written while it is copied.
    let handle = open(&log, 1);
    let dir = |name: &str| log.dir.path().join(name);
    copy_dir(&log.config().data_dir, &dir("before"));
    with_tenants(&handle).await;
    for n in 0..3 {
        let receipt = append(&handle, varied(n)).await;
        until_covered(&handle, receipt.committed.offset + 1).await;
    }
    handle.close();
    drop(handle);
    let after = journal(&log.config().data_dir);
    let (start, whole) = (written(&journal(&dir("before"))).len(), written(&after));
    let ends = seams(&whole).into_iter().filter(|end| *end > start);
    let lengths: Vec<usize> = ends.flat_map(|end| [end - 40, end]).collect();
    assert!(lengths.len() > 20, "{lengths:?}");
    for (round, length) in lengths.into_iter().enumerate() {
        let copy = Config {
            data_dir: dir(&format!("round.{round}")),
            ..config(&log, 1)
        };
        copy_dir(&dir("before"), &copy.data_dir);
        let torn = journal(&copy.data_dir);
        copy_file(&after, &torn);
        let file = std::fs::OpenOptions::new().write(true).open(&torn).expect("opens");
        file.set_len(length as u64).expect("cuts");
        let handle = Handle::open(copy.clone()).expect("opens");
        let receipt = append(&handle, event("next")).await;
        let records = until_covered(&handle, receipt.committed.offset + 1).await;
        assert!(!checked_roots(&records).is_empty(), "cut at {length}");
        handle.close();
        drop(handle);
        look(&copy).unwrap_or_else(|findings| panic!("cut at {length}: {findings:?}"));
        std::fs::remove_dir_all(&copy.data_dir).expect("removes");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_log_makes_its_maps_again() {
    let log = Log::create().await;
    let handle = open(&log, 1);
    with_tenants(&handle).await;
    handle
        .append_many((0..60).map(varied).collect())
        .await
        .expect("answers each");
    let records = until_covered(&handle, 64).await;
    let (copy, _) = Copy::of(&log, &handle, "backup");
    handle.close();
    drop(handle);
    let restored = beside(&log, "restored");
    let size = restore(&copy.restore(restored.clone())).size;
    let handle = Handle::open(Config {
        checkpoints: config(&log, 1).checkpoints,
        ..restored.clone()
    })
    .expect("opens");
    // The last record may cover everything, and yet its map is gone: another is due.
    let now = until_covered(&handle, size).await;
    assert!(now.starts_with(&records));
    assert!(!checked_roots(&now).is_empty());
    handle.close();
    drop(handle);
    look(&restored).unwrap_or_else(|findings| panic!("{findings:?}"));
}
