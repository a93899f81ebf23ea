//! Answers computed once by another implementation (Python: json, blake3, cryptography) and pasted: bytes, hashes and
//! signatures that version 1 of the format fixes for ever. They are never regenerated from this crate.

use crate::samples::{ID, PRIVATE, id, key, log, new_record, public, tenant, time};
use record::attestation::{self, Attestation};
use record::author;
use record::intake::SignedBy;
use record::key::{KeyText, decode_base64, encode_base64};
use record::rotation::{Role, Rotation};
use record::{Auth, Draft, Fault, Hash, Link, NewRecord, Opening, Place, Record, RecordId, Space, Timestamp};
use serde_json::json;

const AUTHOR_KEY: &str = "ed25519:6e7a1cdd29b0b78fd13af4c5598feff4ef2a97166e3ca6f2e4fbfccd80505bf1";
const AUTHOR_SIG: &str = "5Ssp/eEOYZMN1MgBHQYcmUOF96D1wIT66puUyTeXscZm+wP7DmGblsrkl0U1rQVIwKj2BH5aMiGrkWjbrXnpBg==";
const PROPOSAL: &str = "78cc37ba1acbc3a5b6ce33aab29478b176fe7ce1b9e16aad535a52de2e1cefa1";
const ATTESTED: &str = "QUl0eIvR9QrueEY2xn/HXE0Rg0qEb3n0E6x3c+PSVfkUZkTje6Qa+P3kOUCBWWxYen+NTI867I47VV6loVoQCQ==";
const PREV: &str = "a11cb032790dba2f14af21a5eeeabe59468e99c3b2e78e632919462fe3d76bbb";
const SEALED: &str = "d8c528bc58ac458ce06f0118c71a48bb4303b9e5ec9e9fb4bba617dd7eb791f5";
const EVIDENCE: &str = "d30b54068d6ef22cfabe868f0f2f16f365766d74c05d5855a2a160f416c106d2";
const HASH: &str = "cb16bc9bcfa2d4bca1d81d1c9ef52d13d3bdc6524356547d29b80fac1eef1a2e";
const RECORD: &str = concat!(
    r#"{"author":{"auth":"rfc9421","evidence":{"$sealed":"d30b54068d6ef22cfabe868f0f2f16f365766d74c05d5855a2a160f416c106"#,
    r#"d2"},"id":"agent:a1","key_id":"ed25519:6e7a1cdd29b0b78fd13af4c5598feff4ef2a97166e3ca6f2e4fbfccd80505bf1","sig":"5"#,
    r#"Ssp/eEOYZMN1MgBHQYcmUOF96D1wIT66puUyTeXscZm+wP7DmGblsrkl0U1rQVIwKj2BH5aMiGrkWjbrXnpBg=="},"hash":"cb16bc9bcfa2d4"#,
    r#"bca1d81d1c9ef52d13d3bdc6524356547d29b80fac1eef1a2e","id":"019a0a0b-0c0d-7e0f-8a1b-2c3d4e5f6071","kind":"audit.eve"#,
    r#"nt","links":[{"label":"actor","target":"agent:a1"},{"label":"session","target":"session:s1"}],"log":"example.com/"#,
    r#"audit","offset":42,"payload":{"action":"tool.call","data":{"amount":12.5,"currency":"€","n":[1,true,null]},"outco"#,
    r#"me":"success","private":{"$sealed":"d8c528bc58ac458ce06f0118c71a48bb4303b9e5ec9e9fb4bba617dd7eb791f5"},"source":"#,
    r#""agent-runtime"},"prev":"a11cb032790dba2f14af21a5eeeabe59468e99c3b2e78e632919462fe3d76bbb","pub_key":"iojj3XQJ8ZX"#,
    r#"9UtstPLpdcspnCb8dlBIb83SIAbQPb1w=","schema_version":1,"seq":7,"sig":"xC8wDkKJ7ly1GB0/XFm0hXG4y60KcgPCHjSgfhTCa3o"#,
    r#"S9Y4mFSJztvy9G+k+XRqN08mFJE6b0FhvfynOy7ppCg==","space":"user","tenant":"acme","ts":"2026-11-20T12:00:00.000000Z","#,
    r#""v":1,"witnesses":[{"pub_key":"iodf/x6zhFFXes1a/uQFRWVo3XyJ4JCGOgVXvHr0nxc=","sig":"QUl0eIvR9QrueEY2xn/HXE0Rg0qE"#,
    r#"b3n0E6x3c+PSVfkUZkTje6Qa+P3kOUCBWWxYen+NTI867I47VV6loVoQCQ==","ts":"2026-11-20T11:59:59.000001Z","witness_id":"w1"#,
    r#""}]}"#
);
const FIRST: &str = concat!(
    r#"{"author":{"auth":"ledger","id":"ledger"},"hash":"54c84fbeb24634335699566fabe949ceb803885d188744f8e3438c7c16dcf59"#,
    r#"d","id":"01234567-89ab-7cde-8f01-23456789abcd","kind":"ledger.genesis","links":[],"log":"example.com/audit","offse"#,
    r#"t":0,"payload":{},"prev":null,"pub_key":"iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w=","schema_version":1,"seq":0"#,
    r#","sig":"YHqDPSPtGWK9d0giL8pjles+JSQgj9rs6DKpLPElbSfrPynAmb5iYFEaHp2+cKokHBpg5bSmFwp/x3SCPCshBw==","space":"syst"#,
    r#"em","tenant":"sigil-ledger","ts":"1970-01-01T00:00:00.000000Z","v":1,"witnesses":[]}"#
);

