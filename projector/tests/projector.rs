//! The checker, `project` and the digest over real signed logs: what passes, and what every fault is called.
#![cfg(test)]

mod log;

use domain::Catalogue;
use domain::State;
use log::{Bytes, Log, START, key, public};
use projector::digest::{Column, Digester, Row, TableDigest, hash_row};
use projector::{
    ChainEnd, Change, Checked, Checker, Consumer, Digest, Error, PARKED_DETAIL, Resume, Retry, project, pump,
};
use proptest::prelude::*;
use record::{Code, Hash, Origin, Record, Tenant};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

static CATALOGUE: LazyLock<Arc<Catalogue>> = LazyLock::new(|| Arc::new(Catalogue::builtin()));

fn checker(log: &Log) -> Checker {
    Checker::new(Arc::clone(&CATALOGUE), State::new(log.origin.clone()))
}

fn check(log: &Log, records: &[Bytes]) -> Result<Vec<Record>, Error> {
    let (_, checked) = checker(log).check(records)?;
    assert!(
        checked.iter().all(|one| one.refusal.is_none()),
        "nothing is parked here"
    );
    Ok(checked.into_iter().map(|one| one.record).collect())
}

/// The offset and code of the fault that a log is refused for.
fn refused(log: &Log, records: &[Bytes]) -> (u64, Code) {
    match check(log, records) {
        Err(Error::Unverified { offset, fault }) => (offset, fault.code),
        other => panic!("expected a refused record, got {other:?}"),
    }
}

fn changes(records: &[Record]) -> Vec<Change> {
    records.iter().flat_map(project).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_split_of_a_log_gives_the_same_changes(size in 4_usize..130, cuts in prop::collection::vec(1_usize..40, 1..20)) {
        let log = Log::sample(size);
        let whole = check(&log, &log.records).unwrap();
        let (mut one, mut split, mut at) = (checker(&log), Vec::new(), 0);
        for cut in cuts.into_iter().cycle() {
            let end = (at + cut).min(log.records.len());
            let (next, records) = one.check(&log.records[at..end]).unwrap();
            split.extend(records.iter().flat_map(Checked::changes));
            (one, at) = (next, end);
            if at == log.records.len() {
                break;
            }
        }
        prop_assert_eq!(&split, &changes(&whole));
        prop_assert_eq!(split, changes(&whole), "project is a function of the record alone");
        prop_assert_eq!(one.position(), log.records.len() as u64);
    }

    #[test]
    fn any_changed_byte_is_named(at in 0_usize..40, place in any::<prop::sample::Index>(), flip in 1_u8..=255) {
        let log = Log::sample(40);
        let at = at % log.records.len();
        let mut records = log.records.clone();
        let mut bytes = records[at].to_vec();
        let place = place.index(bytes.len());
        bytes[place] ^= flip;
        records[at] = bytes.into();
        prop_assert_eq!(refused(&log, &records).0, at as u64);
    }
}

#[test]
fn gaps_repetitions_and_swaps_are_named() {
    let log = Log::sample(30);
    let gap = |records: Vec<Bytes>| match check(&log, &records) {
        Err(Error::Gap { expected, found }) => (expected, found),
        other => panic!("expected a gap, got {other:?}"),
    };
    let mut missing = log.records.clone();
    missing.remove(10);
    assert_eq!(gap(missing), (10, 11));
    let mut twice = log.records.clone();
    twice.insert(10, Arc::clone(&log.records[9]));
    assert_eq!(gap(twice), (10, 9));
    let mut swapped = log.records.clone();
    swapped.swap(10, 11);
    assert_eq!(gap(swapped), (10, 11));
    assert_eq!(gap(log.records[1..].to_vec()), (0, 1));
}

#[test]
fn a_forged_signature_and_a_foreign_key_are_named() {
    let mut log = Log::sample(20);
    let honest = log.next.clone();
    log.next.signer = key(200);
    log.event("acme", 20, &[]);
    assert_eq!(refused(&log, &log.records), (20, Code::SignatureInvalid));
    // The same thief, who also claims his own key.
    let mut log = Log::sample(20);
    log.next = log::Next {
        claimed: key(200),
        signer: key(200),
        ..honest
    };
    log.event("acme", 20, &[]);
    assert_eq!(refused(&log, &log.records), (20, Code::SignatureInvalid));
}

