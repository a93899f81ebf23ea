//! The promise under crashes, races, restarts and bad input.

use super::store::Step;
use super::*;
use ed25519_dalek::SigningKey;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tlog::{Checkpoint, CheckpointText, Error, KeyType, Node, Perfect, hash_children, hash_leaf, prove_consistency};

const ORIGIN: &str = "log.example.com/audit";
const STEPS: [Step; 5] = [Step::Write, Step::Sync, Step::Rename, Step::SyncDir, Step::Done];

/// A log with a leaf for each name, under a key of its own.
struct TestLog {
    secret: SigningKey,
    key: VerifierKey,
    leaves: Vec<Node>,
}

impl TestLog {
    fn new(origin: &str, leaves: &[String]) -> Self {
        let secret = SigningKey::from_bytes(&[1; 32]);
        let key = VerifierKey::new(origin, KeyType::Ed25519, secret.verifying_key().as_bytes()).unwrap();
        let leaves = leaves.iter().map(|leaf| hash_leaf(leaf.as_bytes())).collect();
        Self { secret, key, leaves }
    }

    /// Twenty leaves, the last of them `last`.
    fn ending(last: &str) -> Self {
        let mut leaves: Vec<String> = (0..19).map(|n| n.to_string()).collect();
        leaves.push(last.to_owned());
        Self::new(ORIGIN, &leaves)
    }

    fn head(&self, size: u64) -> Checkpoint {
        Checkpoint::sign(size, mth(&self.leaves[..size as usize]), &self.key, &self.secret)
    }

    fn request(&self, old: u64, size: u64) -> Vec<u8> {
        let source = |Perfect { height, index }: Perfect| {
            let start = (index << height) as usize;
            Ok::<_, Error>(mth(&self.leaves[start..start + (1 << height)]))
        };
        let proof = prove_consistency(old, size, source).unwrap();
        AddCheckpoint::text(old, &proof, self.head(size).note()).into_bytes()
    }
}

fn mth(leaves: &[Node]) -> Node {
    match leaves {
        [] => tlog::EMPTY_ROOT,
        [leaf] => *leaf,
        leaves => {
            let middle = leaves.len().next_power_of_two() / 2;
            hash_children(&mth(&leaves[..middle]), &mth(&leaves[middle..]))
        }
    }
}

fn config(dir: &Path) -> Config {
    Config {
        key: CosignerKey::new("w.example.com", &[9; 32]).unwrap(),
        logs: vec![TestLog::ending("x").key],
        state_dir: dir.to_owned(),
        clock: Box::new(|| 1_700_000_000),
    }
}

fn open(dir: &Path) -> Cosigner {
    Cosigner::open(config(dir)).unwrap()
}

fn status(cosigner: &Cosigner, body: &[u8]) -> u16 {
    cosigner.add_checkpoint(body).status
}

#[test]
fn a_log_that_goes_on_is_cosigned_and_shown() {
    let dir = tempfile::tempdir().unwrap();
    let (cosigner, log) = (open(dir.path()), TestLog::ending("x"));
    let hash = origin_hash(ORIGIN);
    assert_eq!(cosigner.checkpoint(&hash), None);
    let mut old = 0;
    for size in [0, 1, 7, 7, 20] {
        let reply = cosigner.add_checkpoint(&log.request(old, size));
        assert_eq!((reply.status, reply.media_type), (200, TEXT), "{}", reply.body);
        let mut head = log.head(size);
        head.note_mut().extend(Line::parse_all(&reply.body).unwrap());
        let found = Cosignature::find(head.note(), cosigner.public()).unwrap().unwrap();
        assert_eq!(found.time, 1_700_000_000);
        assert_eq!(cosigner.checkpoint(&hash), Some(head.note().to_text()));
        old = size;
    }
    assert_eq!(cosigner.checkpoint(&origin_hash("other.example.com")), None);
}

#[test]
fn each_refusal_has_the_answer_of_the_specification() {
    let dir = tempfile::tempdir().unwrap();
    let (cosigner, log) = (open(dir.path()), TestLog::ending("x"));
    assert_eq!(status(&cosigner, &log.request(0, 12)), 200);
    let stale = cosigner.add_checkpoint(&log.request(0, 20));
    assert_eq!(
        (stale.status, stale.media_type, stale.body.as_str()),
        (409, "text/x.tlog.size", "12\n")
    );
    let shrunk = AddCheckpoint::text(12, &[], log.head(5).note());
    assert_eq!(status(&cosigner, shrunk.as_bytes()), 400, "it leads from behind itself");
    let fork = TestLog::new(ORIGIN, &(100..120).map(|n: u32| n.to_string()).collect::<Vec<_>>());
    assert_eq!(
        status(&cosigner, &fork.request(12, 12)),
        422,
        "another root at the same size"
    );
    assert_eq!(status(&cosigner, &fork.request(12, 20)), 422);
    let unknown = TestLog::new("other.example.com", &["a".to_owned()]);
    assert_eq!(status(&cosigner, &unknown.request(0, 1)), 404);
    let mut forged = TestLog::ending("x");
    forged.secret = SigningKey::from_bytes(&[2; 32]);
    forged.key = VerifierKey::new(ORIGIN, KeyType::Ed25519, forged.secret.verifying_key().as_bytes()).unwrap();
    assert_eq!(status(&cosigner, &forged.request(12, 20)), 403);
    assert_eq!(
        status(&cosigner, &log.request(12, 20)),
        200,
        "none of this has changed the state"
    );
}

