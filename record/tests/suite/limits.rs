//! The two sizes and the two depths of a record: exactly at the limit and one past it.

use crate::samples::{
    assert_fault, assert_intake, assert_stored, draft, forged, key, log, nested, new_record, public, seal,
};
use record::limits::{RECORD_BYTES, RECORD_DEPTH};
use record::{Code, Draft, Hash, Intake, Opening, Place, Record, Timestamp};
use serde_json::{Value, json};

/// A payload whose draft is bounded by exactly `bytes`.
fn payload_for(bytes: usize) -> Value {
    let empty = draft(new_record(json!({"a": ""}))).expect("small").size_bound();
    json!({"a": "x".repeat(bytes - empty)})
}

const SAFE: u64 = 9_007_199_254_740_991;

#[test]
fn the_bound_is_the_size_at_the_widest_place_and_no_record_exceeds_it() {
    let draft = draft(new_record(payload_for(RECORD_BYTES))).unwrap();
    assert_eq!(draft.size_bound(), RECORD_BYTES);
    let (prev, pub_key) = (Hash::of(b"prev"), public(1));
    let widest = Place {
        offset: SAFE,
        seq: SAFE,
        prev: Some(&prev),
        ts: Timestamp::MAX,
        pub_key: &pub_key,
    };
    assert_eq!(draft.stamp(&widest).size(), RECORD_BYTES);
    let bytes = draft.stamp(&widest).sign(&key(1));
    assert_eq!(bytes.len(), RECORD_BYTES);
    let record = Record::parse(bytes).unwrap();
    assert_eq!((record.offset, record.seq), (SAFE, SAFE));
    for (offset, seq, prev) in [(0, 0, None), (SAFE, 0, Some(&prev)), (9, SAFE, None)] {
        let size = draft
            .stamp(&Place {
                offset,
                seq,
                prev,
                ..widest
            })
            .size();
        assert!(size < RECORD_BYTES, "{size}");
    }
}

#[test]
fn one_byte_more_is_refused_before_sequencing() {
    assert_fault(
        draft(new_record(payload_for(RECORD_BYTES + 1))),
        Code::RecordTooLarge,
        "",
    );
    // Escapes count as they are written.
    let Value::String(mut text) = payload_for(RECORD_BYTES)["a"].take() else {
        unreachable!("a text")
    };
    text.replace_range(..1, "\n");
    assert_fault(draft(new_record(json!({"a": text}))), Code::RecordTooLarge, "");
    text.remove(1);
    assert!(draft(new_record(json!({"a": text}))).is_ok());
}

#[test]
fn stored_bytes_one_past_the_limit_are_refused() {
    let fitting = forged(|record| record["payload"] = json!({"a": ""})).len();
    let record = |bytes: usize| forged(|record| record["payload"] = json!({"a": "x".repeat(bytes - fitting)}));
    assert_eq!(Record::parse(record(RECORD_BYTES)).unwrap().bytes().len(), RECORD_BYTES);
    assert_stored(record(RECORD_BYTES + 1), Code::RecordTooLarge, "");
}

#[test]
fn disclosures_have_the_same_limit_of_their_own() {
    let opening = Opening {
        pointer: "/payload/private".to_owned(),
        salt: [7; 32],
        value: json!(""),
    };
    let empty = opening.to_canonical().len();
    let of = |bytes: usize| draft(new_record(json!({"private": "x".repeat(bytes - empty)})));
    let at_limit = of(RECORD_BYTES).unwrap();
    assert_eq!(
        at_limit
            .openings()
            .iter()
            .map(|opening| opening.to_canonical().len())
            .sum::<usize>(),
        RECORD_BYTES
    );
    assert!(
        at_limit.size_bound() < 2_000,
        "a sealed value takes a commitment's room in the record"
    );
    assert_fault(of(RECORD_BYTES + 1), Code::RecordTooLarge, "");
    // All disclosures of a record together: the evidence counts as well.
    let mut both = new_record(json!({"private": "x".repeat(RECORD_BYTES - empty)}));
    both.author.evidence = Some(json!(1));
    assert_fault(Draft::new(&log(), seal(both).unwrap(), &[]), Code::RecordTooLarge, "");
}

#[test]
fn a_body_of_100_megabytes_is_refused_unread() {
    // Not JSON at all: a parser that looked would say so.
    let body = vec![b'x'; 100_000_000];
    assert_intake(&body, Code::RecordTooLarge, "");
    assert_stored(body, Code::RecordTooLarge, "");
    assert_intake(vec![b'x'; 12 * RECORD_BYTES + 1], Code::RecordTooLarge, "");
    assert_intake(vec![b'x'; 12 * RECORD_BYTES], Code::MalformedJson, "");
}

#[test]
fn a_legal_record_in_the_longest_spelling_is_read() {
    let Value::String(text) = payload_for(RECORD_BYTES)["a"].take() else {
        unreachable!("a text")
    };
    let document = format!(
        r#"{{"kind":"audit.event","payload":{{"a":"{}"}}}}"#,
        text.replace('x', "\\u0078")
    );
    assert!(document.len() > 5 * RECORD_BYTES);
    let intake = Intake::parse(document.as_bytes()).unwrap();
    assert_eq!(intake.payload["a"], text);
}

#[test]
fn depth_counts_from_the_record_as_it_is_stored() {
    // The record is level 1, the payload level 2.
    let payload = |record_depth: usize| json!({"a": nested(record_depth - 2)});
    assert!(seal(new_record(payload(RECORD_DEPTH))).is_ok());
    assert_fault(seal(new_record(payload(RECORD_DEPTH + 1))), Code::TooDeep, "/payload");
    let stored = |depth: usize| forged(|record| record["payload"] = payload(depth));
    assert_eq!(
        record::json::depth(&Record::parse(stored(RECORD_DEPTH)).unwrap().payload),
        RECORD_DEPTH - 1
    );
    assert_stored(stored(RECORD_DEPTH + 1), Code::TooDeep, "/payload");
    let evidence = forged(|record| record["author"]["evidence"] = nested(RECORD_DEPTH));
    assert_stored(evidence, Code::TooDeep, "/author");
    // A sealed member counts as its commitment, whatever its value's depth.
    assert!(seal(new_record(json!({"a": nested(62), "private": nested(64)}))).is_ok());
    let document = json!({"kind": "audit.event", "payload": payload(RECORD_DEPTH + 1)}).to_string();
    let intake = Intake::parse(document.as_bytes()).unwrap();
    assert_fault(seal(new_record(intake.payload)), Code::TooDeep, "/payload");
}
