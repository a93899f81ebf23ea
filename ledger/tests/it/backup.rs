//! Backups: consistent while the log runs, and no byte of one can change unnoticed.

use crate::check::look;
use crate::disk::Disk;
use crate::log::{Log, all, append, event, fresh_id, private, tenant};
use ledger::backup::{Request, Written};
use ledger::inspect::Inspection;
use ledger::restore::{Base, Ending, Restored, Work};
use ledger::{CheckpointConfig, Config, Error, Handle, KeySource};
use ledger_client::{Append, Guard, LedgerClient as _};
use serde_json::json;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Small parts, so that a short log has several.
const PART: u64 = 4_096;

/// SplitMix64: enough to vary the places, and the same for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % limit as u64).expect("it is below a usize")
    }
}

pub fn go_on(_done: u64, _total: u64) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// The backup of a log, with its scope keys beside it.
pub struct Copy {
    pub dir: PathBuf,
    pub scopes: PathBuf,
}

impl Copy {
    pub fn of(log: &Log, handle: &Handle, name: &str) -> (Self, Written) {
        let copy = Self {
            dir: log.dir.path().join(name),
            scopes: log.dir.path().join(format!("{name}.scopes")),
        };
        let written = handle.backup(&copy.request(), &mut go_on).expect("backs up");
        (copy, written)
    }

    fn request(&self) -> Request {
        Request {
            scopes_to: Some(self.scopes.clone()),
            part_bytes: PART,
            ..Request::new(&self.dir)
        }
    }

    pub fn restore(&self, config: Config) -> ledger::restore::Request {
        ledger::restore::Request {
            config,
            base: Base::Backup(self.dir.clone()),
            scopes: Some(self.scopes.clone()),
            expired_scopes: false,
        }
    }
}

/// The configuration of another directory beside the log.
pub fn beside(log: &Log, name: &str) -> Config {
    Config {
        data_dir: log.dir.path().join(name),
        ..log.config()
    }
}

/// Restores, looks, and accepts.
pub fn restore(request: &ledger::restore::Request) -> Restored {
    let work = Work::begin(request, &mut go_on).expect("restores");
    let staged = work.finish(Ending::Open).expect("finishes");
    staged.accept().expect("accepts")
}

fn refused(request: &ledger::restore::Request) -> Error {
    Work::begin(request, &mut go_on).err().expect("is refused")
}

fn part_of(error: &Error) -> &str {
    match error {
        Error::Backup { part, .. } => part,
        other => panic!("{other}"),
    }
}

fn guarded(record: record::NewRecord, key: &str, own_id: bool) -> Append {
    Append {
        record,
        guard: Some(Guard {
            caller: "local:test".to_owned(),
            key: key.to_owned(),
            own_id,
        }),
    }
}

