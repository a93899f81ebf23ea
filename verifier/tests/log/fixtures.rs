//! The frozen logs below `replay-fixtures/` are legal logs: the verifier has nothing against a record of them.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use verifier::{Check, Claims, Item, Options, StoredRecord, Trust, Verdict, verify_log};

/// What records alone can show: tree, timelines and HEAD are a store's.
const CHECKS: [Check; 11] = [
    Check::Readable,
    Check::Canonical,
    Check::Schema,
    Check::Hash,
    Check::Key,
    Check::Signature,
    Check::Author,
    Check::Offsets,
    Check::Chain,
    Check::Time,
    Check::Trust,
];

fn stored(line: &[u8]) -> StoredRecord {
    StoredRecord {
        bytes: line.into(),
        timelines: Vec::new(),
    }
}

#[test]
fn every_frozen_log_verifies_and_a_touched_one_does_not() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../replay-fixtures/v1");
    let mut cases = 0;
    for case in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if !case.is_dir() {
            continue;
        }
        let trust = Trust::parse(&fs::read(case.join("trust.json")).unwrap()).unwrap();
        let options = Options {
            trust: Some(&trust),
            thorough: true,
            ..Options::default()
        };
        let text = fs::read(case.join("records.jsonl")).unwrap();
        let records: Vec<StoredRecord> = text
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(stored)
            .collect();
        let report = verify_log([Item::Records(records.clone())], None, &Claims::default(), &options);
        for check in CHECKS {
            assert_eq!(*report.verdict(check), Verdict::Passed, "{}: {check:?}", case.display());
        }
        let mut touched = records;
        let middle = touched.len() / 2;
        let bytes = Arc::make_mut(&mut touched[middle].bytes);
        let at = bytes.len() / 2;
        bytes[at] ^= 1;
        let report = verify_log([Item::Records(touched)], None, &Claims::default(), &options);
        assert!(
            CHECKS.iter().any(|check| *report.verdict(*check) != Verdict::Passed),
            "{}",
            case.display()
        );
        cases += 1;
    }
    assert!(cases >= 3);
}
