//! Every kind of tampering is found by the check that is named for it, at the offset where it happened.

use crate::build::{self, Store, Writer, log};
use crate::intact::verify;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::json;
use std::sync::Arc;
use tlog::Node;
use verifier::{Check, Damaged, Item, Options, Outcome, Report, Verdict, verify_log};

/// The log of every case: genesis 0, tenants 1 and 2, events 3 to 9, rotation 10, canon write 11, events 12 to 19.
fn base() -> Store {
    log(15)
}

/// (check, offset, member) of every finding.
fn found(report: &Report) -> Vec<(Check, Option<u64>, &str)> {
    report
        .findings
        .iter()
        .map(|f| (f.check, f.offset, f.member.as_str()))
        .collect()
}

/// Flips one bit of a node.
fn flip(node: &mut Node, bit: usize) {
    let mut bytes = *node.as_bytes();
    bytes[bit / 8] ^= 1 << (bit % 8);
    *node = bytes.into();
}

/// Replaces `from` by `to` in the record at `offset`.
fn edit(store: &mut Store, offset: usize, from: &str, to: &str) {
    let text = String::from_utf8(store.records[offset].bytes.to_vec()).unwrap();
    assert!(text.contains(from), "{text}");
    store.records[offset].bytes = text.replacen(from, to, 1).into_bytes().into();
}

#[test]
fn a_changed_record_is_one_finding() {
    type Case = (&'static str, usize, &'static str, &'static str, Check, &'static str);
    let cases: [Case; 9] = [
        ("payload value", 5, "\"n\":2", "\"n\":7", Check::Hash, "/hash"),
        ("link", 5, "session:s2", "session:s1", Check::Hash, "/hash"),
        (
            "tenant",
            4,
            "\"tenant\":\"zeta\"",
            "\"tenant\":\"acme\"",
            Check::Hash,
            "/hash",
        ),
        (
            "unknown tenant",
            4,
            "\"tenant\":\"zeta\"",
            "\"tenant\":\"beta\"",
            Check::Hash,
            "/hash",
        ),
        ("kind", 5, "audit.event", "audit.evens", Check::Hash, "/hash"),
        (
            "month 13",
            5,
            "\"ts\":\"2027-01",
            "\"ts\":\"2027-13",
            Check::Hash,
            "/hash",
        ),
        ("offset", 7, "\"offset\":7", "\"offset\":8", Check::Hash, "/hash"),
        ("white space", 7, "\"seq\":", "\"seq\": ", Check::Canonical, ""),
        ("broken off", 7, "\"seq\":", "\"seq\"", Check::Canonical, ""),
    ];
    for (name, offset, from, to, check, member) in cases {
        let mut store = base();
        edit(&mut store, offset, from, to);
        for split in [1, 4, 100] {
            let report = verify(&store, split);
            assert_eq!(found(&report), [(check, Some(offset as u64), member)], "{name}");
            assert_eq!(report.outcome(), Outcome::Failed);
            assert!(matches!(report.verdict(Check::Tree), Verdict::NotChecked(_)), "{name}");
        }
    }
}

#[test]
fn the_hash_itself_the_signature_and_the_key() {
    let text = |store: &Store, offset: usize| String::from_utf8(store.records[offset].bytes.to_vec()).unwrap();
    let cases = [
        ("\"hash\":\"", Check::Hash, "/hash"),
        ("\"sig\":\"", Check::Signature, "/sig"),
        ("\"pub_key\":\"", Check::Key, "/pub_key"),
    ];
    for (member, check, pointer) in cases {
        for offset in [0, 3, 19] {
            let mut store = base();
            let at = text(&store, offset).find(member).unwrap() + member.len() + 5;
            let byte = &mut Arc::make_mut(&mut store.records[offset].bytes)[at];
            *byte = if *byte == b'0' { b'1' } else { b'0' };
            let report = verify(&store, 6);
            let first = (check, Some(offset as u64), pointer);
            assert_eq!(report.findings[0].check, check, "{:#?}", report.findings);
            assert!(found(&report).contains(&first), "{:#?}", report.findings);
            let others = found(&report).into_iter().filter(|finding| *finding != first);
            assert!(
                others.clone().all(|(check, ..)| check == Check::Tree),
                "{:#?}",
                report.findings
            );
        }
    }
}

#[test]
fn another_signer_is_found_however_he_signs() {
    let mut writer = Writer::new();
    (0..4).for_each(|number| writer.event(number));
    writer.sign_with(9);
    writer.event(4);
    writer.sign_with(build::RECORD_KEY);
    writer.event(5);
    let report = verify(&writer.finish(), 3);
    assert_eq!(found(&report), [(Check::Key, Some(7), "/pub_key")]);
    assert_eq!(
        report.findings[0].expected,
        Some(build::public(build::RECORD_KEY).to_base64())
    );
}

