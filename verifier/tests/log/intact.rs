//! Untouched logs verify, however they are cut, and nothing else does.

use crate::build::{Store, Writer, log, origin};
use std::sync::Mutex;
use verifier::{Check, Claims, Item, Options, Outcome, Report, Verdict, verify_log, verify_record};

pub fn verify(store: &Store, split: usize) -> Report {
    let trust = store.trust();
    let options = Options {
        trust: Some(&trust),
        ..Options::default()
    };
    verify_log(store.items(split), Some(&mut store.clone()), &store.claims, &options)
}

#[test]
fn an_untouched_log_verifies_for_every_split() {
    let store = log(20);
    let whole = verify(&store, store.records.len());
    assert_eq!(whole.outcome(), Outcome::Verified, "{:#?}", whole.findings);
    let beside = [
        Check::Maps,
        Check::StoredMaps,
        Check::Checkpoints,
        Check::Anchors,
        Check::Witnesses,
    ];
    for (check, verdict) in &whole.verdicts {
        match beside.contains(check) {
            true => assert!(matches!(verdict, Verdict::NotAsked(_)), "{check}: {verdict:?}"),
            false => assert_eq!(*verdict, Verdict::Passed, "{check}"),
        }
    }
    assert_eq!(whole.counts.records, store.records.len() as u64);
    assert_eq!(whole.counts.tenants, 3);
    assert_eq!(whole.counts.timelines, store.heads.len() as u64);
    assert_eq!(whole.head, store.claims.head.unwrap());
    assert_eq!(whole.root, Some(store.claims.tree.unwrap().root));
    for split in 1..store.records.len() {
        assert_eq!(verify(&store, split), whole, "split every {split}");
    }
}

#[test]
fn more_records_than_a_batch_holds_verify_with_progress() {
    let store = log(9_000);
    let trust = store.trust();
    let seen = Mutex::new(Vec::new());
    let progress = |done, total| seen.lock().unwrap().push((done, total));
    let options = Options {
        trust: Some(&trust),
        total: Some(9_005),
        progress: Some(&progress),
        ..Options::default()
    };
    let report = verify_log(store.items(256), Some(&mut store.clone()), &store.claims, &options);
    assert_eq!(report.outcome(), Outcome::Verified, "{:#?}", report.findings);
    let seen = seen.into_inner().unwrap();
    assert_eq!(seen.first(), Some(&(8_192, Some(9_005))));
    assert_eq!(seen.last(), Some(&(9_005, Some(9_005))));
    // Tiles are compared: 9,005 leaves fill 35.
    assert_eq!(store.tiles.len(), 35);
}

#[test]
fn thorough_agrees() {
    let store = log(12);
    let trust = store.trust();
    let options = Options {
        trust: Some(&trust),
        thorough: true,
        ..Options::default()
    };
    let report = verify_log(store.items(3), Some(&mut store.clone()), &store.claims, &options);
    assert_eq!(report.outcome(), Outcome::Verified, "{:#?}", report.findings);
}

#[test]
fn what_was_not_given_is_not_checked() {
    let store = log(5);
    let trust = store.trust();
    let options = Options {
        trust: Some(&trust),
        ..Options::default()
    };
    let report = verify_log(store.items(4), None, &Claims::default(), &options);
    assert_eq!(report.outcome(), Outcome::Unchecked);
    for check in [Check::Tree, Check::Timelines, Check::Head] {
        assert!(matches!(report.verdict(check), Verdict::NotChecked(_)), "{check}");
    }
    assert_eq!(*report.verdict(Check::Chain), Verdict::Passed);
}

#[test]
fn an_empty_log_is_not_the_pinned_one() {
    let trust = log(1).trust();
    let options = Options {
        trust: Some(&trust),
        ..Options::default()
    };
    let report = verify_log(Vec::<Item>::new(), None, &Claims::default(), &options);
    assert_eq!(report.outcome(), Outcome::Failed);
    assert_eq!(*report.verdict(Check::Trust), Verdict::Failed(3));
}

#[test]
fn one_record_is_judged_alone() {
    let store = log(3);
    let bytes = &store.records[4].bytes;
    let keys = [crate::build::public(crate::build::RECORD_KEY)];
    let trust = store.trust();
    let report = verify_record(bytes, &keys, Some(&trust));
    assert_eq!(report.outcome(), Outcome::Verified, "{:#?}", report.findings);
    assert_eq!(report.claimed.unwrap().0, 4);
    assert!(matches!(report.verdict(Check::Chain), Verdict::NotChecked(_)));
    assert!(matches!(report.verdict(Check::Head), Verdict::NotChecked(_)));
    assert_eq!(verify_record(bytes, &[], Some(&trust)).outcome(), Outcome::Unchecked);
    assert_eq!(verify_record(bytes, &keys, None).outcome(), Outcome::Unchecked);
    let other = verify_record(bytes, &[crate::build::public(9)], Some(&trust));
    assert_eq!(*other.verdict(Check::Key), Verdict::Failed(1));
    for at in (0..bytes.len()).step_by(7) {
        let mut bytes = bytes.to_vec();
        bytes[at] ^= 1;
        let report = verify_record(&bytes, &keys, Some(&trust));
        assert_eq!(report.outcome(), Outcome::Failed, "byte {at}");
    }
}

#[test]
fn an_author_signature_is_checked() {
    use ed25519_dalek::Signer as _;
    let mut writer = Writer::new();
    let signer = crate::build::key(8);
    let mut new = crate::build::new_record(
        "acme",
        "canon.user.write",
        serde_json::json!({"key": "k", "value": 1, "min_loa": 0}),
        &[],
        3,
    );
    new.author.key_id = Some(record::KeyText::from(crate::build::public(8)).to_string());
    new.author.sig = Some(signer.sign(&record::author::signed_message(&origin(), &new)).to_bytes());
    writer.append(new);
    let store = writer.finish();
    assert_eq!(verify(&store, 4).outcome(), Outcome::Verified);
}

#[test]
fn a_report_says_the_same_in_json_and_in_words() {
    let store = log(3);
    let report = verify(&store, 2);
    let json = report.to_json();
    assert_eq!(json["outcome"], "verified");
    assert_eq!(json["size"], 8);
    assert_eq!(json["checks"]["chain"]["verdict"], "passed");
    assert_eq!(json["checks"].as_object().unwrap().len(), Check::LOG.len());
    assert_eq!(json["seen"]["origin"], crate::build::ORIGIN);
    assert_eq!(report.lines().last().map(String::as_str), Some("verified"));
}
