//! Restoring from copies, and what is known to be missing: a log goes on only where nothing is.

use crate::backup::{Copy, beside, go_on};
use crate::check::look;
use crate::log::{Log, all, append, event, plain, private};
use ledger::restore::{Base, Ending, Evidence, Request, Staged, Work};
use ledger::{Config, Error, Handle};
use ledger_client::LedgerClient as _;
use record::Record;
use serde_json::json;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

/// A log of 30 records whose backup has 20, closed; its HEAD and its records as others have them.
struct Lost {
    log: Log,
    copy: Copy,
    head: PathBuf,
    records: Vec<Record>,
}

impl Lost {
    async fn create() -> Self {
        Self::create_with(false).await
    }

    /// With `rotated`, the record key changes behind the backup.
    async fn create_with(rotated: bool) -> Self {
        let log = Log::create().await;
        let handle = log.open();
        for n in 0..18 {
            append(&handle, private(&format!("act.{n}"), json!(n))).await;
        }
        let (copy, written) = Copy::of(&log, &handle, "copy");
        assert_eq!(written.size, 20);
        if rotated {
            let root = ledger::read_root_key(&log.dir.path().join("root")).expect("the root key");
            handle.rotate_record_key(&root).await.expect("rotates");
        }
        while handle.head().await.expect("reads").size < 30 {
            append(&handle, private("later", json!("x"))).await;
        }
        let records = all(&handle).await;
        handle.close();
        let head = log.config().data_dir.join("HEAD");
        Self {
            log,
            copy,
            head,
            records,
        }
    }

    fn begin(&self, name: &str) -> (Config, Work) {
        let config = beside(&self.log, name);
        let work = Work::begin(&self.copy.restore(config.clone()), &mut go_on).expect("restores");
        (config, work)
    }

    fn bytes(&self, offsets: std::ops::Range<usize>) -> Vec<Arc<[u8]>> {
        self.records[offsets]
            .iter()
            .map(|record| record.bytes().into())
            .collect()
    }

    fn known_head(&self) -> Evidence {
        let mut evidence = Evidence::default();
        evidence.head_file(&self.head).expect("reads");
        evidence
    }
}

fn known(record: &[u8]) -> Evidence {
    let mut evidence = Evidence::default();
    evidence.record("a receipt", record).expect("is a record");
    evidence
}