#[test]
fn a_rotation_counts_only_with_both_signatures() {
    let (old, new) = (build::public(build::RECORD_KEY), build::public(4));
    let rotations = [
        build::rotation(&old, &new, &build::key(4), &build::key(9)),
        build::rotation(&old, &new, &build::key(9), &build::key(build::ROOT_KEY)),
        build::rotation(&new, &old, &build::key(build::RECORD_KEY), &build::key(build::ROOT_KEY)),
    ];
    for payload in rotations {
        let mut writer = Writer::new();
        writer.write("sigil-ledger", "key.rotated", payload, &[]);
        writer.sign_with(4);
        writer.event(1);
        let report = verify(&writer.finish(), 8);
        assert_eq!(
            found(&report),
            [(Check::Key, Some(3), "/payload"), (Check::Key, Some(4), "/pub_key")]
        );
    }
}

#[test]
fn missing_repeated_swapped_and_inserted_records() {
    let mut dropped = base();
    dropped.records.remove(6);
    assert_eq!(found(&verify(&dropped, 4)), [(Check::Offsets, Some(6), "/offset")]);

    let mut doubled = base();
    let again = doubled.records[6].clone();
    doubled.records.insert(7, again);
    assert_eq!(found(&verify(&doubled, 4)), [(Check::Offsets, Some(6), "/offset")]);

    let mut swapped = base();
    swapped.records.swap(6, 7);
    let report = verify(&swapped, 4);
    assert_eq!(
        found(&report),
        [
            (Check::Offsets, Some(6), "/offset"),
            (Check::Offsets, Some(6), "/offset")
        ]
    );

    let mut inserted = base();
    let mut other = Writer::new();
    (0..4).for_each(|number| other.event(number + 50));
    let stranger = other.finish().records[6].clone();
    inserted.records.insert(6, stranger);
    let report = verify(&inserted, 4);
    assert!(
        found(&report).contains(&(Check::Offsets, Some(6), "/offset")),
        "{:#?}",
        report.findings
    );
    assert_ne!(*report.verdict(Check::Chain), Verdict::Passed);

    let mut cut = base();
    cut.records.pop();
    let report = verify(&cut, 4);
    assert!(
        found(&report).contains(&(Check::Head, Some(19), "")),
        "{:#?}",
        report.findings
    );
    assert!(matches!(report.verdict(Check::Timelines), Verdict::Failed(_)));
    assert_eq!(*report.verdict(Check::Tree), Verdict::Failed(1));
    assert_eq!(*report.verdict(Check::Chain), Verdict::Passed);
}

#[test]
fn a_key_holder_cannot_bend_chain_or_time() {
    type Bend = fn(&mut build::Bent);
    let cases: [(Bend, Check, &str); 5] = [
        (|place| place.seq += 1, Check::Chain, "/seq"),
        (|place| place.seq = 0, Check::Chain, "/seq"),
        (
            |place| place.prev = Some(record::Hash::of(b"another")),
            Check::Chain,
            "/prev",
        ),
        (|place| place.prev = None, Check::Chain, "/prev"),
        (|place| place.micros -= 500_000, Check::Time, "/ts"),
    ];
    for (bend, check, member) in cases {
        let mut writer = Writer::new();
        (0..4).for_each(|number| writer.event(number));
        writer.bend = Some(bend);
        writer.event(4);
        (5..7).for_each(|number| writer.event(number));
        let report = verify(&writer.finish(), 3);
        let first = &report.findings[0];
        assert_eq!(
            (first.check, first.offset, first.member.as_str()),
            (check, Some(7), member)
        );
        // A bent `seq` is seen again where the writer returns to the true one.
        assert!(report.findings.iter().all(|finding| finding.check == check));
    }
}