/// Appends from four tasks until it is stopped.
struct Load {
    stop: Arc<AtomicBool>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    fn start(handle: &Handle) -> Self {
        let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let task = |n| {
            let (handle, stop, sent) = (handle.clone(), Arc::clone(&stop), Arc::clone(&sent));
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let at = sent.fetch_add(1, Ordering::Relaxed);
                    append(&handle, private(&format!("load.{n}"), json!(at))).await;
                }
            })
        };
        let tasks = (0..4).map(task).collect();
        Self { stop, tasks }
    }

    async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.expect("appends");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_backup_under_load_is_a_prefix_that_behaves_the_same() {
    let log = Log::create().await;
    let handle = log.open();
    let root = ledger::read_root_key(&log.dir.path().join("root")).expect("the root key");
    let paid = event("pay");
    let guard = handle
        .append(guarded(paid.clone(), "k1", false))
        .await
        .expect("appends");
    let secret = private("sealed", json!({"card": "4111"}));
    let sealed = append(&handle, secret.clone()).await;
    let load = Load::start(&handle);
    let mut committed = handle.committed();
    committed.wait_for(|size| *size > 300).await.expect("the load runs");
    handle.rotate_record_key(&root).await.expect("rotates");
    committed.wait_for(|size| *size > 400).await.expect("the load runs");
    let before = *committed.borrow();
    let backup = {
        let (handle, copy) = (handle.clone(), log.dir.path().join("copy"));
        let scopes = log.dir.path().join("copy.scopes");
        let copy = Copy { dir: copy, scopes };
        tokio::task::spawn_blocking(move || {
            let written = handle.backup(&copy.request(), &mut go_on).expect("backs up");
            (copy, written)
        })
    };
    let (copy, written) = backup.await.expect("runs");
    committed
        .wait_for(|size| *size > written.size + 50)
        .await
        .expect("the load runs");
    load.stop().await;
    let original = all(&handle).await;
    let config = beside(&log, "restored");
    let restored = restore(&copy.restore(config.clone()));
    assert!(before <= restored.size && restored.size < original.len() as u64);
    assert_eq!(
        (restored.size, restored.hash, restored.root),
        (written.size, written.hash, written.root)
    );
    assert_eq!(restored.disclosures_lost, 0);
    let seen = look(&config).expect("is whole");
    let prefix = &original[..seen.records.len()];
    for (stored, record) in seen.records.iter().zip(prefix) {
        assert_eq!(*stored.bytes, *record.bytes());
    }
    assert_eq!(seen.sealed.len() as u64, written.disclosures);
    let back = Handle::open(config.clone()).expect("opens");
    behaves_the_same(&back, (secret, sealed), (paid, guard)).await;
    let next = append(&back, event("next")).await;
    assert_eq!(next.committed.offset, restored.size);
    back.close();
    drop(back);
    assert_eq!(look(&config).expect("is whole").records.len() as u64, restored.size + 1);
}

/// Retries by id and by guard find their receipts, and sealed values open.
async fn behaves_the_same(
    back: &Handle,
    (secret, sealed): (record::NewRecord, ledger_client::Receipt),
    (paid, guard): (record::NewRecord, ledger_client::Receipt),
) {
    let again = append(back, secret).await;
    assert_eq!(
        (&again.committed, again.replayed, again.sealed_unchecked),
        (&sealed.committed, true, false)
    );
    let mut retried = paid;
    retried.id = fresh_id();
    let again = back.append(guarded(retried, "k1", false)).await;
    let again = again.expect("the guard is there");
    assert_eq!((again.id, again.replayed), (guard.id, true));
    let openings = back.open_sealed(tenant("default"), sealed.id).await.expect("opens");
    assert_eq!(openings.expect("is there")[0].value, json!({"card": "4111"}));
}

/// The log signs checkpoints; the first one covers whatever it has.
async fn signed(log: &Log) -> Handle {
    let handle = Handle::open(Config {
        checkpoints: Some(CheckpointConfig {
            interval: Duration::from_millis(1),
            ..CheckpointConfig::default()
        }),
        ..log.config()
    });
    let handle = handle.expect("opens");
    let mut checkpoints = handle.checkpoints();
    let told = tokio::time::timeout(Duration::from_secs(60), checkpoints.wait_for(Option::is_some)).await;
    told.expect("in time").expect("is kept current");
    handle
}

/// A log with a bit of everything, closed, and its backup: 43 records, and the map root that a checkpoint ends in.
async fn backed_up() -> (Log, Copy, usize) {
    let log = Log::create().await;
    let handle = log.open();
    for n in 0..40 {
        append(&handle, private(&format!("act.{n}"), json!(n))).await;
    }
    handle
        .append(guarded(event("pay"), "k1", false))
        .await
        .expect("appends");
    handle.close();
    drop(handle);
    let handle = signed(&log).await;
    let (copy, written) = Copy::of(&log, &handle, "copy");
    handle.close();
    assert_eq!((written.size, written.disclosures), (44, 40));
    let parts = fs::read_dir(&copy.dir).expect("is there").count();
    assert!(parts > 6, "{parts} parts are not several of each kind");
    (log, copy, parts)
}

