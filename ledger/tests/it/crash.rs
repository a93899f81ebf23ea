//! What a crash or a fault leaves in journal, HEAD, keyring and scopes, and what opening makes of it.

use crate::check::look;
use crate::files::{copy_dir, copy_file, files, flip, journal, seams, written};
use crate::log::{Log, all, append, event, private, tenant};
use ledger::inspect::Inspection;
use ledger::{Config, Error, Handle, KeySource};
use ledger_client::LedgerClient as _;
use serde_json::json;
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

/// A log that was open when it was copied, with this many records.
struct Crashed {
    log: Log,
    dir: PathBuf,
    records: usize,
}

impl Crashed {
    async fn create() -> Self {
        let log = Log::create().await;
        let handle = log.open();
        append(&handle, private("sealed", json!("secret"))).await;
        for n in 0..20 {
            append(&handle, event(&format!("act.{n}"))).await;
        }
        let (dir, records) = (log.dir.path().join("crashed"), all(&handle).await.len());
        copy_dir(&log.config().data_dir, &dir);
        Self { log, dir, records }
    }

    /// A fresh copy of the crashed directory.
    fn copy(&self, name: &str) -> Config {
        let dir = self.log.dir.path().join(name);
        copy_dir(&self.dir, &dir);
        self.config(dir)
    }

    fn config(&self, dir: PathBuf) -> Config {
        Config {
            data_dir: dir,
            ..self.log.config()
        }
    }
}

fn refused(config: &Config) -> Error {
    Handle::open(config.clone()).err().expect("is refused")
}

fn inspected(config: &Config) -> Error {
    let scratch = config.data_dir.with_extension("shadow");
    Inspection::open(config, &scratch).err().expect("is refused")
}

fn cut(path: &Path, length: usize) {
    let file = OpenOptions::new().write(true).open(path).expect("opens");
    file.set_len(length as u64).expect("cuts");
}

#[tokio::test]
async fn a_killed_log_opens_with_everything_that_was_acknowledged() {
    let crashed = Crashed::create().await;
    let config = crashed.copy("copy");
    assert_eq!(look(&config).expect("is whole").records.len(), crashed.records);
    let handle = Handle::open(config.clone()).expect("opens");
    assert_eq!(all(&handle).await.len(), crashed.records);
    append(&handle, event("next")).await;
    handle.close();
    drop(handle);
    assert!(
        !config.data_dir.join("journals-aside").exists(),
        "the copies are kept only after a failure"
    );
    assert_eq!(look(&config).expect("is whole").records.len(), crashed.records + 1);
}

#[tokio::test]
async fn a_torn_batch_that_nobody_was_told_of_is_dropped() {
    let log = Log::create().await;
    let handle = log.open();
    let dir = |name: &str| log.dir.path().join(name);
    append(&handle, event("acknowledged")).await;
    let acknowledged = all(&handle).await;
    copy_dir(&log.config().data_dir, &dir("before"));
    append(&handle, event("unknown")).await;
    let journal_after = journal(&log.config().data_dir);
    let (start, end) = (written(&journal(&dir("before"))).len(), written(&journal_after).len());
    assert!(start < end);
    for (round, length) in (start..end).step_by(83).chain([start + 1, end - 1]).enumerate() {
        let config = Config {
            data_dir: dir(&format!("round.{round}")),
            ..log.config()
        };
        copy_dir(&dir("before"), &config.data_dir);
        let torn = journal(&config.data_dir);
        copy_file(&journal_after, &torn);
        cut(&torn, length);
        let handle = Handle::open(config.clone()).expect("opens");
        assert_eq!(all(&handle).await, acknowledged, "cut at {length}");
        append(&handle, event("next")).await;
        handle.close();
        drop(handle);
        assert_eq!(look(&config).expect("is whole").records.len(), acknowledged.len() + 1);
    }
}