fn payload_opening() -> Opening {
    Opening {
        pointer: PRIVATE.to_owned(),
        salt: std::array::from_fn(|at| at as u8),
        value: json!({"card": "4111", "note": "gr\u{fc}\u{df}"}),
    }
}

fn evidence_opening() -> Opening {
    Opening {
        pointer: "/author/evidence".to_owned(),
        salt: std::array::from_fn(|at| 32 + at as u8),
        value: json!({"base": "sig-base", "digest": "d", "signature": "s"}),
    }
}

/// The request as the author signed it, its private member sealed, the gateway's evidence in the clear.
fn request() -> NewRecord {
    let mut record = new_record(json!({
        "action": "tool.call", "outcome": "success", "source": "agent-runtime", "private": {"$sealed": SEALED},
        "data": {"amount": 12.5, "currency": "\u{20ac}", "n": [1, true, null]},
    }));
    // In the wrong order, as a client may send them.
    record.links = vec![
        Link::new("session", "session:s1").unwrap(),
        Link::new("actor", "agent:a1").unwrap(),
    ];
    record.author.auth = Auth::Rfc9421;
    record.author.key_id = Some(AUTHOR_KEY.to_owned());
    record.author.sig = decode_base64(AUTHOR_SIG);
    record.author.evidence = Some(evidence_opening().value);
    record.disclosures = vec![payload_opening()];
    record
}

fn attested() -> Attestation {
    Attestation {
        witness_id: "w1".to_owned(),
        pub_key: public(6),
        sig: decode_base64(ATTESTED).unwrap(),
        ts: time("2026-11-20T11:59:59.000001Z"),
    }
}

#[test]
fn a_whole_record_has_these_bytes_hash_and_signature() {
    let sealed = request()
        .seal::<Fault>(&log(), &[PRIVATE], || Ok(evidence_opening().salt))
        .unwrap();
    assert_eq!(sealed.openings(), [payload_opening(), evidence_opening()]);
    let draft = Draft::new(&log(), sealed, &[attested()]).unwrap();
    let prev = Hash::from_hex(PREV).unwrap();
    let place = Place {
        offset: 42,
        seq: 7,
        prev: Some(&prev),
        ts: time("2026-11-20T12:00:00.000000Z"),
        pub_key: &public(1),
    };
    let stamped = draft.stamp(&place);
    assert_eq!(stamped.hash().to_string(), HASH);
    assert_eq!(String::from_utf8(stamped.sign(&key(1))).unwrap(), RECORD);
}

#[test]
fn the_first_record_has_these_bytes() {
    let mut record = new_record(json!({}));
    record.tenant = tenant("sigil-ledger");
    record.kind = record::Kind::parse("ledger.genesis").unwrap();
    record.id = id("01234567-89ab-7cde-8f01-23456789abcd");
    record.space = Space::System;
    record.author = record::Author::new("ledger", Auth::Ledger);
    let place = Place {
        offset: 0,
        seq: 0,
        prev: None,
        ts: time("1970-01-01T00:00:00.000000Z"),
        pub_key: &public(1),
    };
    let bytes = crate::samples::draft(record).unwrap().stamp(&place).sign(&key(1));
    assert_eq!(String::from_utf8(bytes).unwrap(), FIRST);
}