#[tokio::test]
async fn no_byte_of_a_backup_changes_unnoticed_and_the_part_is_named() {
    let (log, copy, _) = backed_up().await;
    let config = beside(&log, "restored");
    let mut dice = Dice(0x51_61_11);
    let mut files: Vec<PathBuf> = fs::read_dir(&copy.dir)
        .expect("is there")
        .map(|entry| entry.expect("reads").path())
        .collect();
    files.sort();
    for round in 0..300 {
        let path = &files[round % files.len()];
        let whole = fs::read(path).expect("reads");
        let mut flipped = whole.clone();
        let at = dice.below(flipped.len() * 8);
        flipped[at / 8] ^= 1 << (at % 8);
        fs::write(path, &flipped).expect("writes");
        let error = refused(&copy.restore(config.clone()));
        let name = path.file_name().expect("a name").to_str().expect("text");
        assert_eq!(part_of(&error), name, "bit {at} of {name}: {error}");
        fs::write(path, &whole).expect("writes");
    }
    let scopes = fs::read(&copy.scopes).expect("reads");
    for _ in 0..100 {
        let mut flipped = scopes.clone();
        let at = dice.below(flipped.len() * 8);
        flipped[at / 8] ^= 1 << (at % 8);
        fs::write(&copy.scopes, &flipped).expect("writes");
        let error = refused(&copy.restore(config.clone()));
        assert_eq!(part_of(&error), "copy of the scope keys", "bit {at}: {error}");
    }
    fs::write(&copy.scopes, &scopes).expect("writes");
    assert_eq!(restore(&copy.restore(config)).size, 44);
}

#[tokio::test]
async fn cut_missing_swapped_and_foreign_parts_are_refused() {
    let (log, copy, _) = backed_up().await;
    let (other, foreign, _) = backed_up().await;
    let config = beside(&log, "restored");
    let names = [
        "keyring",
        "disclosures-000001",
        "guards-000000",
        "checkpoints-000000",
        "records-00000000000000000000",
        "manifest",
    ];
    for name in names {
        let path = copy.dir.join(name);
        let whole = fs::read(&path).expect("reads");
        for cut in [0, 1, whole.len() / 2, whole.len() - 1] {
            fs::write(&path, &whole[..cut]).expect("writes");
            assert_eq!(part_of(&refused(&copy.restore(config.clone()))), name, "cut at {cut}");
        }
        fs::write(&path, [whole.as_slice(), b"x"].concat()).expect("writes");
        assert_eq!(part_of(&refused(&copy.restore(config.clone()))), name);
        fs::remove_file(&path).expect("removes");
        let error = refused(&copy.restore(config.clone()));
        assert_eq!(part_of(&error), name);
        fs::copy(foreign.dir.join(name), &path).expect("copies");
        let error = refused(&copy.restore(config.clone()));
        let expected = if name == "manifest" { "keyring" } else { name };
        assert_eq!(part_of(&error), expected, "{error}");
        fs::write(&path, &whole).expect("writes");
    }
    let (first, second) = (copy.dir.join("disclosures-000000"), copy.dir.join("disclosures-000001"));
    let kept = fs::read(&first).expect("reads");
    fs::copy(&second, &first).expect("copies");
    fs::write(&second, kept).expect("writes");
    assert_eq!(part_of(&refused(&copy.restore(config.clone()))), "disclosures-000000");
    // A whole backup of another log, with the manifest's keyring: only the key differs.
    let error = refused(&ledger::restore::Request {
        base: Base::Backup(foreign.dir.clone()),
        ..copy.restore(config)
    });
    assert!(matches!(error, Error::WrongKey), "{error}");
    drop(other);
}