#[test]
fn what_is_no_request_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (cosigner, log) = (open(dir.path()), TestLog::ending("x"));
    let good = String::from_utf8(log.request(0, 3)).unwrap();
    let long = good.replacen("old 0\n", &format!("old 0\n{}", "AAAA\n".repeat(20_000)), 1);
    assert!(long.len() > MAX_BODY);
    for body in [
        String::new(),
        "old 0".to_owned(),
        good.replace("old 0", "old -1"),
        good.replace("old 0", "old 00"),
        good.replace("old 0\n", "old 0\nx\n"),
        good.replace("\n3\n", "\n3 \n"),
        good.replace("\n\n", "\n"),
        good.replace("old", "new"),
        long,
        "old 0\n".repeat(100),
    ] {
        let reply = cosigner.add_checkpoint(body.as_bytes());
        assert_eq!(reply.status, 400, "{body:.80}");
        assert!(!reply.body.contains(ORIGIN), "nothing is echoed");
    }
    assert_eq!(status(&cosigner, &[0xff, 0xfe]), 400);
    // The whole form, cut anywhere.
    for cut in 0..good.len() {
        if let Some(part) = good.get(..cut) {
            assert_eq!(status(&cosigner, part.as_bytes()), 400, "cut at {cut}");
        }
    }
    assert_eq!(status(&cosigner, good.as_bytes()), 200);
}

#[test]
fn what_was_cosigned_is_remembered_by_the_next_process() {
    let dir = tempfile::tempdir().unwrap();
    let (log, fork) = (TestLog::ending("x"), TestLog::ending("y"));
    let cosigner = open(dir.path());
    assert!(matches!(Cosigner::open(config(dir.path())), Err(OpenError::InUse(_))));
    assert_eq!(status(&cosigner, &log.request(0, 20)), 200);
    drop(cosigner);
    let cosigner = open(dir.path());
    assert_eq!(status(&cosigner, &fork.request(20, 20)), 422);
    assert_eq!(status(&cosigner, &fork.request(0, 20)), 409);
    assert_eq!(
        cosigner.checkpoint(&origin_hash(ORIGIN)).unwrap().lines().nth(1),
        Some("20")
    );
}

#[test]
fn a_state_that_this_witness_did_not_write_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let log = TestLog::ending("x");
    let path = dir.path().join(origin_hash(ORIGIN));
    let cosigner = open(dir.path());
    assert_eq!(status(&cosigner, &log.request(0, 20)), 200);
    drop(cosigner);
    let written = std::fs::read_to_string(&path).unwrap();
    let unsigned = log.head(7).note().to_text();
    let stranger = CosignerKey::new("w.example.com", &[8; 32]).unwrap();
    let line = Cosignature::sign(log.head(7).note(), 5, stranger.public(), stranger.secret()).unwrap();
    for damaged in [
        String::new(),
        written.replacen("20", "19", 1),
        written[..written.len() - 9].to_owned(),
        unsigned.clone(),
        format!("{unsigned}{}", line.to_text()),
        written.replace("log.example.com/audit\n20", "log.example.com/other\n20"),
    ] {
        std::fs::write(&path, &damaged).unwrap();
        let opened = Cosigner::open(config(dir.path()));
        assert!(matches!(opened, Err(OpenError::Damaged { .. })), "{damaged}");
    }
    std::fs::write(&path, written).unwrap();
    assert_eq!(status(&open(dir.path()), &log.request(20, 20)), 200);
}

