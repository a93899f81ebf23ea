//! The fault table: every step of a commit x every load, what the callers are told, and what is in the log afterwards.

use super::{Config, Handle};
use crate::check::look;
use crate::clock::SystemClock;
use crate::log::{Log, all, append, event, plain, private, tenant};
use crate::probe::{Probe, Step};
use ledger_client::{Error, LedgerClient as _, Receipt};
use record::{NewRecord, RecordId};
use serde_json::json;
use std::collections::HashSet;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

/// What breaks from now on; `None` while all is well.
#[derive(Clone, Default)]
struct Broken(Arc<Mutex<Option<Step>>>);

impl Broken {
    fn set(&self, step: Option<Step>) {
        *self.0.lock().expect("no test panics with it") = step;
    }

    fn probe(&self) -> Probe {
        let broken = self.clone();
        Probe::failing(move |step| {
            let hit = *broken.0.lock().expect("no test panics with it") == Some(step);
            hit.then(|| std::io::Error::from(std::io::ErrorKind::StorageFull))
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Load {
    Single,
    /// Many requests at once, one of them with two records of the same id.
    Many,
    Sealed,
}

/// What the callers must be told.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Told {
    Stored,
    Nothing,
    Unknown,
}

const fn told(step: Step, load: Load) -> Told {
    match (step, load) {
        // Steps of the map are not met here: no checkpoints are made.
        (Step::Scopes, Load::Single | Load::Many) | (Step::Map | Step::AfterMap, _) => Told::Stored,
        (Step::Scopes, Load::Sealed) | (Step::Commit, _) => Told::Nothing,
        (Step::AfterCommit | Step::Head, _) => Told::Unknown,
        (Step::Checkpoint | Step::AfterCheckpoint, _) => Told::Stored,
    }
}

type Answer = (NewRecord, Result<Receipt, Error>);

fn open(config: Config, probe: Probe) -> Handle {
    Handle::open_with(config, Arc::new(SystemClock), probe).expect("opens")
}

async fn send(handle: &Handle, load: Load) -> Vec<Answer> {
    let requests: Vec<Vec<NewRecord>> = match load {
        Load::Single => vec![vec![event("single")]],
        Load::Sealed => (0..3)
            .map(|n| vec![private(&format!("sealed.{n}"), json!({"n": n}))])
            .collect(),
        Load::Many => {
            let twice = event("twice");
            let many = vec![twice.clone(), event("beside"), twice];
            let singles = (0..16).map(|n| vec![event(&format!("single.{n}"))]);
            singles.chain([many]).collect()
        }
    };
    let answers = requests.into_iter().map(|records| {
        let handle = handle.clone();
        tokio::spawn(async move {
            let results = handle.append_many(records.clone()).await.expect("answers each");
            records.into_iter().zip(results).collect::<Vec<_>>()
        })
    });
    let mut all = Vec::new();
    for answer in answers.collect::<Vec<_>>() {
        all.extend(answer.await.expect("a task"));
    }
    all
}

async fn ids(handle: &Handle) -> Vec<RecordId> {
    all(handle).await.into_iter().map(|record| record.id).collect()
}

fn check_answers(answers: &[Answer], expected: Told, case: &str) {
    let count = |is: fn(&Error) -> bool| {
        let errors = answers.iter().filter_map(|(_, answer)| answer.as_ref().err());
        errors.filter(|error| is(error)).count()
    };
    let unavailable = count(|error| matches!(error, Error::Unavailable { .. }));
    let unknown = count(|error| matches!(error, Error::CommitUnknown { .. }));
    let stored = answers.iter().filter(|(_, answer)| answer.is_ok()).count();
    match expected {
        Told::Stored => assert_eq!(stored, answers.len(), "{case}: {answers:?}"),
        Told::Nothing => {
            // A request that waits behind the failed commit is told that nobody knows, which is safe.
            assert!(unavailable > 0, "{case}: {answers:?}");
            assert_eq!(unknown + unavailable, answers.len(), "{case}: {answers:?}");
        }
        Told::Unknown => {
            assert!(unknown > 0, "{case}: {answers:?}");
            assert_eq!(unknown + unavailable + stored, answers.len(), "{case}: {answers:?}");
            let fresh = |(_, answer): &Answer| answer.as_ref().is_ok_and(|receipt| !receipt.replayed);
            assert!(!answers.iter().any(fresh), "{case}: acknowledged without HEAD");
        }
    }
}

/// `Unavailable` means that nothing was stored; where commits fail after they were applied, one at least is there.
fn check_stored(answers: &[Answer], stored: &HashSet<RecordId>, expected: Told, case: &str) {
    let mut unknown = Vec::new();
    for (record, answer) in answers {
        let is_there = stored.contains(&record.id);
        match answer {
            Ok(_) => assert!(is_there, "{case}: acknowledged and not stored"),
            Err(Error::Unavailable { .. }) => assert!(!is_there, "{case}: told that nothing was stored"),
            Err(Error::CommitUnknown { id, .. }) => {
                assert_eq!(*id, record.id, "{case}");
                unknown.push(is_there);
            }
            Err(error) => panic!("{case}: {error}"),
        }
    }
    assert_eq!(
        unknown.contains(&true),
        expected == Told::Unknown,
        "{case}: {unknown:?}"
    );
}

async fn run(step: Step, load: Load) {
    let case = format!("{step:?} x {load:?}");
    let log = Log::create().await;
    let broken = Broken::default();
    let handle = open(log.config(), broken.probe());
    let mut committed = handle.committed();
    let watcher = tokio::spawn(async move {
        let mut seen = vec![*committed.borrow_and_update()];
        while committed.changed().await.is_ok() {
            seen.push(*committed.borrow_and_update());
        }
        seen
    });
    append(&handle, event("before")).await;
    append(&handle, private("before", json!("secret"))).await;
    let before = all(&handle).await;
    broken.set(Some(step));
    let answers = send(&handle, load).await;
    check_answers(&answers, told(step, load), &case);
    assert_eq!(all(&handle).await[..before.len()], before, "{case}: reads go on");
    broken.set(None);
    append(&handle, event("after")).await;
    let stored: HashSet<RecordId> = ids(&handle).await.into_iter().collect();
    check_stored(&answers, &stored, told(step, load), &case);
    for (record, _) in &answers {
        let was_stored = stored.contains(&record.id);
        let again = append(&handle, record.clone()).await;
        assert!(again.replayed || !was_stored, "{case}: written twice");
    }
    let every = ids(&handle).await;
    let unique: HashSet<&RecordId> = every.iter().collect();
    assert_eq!(unique.len(), every.len(), "{case}: a record twice");
    assert!(answers.iter().all(|(record, _)| unique.contains(&record.id)), "{case}");
    let kept = all(&handle).await;
    handle.close();
    drop(handle);
    let seen = watcher.await.expect("a task");
    assert!(seen.is_sorted(), "{case}: committed went back: {seen:?}");
    let reopened = log.open();
    assert_eq!(all(&reopened).await, kept, "{case}");
    reopened.close();
    drop(reopened);
    let found = look(&log.config()).unwrap_or_else(|findings| panic!("{case}: {findings:?}"));
    assert_eq!(found.records.len(), kept.len(), "{case}");
}

async fn run_step(step: Step) {
    for load in [Load::Single, Load::Many, Load::Sealed] {
        run(step, load).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn scope_keys_that_cannot_be_synced_store_nothing() {
    run_step(Step::Scopes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_fails_before_it_is_written_stores_nothing() {
    run_step(Step::Commit).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_fails_after_it_was_applied_is_unknown() {
    run_step(Step::AfterCommit).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_cannot_be_written_is_unknown() {
    run_step(Step::Head).await;
}

/// Holds the first commit back until the test lets it fail.
fn gate(step: Step) -> (Probe, Sender<()>) {
    let (open, wait): (Sender<()>, Receiver<()>) = channel();
    let wait = Mutex::new(Some(wait));
    let probe = Probe::failing(move |at| {
        if at != step {
            return None;
        }
        let wait = wait.lock().expect("no test panics with it").take()?;
        wait.recv().expect("the test opens the gate");
        Some(std::io::Error::from(std::io::ErrorKind::StorageFull))
    });
    (probe, open)
}

#[tokio::test]
async fn a_denial_that_rests_on_records_that_failed_is_not_told() {
    let log = Log::create().await;
    let (probe, release) = gate(Step::Commit);
    let handle = open(log.config(), probe);
    let create = || handle.create_tenant(tenant("acme"), "Acme".to_owned());
    let (first, second, third, ()) = tokio::join!(handle.append(plain(event("x"))), create(), create(), async {
        release.send(()).expect("the gate waits");
    });
    for answer in [first, second, third] {
        assert!(matches!(answer, Err(Error::Unavailable { .. })), "{answer:?}");
    }
    create().await.expect("the tenant is new");
}

#[tokio::test]
async fn a_retry_behind_an_unknown_commit_is_unknown_too() {
    let log = Log::create().await;
    let (probe, release) = gate(Step::AfterCommit);
    let handle = open(log.config(), probe);
    let record = event("x");
    let (first, second, ()) = tokio::join!(
        handle.append(plain(record.clone())),
        handle.append(plain(record.clone())),
        async {
            release.send(()).expect("the gate waits");
        }
    );
    for answer in [first, second] {
        assert!(
            matches!(answer, Err(Error::CommitUnknown { id, .. }) if id == record.id),
            "{answer:?}"
        );
    }
    assert!(append(&handle, record).await.replayed);
}

#[tokio::test]
async fn a_known_record_is_answered_although_the_commit_beside_it_fails() {
    let log = Log::create().await;
    let (probe, release) = gate(Step::Scopes);
    let handle = open(log.config(), probe);
    let known = event("known");
    append(&handle, known.clone()).await;
    let both = vec![known, private("new", json!(1))];
    let (answers, ()) = tokio::join!(handle.append_many(both), async {
        release.send(()).expect("the gate waits");
    });
    let answers = answers.expect("answers each");
    assert!(answers[0].as_ref().is_ok_and(|receipt| receipt.replayed), "{answers:?}");
    assert!(matches!(answers[1], Err(Error::Unavailable { .. })), "{answers:?}");
}

#[tokio::test]
async fn a_thread_that_panics_is_replaced() {
    let log = Log::create().await;
    let armed = Arc::new(Mutex::new(true));
    let trap = Arc::clone(&armed);
    let probe = Probe::failing(move |step| {
        let armed = *trap.lock().expect("is dropped before the panic");
        assert!(step != Step::Commit || !armed, "planted");
        None
    });
    let handle = open(log.config(), probe);
    let record = event("x");
    let error = handle
        .append(plain(record.clone()))
        .await
        .expect_err("its thread is gone");
    assert!(matches!(error, Error::CommitUnknown { .. }), "{error}");
    *armed.lock().expect("is not poisoned") = false;
    // The callers may hear of it before the engine does.
    let mut answer = handle.append(plain(record.clone())).await;
    while let Err(Error::CommitUnknown { .. } | Error::Unavailable { .. }) = answer {
        answer = handle.append(plain(record.clone())).await;
    }
    assert_eq!(answer.map(|receipt| receipt.replayed), Ok(false));
    assert_eq!(all(&handle).await.len(), 3);
}