#[tokio::test]
async fn a_restore_needs_the_key_and_an_empty_directory() {
    let (log, copy, _) = backed_up().await;
    let existing = copy.restore(log.config());
    let before = look(&log.config()).expect("is whole");
    assert!(matches!(refused(&existing), Error::Exists(_)));
    assert_eq!(
        look(&log.config()).expect("is whole"),
        before,
        "the log in the way is untouched"
    );
    let key = KeySource::Hex("cd".repeat(32).into());
    let config = beside(&log, "restored");
    let wrong = copy.restore(Config { key, ..config.clone() });
    assert!(matches!(refused(&wrong), Error::WrongKey));
    assert!(
        !config.data_dir.exists(),
        "a wrong key is told before anything is written"
    );
    let file = log.dir.path().join("file");
    fs::write(&file, b"x").expect("writes");
    fs::create_dir_all(log.dir.path().join("full")).expect("creates");
    fs::write(log.dir.path().join("full/note"), b"x").expect("writes");
    assert!(matches!(refused(&copy.restore(beside(&log, "full"))), Error::Exists(_)));
    assert!(matches!(refused(&copy.restore(beside(&log, "file"))), Error::Io { .. }));
}

#[tokio::test]
async fn without_scope_keys_sealed_values_are_lost_and_said_to_be() {
    let (log, copy, _) = backed_up().await;
    let config = beside(&log, "restored");
    let restored = restore(&ledger::restore::Request {
        scopes: None,
        ..copy.restore(config.clone())
    });
    assert_eq!((restored.size, restored.disclosures_lost), (44, 40));
    let findings = look(&config).expect_err("keys are missing");
    assert!(
        findings.iter().all(|finding| finding.contains("KeyLost")),
        "{findings:?}"
    );
    let handle = Handle::open(config).expect("opens");
    let record = all(&handle).await.remove(5);
    let opened = handle.open_sealed(tenant("default"), record.id).await;
    assert_eq!(opened, Err(ledger_client::Error::ScopeKeyLost));
    // New values get new keys, under the same scopes.
    let fresh = append(&handle, private("fresh", json!("new"))).await;
    let opened = handle.open_sealed(tenant("default"), fresh.id).await.expect("opens");
    assert_eq!(opened.expect("is there")[0].value, json!("new"));
}

#[tokio::test]
async fn scope_keys_live_as_long_as_was_said() {
    let (log, _, _) = backed_up().await;
    let handle = log.open();
    let copy = Copy {
        dir: log.dir.path().join("again"),
        scopes: log.dir.path().join("again.scopes"),
    };
    let request = Request {
        scope_days: 0,
        ..copy.request()
    };
    handle.backup(&request, &mut go_on).expect("backs up");
    let inside = Request {
        scopes_to: Some(log.dir.path().join("third/scopes")),
        ..Request::new(log.dir.path().join("third"))
    };
    let error = handle.backup(&inside, &mut go_on).expect_err("is refused");
    assert!(
        error.to_string().contains("kept longer than scope keys may be"),
        "{error}"
    );
    handle.close();
    let expired = copy.restore(beside(&log, "restored"));
    let error = refused(&expired);
    assert!(error.to_string().contains("was to be deleted by"), "{error}");
    let all_the_same = ledger::restore::Request {
        expired_scopes: true,
        ..expired
    };
    assert_eq!(restore(&all_the_same).disclosures_lost, 0);
}

#[tokio::test]
async fn a_newer_copy_of_the_scope_keys_fits_an_older_backup() {
    let (log, old, _) = backed_up().await;
    // A new data key at every start.
    let handle = Handle::open(Config {
        data_key_values: 1,
        ..log.config()
    })
    .expect("opens");
    let mut other = private("other", json!("x"));
    other.links = vec![record::Link::new("session", "session:s2").expect("a link")];
    append(&handle, other).await;
    let (new, _) = Copy::of(&log, &handle, "new");
    handle.close();
    let mixed = ledger::restore::Request {
        scopes: Some(new.scopes),
        ..old.restore(beside(&log, "restored"))
    };
    assert_eq!(restore(&mixed).disclosures_lost, 0);
    let (foreign, theirs, _) = backed_up().await;
    let mixed = ledger::restore::Request {
        scopes: Some(theirs.scopes),
        ..old.restore(beside(&log, "again"))
    };
    assert_eq!(part_of(&refused(&mixed)), "copy of the scope keys");
    drop(foreign);
}

