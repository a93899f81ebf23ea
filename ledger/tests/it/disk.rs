//! A full disk and a read-only one, on a file system of their own. Mounting needs root: without, the tests say so.

use crate::check::look;
use crate::log::{Log, all, append, event, plain, private};
use ledger::{Config, Error, Handle, KeySource};
use ledger_client::LedgerClient as _;
use record::NewRecord;
use serde_json::json;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A mounted tmpfs; unmounted at the end.
pub struct Disk(tempfile::TempDir);

impl Disk {
    pub fn mount(mib: u64) -> Option<Self> {
        let dir = tempfile::tempdir().expect("a directory");
        let size = format!("size={mib}m");
        let mounted = mount(&["-t", "tmpfs", "-o", &size, "tmpfs"], dir.path());
        if !mounted {
            println!("skipped: a tmpfs cannot be mounted here");
        }
        mounted.then_some(Self(dir))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Takes all space but so many bytes.
    pub fn fill(&self, left: u64) -> PathBuf {
        let path = self.path().join("filler");
        let mut file = File::create(&path).expect("creates");
        while file.write_all(&[1; 4_096]).is_ok() {}
        let length = file.metadata().expect("is there").len();
        file.set_len(length - left).expect("shrinks");
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _unmounted = Command::new("umount").arg(self.path()).status();
    }
}

fn mount(arguments: &[&str], at: &Path) -> bool {
    let mut command = Command::new("mount");
    let command = command.args(arguments).arg(at).stderr(std::process::Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

pub fn large(n: usize) -> NewRecord {
    let mut record = event(&format!("large.{n}"));
    record.payload["data"] = json!({"text": "x".repeat(200_000)});
    record
}

async fn log_on(disk: &Disk) -> (Log, Config) {
    let log = Log::create().await;
    let dir = disk.path().join("log");
    crate::files::copy_dir(&log.config().data_dir, &dir);
    let config = Config {
        data_dir: dir,
        ..log.config()
    };
    (log, config)
}

#[tokio::test]
async fn a_full_disk_stores_nothing_unsaid_and_goes_on_when_there_is_space() {
    let Some(disk) = Disk::mount(96) else { return };
    let (_log, config) = log_on(&disk).await;
    let handle = Handle::open(config.clone()).expect("opens");
    append(&handle, private("before", json!("secret"))).await;
    let mut acknowledged = Vec::new();
    for n in 0..20 {
        let record = large(n);
        append(&handle, record.clone()).await;
        acknowledged.push(record.id);
    }
    let filler = disk.fill(1_024 * 1_024);
    let mut failed = Vec::new();
    for n in 100..120 {
        let record = large(n);
        match handle.append(plain(record.clone())).await {
            Ok(_) => acknowledged.push(record.id),
            Err(error) => failed.push((record, error)),
        }
        assert!(all(&handle).await.len() >= 3 + acknowledged.len(), "reads go on");
    }
    let unknown = |error: &ledger_client::Error| matches!(error, ledger_client::Error::CommitUnknown { .. });
    assert!(unknown(&failed[0].1), "{}", failed[0].1);
    assert!(
        failed
            .iter()
            .all(|(_, error)| error.kind() == ledger_client::Kind::Unavailable)
    );
    assert!(failed.iter().filter(|(_, error)| unknown(error)).count() < failed.len());
    for (_, error) in &failed {
        let text = error.to_string();
        assert!(text.contains("No space left"), "{text}");
        assert!(!text.contains(&config.data_dir.display().to_string()), "{text}");
    }
    // Room for a probe, not for a copy of the journals: the log must not be torn down for that.
    fs::remove_file(&filler).expect("removes");
    let filler = disk.fill(3 * 1_024 * 1_024);
    assert!(handle.append(plain(event("early"))).await.is_err());
    assert!(all(&handle).await.len() >= 3 + acknowledged.len(), "reads go on");
    fs::remove_file(filler).expect("removes");
    // The disk is looked at once a second, not for every request.
    let after = event("after");
    while let Err(error) = handle.append(plain(after.clone())).await {
        assert!(matches!(error, ledger_client::Error::Unavailable { .. }), "{error}");
    }
    for (record, _) in &failed {
        append(&handle, record.clone()).await;
        acknowledged.push(record.id);
    }
    let kept = all(&handle).await;
    handle.close();
    drop(handle);
    for id in &acknowledged {
        assert_eq!(kept.iter().filter(|record| record.id == *id).count(), 1);
    }
    assert_eq!(look(&config).expect("is whole").records.len(), kept.len());
    let handle = Handle::open(config).expect("opens");
    assert_eq!(all(&handle).await, kept);
}

#[tokio::test]
async fn a_full_disk_is_told_when_opening() {
    let Some(disk) = Disk::mount(96) else { return };
    let (_log, config) = log_on(&disk).await;
    let handle = Handle::open(config.clone()).expect("opens");
    append(&handle, large(1)).await;
    handle.close();
    drop(handle);
    // Enough to begin a copy of the journals, not to end it.
    let filler = disk.fill(64 * 1_024);
    let error = Handle::open(config.clone()).err().expect("is refused");
    assert!(matches!(error, Error::Io { .. }), "{error}");
    for left in ["journals-aside", "journals-aside.partial"] {
        assert!(!config.data_dir.join(left).exists(), "{left}");
    }
    fs::remove_file(filler).expect("removes");
    assert_eq!(all(&Handle::open(config).expect("opens")).await.len(), 3);
}

#[tokio::test]
async fn a_read_only_disk_is_told_and_can_still_be_verified() {
    let Some(disk) = Disk::mount(96) else { return };
    let (log, config) = log_on(&disk).await;
    assert!(mount(&["-o", "remount,ro"], disk.path()), "remounts");
    let error = Handle::open(config.clone()).err().expect("is refused");
    let Error::Io { source, path, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(source.kind(), std::io::ErrorKind::ReadOnlyFilesystem);
    assert!(path.starts_with(&config.data_dir), "{error}");
    let elsewhere = ledger::inspect::Inspection::open(&config, &log.dir.path().join("shadow")).expect("opens");
    assert_eq!(
        elsewhere
            .blocks()
            .map(|block| block.expect("reads").1.len())
            .sum::<usize>(),
        2
    );
    let init = ledger::Init {
        config: Config::new(disk.path().join("new"), KeySource::File(log.dir.path().join("new-key"))),
        root_key_file: log.dir.path().join("new-root"),
        log: record::Origin::parse("example.com/audit").expect("an origin"),
        slug: record::Slug::parse("audit").expect("a slug"),
        tenants: Vec::new(),
    };
    let error = ledger::create(init).await.expect_err("is refused");
    assert!(matches!(error, Error::Io { .. }), "{error}");
}