#[test]
fn the_stored_bytes_read_back_member_by_member() {
    let record = Record::parse(RECORD.as_bytes().to_vec()).unwrap();
    record.verify_signature(&public(1)).unwrap();
    assert_eq!(record.bytes(), RECORD.as_bytes());
    assert_eq!((record.offset, record.seq, record.schema_version), (42, 7, 1));
    assert_eq!(
        (record.log, record.tenant.clone(), record.id),
        (log(), tenant("acme"), id(ID))
    );
    assert_eq!(record.kind.as_str(), "audit.event");
    assert_eq!((record.hash.to_string().as_str(), record.space), (HASH, Space::User));
    assert_eq!(record.prev.unwrap().to_string(), PREV);
    assert_eq!(record.ts.to_string(), "2026-11-20T12:00:00.000000Z");
    assert_eq!(record.payload.pointer("/data/amount"), Some(&json!(12.5)));
    assert_eq!(record.author.auth, Auth::Rfc9421);
    assert_eq!(record.author.key_id.as_deref(), Some(AUTHOR_KEY));
    assert_eq!(record.witnesses, [attested()]);
    let links: Vec<_> = record.links.iter().map(|link| (link.label(), link.target())).collect();
    assert_eq!(links, [("actor", "agent:a1"), ("session", "session:s1")]);
    let first = Record::parse(FIRST.as_bytes().to_vec()).unwrap();
    first.verify_signature(&public(1)).unwrap();
    assert_eq!((first.prev, first.offset, first.links.len()), (None, 0, 0));
}

#[test]
fn commitments_have_these_values() {
    let (tenant, id) = (tenant("acme"), id(ID));
    assert_eq!(payload_opening().commitment(&log(), &tenant, &id).to_string(), SEALED);
    assert_eq!(
        evidence_opening().commitment(&log(), &tenant, &id).to_string(),
        EVIDENCE
    );
}

#[test]
fn the_author_signs_this_message() {
    let sealed = request().seal::<Fault>(&log(), &[PRIVATE], || Ok([0; 32])).unwrap();
    let message = author::signed_message(&log(), sealed.record());
    let expected = "736967696c2f617574686f722f76310ad9f962a34a200bbf93f6536c954e9871943508474f4add98e65fd9d08795cda9";
    assert_eq!(hex::encode(&message), expected);
    let key = KeyText::parse(AUTHOR_KEY).unwrap();
    assert_eq!(*key.key(), public(5));
    assert!(key.key().verifies(&message, &decode_base64(AUTHOR_SIG).unwrap()));
    assert_eq!(KeyText::from(public(5)).to_string(), AUTHOR_KEY);
}

#[test]
fn a_signed_request_reads_from_json() {
    let intake = json!({
        "kind": "audit.event", "payload": {},
        "author": {"id": "agent:a1", "key_id": AUTHOR_KEY, "sig": AUTHOR_SIG},
    });
    let signed = SignedBy {
        id: "agent:a1".to_owned(),
        key_id: AUTHOR_KEY.to_owned(),
        sig: decode_base64(AUTHOR_SIG).unwrap(),
    };
    assert_eq!(record::Intake::from_json(intake).unwrap().author, Some(signed));
}

#[test]
fn a_witness_signs_this_message() {
    let proposal = Hash::from_hex(PROPOSAL).unwrap();
    let ts = time("2026-11-20T11:59:59.000001Z");
    let message = attestation::signed_message(&log(), &tenant("acme"), &proposal, "w1", ts);
    let expected =
        "736967696c2f6174746573746174696f6e2f76310ad9d1df603eed3557e71c28142ed5393ba368df30b332200e96f0e57a12ef9c4f";
    assert_eq!(hex::encode(message), expected);
    assert!(attested().verifies(&log(), &tenant("acme"), &proposal));
    assert!(!attested().verifies(&log(), &tenant("other"), &proposal));
    assert!(!attested().verifies(&log(), &tenant("acme"), &Hash::of(b"another")));
    let later = Attestation {
        ts: time("2026-11-20T11:59:59.000002Z"),
        ..attested()
    };
    assert!(!later.verifies(&log(), &tenant("acme"), &proposal));
}

#[test]
fn a_rotation_is_signed_by_the_new_key_and_the_root_key() {
    let (log, old, new) = (log(), public(1), public(4));
    let rotation = Rotation {
        log: &log,
        role: Role::Record,
        old: &old,
        new: &new,
    };
    let message = "736967696c2f6b65792f76310a32bf2fd3af9cc811ce75c93b765bfabb54dd4bb60acadad4b3284e21dbd4cd0a";
    assert_eq!(hex::encode(rotation.message()), message);
    let pop = "TFpSpwLoaJnkNtkNB4ls/YdJBFp8CGMHKYU3g9nVvZuwuLEBxLQR1NL6oCDJJVPIaKbJB2jblAEmrz991sJXBA==";
    let root = "UXEzd+6b8dkvDT13jJYt2MT1B0dR680er7iT1Q06D6CanvhppsxrQNsnlh1PQf5PBdI+Nisf1JT9+r3lK2V7BA==";
    assert_eq!(encode_base64(&rotation.sign(&key(4))), pop);
    assert_eq!(encode_base64(&rotation.sign(&key(3))), root);
    let (pop, root) = (rotation.sign(&key(4)), rotation.sign(&key(3)));
    assert!(rotation.verifies(&public(3), &pop, &root));
    assert!(
        !rotation.verifies(&public(3), &root, &pop),
        "the signatures may not change places"
    );
    assert!(!rotation.verifies(&public(2), &pop, &root));
    assert!(
        !rotation.verifies(&public(3), &root, &root),
        "the root alone rotates nothing"
    );
    assert!(!rotation.verifies(&public(3), &pop, &pop), "nor does the new key");
    let old = public(2);
    let checkpoint = Rotation {
        role: Role::Checkpoint,
        old: &old,
        ..rotation
    };
    let message = "736967696c2f6b65792f76310a4cbd3d3e83cd354fb4b66ad85ea4c32b56fa878b579d14d38aafa5825ab7ba77";
    assert_eq!(hex::encode(checkpoint.message()), message);
    assert!(!checkpoint.verifies(&public(3), &pop, &root));
}