#[tokio::test]
async fn after_a_restore_an_idempotency_key_needs_an_id_for_a_day() {
    let (log, copy, _) = backed_up().await;
    let config = beside(&log, "restored");
    restore(&copy.restore(config.clone()));
    let handle = Handle::open(config.clone()).expect("opens");
    let error = handle
        .append(guarded(event("pay"), "k2", false))
        .await
        .expect_err("is refused");
    assert!(matches!(error, ledger_client::Error::OwnIdRequired { .. }), "{error}");
    assert_eq!(error.kind(), ledger_client::Kind::Invalid);
    let own = handle.append(guarded(event("pay"), "k3", true)).await.expect("appends");
    let again = handle
        .append(guarded(event("pay"), "k3", false))
        .await
        .expect("is known");
    assert_eq!((again.id, again.replayed), (own.id, true));
    append(&handle, event("plain")).await;
    handle.close();
    drop(handle);
    // It is remembered, and it passes.
    let handle = Handle::open(config.clone()).expect("opens");
    assert!(handle.append(guarded(event("pay"), "k2", false)).await.is_err());
    handle.close();
    drop(handle);
    let handle = Handle::open_with_clock(config, Arc::new(crate::clock::Tomorrow)).expect("opens");
    handle
        .append(guarded(event("pay"), "k2", false))
        .await
        .expect("appends");
}