#[test]
fn a_record_that_claims_another_key_than_the_one_that_signed_it_is_named() {
    let mut log = Log::sample(20);
    log.next.claimed = key(200);
    log.event("acme", 20, &[]);
    assert_eq!(refused(&log, &log.records), (20, Code::SignatureInvalid));
}

#[test]
fn a_forged_signature_is_named_before_a_later_gap() {
    let mut log = Log::sample(20);
    let honest = log.next.signer.clone();
    log.next.signer = key(200);
    log.event("acme", 20, &[]);
    log.next.signer = honest;
    log.next.offset += 1;
    log.event("acme", 22, &[]);
    assert_eq!(refused(&log, &log.records), (20, Code::SignatureInvalid));
}

#[test]
fn a_rotated_key_is_followed_and_the_old_one_refused() {
    let mut log = Log::new();
    let old = log.next.signer.clone();
    log.rotate(key(2));
    log.append("acme", "tenant.created", json!({"tenant": "acme", "name": "Acme"}), &[]);
    assert_eq!(check(&log, &log.records).unwrap().len(), 3);
    (log.next.claimed, log.next.signer) = (old.clone(), old);
    log.event("acme", 3, &[]);
    assert_eq!(refused(&log, &log.records), (3, Code::SignatureInvalid));
}

#[test]
fn a_rotation_that_the_root_key_did_not_sign_changes_nothing() {
    let mut log = Log::new();
    let thief = key(99);
    let forged = json!({
        "role": "record", "old": public(&log.next.signer).to_base64(), "new": public(&thief).to_base64(),
        "pop": record::key::encode_base64(&[1; 64]), "root_sig": record::key::encode_base64(&[2; 64]),
    });
    log.append(Tenant::LEDGER, "key.rotated", forged, &[]);
    (log.next.claimed, log.next.signer) = (thief.clone(), thief);
    log.append("acme", "tenant.created", json!({"tenant": "acme", "name": "Acme"}), &[]);
    assert_eq!(refused(&log, &log.records), (2, Code::SignatureInvalid));
}

#[test]
fn a_broken_chain_is_named() {
    for wrong in [
        |next: &mut log::Next| next.seq = Some(99),
        |next: &mut log::Next| next.prev = Some(None),
        |next: &mut log::Next| next.prev = Some(Some(Hash::of(b"another"))),
    ] {
        let mut log = Log::sample(20);
        wrong(&mut log.next);
        log.event("acme", 20, &[]);
        let result = check(&log, &log.records);
        assert!(
            matches!(result, Err(Error::BrokenChain { offset: 20, .. })),
            "{result:?}"
        );
    }
}

#[test]
fn what_does_not_belong_in_this_log_is_named() {
    let mut log = Log::sample(20);
    log.next.log = Origin::parse("example.com/other").unwrap();
    log.event("acme", 20, &[]);
    assert_eq!(refused(&log, &log.records), (20, Code::EnvelopeInvalid));

    let mut log = Log::sample(20);
    log.next.ts = START - 1;
    log.event("acme", 20, &[]);
    assert_eq!(
        refused(&log, &log.records),
        (20, Code::EnvelopeInvalid),
        "time runs backwards"
    );

    let mut log = Log::sample(20);
    let genesis = log.genesis();
    log.append("acme", "ledger.genesis", genesis, &[]);
    assert_eq!(
        refused(&log, &log.records),
        (20, Code::EnvelopeInvalid),
        "keys come from the ledger's tenant"
    );

    let mut log = Log::empty();
    log.append("acme", "tenant.created", json!({"tenant": "acme", "name": "Acme"}), &[]);
    assert_eq!(refused(&log, &log.records), (0, Code::SignatureInvalid), "no genesis");
}

/// The one record after the first 20 of `log`, as it was checked, and its changes by name.
fn last_checked(log: &Log) -> (Checked, Vec<&'static str>) {
    let (_, mut checked) = checker(log).check(&log.records).unwrap();
    let last = checked.pop().unwrap();
    let name = |change: &Change| match change {
        Change::Record(_) => "records",
        Change::Timeline(_) => "timeline",
        Change::Link(_) => "links",
        Change::Canon(_) => "canon_entries",
        Change::Parked(_) => "parked",
    };
    let changes = last.changes().iter().map(name).collect();
    (last, changes)
}

