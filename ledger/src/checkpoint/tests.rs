//! Signing, keeping and announcing, with tree heads offered by hand.

use super::{Candidate, Publisher, kept};
use crate::clock::SystemClock;
use crate::engine::Shared;
use crate::error::Error;
use crate::handle::{Config, Handle};
use crate::log::{Log, append, event};
use crate::probe::{Probe, Step};
use crate::proofs::LogTree;
use ed25519_dalek::SigningKey;
use ledger_client::LedgerClient as _;
use ledger_client::proof::SignedCheckpoint;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tlog::{
    Checkpoint, CheckpointText, Cosignature, KeyType, Note, Policy, VerifierKey, prove_consistency, verify_consistency,
};

/// The tree head of everything that is committed.
pub(crate) fn candidate(handle: &Handle) -> Candidate {
    let tip = handle.reader().expect("is open").tip().expect("has records");
    Candidate {
        size: tip.size,
        root: tip.root.into(),
        map_size: tip.size - 1,
    }
}

fn publisher(handle: &Handle) -> Publisher {
    Publisher::new(handle.reader().expect("is open"))
}

/// Signs what is committed, and gives the newest checkpoint.
pub(crate) fn publish(handle: &Handle) -> Option<Arc<SignedCheckpoint>> {
    publisher(handle).offer(candidate(handle));
    handle.checkpoints().borrow().clone()
}

async fn grow(handle: &Handle, records: usize) {
    for n in 0..records {
        append(handle, event(&format!("grow.{n}"))).await;
    }
}

/// The checkpoint, believed under the keys that the log has or had.
fn signed(handle: &Handle, checkpoint: &SignedCheckpoint) -> CheckpointText {
    let shared = handle.reader().expect("is open");
    let read = super::keys::verify(&shared, &checkpoint.note).expect("is signed by the log");
    assert_eq!(read.size(), checkpoint.size);
    read
}

/// Whether the open log's tree continues a checkpoint, proven by nodes.
fn is_continued(handle: &Handle, checkpoint: &CheckpointText) -> bool {
    let shared = handle.reader().expect("is open");
    let (tree, tip) = (LogTree(&shared), shared.tip().expect("has records"));
    let proof = prove_consistency(checkpoint.size(), tip.size, |place| {
        tree.node(place).map_err(|_| tlog::Error::RootMismatch)
    });
    let proof = proof.expect("is proven");
    verify_consistency(checkpoint.size(), checkpoint.root(), tip.size, &tip.root.into(), &proof).is_ok()
}

fn keys(text: &CheckpointText) -> usize {
    text.note().lines().len()
}

#[tokio::test]
async fn a_checkpoint_is_signed_kept_and_told() {
    let log = Log::create().await;
    let handle = log.open();
    assert_eq!(handle.checkpoints().borrow().clone(), None);
    let mut told = handle.checkpoints();
    let first = publish(&handle).expect("is signed");
    assert!(told.has_changed().expect("lives"));
    assert_eq!(told.borrow_and_update().clone(), Some(Arc::clone(&first)));
    assert_eq!((first.size, first.map_size, first.witnessed), (2, 1, None));
    let read = signed(&handle, &first);
    assert_eq!(read.root(), &candidate(&handle).root);
    assert_eq!(publish(&handle), Some(Arc::clone(&first)), "once a size");
    grow(&handle, 3).await;
    let second = publish(&handle).expect("is signed");
    assert_eq!(second.size, 5);
    let store = handle.reader().expect("is open").store.clone();
    let page = |below, limit| kept::page(&store, below, limit).expect("reads");
    assert_eq!(page(None, 10), [(*second).clone(), (*first).clone()]);
    assert_eq!(page(None, 1), [(*second).clone()]);
    assert_eq!(page(Some(5), 10), [(*first).clone()]);
    assert_eq!(kept::at(&store, 2).expect("reads"), Some((*first).clone()));
    assert_eq!(kept::at(&store, 3).expect("reads"), None);
    drop(store);
    handle.close();
    drop(handle);
    let handle = log.open();
    assert_eq!(handle.checkpoints().borrow().clone(), Some(second), "it is told again");
}

#[tokio::test]
async fn another_tree_is_not_signed() {
    let log = Log::create().await;
    let handle = log.open();
    publish(&handle).expect("is signed");
    grow(&handle, 3).await;
    let forged = Candidate {
        root: tlog::hash_leaf(b"x"),
        ..candidate(&handle)
    };
    publisher(&handle).offer(forged);
    assert_eq!(handle.checkpoints().borrow().as_ref().map(|told| told.size), Some(2));
    let poison = handle.reader().expect("is open").poison();
    assert!(poison.is_some_and(|reason| reason.contains("no checkpoint is signed")));
    // Not even when the log is open anew: the candidate is still not its tree.
    append(&handle, event("again")).await;
    let beyond = Candidate {
        size: 7,
        ..candidate(&handle)
    };
    publisher(&handle).offer(beyond);
    assert_eq!(handle.checkpoints().borrow().as_ref().map(|told| told.size), Some(2));
}