#[tokio::test]
async fn a_cancelled_or_refused_backup_leaves_nothing() {
    let (log, _, _) = backed_up().await;
    let handle = log.open();
    let copy = Copy {
        dir: log.dir.path().join("cancelled"),
        scopes: log.dir.path().join("cancelled.scopes"),
    };
    let cancelled = handle.backup(&copy.request(), &mut |_, _| ControlFlow::Break(()));
    assert!(matches!(cancelled, Err(Error::Cancelled)));
    assert!(!copy.dir.exists() && !copy.scopes.exists());
    fs::write(&copy.scopes, b"x").expect("writes");
    assert!(matches!(
        handle.backup(&copy.request(), &mut go_on),
        Err(Error::Exists(_))
    ));
    fs::create_dir(&copy.dir).expect("creates");
    fs::write(copy.dir.join("note"), b"x").expect("writes");
    fs::remove_file(&copy.scopes).expect("removes");
    assert!(matches!(
        handle.backup(&copy.request(), &mut go_on),
        Err(Error::Exists(_))
    ));
    assert_eq!(fs::read(copy.dir.join("note")).expect("reads"), b"x");
    handle.close();
    assert!(
        handle
            .backup(&Request::new(log.dir.path().join("late")), &mut go_on)
            .is_err()
    );
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

#[tokio::test]
async fn a_full_disk_is_told_and_no_half_backup_or_log_is_left() {
    let Some(disk) = Disk::mount(48) else { return };
    let log = Log::create().await;
    let handle = log.open();
    for n in 0..16 {
        append(&handle, crate::disk::large(n)).await;
    }
    let (copy, _) = Copy::of(&log, &handle, "copy");
    let filler = disk.fill(1_024 * 1_024);
    let to = disk.path().join("copy");
    let error = handle.backup(&Request::new(&to), &mut go_on).expect_err("is full");
    assert!(matches!(error, Error::Io { .. }), "{error}");
    assert!(!to.exists(), "{:?}", names(&to));
    let config = Config {
        data_dir: disk.path().join("restored"),
        ..log.config()
    };
    let error = Work::begin(&copy.restore(config.clone()), &mut go_on).and_then(|work| work.finish(Ending::Open));
    assert!(error.is_err());
    assert!(
        matches!(Handle::open(config.clone()).err(), Some(Error::Unfinished(_))),
        "{:?}",
        names(&config.data_dir)
    );
    fs::remove_file(filler).expect("removes");
    assert_eq!(restore(&copy.restore(config.clone())).size, 18);
    handle.backup(&Request::new(&to), &mut go_on).expect("backs up");
    assert_eq!(look(&config).expect("is whole").records.len(), 18);
}

#[tokio::test]
async fn a_restored_log_is_backed_up_and_restored_again() {
    let (log, copy, _) = backed_up().await;
    let first = beside(&log, "first");
    restore(&copy.restore(first.clone()));
    let handle = Handle::open(first.clone()).expect("opens");
    append(&handle, private("between", json!("x"))).await;
    let again = Copy {
        dir: log.dir.path().join("again"),
        scopes: log.dir.path().join("again.scopes"),
    };
    let written = handle.backup(&again.request(), &mut go_on).expect("backs up");
    handle.close();
    drop(handle);
    let second = beside(&log, "second");
    let restored = restore(&again.restore(second.clone()));
    assert_eq!((restored.size, restored.root), (45, written.root));
    assert_eq!(restored.disclosures_lost, 0);
    // Three data keys by now: what each of them encrypted still opens.
    let (first, second) = (look(&first).expect("is whole"), look(&second).expect("is whole"));
    assert_eq!((first.records, first.sealed), (second.records, second.sealed));
}

/// The checkpoints that a closed log keeps, newest first.
fn kept(config: &Config) -> Vec<ledger_client::proof::SignedCheckpoint> {
    let scratch = tempfile::tempdir().expect("a directory");
    let inspection = Inspection::open(config, &scratch.path().join("shadow")).expect("opens");
    inspection.checkpoints().expect("reads")
}

#[tokio::test]
async fn checkpoints_come_back_with_the_records_and_the_log_continues_them() {
    let (log, copy, _) = backed_up().await;
    let before = kept(&log.config());
    assert_eq!(before.iter().map(|kept| kept.size).collect::<Vec<_>>(), [44]);
    let config = beside(&log, "restored");
    restore(&copy.restore(config.clone()));
    assert_eq!(kept(&config), before);
    // Its checkpoints are held against its records, and there are some.
    look(&config).unwrap_or_else(|findings| panic!("{findings:?}"));
    // A log that signs is opened, and goes on behind the newest one.
    let (config, mut request) = (beside(&log, "again"), copy.restore(beside(&log, "again")));
    request.config.checkpoints = Some(CheckpointConfig::default());
    restore(&request);
    let handle = Handle::open(request.config).expect("opens");
    assert_eq!(handle.checkpoints().borrow().as_deref(), before.first());
    append(&handle, event("next")).await;
    handle.close();
    drop(handle);
    let after = kept(&config);
    assert!(
        after.len() > before.len() && after.last() == before.last(),
        "{}",
        after.len()
    );
    look(&config).unwrap_or_else(|findings| panic!("{findings:?}"));
}

/// A backup as builds before format 2 wrote it; see `fixtures/README.md`.
#[tokio::test]
async fn a_backup_without_checkpoints_is_restored_as_ever() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let key = fs::read_to_string(fixtures.join("backup-1.key")).expect("reads");
    let dir = tempfile::tempdir().expect("a directory");
    let config = Config::new(dir.path().join("log"), KeySource::Hex(key.trim().to_owned().into()));
    let request = ledger::restore::Request {
        config: config.clone(),
        base: Base::Backup(fixtures.join("backup-1")),
        scopes: Some(fixtures.join("backup-1.scopes")),
        expired_scopes: false,
    };
    let restored = restore(&request);
    assert_eq!((restored.size, restored.disclosures_lost), (9, 0));
    // It has map roots and none of the checkpoints over them: that is said, and nothing else.
    let findings = look(&config).expect_err("could not be checked");
    assert!(
        findings.len() == 1 && findings[0].contains("no checkpoint was given"),
        "{findings:?}"
    );
    let handle = Handle::open(Config {
        checkpoints: Some(CheckpointConfig::default()),
        ..config.clone()
    });
    let handle = handle.expect("opens");
    append(&handle, event("next")).await;
    handle.close();
    drop(handle);
    look(&config).unwrap_or_else(|findings| panic!("{findings:?}"));
}
