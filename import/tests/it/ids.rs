//! Ids: the same on every run, different for repeated lines, and unknowable without the key.

use crate::{KEY, mapper};
use import::{Format, Mapper};
use record::{Auth, Author, RecordId, Tenant};

const LINES: [&str; 4] = [
    r#"{"time":"2020-10-22T08:29:48.785Z"}"#,
    r#"{"a":1}"#,
    r#"{"time":"2020-10-22T08:29:48.785Z"}"#,
    r#"{"a":1 }"#,
];

fn ids(mapper: &mut Mapper) -> Vec<RecordId> {
    let mapped = LINES.iter().map(|line| mapper.map(1, line.as_bytes()));
    mapped
        .map(|mapped| mapped.expect("these are objects").record.id)
        .collect()
}

#[test]
fn a_second_run_gives_the_same_ids_and_repeated_lines_differ() {
    let first = ids(&mut mapper(Format::JsonLines));
    assert_eq!(first, ids(&mut mapper(Format::JsonLines)));
    let mut unique = first.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), LINES.len(), "{first:?}");
    assert_eq!(
        first.iter().map(RecordId::unix_ms).collect::<Vec<_>>(),
        [1_603_355_388_785, 0, 1_603_355_388_785, 0]
    );
}

#[test]
fn another_key_gives_other_ids() {
    let tenant = Tenant::parse("acme").unwrap();
    let mut other = Mapper::new(Format::JsonLines, [8; 32], tenant, Author::new("importer", Auth::Local));
    let ours = ids(&mut mapper(Format::JsonLines));
    assert!(ids(&mut other).iter().all(|id| !ours.contains(id)));
}

/// Computed from the rule with blake3 alone: time, then keyed BLAKE3 over line and occurrence.
#[test]
fn the_rule_is_the_documented_one() {
    for (occurrence, id) in [
        ids(&mut mapper(Format::JsonLines))[0],
        ids(&mut mapper(Format::JsonLines))[2],
    ]
    .iter()
    .enumerate()
    {
        let mut covered = LINES[0].as_bytes().to_vec();
        covered.extend_from_slice(&(occurrence as u64).to_be_bytes());
        let hash = blake3::keyed_hash(&KEY, &covered);
        let entropy = hash.as_bytes()[..10].try_into().unwrap();
        assert_eq!(*id, RecordId::new(1_603_355_388_785, entropy));
    }
}

#[test]
fn the_line_end_is_not_part_of_the_line() {
    let id = |line: &str| mapper(Format::JsonLines).map(1, line.as_bytes()).unwrap().record.id;
    assert_eq!(id("{}"), id("{}\r\n"));
    assert_eq!(id("{}"), id("{}\n"));
    assert_ne!(id("{}"), id(" {}"));
}

#[test]
fn a_refused_line_counts_as_met_and_one_before_1970_has_time_zero() {
    let mut mapper = mapper(Format::JsonLines);
    assert_eq!(mapper.map(9, b"[]").unwrap_err().line, 9);
    let old = mapper
        .map(1, br#"{"time":"1969-07-20T20:17:40.000001Z"}"#)
        .unwrap()
        .record;
    assert_eq!(old.id.unix_ms(), 0);
    assert_eq!(old.payload["occurred_at"], "1969-07-20T20:17:40.000001Z");
}