#[tokio::test]
async fn a_checkpoint_waits_for_the_stream() {
    let log = Log::create().await;
    let handle = Handle::open(with(&log, |checkpoints| checkpoints.after_stream = true)).expect("opens");
    // The map's thread offers what it makes beside this one; both wait.
    let mut publisher = publisher(&handle);
    let told = || handle.checkpoints().borrow().as_ref().map_or(0, |told| told.size);
    grow(&handle, 2).await;
    let first = candidate(&handle);
    publisher.offer(first);
    grow(&handle, 2).await;
    publisher.offer(candidate(&handle));
    assert_eq!(told(), 0, "no stream has anything yet");
    handle.inner.published.send_replace(Some(first.size - 1));
    publisher.tick();
    assert!(told() < first.size, "{}", told());
    handle.inner.published.send_replace(Some(first.size));
    publisher.tick();
    assert!(told() >= first.size, "{}", told());
}

#[tokio::test]
async fn nothing_is_named_before_the_log_was_compared_with_its_stream() {
    for (published, expected) in [(None, 0), (Some(0), 0), (Some(1), 1)] {
        let log = Log::create().await;
        let handle = Handle::open(with(&log, |checkpoints| checkpoints.after_stream = true)).expect("opens");
        handle.inner.published.send_replace(published);
        grow(&handle, 2).await;
        // Which is when the last root is named, at the latest.
        drop(handle);
        let handle = log.open();
        let records = handle.read(0, 100).await.expect("reads");
        let roots = records.iter().filter(|record| {
            let text = std::str::from_utf8(&record.bytes).expect("is text");
            text.contains("\"kind\":\"ledger.map_root\"")
        });
        assert_eq!(roots.count().min(1), expected, "{published:?}");
    }
}

fn with(log: &Log, change: impl FnOnce(&mut super::CheckpointConfig)) -> Config {
    let mut checkpoints = super::CheckpointConfig::new();
    change(&mut checkpoints);
    Config {
        checkpoints: Some(checkpoints),
        ..log.config()
    }
}

/// Opens the log so that it fails at a step while `armed`.
fn failing(config: Config, step: Step) -> (Handle, Arc<AtomicBool>) {
    let armed = Arc::new(AtomicBool::new(false));
    let fails = Arc::clone(&armed);
    let probe = Probe::failing(move |at| {
        let hit = at == step && fails.load(Ordering::Relaxed);
        hit.then(|| std::io::Error::from(std::io::ErrorKind::StorageFull))
    });
    let handle = Handle::open_with(config, Arc::new(SystemClock), probe).expect("opens");
    (handle, armed)
}