#[test]
fn an_id_is_laid_out_as_rfc_9562_says() {
    let entropy = [0xfe, 0x0f, 0xca, 0x1b, 0x2c, 0x3d, 0x4e, 0x5f, 0x60, 0x71];
    let made = RecordId::new(1_761_105_087_501, entropy);
    assert_eq!(made.to_string(), ID);
    assert_eq!(made, id(ID));
    assert_eq!(made.unix_ms(), 1_761_105_087_501);
    assert_eq!(hex::encode(made.as_bytes()), "019a0a0b0c0d7e0f8a1b2c3d4e5f6071");
    // RFC 9562, appendix A.6: 2022-02-22 14:22:22.000 GMT-05:00.
    let entropy = [0x0c, 0xc3, 0x18, 0xc4, 0xdc, 0x0c, 0x0c, 0x07, 0x39, 0x8f];
    let appendix = RecordId::new(0x017F_22E2_79B0, entropy);
    assert_eq!(appendix.to_string(), "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
    assert_eq!(
        RecordId::new(u64::MAX, [0xff; 10]).to_string(),
        "ffffffff-ffff-7fff-bfff-ffffffffffff"
    );
    assert_eq!(
        RecordId::new(0, [0; 10]).to_string(),
        "00000000-0000-7000-8000-000000000000"
    );
}

#[test]
fn times_are_counted_from_1970_without_leap_seconds() {
    let known = [
        ("0001-01-01T00:00:00.000000Z", -62_135_596_800_000_000),
        ("0001-01-01T00:00:00.000001Z", -62_135_596_799_999_999),
        ("1600-02-29T12:34:56.789012Z", -11_670_953_103_210_988),
        ("1900-02-28T23:59:59.999999Z", -2_203_891_200_000_001),
        ("1900-03-01T00:00:00.000000Z", -2_203_891_200_000_000),
        ("1969-12-31T23:59:59.999999Z", -1),
        ("1970-01-01T00:00:00.000000Z", 0),
        ("1970-01-01T00:00:00.000001Z", 1),
        ("2000-02-29T23:59:59.999999Z", 951_868_799_999_999),
        ("2000-03-01T00:00:00.000000Z", 951_868_800_000_000),
        ("2026-11-20T12:00:00.000000Z", 1_795_176_000_000_000),
        ("2100-02-28T23:59:59.999999Z", 4_107_542_399_999_999),
        ("2100-03-01T00:00:00.000000Z", 4_107_542_400_000_000),
        ("9999-12-31T23:59:59.999999Z", 253_402_300_799_999_999),
    ];
    for (text, micros) in known {
        assert_eq!(Timestamp::parse(text).unwrap().micros(), micros, "{text}");
        assert_eq!(Timestamp::from_micros(micros).unwrap().to_string(), text);
    }
    assert_eq!(Timestamp::MIN.to_string(), "0001-01-01T00:00:00.000000Z");
    assert_eq!(Timestamp::MAX.to_string(), "9999-12-31T23:59:59.999999Z");
    assert_eq!(Timestamp::from_micros(Timestamp::MIN.micros() - 1), None);
    assert_eq!(Timestamp::from_micros(Timestamp::MAX.micros() + 1), None);
}

#[test]
fn every_year_has_the_days_of_the_gregorian_calendar() {
    let mut days = -719_162;
    for year in 1..=9999_i64 {
        let at = |date: &str| Timestamp::parse(&format!("{year:04}-{date}T00:00:00.000000Z"));
        assert_eq!(at("01-01").unwrap().micros(), days * 86_400_000_000, "{year}");
        // Every fourth year, but of the full centuries only every fourth.
        let leap = if year % 100 == 0 {
            year / 100 % 4 == 0
        } else {
            year % 4 == 0
        };
        assert_eq!(at("02-29").is_some(), leap, "{year}");
        days += if leap { 366 } else { 365 };
        let last = Timestamp::from_micros(days * 86_400_000_000 - 1).unwrap();
        assert_eq!(last.to_string(), format!("{year:04}-12-31T23:59:59.999999Z"));
    }
}
