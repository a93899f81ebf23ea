//! Faults at every step of a cycle: the log goes on, and its map roots are right whatever failed before.

use super::tests::{open, settled};
use crate::check::look;
use crate::clock::SystemClock;
use crate::log::{Log, all};
use crate::oracle::{checked_roots, varied, with_tenants};
use crate::probe::{Probe, Step};
use ledger_client::{Append, Error, LedgerClient as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Fails the `nth` time that a step is met.
fn failing(step: Step, nth: usize) -> (Probe, Arc<AtomicUsize>) {
    let met = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&met);
    let probe = Probe::failing(move |at| {
        let hit = at == step && count.fetch_add(1, Ordering::SeqCst) == nth;
        hit.then(|| std::io::Error::from(std::io::ErrorKind::StorageFull))
    });
    (probe, met)
}

/// Appends until it is stored, whatever fails meanwhile.
async fn insist(handle: &crate::Handle, n: u64) {
    let record = varied(n);
    loop {
        let append = Append {
            record: record.clone(),
            guard: None,
        };
        match handle.append(append).await {
            Ok(_) => return,
            Err(Error::Unavailable { .. } | Error::CommitUnknown { .. }) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
}

async fn run(step: Step) {
    for nth in [0, 1, 3] {
        let case = format!("{step:?}, time {nth}");
        let log = Log::create().await;
        let handle = log.open();
        with_tenants(&handle).await;
        handle.close();
        drop(handle);
        let (probe, met) = failing(step, nth);
        let handle = open(&log, Arc::new(SystemClock), probe);
        let mut n = 0;
        while met.load(Ordering::SeqCst) <= nth || n < 12 {
            insist(&handle, n).await;
            n += 1;
        }
        insist(&handle, n).await;
        let records = settled(&handle).await;
        let stored = records.iter().filter(|record| record.kind.as_str() == "audit.event");
        assert_eq!(stored.count() as u64, n + 1, "{case}");
        handle.close();
        drop(handle);
        let handle = open(&log, Arc::new(SystemClock), Probe::default());
        let records = all(&handle).await;
        assert!(!checked_roots(&records).is_empty(), "{case}");
        assert_eq!(
            settled(&handle).await,
            records,
            "{case}: it was settled before the close"
        );
        handle.close();
        drop(handle);
        look(&log.config()).unwrap_or_else(|findings| panic!("{case}: {findings:?}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_map_that_cannot_be_written() {
    run(Step::Map).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_map_that_was_written_unknown() {
    run(Step::AfterMap).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_or_map_root_that_cannot_be_committed() {
    run(Step::Commit).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_or_map_root_that_was_committed_unknown() {
    run(Step::AfterCommit).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_cannot_be_written() {
    run(Step::Head).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_that_cannot_be_written() {
    run(Step::Checkpoint).await;
}