#[test]
fn a_payload_that_this_build_cannot_read_is_parked_and_what_follows_is_checked_on() {
    let links = [("actor", "agent:a"), ("trace", "trace:t")];
    for (kind, payload, code) in [
        ("future.kind", json!({"any": [1, 2]}), Code::KindUnknown),
        (
            "audit.event",
            json!({"action": "a", "outcome": "maybe", "source": "s"}),
            Code::SchemaInvalid,
        ),
        ("canon.user.write", json!({"key": "k"}), Code::SchemaInvalid),
    ] {
        let mut log = Log::sample(20);
        let bytes = log.append("acme", kind, payload, &links);
        let (last, changes) = last_checked(&log);
        assert_eq!(last.refusal.as_ref().map(|fault| fault.code), Some(code), "{kind}");
        assert_eq!(changes, ["records", "links", "links", "timeline", "parked"], "{kind}");
        let record = Record::parse(bytes.to_vec()).unwrap();
        for change in last.changes() {
            match change {
                Change::Timeline(row) => {
                    assert_eq!((row.at, row.action, row.outcome), (record.ts, None, None), "{kind}");
                }
                Change::Link(link) => assert_eq!(link.at, record.ts, "{kind}"),
                Change::Parked(row) => {
                    assert_eq!((row.offset, row.kind.as_str(), row.schema_version), (20, kind, 1));
                    assert_eq!(row.code, code.as_str());
                    assert!(!row.detail.contains("maybe"), "no value: {}", row.detail);
                }
                _ => {}
            }
        }
        log.event("acme", 21, &[]);
        log.rotate(key(99));
        log.event("acme", 23, &[]);
        assert_eq!(checker(&log).check(&log.records).unwrap().1.len(), 24, "{kind}");
    }
}

#[test]
fn a_detail_is_cut_between_characters() {
    let mut log = Log::sample(20);
    let member = "\u{20ac}".repeat(PARKED_DETAIL);
    log.append(
        "acme",
        "audit.event",
        json!({"action": "a", "outcome": "success", "source": "s", (member): 1}),
        &[],
    );
    let Some(Change::Parked(row)) = last_checked(&log).0.changes().pop() else {
        panic!("the last change of a parked record says so")
    };
    assert!(
        (PARKED_DETAIL - 3..=PARKED_DETAIL).contains(&row.detail.len()),
        "{}",
        row.detail.len()
    );
}

#[test]
fn everything_else_that_is_wrong_with_a_record_of_an_unknown_kind_still_halts() {
    let future = |change: fn(&mut log::Next)| {
        let mut log = Log::sample(20);
        change(&mut log.next);
        log.append("acme", "future.kind", json!({}), &[]);
        log
    };
    let forged = future(|next| next.signer = key(200));
    assert_eq!(refused(&forged, &forged.records), (20, Code::SignatureInvalid));
    let foreign = future(|next| next.log = Origin::parse("example.com/other").unwrap());
    assert_eq!(refused(&foreign, &foreign.records), (20, Code::EnvelopeInvalid));
    let gap = future(|next| next.offset = 21);
    assert!(matches!(
        check(&gap, &gap.records),
        Err(Error::Gap {
            expected: 20,
            found: 21
        })
    ));
    let chain = future(|next| next.prev = Some(None));
    assert!(matches!(
        check(&chain, &chain.records),
        Err(Error::BrokenChain { offset: 20, .. })
    ));
}

#[test]
fn what_may_set_keys_is_never_parked() {
    for (kind, code) in [
        ("key.rotated", Code::SchemaInvalid),
        ("key.revoked", Code::KindUnknown),
        ("ledger.genesis", Code::SchemaInvalid),
    ] {
        let mut log = Log::sample(20);
        log.append(Tenant::LEDGER, kind, json!({"new": "rules"}), &[]);
        assert_eq!(refused(&log, &log.records), (20, code), "{kind}");
    }
    // Another tenant's keys are not the log's, and another kind of the ledger's own sets none.
    for (tenant, kind) in [("acme", "key.revoked"), (Tenant::LEDGER, "ledger.map_root")] {
        let mut log = Log::sample(20);
        log.append(tenant, kind, json!({}), &[]);
        assert_eq!(last_checked(&log).1.last(), Some(&"parked"), "{kind}");
    }
}