#[tokio::test]
async fn a_journal_that_lost_acknowledged_records_is_refused_for_good() {
    let crashed = Crashed::create().await;
    let whole = written(&journal(&crashed.dir));
    let seams = seams(&whole);
    assert_eq!(*seams.last().expect("batches"), whole.len());
    // Into the last batch, at its start, and batches earlier.
    let lengths = [
        whole.len() - 1,
        seams[seams.len() - 2],
        seams[seams.len() - 2] + 5,
        seams[seams.len() - 9],
    ];
    for (round, length) in lengths.into_iter().enumerate() {
        let config = crashed.copy(&format!("round.{round}"));
        let path = journal(&config.data_dir);
        cut(&path, length);
        assert!(
            matches!(inspected(&config), Error::LogBehind { .. }),
            "{}",
            inspected(&config)
        );
        let found = fs::read(&path).expect("reads");
        let kept = config
            .data_dir
            .join("journals-aside")
            .join(path.file_name().expect("a name"));
        for attempt in 0..2 {
            let error = refused(&config);
            let Error::LogBehind {
                expected, found: size, ..
            } = error
            else {
                panic!("cut at {length}, attempt {attempt}: {error}")
            };
            assert!(expected == crashed.records as u64 && size < expected);
            assert_eq!(
                fs::read(&kept).expect("is kept"),
                found,
                "the copy is of the first attempt"
            );
        }
        fs::copy(
            crashed.dir.join(path.strip_prefix(&config.data_dir).expect("inside")),
            &path,
        )
        .expect("restores");
        let handle = Handle::open(config.clone()).expect("opens when the journal is back");
        assert_eq!(all(&handle).await.len(), crashed.records);
    }
}

#[tokio::test]
async fn a_flipped_frame_in_the_middle_of_a_journal_is_named_and_nothing_is_cut_off() {
    let crashed = Crashed::create().await;
    let whole = written(&journal(&crashed.dir));
    let starts = seams(&whole);
    let middle = starts[starts.len() / 2];
    // Tag and item count of the start, its sequence number, the first item's tag and lengths, the end before it.
    for (round, at) in [0, 1, 12, 13, 26, 28, 30]
        .into_iter()
        .map(|at| middle + at)
        .chain([middle - 13, middle - 1])
        .enumerate()
    {
        let config = crashed.copy(&format!("round.{round}"));
        let path = journal(&config.data_dir);
        let bit = if at == middle + 12 { 6 } else { 1 };
        flip(&path, at as u64, bit);
        let found = fs::read(&path).expect("reads");
        for _ in 0..2 {
            let error = refused(&config);
            assert!(error.is_damage(), "byte {at}: {error}");
            let text = error.to_string();
            assert!(text.contains("fjall/0.jnl at byte"), "byte {at}: {text}");
            assert!(inspected(&config).is_damage());
            assert_eq!(
                fs::read(&path).expect("reads"),
                found,
                "byte {at}: the journal was changed"
            );
        }
    }
}

#[tokio::test]
async fn a_journal_of_nothing_is_refused() {
    let crashed = Crashed::create().await;
    let config = crashed.copy("empty");
    cut(&journal(&config.data_dir), 0);
    assert!(refused(&config).is_damage());
    assert!(refused(&config).is_damage());
    assert!(inspected(&config).is_damage());
}

#[tokio::test]
async fn a_store_of_another_day_is_refused() {
    let log = Log::create().await;
    let dir = |name: &str| log.dir.path().join(name);
    copy_dir(&log.config().data_dir, &dir("old"));
    let handle = log.open();
    for n in 0..3 {
        append(&handle, event(&format!("act.{n}"))).await;
    }
    handle.close();
    drop(handle);
    let config = Config {
        data_dir: dir("mixed"),
        ..log.config()
    };
    copy_dir(&log.config().data_dir, &config.data_dir);
    fs::remove_dir_all(config.data_dir.join("fjall")).expect("removes");
    copy_dir(&dir("old").join("fjall"), &config.data_dir.join("fjall"));
    let behind = |error: &Error| {
        matches!(
            error,
            Error::LogBehind {
                expected: 5,
                found: 2,
                ..
            }
        )
    };
    assert!(behind(&inspected(&config)), "{}", inspected(&config));
    assert!(behind(&refused(&config)));
    assert!(behind(&refused(&config)));
    // A store of another log of the same size is no better.
    let other = Log::create().await;
    let foreign = Config {
        data_dir: dir("foreign"),
        ..log.config()
    };
    copy_dir(&dir("old"), &foreign.data_dir);
    fs::copy(other.config().data_dir.join("HEAD"), foreign.data_dir.join("HEAD")).expect("copies");
    assert!(refused(&foreign).is_damage());
}

