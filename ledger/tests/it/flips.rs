//! One flipped bit anywhere in the data directory: found and named, or proven harmless. Never fewer records in silence.
//!
//! `SIGIL_FLIPS` sets how many bits each log gets, `SIGIL_FLIP_SEED` which ones.

use crate::check::{Seen, look};
use crate::files::{copy_dir, files, flip, written};
use crate::log::{Log, all, append, event, plain, private, tenant};
use ledger::{Config, Handle};
use ledger_client::LedgerClient as _;
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// A small generator (SplitMix64): the same bits at every run.
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}

fn from_env(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

/// In memory where there is such a file system: thousands of logs are opened, and none has to last.
fn directory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .expect("a directory")
}

/// Two tenants, sealed records, a rotation.
async fn fill(log: &Log, config: &Config, rounds: usize) {
    let handle = Handle::open(config.clone()).expect("opens");
    let root = ledger::read_root_key(&log.dir.path().join("root")).expect("the root key");
    handle
        .create_tenant(tenant("acme"), "Acme".to_owned())
        .await
        .expect("creates");
    for round in 0..rounds {
        let mut records = vec![private(&format!("sealed.{round}"), json!({"n": round}))];
        records.extend((0..12).map(|n| event(&format!("act.{n}"))));
        let mut other = event("acme");
        other.tenant = tenant("acme");
        records.push(other);
        for answer in handle.append_many(records).await.expect("answers each") {
            answer.expect("appends");
        }
    }
    handle.rotate_record_key(&root).await.expect("rotates");
    append(&handle, event("rotated")).await;
    handle.close();
}

/// A copy whose files may be replaced but not written to.
fn link_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("creates");
    for entry in fs::read_dir(from).expect("reads") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            link_dir(&path, &target);
        } else {
            fs::hard_link(&path, &target).expect("links");
        }
    }
}

struct Subject {
    log: Log,
    config: Config,
    seen: Seen,
    /// Every file with the bytes of it that were ever written, and a few behind.
    files: Vec<(PathBuf, u64)>,
}

impl Subject {
    fn new(log: Log, config: Config) -> Self {
        let seen = look(&config).expect("is whole");
        let dir = config.data_dir.clone();
        let extent = |path: PathBuf| {
            let length = fs::metadata(&path).expect("is there").len();
            let extent = length.min(written(&path).len() as u64 + 64);
            (path.strip_prefix(&dir).expect("inside").to_owned(), extent)
        };
        let files = files(&dir)
            .into_iter()
            .map(extent)
            .filter(|(_, extent)| *extent > 0)
            .collect();
        Self {
            log,
            config,
            seen,
            files,
        }
    }

    /// A directory with one bit flipped.
    fn flipped(&self, name: &str, file: &Path, at: u64, bit: u8) -> Config {
        let dir = self.log.dir.path().join(name);
        link_dir(&self.config.data_dir, &dir);
        let path = dir.join(file);
        fs::remove_file(&path).expect("unlinks");
        crate::files::copy_file(&self.config.data_dir.join(file), &path);
        flip(&path, at, bit);
        Config {
            data_dir: dir,
            ..self.config.clone()
        }
    }

    /// `Ok` when the flip is harmless, else what was found.
    fn look_at(&self, file: &Path, at: u64, bit: u8) -> Result<(), String> {
        let place = format!("{} byte {at} bit {bit}", file.display());
        let config = self.flipped("flipped", file, at, bit);
        let looked = catch_unwind(AssertUnwindSafe(|| look(&config)));
        fs::remove_dir_all(&config.data_dir).expect("removes");
        match looked.unwrap_or_else(|_| panic!("{place}: a panic came through")) {
            Ok(seen) => {
                assert!(seen == self.seen, "{place}: success with other records");
                Ok(())
            }
            Err(findings) => {
                assert!(findings.iter().all(|finding| !finding.is_empty()), "{place}");
                Err(findings[0].clone())
            }
        }
    }

