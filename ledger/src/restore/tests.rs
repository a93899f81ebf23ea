//! Checkpoints in a backup that the log's keys vouch for and that are wrong all the same, and known ones that are missing.

use super::{Base, Ending, Evidence, Request, Work};
use crate::checkpoint::kept;
use crate::checkpoint::tests::publish;
use crate::engine::Shared;
use crate::error::Error;
use crate::handle::{Config, Handle};
use crate::log::{Log, append, event};
use crate::{CheckpointConfig, backup};
use ed25519_dalek::SigningKey;
use ledger_client::proof::SignedCheckpoint;
use std::ops::ControlFlow;
use std::time::Duration;
use tlog::{Checkpoint, CheckpointText, KeyType, Node, VerifierKey};

fn go_on(_done: u64, _total: u64) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

async fn signing(log: &Log) -> (Handle, SignedCheckpoint) {
    let handle = Handle::open(Config {
        checkpoints: Some(CheckpointConfig {
            interval: Duration::from_millis(1),
            ..CheckpointConfig::default()
        }),
        ..log.config()
    });
    let handle = handle.expect("opens");
    let newest = newest(&handle, 0).await;
    (handle, newest)
}

/// The newest checkpoint, once it covers more than `size` records.
async fn newest(handle: &Handle, size: u64) -> SignedCheckpoint {
    let mut checkpoints = handle.checkpoints();
    let covers = |told: &Option<std::sync::Arc<SignedCheckpoint>>| told.as_ref().is_some_and(|told| told.size > size);
    let told = tokio::time::timeout(Duration::from_secs(60), checkpoints.wait_for(covers)).await;
    let told = told.expect("in time").expect("is kept current").clone();
    SignedCheckpoint::clone(&told.expect("there is one"))
}

fn put(shared: &Shared, checkpoint: &SignedCheckpoint) {
    let mut batch = shared.store.batch();
    kept::put(&shared.store, &mut batch, checkpoint).expect("puts");
    batch.commit().expect("commits");
}

fn sign(size: u64, root: Node, secret: &SigningKey) -> String {
    let public = secret.verifying_key();
    let key = VerifierKey::new("example.com/audit", KeyType::Ed25519, public.as_bytes()).expect("a key");
    Checkpoint::sign(size, root, &key, secret).note().to_text()
}

fn beside(log: &Log, name: &str) -> Config {
    Config {
        data_dir: log.dir.path().join(name),
        ..log.config()
    }
}

/// Backs up the open log to `name`, and begins to restore it.
fn copied(log: &Log, handle: &Handle, name: &str) -> Result<Work, Error> {
    let dir = log.dir.path().join(name);
    handle
        .backup(&backup::Request::new(&dir), &mut go_on)
        .expect("backs up");
    let request = Request {
        config: beside(log, &format!("{name}.restored")),
        base: Base::Backup(dir),
        scopes: None,
        expired_scopes: false,
    };
    Work::begin(&request, &mut go_on)
}

#[tokio::test]
async fn a_checkpoint_that_is_not_of_the_restored_log_refuses_the_backup_and_is_named() {
    let log = Log::create().await;
    let (handle, whole) = signing(&log).await;
    let shared = handle.reader().expect("is open");
    let key = shared.access().expect("has keys").checkpoint_keys[0].1;
    let own = shared.signing_key(&key).expect("is held");
    let root = *CheckpointText::parse(&whole.note).expect("reads").root();
    let with = |note: String| SignedCheckpoint { note, ..whole.clone() };
    let wrong = [
        (with(sign(whole.size, tlog::hash_leaf(b"x"), &own)), "another history"),
        (
            with(sign(whole.size, root, &SigningKey::from_bytes(&[9; 32]))),
            "not signed by the log's checkpoint key",
        ),
        (
            with(whole.note.replace("example.com", "example.org")),
            "not signed by the log's checkpoint key",
        ),
        (with(sign(whole.size + 1, root, &own)), "names another size"),
        (
            SignedCheckpoint {
                map_size: whole.map_size - 1,
                ..whole.clone()
            },
            "does not end in the map root that it names",
        ),
    ];
    for (at, (checkpoint, said)) in wrong.iter().enumerate() {
        put(&shared, checkpoint);
        let error = copied(&log, &handle, &format!("wrong{at}")).err().expect("is refused");
        assert!(
            matches!(&error, Error::Backup { part, detail } if part == "checkpoints-000000" && detail.contains(said)),
            "{said}: {error}"
        );
    }
    put(&shared, &whole);
    let beyond = SignedCheckpoint {
        size: whole.size + 7,
        note: sign(whole.size + 7, root, &own),
        ..whole.clone()
    };
    copied(&log, &handle, "whole").expect("restores");
    put(&shared, &beyond);
    let error = copied(&log, &handle, "beyond").err().expect("is refused");
    assert!(
        matches!(&error, Error::Backup { part, detail } if part == "checkpoints-000000" && detail.contains("do not have")),
        "{error}"
    );
}