#[test]
fn a_key_holder_cannot_leave_the_rules() {
    let mut writer = Writer::new();
    writer.write("nobody", "audit.event", build::event(1), &[]);
    writer.write(
        "acme",
        "tenant.created",
        json!({"tenant": "acme", "name": "Again"}),
        &[],
    );
    writer.write(
        "acme",
        "tenant.created",
        json!({"tenant": "zeta", "name": "Other"}),
        &[],
    );
    writer.write("sigil-ledger", "ledger.genesis", build::genesis(), &[]);
    writer.write("sigil-ledger", "audit.event", build::event(2), &[]);
    let recovered = |to: u64| json!({"from": 0, "to": to, "disclosures_lost": 0});
    writer.write("acme", "ledger.recovered", recovered(8), &[]);
    writer.write("sigil-ledger", "ledger.recovered", recovered(8), &[]);
    let hash = "0".repeat(64);
    let verified = json!({
        "projection": "timeline", "version": 1, "engine": "sqlite", "position": 3, "digest": hash,
        "replayed_digest": hash, "equal": true, "differences": 0, "parked": 0,
    });
    writer.write("acme", "projection.verified", verified.clone(), &[]);
    writer.write("sigil-ledger", "projection.verified", verified, &[]);
    let expected: Vec<_> = (3..11).map(|offset| (Check::Chain, Some(offset), "/kind")).collect();
    assert_eq!(found(&verify(&writer.finish(), 10)), expected);
}

#[test]
fn a_payload_outside_its_schema() {
    let mut writer = Writer::new();
    writer.write(
        "acme",
        "audit.event",
        json!({"action": "", "outcome": "success", "source": "s"}),
        &[],
    );
    let report = verify(&writer.finish(), 8);
    assert_eq!(found(&report), [(Check::Schema, Some(3), "/payload/action")]);
}

#[test]
fn a_key_holder_cannot_sign_a_malformed_record() {
    type Edit = fn(&mut serde_json::Value);
    let cases: [(Edit, Check, &str); 10] = [
        (
            |record| record["links"].as_array_mut().unwrap().reverse(),
            Check::Schema,
            "/links",
        ),
        (
            |record| record["links"] = json!([record["links"][0], record["links"][0]]),
            Check::Schema,
            "/links",
        ),
        (
            |record| record["links"] = json!([{"label": "Actor", "target": "a:b"}]),
            Check::Schema,
            "/links/0/label",
        ),
        (|record| record["space"] = json!("system"), Check::Schema, "/space"),
        (|record| record["kind"] = json!("audit.unknown"), Check::Schema, "/kind"),
        (
            |record| record["schema_version"] = json!(7),
            Check::Schema,
            "/schema_version",
        ),
        (|record| record["v"] = json!(2), Check::Schema, "/v"),
        (
            |record| record["ts"] = json!("2027-01-15T08:00:60.000000Z"),
            Check::Schema,
            "/ts",
        ),
        (
            |record| record["payload"]["private"] = json!("clear"),
            Check::Schema,
            "/payload/private",
        ),
        (
            |record| {
                record["author"]["key_id"] = json!(record::KeyText::from(build::public(8)).to_string());
                record["author"]["sig"] = record["sig"].clone();
            },
            Check::Author,
            "/author/sig",
        ),
    ];
    let store = base();
    let trust = store.trust();
    for (edit, check, member) in cases {
        let mut record: serde_json::Value = serde_json::from_slice(&store.records[5].bytes).unwrap();
        edit(&mut record);
        let bytes = build::sign(record);
        let report = verifier::verify_record(&bytes, &[build::public(build::RECORD_KEY)], Some(&trust));
        let first = report
            .findings
            .first()
            .map(|finding| (finding.check, finding.member.as_str()));
        assert_eq!(first, Some((check, member)), "{:#?}", report.findings);
        assert_eq!(report.outcome(), Outcome::Failed);
    }
}