#[tokio::test]
async fn head_survives_one_bad_slot_and_not_two() {
    let crashed = Crashed::create().await;
    let head = |config: &Config| config.data_dir.join("HEAD");
    let spoil = |path: &Path, block: usize| {
        let mut bytes = fs::read(path).expect("reads");
        bytes[block * 4_096..][..120].fill(0xa5);
        fs::write(path, bytes).expect("writes");
    };
    for block in 0..2 {
        let config = crashed.copy(&format!("block.{block}"));
        spoil(&head(&config), block);
        let handle = Handle::open(config).expect("opens");
        assert_eq!(all(&handle).await.len(), crashed.records);
    }
    let both = crashed.copy("both");
    spoil(&head(&both), 0);
    spoil(&head(&both), 1);
    let gone = crashed.copy("gone");
    fs::remove_file(head(&gone)).expect("removes");
    for config in [both, gone] {
        let text = refused(&config).to_string();
        assert!(text.contains("HEAD"), "{text}");
        assert!(inspected(&config).is_damage());
    }
}

#[tokio::test]
async fn a_damaged_keyring_or_a_newer_one_opens_nothing() {
    let crashed = Crashed::create().await;
    let keyring = fs::read(crashed.dir.join("keyring")).expect("reads");
    let config = crashed.copy("keyring");
    let path = config.data_dir.join("keyring");
    for at in (0..keyring.len()).step_by(7) {
        let mut bytes = keyring.clone();
        bytes[at] ^= 1;
        fs::write(&path, bytes).expect("writes");
        let error = refused(&config);
        assert!(
            error.is_damage() || matches!(error, Error::FormatTooNew { .. }),
            "byte {at}: {error}"
        );
    }
    let newer = String::from_utf8(keyring).expect("text").replace("\"v\":1", "\"v\":2");
    fs::write(&path, newer).expect("writes");
    assert!(matches!(refused(&config), Error::FormatTooNew { found: 2, known: 1 }));
    fs::remove_file(&path).expect("removes");
    assert!(matches!(refused(&config), Error::Absent(_)));
}

#[tokio::test]
async fn a_key_that_cannot_be_read_is_named() {
    let crashed = Crashed::create().await;
    let dir = crashed.log.dir.path().to_owned();
    for path in [dir.join("nowhere"), dir.join("crashed"), dir.join("crashed/HEAD")] {
        let config = Config {
            key: KeySource::File(path.clone()),
            ..crashed.config(crashed.dir.clone())
        };
        let error = refused(&config);
        assert!(matches!(error, Error::Key { .. }), "{error}");
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    }
}

#[tokio::test]
async fn a_lost_scope_key_is_lost_and_never_taken_for_erased() {
    let log = Log::create().await;
    let handle = log.open();
    let record = private("ask", json!("secret"));
    let receipt = append(&handle, record.clone()).await;
    handle.close();
    drop(handle);
    let scopes = log.config().data_dir.join("scopes");
    let kept = fs::read(&scopes).expect("reads");
    flip(&scopes, 60, 3);
    let findings = look(&log.config()).expect_err("is damaged");
    assert!(findings[0].contains("scopes"), "{findings:?}");
    for bytes in [fs::read(&scopes).expect("reads"), Vec::new()] {
        fs::write(&scopes, bytes).expect("writes");
        let handle = log.open();
        let lost = handle.open_sealed(tenant("default"), receipt.id).await;
        assert_eq!(lost, Err(ledger_client::Error::ScopeKeyLost));
        let again = append(&handle, record.clone()).await;
        assert!(again.replayed && again.sealed_unchecked);
        let mut other = record.clone();
        other.payload["action"] = json!("other");
        let conflict = handle.append(crate::log::plain(other)).await;
        assert!(matches!(conflict, Err(ledger_client::Error::IdConflict { .. })));
        handle.close();
    }
    let findings = look(&log.config()).expect_err("the key is lost");
    assert!(
        findings.iter().any(|finding| finding.contains("KeyLost")),
        "{findings:?}"
    );
    fs::write(&scopes, kept).expect("restores");
    let handle = log.open();
    assert!(handle.open_sealed(tenant("default"), receipt.id).await.is_ok());
    let again = append(&handle, record).await;
    assert!(again.replayed && !again.sealed_unchecked);
}