#[test]
fn a_parked_record_is_projected_by_a_build_that_knows_its_kind() {
    let mut log = Log::sample(20);
    let payload = json!({"key": "k", "value": 1, "min_loa": 0});
    let bytes = log.append("acme", "canon.user.write", payload, &[]);
    let older = Arc::new(Catalogue::builtin().without("canon.user.write"));
    let (_, checked) = Checker::new(Arc::clone(&older), State::new(log.origin.clone()))
        .check(&log.records)
        .unwrap();
    let parked = checked.last().unwrap();
    let Some(Change::Parked(row)) = parked.changes().pop() else {
        panic!("an older build parks it")
    };
    assert_eq!(Retry::of(&older, bytes.to_vec()).unwrap(), Retry::Keep(row));
    let projected = Retry::of(&CATALOGUE, bytes.to_vec()).unwrap();
    assert_eq!(projected, Retry::Project(project(&parked.record)));
    assert!(matches!(Retry::of(&CATALOGUE, b"{}".to_vec()), Err(Error::Damaged(_))));
}

#[test]
fn a_digester_gives_what_its_tables_give() {
    let mut digester = Digester::default();
    let mut digest = Digest::default();
    let (mut records, mut timelines) = (TableDigest::new("records"), TableDigest::new("timelines"));
    for offset in [0, 4_095, 4_096, 9_000] {
        let columns = [("kind", Column::Text("k")), ("offset", Column::Integer(offset))];
        digester.add(&Row {
            table: "records",
            columns: &columns,
        });
        records.add_at(offset as u64, hash_row("records", &columns));
    }
    for id in [3, 1, 2] {
        let columns = [("id", Column::Integer(id))];
        digester.add(&Row {
            table: "timelines",
            columns: &columns,
        });
        timelines.add_keyed(&[Column::Integer(id)], hash_row("timelines", &columns));
    }
    for table in ["canon_entries", "links", "parked", "timeline"] {
        digest.add_table(TableDigest::new(table));
    }
    digest.add_table(records);
    digest.add_table(timelines);
    assert_eq!(digester.finish(), digest);
    let columns = [("offset", Column::Integer(7)), ("timeline", Column::Integer(3))];
    assert_eq!(
        Row {
            table: "links",
            columns: &columns
        }
        .key(),
        r#"["3","7"]"#
    );
}

#[test]
fn resuming_from_the_ends_of_the_chains_equals_having_read_everything() {
    let log = Log::sample(120);
    let (checker, checked) = checker(&log).check(&log.records).unwrap();
    let records: Vec<Record> = checked.into_iter().map(|one| one.record).collect();
    let mut chains = BTreeMap::new();
    for record in &records {
        let (tenant, seq, hash) = (record.tenant.clone(), record.seq, record.hash);
        chains.insert(record.tenant.clone(), ChainEnd { tenant, seq, hash });
    }
    let sets_keys = |record: &&Record| ["ledger.genesis", "key.rotated"].contains(&record.kind.as_str());
    let resume = Resume {
        log: log.origin.clone(),
        position: records.len() as u64,
        last_ts: records.last().map(|record| record.ts),
        key_records: records
            .iter()
            .filter(sets_keys)
            .map(|record| record.bytes().to_vec())
            .collect(),
        chains: chains.into_values().collect(),
    };
    assert_eq!(&resume.clone().into_state().unwrap(), checker.state());
    let short = Resume { position: 3, ..resume };
    assert!(matches!(short.into_state(), Err(Error::Damaged(_))));
}

#[test]
fn an_event_without_a_real_time_happened_when_it_was_recorded() {
    let mut log = Log::new();
    let event =
        json!({"action": "a", "outcome": "denied", "source": "s", "occurred_at": "2026-13-45T00:00:00.000000Z"});
    let bytes = log.append(
        "acme",
        "audit.event",
        event,
        &[("actor", "agent:a"), ("trace", "trace:t")],
    );
    // Its schema refuses such a time; `project` is total without it.
    let record = Record::parse(bytes.to_vec()).unwrap();
    let changes = project(&record);
    let Change::Timeline(row) = changes
        .iter()
        .find(|change| matches!(change, Change::Timeline(_)))
        .unwrap()
    else {
        unreachable!("the filter passes timeline rows only");
    };
    assert_eq!((row.at, row.outcome.as_deref()), (record.ts, Some("denied")));
    let labels = changes.iter().filter_map(|change| match change {
        Change::Link(link) => Some((link.timeline.label, link.timeline.target.as_str())),
        _ => None,
    });
    assert_eq!(
        labels.collect::<Vec<_>>(),
        [("kind", "audit.event"), ("actor", "agent:a")]
    );
}