#[test]
fn timelines_tiles_heads_and_roots_are_compared() {
    let mut moved = base();
    moved.records[8].timelines[2].position += 1;
    assert_eq!(found(&verify(&moved, 4)), [(Check::Timelines, Some(8), "")]);

    let mut node = base();
    let (offset, entry) = (3..20)
        .flat_map(|at| (0..4).map(move |entry| (at, entry)))
        .find(|(at, entry)| {
            node.records[*at]
                .timelines
                .get(*entry)
                .is_some_and(|entry| !entry.completed.is_empty())
        })
        .unwrap();
    flip(&mut node.records[offset].timelines[entry].completed[0], 255);
    assert_eq!(found(&verify(&node, 4)), [(Check::Timelines, Some(offset as u64), "")]);

    let mut missing = base();
    missing.records[offset].timelines[entry].completed.pop();
    assert_eq!(
        found(&verify(&missing, 4)),
        [(Check::Timelines, Some(offset as u64), "")]
    );

    let mut more = base();
    let extra = more.records[5].timelines[0].clone();
    more.records[5].timelines.push(extra);
    assert_eq!(found(&verify(&more, 4)), [(Check::Timelines, Some(5), "")]);

    let mut less = base();
    less.records[5].timelines.pop();
    assert_eq!(verify(&less, 4).findings[0].offset, Some(5));

    let mut head = base();
    let name = head.heads.keys().nth(3).unwrap().clone();
    head.heads.insert(name.clone(), tlog::Frontier::new().encode());
    assert_eq!(found(&verify(&head, 4)), [(Check::Timelines, None, "")]);
    head.heads.remove(&name);
    assert_eq!(*verify(&head, 4).verdict(Check::Timelines), Verdict::Failed(2));

    let mut surplus = base();
    surplus
        .heads
        .insert(("acme".into(), "actor".into(), "agent:ghost".into()), Vec::new());
    assert_eq!(found(&verify(&surplus, 4)), [(Check::Timelines, None, "")]);

    let mut root = base();
    let claim = root.claims.tree.as_mut().unwrap();
    claim.root = Node::from([7; 32]);
    assert_eq!(found(&verify(&root, 4)), [(Check::Tree, None, "")]);

    let mut tile = log(300);
    tile.tiles.values_mut().next().unwrap()[17] = Node::from([7; 32]);
    assert_eq!(found(&verify(&tile, 64)), [(Check::Tree, Some(255), "")]);
    tile.tiles.clear();
    assert_eq!(found(&verify(&tile, 64)), [(Check::Tree, Some(255), "")]);

    let mut wrong = base();
    wrong.claims.head.as_mut().unwrap().last_hash = Some(record::Hash::of(b"another"));
    assert_eq!(found(&verify(&wrong, 4)), [(Check::Head, Some(19), "/hash")]);
    wrong.claims.head.as_mut().unwrap().size = 19;
    assert_eq!(found(&verify(&wrong, 4)), [(Check::Head, Some(19), "")]);
}

#[test]
fn a_damaged_block_is_one_finding_and_the_walk_goes_on() {
    let store = base();
    let trust = store.trust();
    let options = Options {
        trust: Some(&trust),
        ..Options::default()
    };
    for to_offset in [Some(9), None] {
        let mut later = store.clone();
        Arc::make_mut(&mut later.records[15].bytes)[40] ^= 1;
        let items = vec![
            Item::Records(later.records[..5].to_vec()),
            Item::Damaged(Damaged {
                from_offset: 5,
                to_offset,
                detail: "the block does not decrypt".into(),
            }),
            Item::Records(later.records[9..].to_vec()),
        ];
        let report = verify_log(items, Some(&mut later.clone()), &later.claims, &options);
        assert_eq!(report.findings.len(), 2, "{:#?}", report.findings);
        assert_eq!(found(&report)[0], (Check::Readable, Some(5), ""));
        assert_eq!(report.findings[1].offset, Some(15));
        assert_eq!(report.counts.unreadable, 4);
        assert_eq!(report.head.size, 20);
    }
}

#[test]
fn findings_are_bounded_and_counted() {
    let mut store = log(60);
    for record in &mut store.records[20..60] {
        let at = record.bytes.len() / 2;
        Arc::make_mut(&mut record.bytes)[at] ^= 1;
    }
    let report = verify(&store, 16);
    assert_eq!(report.findings.len(), 20);
    assert_eq!(report.more_findings, 20, "{:#?}", report.verdicts);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_flipped_bit_is_found(record in any::<Index>(), byte in any::<Index>(), bit in 0..8u8, split in 1..30usize) {
        let mut store = base();
        let offset = record.index(store.records.len());
        let bytes = Arc::make_mut(&mut store.records[offset].bytes);
        let at = byte.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let report = verify(&store, split);
        prop_assert_eq!(report.outcome(), Outcome::Failed);
        prop_assert!(report.findings.iter().any(|finding| finding.offset == Some(offset as u64)));
        // A broken genesis or rotation leaves the keys unknown; every other flip stays a single finding, but for the
        // root that a changed signature changes with it.
        let single = report.findings.iter().filter(|finding| finding.check != Check::Tree).count() == 1;
        prop_assert!(single || [0, 10].contains(&offset), "{:#?}", report.findings);
    }

    #[test]
    fn any_flipped_bit_beside_the_records_is_found(record in any::<Index>(), entry in any::<Index>(), bit in 0..256usize) {
        let mut store = base();
        let offset = record.index(store.records.len());
        let timelines = &mut store.records[offset].timelines;
        let entry = entry.index(timelines.len());
        match timelines[entry].completed.first_mut() {
            Some(node) => flip(node, bit),
            None => timelines[entry].position ^= 1 << (bit % 64),
        }
        let report = verify(&store, 7);
        prop_assert_eq!(found(&report), [(Check::Timelines, Some(offset as u64), "")]);
    }
}