/// Two histories race for the same place. Whatever is answered, one of them at most is cosigned.
#[test]
fn of_two_racing_histories_one_is_cosigned() {
    for _ in 0..20 {
        let dir = tempfile::tempdir().unwrap();
        let cosigner = Arc::new(open(dir.path()));
        let granted: Vec<bool> = std::thread::scope(|scope| {
            let racers: Vec<_> = (0..8)
                .map(|n: u32| {
                    let cosigner = Arc::clone(&cosigner);
                    let body = TestLog::ending(&n.to_string()).request(0, 20);
                    scope.spawn(move || status(&cosigner, &body) == 200)
                })
                .collect();
            racers.into_iter().map(|racer| racer.join().unwrap()).collect()
        });
        assert_eq!(granted.iter().filter(|granted| **granted).count(), 1, "{granted:?}");
    }
}

/// The process dies or the disk fails at each step; the next process, or the same one, is offered both histories.
#[test]
fn a_crash_at_any_step_never_lets_two_histories_be_cosigned() {
    for crashed in STEPS {
        for same_process in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let (log, fork) = (TestLog::ending("x"), TestLog::ending("y"));
            let armed = Arc::new(AtomicBool::new(false));
            let probe = {
                let armed = Arc::clone(&armed);
                Box::new(move |step| match step == crashed && armed.load(Ordering::SeqCst) {
                    true => Err(io::Error::other("the disk is gone")),
                    false => Ok(()),
                })
            };
            let mut cosigner = Cosigner::open_probed(config(dir.path()), probe).unwrap();
            assert_eq!(status(&cosigner, &log.request(0, 19)), 200);
            armed.store(true, Ordering::SeqCst);
            let reply = cosigner.add_checkpoint(&log.request(19, 20));
            assert_eq!(reply.status, 500, "{crashed:?}");
            assert!(!reply.body.contains('\u{2014}'), "no cosignature leaves");
            armed.store(false, Ordering::SeqCst);
            if !same_process {
                drop(cosigner);
                cosigner = open(dir.path());
            }
            // The log never heard of its cosignature. If the witness remembers, it refuses the other history; if it does
            // not, it has not promised anything.
            let remembers = cosigner.add_checkpoint(&log.request(19, 20)).status == 409;
            let applied = matches!(crashed, Step::SyncDir | Step::Done);
            assert_eq!(remembers, applied, "{crashed:?}");
            if remembers {
                assert_eq!(status(&cosigner, &fork.request(20, 20)), 422, "{crashed:?}");
                assert_eq!(status(&cosigner, &log.request(20, 20)), 200, "{crashed:?}");
            } else {
                assert_eq!(status(&cosigner, &fork.request(20, 20)), 422, "{crashed:?}");
            }
        }
    }
}

#[test]
fn a_log_changes_its_key_while_both_are_known() {
    let dir = tempfile::tempdir().unwrap();
    let old = TestLog::ending("x");
    let mut new = TestLog::ending("x");
    new.secret = SigningKey::from_bytes(&[3; 32]);
    new.key = VerifierKey::new(ORIGIN, KeyType::Ed25519, new.secret.verifying_key().as_bytes()).unwrap();
    let config = Config {
        logs: vec![old.key.clone(), new.key.clone()],
        ..config(dir.path())
    };
    let cosigner = Cosigner::open(config).unwrap();
    assert_eq!(status(&cosigner, &old.request(0, 5)), 200);
    assert_eq!(status(&cosigner, &new.request(5, 20)), 200);
    assert_eq!(cosigner.origins().count(), 1);
}

#[test]
fn lines_of_strangers_are_not_kept() {
    let dir = tempfile::tempdir().unwrap();
    let (cosigner, log) = (open(dir.path()), TestLog::ending("x"));
    let stranger = CosignerKey::new("stranger.example.com", &[8; 32]).unwrap();
    let mut head = log.head(1);
    let line = Cosignature::sign(head.note(), 5, stranger.public(), stranger.secret()).unwrap();
    head.note_mut().extend([line]);
    let body = AddCheckpoint::text(0, &[], head.note());
    assert_eq!(status(&cosigner, body.as_bytes()), 200);
    let shown = cosigner.checkpoint(&origin_hash(ORIGIN)).unwrap();
    assert!(!shown.contains("stranger"), "{shown}");
    assert_eq!(CheckpointText::parse(&shown).unwrap().note().lines().len(), 2);
}

/// A log that signs one checkpoint many times: the state stays one that the next process can read.
#[test]
fn a_note_with_as_many_lines_as_a_note_may_have_does_not_lock_the_witness_out() {
    let dir = tempfile::tempdir().unwrap();
    let (cosigner, log) = (open(dir.path()), TestLog::ending("x"));
    let note = log.head(1).note().to_text();
    let line = note.lines().last().unwrap();
    let body = format!("old 0\n\n{note}{}", format!("{line}\n").repeat(255));
    assert_eq!(status(&cosigner, body.as_bytes()), 200);
    drop(cosigner);
    assert_eq!(status(&open(dir.path()), &log.request(1, 2)), 200);
}