struct Counting(Vec<u64>);

impl projector::Sink for Counting {
    fn apply(&mut self, batch: projector::Batch) -> projector::query::Pending<'_, ()> {
        Box::pin(async move {
            self.0.extend(batch.from..batch.until);
            Ok(())
        })
    }
}

#[tokio::test]
async fn a_refused_batch_is_not_applied_and_the_ones_before_it_are() {
    let mut log = Log::sample(20);
    log.next.offset += 1;
    log.event("acme", 21, &[]);
    let mut source = log.source(4);
    let (mut sink, consumer) = (
        Counting(vec![]),
        Consumer::new(&mut source, checker(&log)).await.unwrap(),
    );
    let outcome = pump(consumer, &mut sink, u64::MAX).await.map(drop);
    assert!(
        matches!(
            outcome,
            Err(Error::Gap {
                expected: 20,
                found: 21
            })
        ),
        "{outcome:?}"
    );
    // The batches that a consumer makes are larger than the source's: none was whole before the gap.
    assert!(sink.0.iter().copied().eq(0..sink.0.len() as u64) && sink.0.len() <= 20);
}

#[tokio::test]
async fn a_log_shorter_than_the_read_model_is_refused() {
    let log = Log::sample(20);
    let (ahead, _) = checker(&log).check(&log.records).unwrap();
    let shorter = Log::sample(10);
    let mut source = shorter.source(100);
    let outcome = Consumer::new(&mut source, ahead).await.map(drop);
    assert!(
        matches!(outcome, Err(Error::LogBehind { position: 20, head: 10 })),
        "{outcome:?}"
    );
}

#[test]
fn the_digest_is_the_one_that_the_format_spells_out() {
    let columns = [
        ("offset", Column::Integer(5)),
        ("at", Column::Micros(0)),
        ("hash", Column::Bytes(&[1, 255])),
    ];
    let row = blake3::hash(
        br#"{"columns":{"at":"1970-01-01T00:00:00.000000Z","hash":"01ff","offset":"5"},"table":"records"}"#,
    );
    assert_eq!(hash_row("records", &columns).as_bytes(), row.as_bytes());
    let mut table = TableDigest::new("records");
    table.add_at(4_096, hash_row("records", &columns));
    let mut digest = Digest::default();
    digest.add_table(table);
    let mut all = b"records".to_vec();
    all.extend_from_slice(&1_u64.to_be_bytes());
    all.extend_from_slice(blake3::hash(row.as_bytes()).as_bytes());
    assert_eq!(digest.value().as_bytes(), blake3::hash(&all).as_bytes());
}

#[test]
fn the_digest_names_the_bucket_of_a_changed_row() {
    let build = |changed: u64| {
        let (mut rows, mut keyed) = (TableDigest::new("records"), TableDigest::new("timelines"));
        for offset in 0..10_000 {
            let value = if offset == changed { -1 } else { offset as i64 };
            rows.add_at(offset, hash_row("records", &[("offset", Column::Integer(value))]));
        }
        for id in [7, 3, 5] {
            keyed.add_keyed(
                &[Column::Integer(id)],
                hash_row("timelines", &[("id", Column::Integer(id))]),
            );
        }
        let mut digest = Digest::default();
        digest.add_table(rows);
        digest.add_table(keyed);
        digest
    };
    let (sound, damaged) = (build(u64::MAX), build(5_000));
    assert_eq!(sound, build(u64::MAX));
    assert_ne!(sound.value(), damaged.value());
    let named: Vec<String> = sound.differences(&damaged).iter().map(ToString::to_string).collect();
    assert_eq!(named, ["records: offsets 4096 to 8191"]);
    assert_eq!((sound.buckets("records"), sound.buckets("timelines")), (3, 3));
}