    /// Opens the flipped log and writes to it: refused, or nothing is lost and what is wrong still shows.
    async fn write_to(&self, file: &Path, at: u64, bit: u8) {
        let place = format!("{} byte {at} bit {bit}", file.display());
        let linked = self.flipped("linked", file, at, bit);
        let config = Config {
            data_dir: self.log.dir.path().join("written"),
            ..linked.clone()
        };
        copy_dir(&linked.data_dir, &config.data_dir);
        if let Ok(handle) = Handle::open(config.clone()) {
            let before = self.seen.records.len();
            let _answer = handle.append(plain(event("more"))).await;
            handle.close();
            drop(handle);
            match look(&config) {
                Ok(seen) => assert!(
                    seen.records[..before] == self.seen.records[..],
                    "{place}: fewer records"
                ),
                Err(findings) => assert!(!findings.is_empty(), "{place}"),
            }
            if let Ok(handle) = Handle::open(config.clone()) {
                handle.close();
            }
        }
        fs::remove_dir_all(&linked.data_dir).expect("removes");
        fs::remove_dir_all(&config.data_dir).expect("removes");
    }

    async fn flip_many(&self, flips: u64, seed: u64) {
        let mut seeded = Seeded(seed);
        let mut outcomes: BTreeMap<String, u64> = BTreeMap::new();
        for round in 0..flips {
            // Half of the flips go by file, so that small ones get theirs, half by size.
            let total: u64 = self.files.iter().map(|(_, extent)| extent).sum();
            let mut chosen = seeded.below(total);
            let by_size = self.files.iter().find(|(_, extent)| {
                let here = chosen < *extent;
                chosen = chosen.wrapping_sub(if here { 0 } else { *extent });
                here
            });
            let by_file = &self.files[seeded.below(self.files.len() as u64) as usize];
            let (file, extent) = if round % 2 == 0 {
                by_file
            } else {
                by_size.unwrap_or(by_file)
            };
            let (at, bit) = (seeded.below(*extent), seeded.below(8) as u8);
            let outcome = self.look_at(file, at, bit);
            if round % 16 == 0 {
                self.write_to(file, at, bit).await;
            }
            let outcome = outcome.err().unwrap_or_else(|| format!("harmless: {}", file.display()));
            let outcome: String = outcome
                .chars()
                .filter(|letter| !letter.is_ascii_digit())
                .take(90)
                .collect();
            *outcomes.entry(outcome).or_default() += 1;
        }
        for (outcome, count) in &outcomes {
            println!("{count:6} {outcome}");
        }
        assert!(outcomes.len() > 4, "the flips found next to nothing: {outcomes:?}");
    }
}

async fn run(subject: Subject) {
    std::panic::set_hook(Box::new(|_| {}));
    let outcome = tokio::task::spawn(async move {
        subject
            .flip_many(from_env("SIGIL_FLIPS", 500), from_env("SIGIL_FLIP_SEED", 1))
            .await;
    });
    let outcome = outcome.await;
    let _hook = std::panic::take_hook();
    if let Err(error) = outcome {
        let panic = error.into_panic();
        panic!("{}", panic.downcast_ref::<String>().cloned().unwrap_or_default());
    }
}

#[tokio::test]
async fn in_a_closed_log() {
    let log = Log::create_in(directory(), |config| config).await;
    let config = log.config();
    fill(&log, &config, 6).await;
    run(Subject::new(log, config)).await;
}

#[tokio::test]
async fn in_a_log_that_was_killed() {
    let log = Log::create_in(directory(), |config| config).await;
    fill(&log, &log.config(), 3).await;
    let handle = log.open();
    for n in 0..20 {
        append(&handle, event(&format!("late.{n}"))).await;
    }
    append(&handle, private("late", json!("secret"))).await;
    let config = Config {
        data_dir: log.dir.path().join("killed"),
        ..log.config()
    };
    copy_dir(&log.config().data_dir, &config.data_dir);
    assert_eq!(all(&handle).await.len(), look(&config).expect("is whole").records.len());
    drop(handle);
    run(Subject::new(log, config)).await;
}

#[tokio::test]
async fn in_a_log_with_tables() {
    let log = Log::create_in(directory(), |config| Config {
        memtable_bytes: Some(16 * 1_024),
        ..config
    })
    .await;
    let config = Config {
        memtable_bytes: Some(16 * 1_024),
        ..log.config()
    };
    fill(&log, &config, 20).await;
    let tables = files(&config.data_dir)
        .into_iter()
        .filter(|path| path.to_string_lossy().contains("/tables/"))
        .count();
    assert!(tables >= 4, "{tables} tables");
    run(Subject::new(log, config)).await;
}