fn behind(result: Result<(), Error>) -> (u64, u64) {
    match result.expect_err("is behind") {
        Error::LogBehind {
            expected,
            found,
            detail,
        } => {
            assert!(detail.contains("sigil restore --from-stream"), "{detail}");
            (expected, found)
        }
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_backup_behind_what_is_known_is_refused_with_the_way_back() {
    let lost = Lost::create().await;
    let (config, work) = lost.begin("restored");
    assert_eq!(behind(work.compare(&mut lost.known_head())), (30, 20));
    for offset in [20, 29] {
        let found = behind(work.compare(&mut known(lost.records[offset].bytes())));
        assert_eq!(found, (offset as u64 + 1, 20));
    }
    for offset in [0, 19] {
        work.compare(&mut known(lost.records[offset].bytes())).expect("has it");
    }
    drop(work);
    assert!(matches!(Handle::open(config).err(), Some(Error::Unfinished(_))));
}

#[tokio::test]
async fn what_the_log_did_not_sign_is_no_evidence_and_what_it_signed_twice_is_named() {
    let lost = Lost::create().await;
    let other = Lost::create().await;
    let (_, work) = lost.begin("restored");
    // Same origin, other keys: a record that anybody could have made.
    let mut forged = known(other.records[25].bytes());
    work.compare(&mut forged).expect("blocks nothing");
    assert_eq!(forged.ignored().len(), 1);
    assert!(forged.ignored()[0].contains("offset 25"), "{:?}", forged.ignored());
    // A log that went on from an older copy has signed other records under the same offsets.
    let (config, fork) = lost.begin("fork");
    fork.finish(Ending::Open).expect("finishes").accept().expect("accepts");
    let handle = Handle::open(config.clone()).expect("opens");
    append(&handle, event("forked")).await;
    let forked = all(&handle).await;
    handle.close();
    let (_, mut work) = lost.begin("again");
    work.push(&lost.bytes(20..30)).expect("continues");
    let error = work.compare(&mut known(forked[20].bytes())).expect_err("is named");
    assert!(
        matches!(&error, Error::Corrupt { place, .. } if place.contains("offset 20")),
        "{error}"
    );
    let mut head = Evidence::default();
    head.head_file(&config.data_dir.join("HEAD")).expect("reads");
    assert!(matches!(work.compare(&mut head), Err(Error::Corrupt { .. })));
}

async fn recovered(staged: Staged, config: &Config) -> Vec<Record> {
    let restored = staged.accept_recovered().await.expect("accepts");
    let handle = Handle::open(config.clone()).expect("opens");
    let records = all(&handle).await;
    assert_eq!(records.len() as u64, restored.size + 1);
    handle.close();
    records
}

#[tokio::test]
async fn copies_that_reach_head_continue_the_log_and_it_says_so() {
    let lost = Lost::create().await;
    let (config, mut work) = lost.begin("restored");
    work.push(&lost.bytes(20..30)).expect("continues");
    work.compare(&mut lost.known_head()).expect("nothing is missing");
    assert!(work.can_sign());
    let staged = work.finish(Ending::Open).expect("finishes");
    let records = recovered(staged, &config).await;
    assert_eq!(records[..30], lost.records[..]);
    let last = &records[30];
    assert_eq!(
        (last.kind.as_str(), last.tenant.as_str()),
        ("ledger.recovered", "sigil-ledger")
    );
    // The values behind the backup were in the lost directory only.
    assert_eq!(last.payload, json!({"from": 20, "to": 30, "disclosures_lost": 10}));
    let findings = look(&config).expect_err("values are missing");
    assert!(
        findings.iter().all(|finding| finding.contains("Absent")),
        "{findings:?}"
    );
    let handle = Handle::open(config).expect("opens");
    let next = append(&handle, event("next")).await;
    assert_eq!(next.committed.offset, 31);
}

#[tokio::test]
async fn copies_without_a_backup_need_a_keyring_to_go_on() {
    let lost = Lost::create().await;
    let keyring = lost.log.config().data_dir.join("keyring");
    let config = beside(&lost.log, "restored");
    let request = Request {
        config: config.clone(),
        base: Base::Keyring(keyring),
        scopes: None,
        expired_scopes: false,
    };
    let mut work = Work::begin(&request, &mut go_on).expect("begins");
    work.push(&lost.bytes(0..30)).expect("continues");
    assert!(work.can_sign());
    work.compare(&mut lost.known_head()).expect("nothing is missing");
    let records = recovered(work.finish(Ending::Open).expect("finishes"), &config).await;
    assert_eq!(
        records[30].payload,
        json!({"from": 0, "to": 30, "disclosures_lost": 28})
    );
    let nothing = Request {
        config: beside(&lost.log, "kept"),
        base: Base::Nothing(lost.records[0].log.clone()),
        ..request
    };
    let mut work = Work::begin(&nothing, &mut go_on).expect("begins");
    work.push(&lost.bytes(0..30)).expect("continues");
    assert!(!work.can_sign());
    let (backup, mut work) = {
        let rotated = Lost::create_with(true).await;
        let (_, work) = rotated.begin("restored");
        (rotated, work)
    };
    work.push(&backup.bytes(20..30)).expect("continues");
    assert!(
        !work.can_sign(),
        "the backup's keyring does not have the key that came after it"
    );
}

#[tokio::test]
async fn a_closed_log_is_read_and_never_written() {
    let lost = Lost::create().await;
    let (config, mut work) = lost.begin("kept");
    work.push(&lost.bytes(20..25)).expect("continues");
    assert_eq!(behind(work.compare(&mut lost.known_head())), (30, 25));
    work.finish(Ending::Closed)
        .expect("finishes")
        .accept()
        .expect("accepts");
    let handle = Handle::open(config.clone()).expect("opens");
    assert_eq!(all(&handle).await[..], lost.records[..25]);
    let refused = handle.append(plain(event("late"))).await;
    assert_eq!(refused, Err(ledger_client::Error::Closed));
    let created = handle.create_tenant(crate::log::tenant("new"), "New".to_owned()).await;
    assert_eq!(created, Err(ledger_client::Error::Closed));
    handle.close();
    drop(handle);
    let handle = Handle::open(config).expect("opens");
    assert_eq!(
        handle.append(plain(event("late"))).await,
        Err(ledger_client::Error::Closed)
    );
}

#[tokio::test]
async fn a_copy_is_believed_in_nothing() {
    let lost = Lost::create().await;
    let other = Lost::create().await;
    let refused = |name: &str, records: Vec<Arc<[u8]>>, offset: u64| {
        let (_, mut work) = lost.begin(name);
        let error = work.push(&records).expect_err("is refused");
        let place = format!("the record at offset {offset}");
        assert!(
            matches!(&error, Error::Corrupt { place: found, .. } if *found == place),
            "{name}: {error}"
        );
    };
    let mut flipped = lost.bytes(20..30);
    let text = String::from_utf8(flipped[3].to_vec())
        .expect("text")
        .replace("\"later\"", "\"lates\"");
    flipped[3] = text.into_bytes().into();
    refused("flipped", flipped, 23);
    let mut swapped = lost.bytes(20..30);
    swapped.swap(4, 5);
    refused("swapped", swapped, 24);
    let mut gap = lost.bytes(20..30);
    gap.remove(2);
    refused("gap", gap, 22);
    refused("again", lost.bytes(19..30), 20);
    refused("foreign", other.bytes(20..30), 20);
    let mut unsigned = lost.bytes(20..30);
    let signature = |bytes: &[u8]| {
        let text = String::from_utf8(bytes.to_vec()).expect("text");
        text.split("\"sig\":\"").nth(1).expect("a signature")[..88].to_owned()
    };
    let (own, theirs) = (signature(&unsigned[6]), signature(&unsigned[7]));
    let text = String::from_utf8(unsigned[6].to_vec())
        .expect("text")
        .replace(&own, &theirs);
    unsigned[6] = text.into_bytes().into();
    refused("unsigned", unsigned, 26);
}

#[tokio::test]
async fn an_unfinished_restore_opens_as_nothing_and_begins_anew() {
    let lost = Lost::create().await;
    let (config, work) = lost.begin("restored");
    assert!(matches!(
        Work::begin(&lost.copy.restore(config.clone()), &mut go_on).err(),
        Some(Error::InUse { .. })
    ));
    let staged = work.finish(Ending::Open).expect("finishes");
    drop(staged);
    for _ in 0..2 {
        assert!(matches!(Handle::open(config.clone()).err(), Some(Error::Unfinished(_))));
        let shadow = lost.log.dir.path().join("shadow");
        let inspected = ledger::inspect::Inspection::open(&config, &shadow);
        assert!(matches!(inspected.err(), Some(Error::Unfinished(_))));
    }
    fs::write(config.data_dir.join("leftover"), b"x").expect("writes");
    let (_, work) = lost.begin("restored");
    work.finish(Ending::Open).expect("finishes").accept().expect("accepts");
    assert!(!config.data_dir.join("leftover").exists());
    assert_eq!(look(&config).expect("is whole").records.len(), 20);
    let error = Work::begin(&lost.copy.restore(config), &mut go_on).err();
    assert!(matches!(error, Some(Error::Exists(_))), "a log is never restored over");
}