#[tokio::test]
async fn ids_and_guards_stand_after_a_crash() {
    let log = Log::create().await;
    let handle = log.open();
    let guarded = |record: record::NewRecord| ledger_client::Append {
        record,
        guard: Some(ledger_client::Guard {
            caller: "local:test".to_owned(),
            key: "k".to_owned(),
            own_id: false,
        }),
    };
    let (plain_record, paid) = (event("plain"), event("pay"));
    let first = append(&handle, plain_record.clone()).await;
    let second = handle.append(guarded(paid.clone())).await.expect("appends");
    let config = Config {
        data_dir: log.dir.path().join("crashed"),
        ..log.config()
    };
    copy_dir(&log.config().data_dir, &config.data_dir);
    let handle = Handle::open(config.clone()).expect("opens");
    let again = append(&handle, plain_record).await;
    assert_eq!((again.committed, again.replayed), (first.committed, true));
    let mut fresh = paid;
    fresh.id = crate::log::fresh_id();
    let again = handle.append(guarded(fresh.clone())).await.expect("appends");
    assert_eq!((again.committed, again.replayed), (second.committed.clone(), true));
    fresh.payload["action"] = json!("pay.more");
    let conflict = handle.append(guarded(fresh)).await.map(|receipt| receipt.id);
    let offset = second.committed.offset;
    assert_eq!(conflict, Err(ledger_client::Error::IdempotencyConflict { offset }));
    assert_eq!(all(&handle).await.len(), 4);
    assert!(
        files(&config.data_dir)
            .iter()
            .all(|path| !path.ends_with("space-probe"))
    );
}

#[tokio::test]
async fn a_table_that_cannot_be_read_on_ends_the_reading_with_an_error() {
    let small = |config: Config| Config {
        memtable_bytes: Some(16 * 1_024),
        ..config
    };
    let log = Log::create_in(tempfile::tempdir().expect("a directory"), small).await;
    let handle = log.open();
    for round in 0..20 {
        let records = (0..16).map(|n| event(&format!("act.{round}.{n}"))).collect();
        handle.append_many(records).await.expect("answers each");
    }
    handle.close();
    drop(handle);
    let tables = files(&log.config().data_dir.join("fjall/keyspaces/1/tables"));
    assert!(!tables.is_empty(), "the log's keyspace has tables");
    let config = Config {
        data_dir: log.dir.path().join("copy"),
        ..log.config()
    };
    copy_dir(&log.config().data_dir, &config.data_dir);
    let table = config
        .data_dir
        .join(tables[0].strip_prefix(log.config().data_dir).expect("inside"));
    let whole = fs::read(&table).expect("reads");
    let mut unreadable = 0;
    for at in (0..whole.len()).rev().step_by(61) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x40;
        fs::write(&table, bytes).expect("writes");
        let Ok(inspection) = Inspection::open(&config, &log.dir.path().join("shadow")) else {
            continue;
        };
        let blocks: Vec<_> = inspection.blocks().take(1_000).collect();
        assert!(blocks.len() < 1_000, "byte {at}: it never ends");
        let (good, bad): (Vec<_>, Vec<_>) = blocks.into_iter().partition(Result::is_ok);
        let records: usize = good.into_iter().flatten().map(|(_, block)| block.len()).sum();
        assert!(
            !bad.is_empty() || records == 322,
            "byte {at}: {records} records and no error"
        );
        unreadable += bad.len();
    }
    assert!(unreadable > 0, "the flips hit nothing");
}