const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for a checkpoint whose map covers so many records.
async fn covered(handle: &Handle, size: u64) {
    let mut checkpoints = handle.checkpoints();
    let covers = |newest: &Option<Arc<SignedCheckpoint>>| newest.as_ref().is_some_and(|newest| newest.map_size >= size);
    let covered = tokio::time::timeout(PATIENCE, checkpoints.wait_for(covers)).await;
    covered.expect("in time").expect("is kept current");
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoints_go_on_behind_every_failure_while_they_are_made() {
    let steps = [
        Step::Commit,
        Step::AfterCommit,
        Step::Map,
        Step::AfterMap,
        Step::Checkpoint,
        Step::AfterCheckpoint,
    ];
    for step in steps {
        let log = Log::create().await;
        let quick = with(&log, |checkpoints| checkpoints.interval = Duration::from_millis(5));
        let (handle, armed) = failing(quick, step);
        let told = Arc::new(Mutex::new(Vec::new()));
        let collect = tokio::spawn({
            let (mut checkpoints, told) = (handle.checkpoints(), Arc::clone(&told));
            async move {
                while checkpoints.changed().await.is_ok() {
                    let newest = checkpoints.borrow_and_update().clone();
                    told.lock().expect("no panic").extend(newest);
                }
            }
        });
        for _ in 0..3 {
            grow(&handle, 2).await;
            covered(&handle, handle.head().await.expect("a head").size).await;
            armed.store(true, Ordering::Relaxed);
            let deadline = Instant::now() + PATIENCE;
            // Whatever becomes of this one; the thread that makes checkpoints meets the failure in its own time.
            let _unknown = handle.append(crate::log::plain(event("lost"))).await;
            while !handle.reader().is_ok_and(|shared| shared.is_poisoned()) {
                assert!(Instant::now() < deadline, "{step:?} is not met");
                tokio::task::yield_now().await;
            }
            armed.store(false, Ordering::Relaxed);
            while handle.append(crate::log::plain(event("again"))).await.is_err() {
                assert!(Instant::now() < deadline, "{step:?}: the log is not opened again");
            }
        }
        covered(&handle, handle.head().await.expect("a head").size - 1).await;
        collect.abort();
        let told = std::mem::take(&mut *told.lock().expect("no panic"));
        assert!(told.len() >= 4 && told.is_sorted_by_key(|told| told.size), "{step:?}");
        for checkpoint in told {
            assert!(is_continued(&handle, &signed(&handle, &checkpoint)), "{step:?}");
        }
    }
}

#[tokio::test]
async fn whatever_was_told_is_continued_behind_every_failure() {
    for step in [Step::Commit, Step::AfterCommit, Step::Checkpoint, Step::AfterCheckpoint] {
        let log = Log::create().await;
        let (handle, armed) = failing(log.config(), step);
        let told = Arc::new(Mutex::new(Vec::new()));
        let tell = |handle: &Handle| {
            let newest = handle.checkpoints().borrow().clone();
            told.lock().expect("no panic").extend(newest);
        };
        publish(&handle).expect("is signed");
        tell(&handle);
        for round in 0..3 {
            grow(&handle, 2).await;
            armed.store(true, Ordering::Relaxed);
            let lost = handle.append(crate::log::plain(event("lost"))).await;
            let before = handle.checkpoints().borrow().as_ref().map(|told| told.size);
            if lost.is_ok() {
                publish(&handle);
                assert_eq!(
                    handle.checkpoints().borrow().as_ref().map(|told| told.size),
                    before,
                    "{step:?}"
                );
                assert!(handle.reader().expect("reads").is_poisoned());
            }
            armed.store(false, Ordering::Relaxed);
            // The next append opens the log again.
            append(&handle, event(&format!("again.{round}"))).await;
            tell(&handle);
            publish(&handle).expect("is signed");
            tell(&handle);
        }
        let told = std::mem::take(&mut *told.lock().expect("no panic"));
        assert!(told.len() >= 7 && told.is_sorted_by_key(|told| told.size));
        assert!(told.last().map(|told| told.size) > told.first().map(|told| told.size));
        for checkpoint in told {
            assert!(is_continued(&handle, &signed(&handle, &checkpoint)), "{step:?}");
        }
    }
}

#[tokio::test]
async fn a_checkpoint_that_was_durable_and_not_told_is_the_newest_behind_a_kill() {
    let log = Log::create().await;
    let (handle, armed) = failing(log.config(), Step::AfterCheckpoint);
    grow(&handle, 2).await;
    armed.store(true, Ordering::Relaxed);
    publish(&handle);
    assert_eq!(handle.checkpoints().borrow().clone(), None);
    // As a kill would leave the directory: the engine writes nothing more.
    handle.close();
    drop(handle);
    let handle = log.open();
    let newest = handle.checkpoints().borrow().clone().expect("is told now");
    assert_eq!(newest.size, 4);
    grow(&handle, 2).await;
    let next = publish(&handle).expect("is signed");
    assert!(next.size == 6 && is_continued(&handle, &signed(&handle, &newest)));
}

#[tokio::test]
async fn a_log_that_lost_what_it_signed_is_not_opened() {
    let log = Log::create().await;
    let handle = log.open();
    grow(&handle, 2).await;
    handle.close();
    drop(handle);
    let older = log.dir.path().join("older");
    copy(&log.config().data_dir, &older);
    let handle = log.open();
    let at = publish(&handle).expect("is signed");
    grow(&handle, 2).await;
    let beyond = publish(&handle).expect("is signed");
    handle.close();
    drop(handle);
    let rolled_back = |notes: &[&SignedCheckpoint]| Config {
        data_dir: older.clone(),
        ..with(&log, |checkpoints| {
            checkpoints.known = notes.iter().map(|kept| kept.note.clone()).collect();
        })
    };
    let error = Handle::open(rolled_back(&[&at, &beyond])).err().expect("is refused");
    assert!(
        matches!(
            error,
            Error::LogBehind {
                expected: 6,
                found: 4,
                ..
            }
        ),
        "{error}"
    );
    // Another history of the same length: the same keys sign another tree.
    let handle = Handle::open(Config {
        data_dir: older.clone(),
        ..log.config()
    })
    .expect("opens");
    grow(&handle, 4).await;
    handle.close();
    drop(handle);
    let error = Handle::open(rolled_back(&[&beyond])).err().expect("is refused");
    assert!(
        matches!(&error, Error::Corrupt { place, .. } if place == "the log tree"),
        "{error}"
    );
    // What nobody signed keeps nobody from his log.
    let unsigned = SignedCheckpoint {
        note: beyond.note.replace("example.com", "example.org"),
        ..(*beyond).clone()
    };
    Handle::open(rolled_back(&[&at, &unsigned])).expect("opens");
}

#[tokio::test]
async fn a_stored_checkpoint_that_the_log_does_not_continue_keeps_it_shut() {
    let log = Log::create().await;
    let handle = log.open();
    grow(&handle, 2).await;
    publish(&handle).expect("is signed");
    let shared = handle.reader().expect("is open");
    let forge = |shared: &Shared, size: u64| {
        let key = shared.access().expect("has keys").checkpoint_keys[0].1;
        let secret = shared.signing_key(&key).expect("is held");
        let key = VerifierKey::new("example.com/audit", KeyType::Ed25519, key.as_bytes()).expect("a key");
        let note = Checkpoint::sign(size, tlog::hash_leaf(b"x"), &key, &secret)
            .note()
            .to_text();
        let checkpoint = SignedCheckpoint {
            size,
            map_size: size - 1,
            signed_at: 1,
            witnessed: None,
            note,
        };
        let mut batch = shared.store.batch();
        kept::put(&shared.store, &mut batch, &checkpoint).expect("puts");
        batch.commit().expect("commits");
    };
    forge(&shared, 9);
    drop(shared);
    handle.close();
    drop(handle);
    let error = Handle::open(log.config()).err().expect("is refused");
    assert!(
        matches!(
            error,
            Error::LogBehind {
                expected: 9,
                found: 4,
                ..
            }
        ),
        "{error}"
    );
}

/// Three witnesses, two of which are enough.
fn witnesses() -> (Policy, Vec<(VerifierKey, SigningKey)>) {
    let key = |seed: u8| {
        let secret = SigningKey::from_bytes(&[seed; 32]);
        let name = format!("witness{seed}.example");
        let public = VerifierKey::new(&name, KeyType::Cosignature, secret.verifying_key().as_bytes());
        (public.expect("a key"), secret)
    };
    let keys: Vec<_> = [41, 42, 43].map(key).to_vec();
    let lines = keys.iter().enumerate();
    let mut text: String = lines.map(|(n, (key, _))| format!("witness w{n} {key}\n")).collect();
    text.push_str("group g 2 w0 w1 w2\nquorum g\n");
    (Policy::parse(&text).expect("a policy"), keys)
}

#[tokio::test]
async fn cosignatures_make_a_quorum_and_nothing_else_is_taken() {
    let log = Log::create().await;
    let (policy, keys) = witnesses();
    // Signed before anybody was asked for cosignatures.
    let handle = log.open();
    grow(&handle, 1).await;
    let size = publish(&handle).expect("is signed").size;
    handle.close();
    drop(handle);
    let handle = Handle::open(with(&log, |checkpoints| checkpoints.policy = Some(policy))).expect("opens");
    let shared = handle.reader().expect("is open");
    let kept = || kept::at(&shared.store, size).expect("reads").expect("is kept");
    let note = Note::parse(&kept().note).expect("a note");
    let line = |at: usize, time: u64| Cosignature::sign(&note, time, &keys[at].0, &keys[at].1).expect("cosigns");
    let elsewhere = Cosignature::sign(
        &Note::parse(&kept().note.replacen(&format!("\n{size}\n"), "\n99\n", 1)).expect("a note"),
        7,
        &keys[1].0,
        &keys[1].1,
    );
    let stranger = SigningKey::from_bytes(&[77; 32]);
    let strange = VerifierKey::new("stranger", KeyType::Cosignature, stranger.verifying_key().as_bytes());
    let strange = Cosignature::sign(&note, 7, &strange.expect("a key"), &stranger);
    let add = |lines| handle.add_cosignatures(size, lines);
    let useless = vec![elsewhere.expect("a line"), strange.expect("a line")];
    let none = add(useless).await.expect("answers").expect("is kept");
    assert_eq!(none.note, note.to_text(), "neither counts");
    let one = add(vec![line(0, 7), line(0, 8)])
        .await
        .expect("answers")
        .expect("is kept");
    assert_eq!(one.witnessed, Some(false));
    assert_eq!(
        Note::parse(&one.note).expect("a note").lines().len(),
        2,
        "one line of each witness"
    );
    assert_eq!(handle.inner.announced.witnessed.borrow().clone(), None);
    let two = add(vec![line(2, 9)]).await.expect("answers").expect("is kept");
    assert_eq!((two.witnessed, kept()), (Some(true), (*two).clone()));
    let witnessed = handle.inner.announced.witnessed.borrow().clone();
    assert_eq!(witnessed, Some(Arc::clone(&two)));
    assert_eq!(handle.add_cosignatures(size + 90, Vec::new()).await, Ok(None));
    signed(&handle, &two);
}

#[tokio::test]
async fn a_rotation_of_the_checkpoint_key_is_signed_by_both_keys_once() {
    let log = Log::create().await;
    let handle = log.open();
    let root = crate::rotate::read_root_key(&log.dir.path().join("root")).expect("reads");
    let old = publish(&handle).expect("is signed");
    assert_eq!(keys(&signed(&handle, &old)), 1);
    let thief = SigningKey::from_bytes(&[9; 32]);
    let refused = handle.rotate_checkpoint_key(&thief).await;
    assert_eq!(refused.err(), Some(domain::Denial::RotationUnproven.into()));
    handle.rotate_checkpoint_key(&root).await.expect("rotates");
    let both = publish(&handle).expect("is signed");
    assert_eq!(keys(&signed(&handle, &both)), 2);
    let key = |at: usize| {
        let keys = handle
            .reader()
            .expect("is open")
            .access()
            .expect("has keys")
            .checkpoint_keys
            .clone();
        VerifierKey::new("example.com/audit", KeyType::Ed25519, keys[at].1.as_bytes()).expect("a key")
    };
    let is_signed_by = |checkpoint: &SignedCheckpoint, at| {
        let note = Note::parse(&checkpoint.note).expect("a note");
        note.is_signed_by(&key(at)).expect("verifies")
    };
    assert!(is_signed_by(&both, 0) && is_signed_by(&both, 1));
    handle.close();
    drop(handle);
    let handle = log.open();
    grow(&handle, 1).await;
    let new = publish(&handle).expect("is signed");
    assert_eq!(keys(&signed(&handle, &new)), 1);
    let note = Note::parse(&new.note).expect("a note");
    let keys = handle
        .reader()
        .expect("is open")
        .access()
        .expect("has keys")
        .checkpoint_keys
        .clone();
    let key = VerifierKey::new("example.com/audit", KeyType::Ed25519, keys[1].1.as_bytes()).expect("a key");
    assert!(note.is_signed_by(&key).expect("verifies"));
    // The record key was not touched.
    handle.rotate_record_key(&root).await.expect("rotates");
    append(&handle, event("after")).await;
}

#[tokio::test]
async fn old_checkpoints_are_thinned_to_one_an_hour() {
    const MINUTE: i64 = 60 * 1_000_000;
    let log = Log::create().await;
    let handle = log.open();
    let shared = handle.reader().expect("is open");
    let now = 100 * 60 * MINUTE;
    let signed_at = |minutes_ago: u64| now - i64::try_from(minutes_ago).expect("small") * MINUTE;
    // One each five minutes for five hours, the newest at now.
    for n in 0..60_u64 {
        let checkpoint = SignedCheckpoint {
            size: n + 1,
            map_size: n,
            signed_at: signed_at((59 - n) * 5),
            witnessed: None,
            note: String::new(),
        };
        let mut batch = shared.store.bulk_batch();
        kept::put(&shared.store, &mut batch, &checkpoint).expect("puts");
        batch.commit().expect("commits");
    }
    let kept_ages = |thinned: &mut kept::Thinned, now: i64| {
        let mut batch = shared.store.bulk_batch();
        thinned.thin(&shared.store, &mut batch, now).expect("thins");
        batch.commit().expect("commits");
        let page = kept::page(&shared.store, None, 100).expect("reads");
        page.iter()
            .map(|kept| (now - kept.signed_at) / MINUTE)
            .collect::<Vec<_>>()
    };
    let mut thinned = kept::Thinned::default();
    assert_eq!(kept_ages(&mut thinned, now), [0, 5, 10, 15, 20, 65, 125, 185, 245]);
    let again = kept_ages(&mut thinned, now);
    assert_eq!(
        again,
        kept_ages(&mut kept::Thinned::default(), now),
        "nothing more is removed"
    );
    assert_eq!(kept_ages(&mut thinned, now + 30 * MINUTE), [30, 35, 95, 155, 215, 275]);
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).expect("creates");
    for entry in std::fs::read_dir(from).expect("reads") {
        let path = entry.expect("reads").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).expect("copies");
        }
    }
}