#[tokio::test]
async fn a_key_that_was_replaced_signs_no_later_checkpoint_of_a_backup() {
    let log = Log::create().await;
    let (handle, first) = signing(&log).await;
    let root = crate::read_root_key(&log.dir.path().join("root")).expect("the root key");
    let shared = handle.reader().expect("is open");
    let old = shared.access().expect("has keys").checkpoint_keys[0].1;
    let old = shared.signing_key(&old).expect("is held");
    handle.rotate_checkpoint_key(&root).await.expect("rotates");
    let second = newest(&handle, first.size).await;
    copied(&log, &handle, "whole").expect("restores");
    let tree = *CheckpointText::parse(&second.note).expect("reads").root();
    put(
        &shared,
        &SignedCheckpoint {
            note: sign(second.size, tree, &old),
            ..second
        },
    );
    let error = copied(&log, &handle, "old").err().expect("is refused");
    assert!(
        error
            .to_string()
            .contains("not signed by the log's checkpoint key of that time"),
        "{error}"
    );
}

#[tokio::test]
async fn a_backup_behind_a_known_checkpoint_is_refused_and_one_of_another_history_named() {
    let log = Log::create().await;
    let handle = log.open();
    for n in 0..3 {
        append(&handle, event(&format!("act.{n}"))).await;
    }
    let old = publish(&handle).expect("is signed");
    let dir = log.dir.path().join("copy");
    let shared = handle.reader().expect("is open");
    // This one was signed by hand and ends in no map root, so it does not go into the backup.
    let mut batch = shared.store.batch();
    batch.remove(
        &shared.store.meta,
        [b"checkpoint\0".as_slice(), &old.size.to_be_bytes()].concat(),
    );
    batch.commit().expect("commits");
    handle
        .backup(&backup::Request::new(&dir), &mut go_on)
        .expect("backs up");
    for n in 0..300 {
        append(&handle, event(&format!("later.{n}"))).await;
    }
    let new = publish(&handle).expect("is signed");
    let key = shared.access().expect("has keys").checkpoint_keys[0].1;
    let forked = sign(
        old.size,
        tlog::hash_leaf(b"x"),
        &shared.signing_key(&key).expect("is held"),
    );
    let strange = sign(old.size + 90, tlog::hash_leaf(b"x"), &SigningKey::from_bytes(&[9; 32]));
    let request = Request {
        config: beside(&log, "restored"),
        base: Base::Backup(dir),
        scopes: None,
        expired_scopes: false,
    };
    let work = Work::begin(&request, &mut go_on).expect("restores");
    let known = |note: &str| {
        let mut evidence = Evidence::default();
        evidence.checkpoint("a file", note).expect("is a checkpoint");
        evidence
    };
    work.compare(&mut known(&old.note)).expect("has it");
    let error = work.compare(&mut known(&new.note)).expect_err("is behind");
    assert!(
        matches!(&error, Error::LogBehind { expected, found, detail }
            if (*expected, *found) == (new.size, old.size) && detail.contains("a checkpoint that the log signed")),
        "{error}"
    );
    let error = work.compare(&mut known(&forked)).expect_err("is named");
    assert!(
        matches!(&error, Error::Corrupt { detail, .. } if detail.contains("other records")),
        "{error}"
    );
    let mut ignored = known(&strange);
    work.compare(&mut ignored).expect("blocks nothing");
    assert_eq!(ignored.ignored().len(), 1, "{:?}", ignored.ignored());
    assert!(Evidence::default().checkpoint("a file", "nonsense").is_err());
    drop(work.finish(Ending::Open).expect("finishes"));
}
