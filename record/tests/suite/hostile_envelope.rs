//! Hostile envelopes, at intake and in stored bytes: names, links, ids, times, seals, signatures.

use crate::samples::{
    PRIVATE, assert_fault, assert_intake, assert_stored, forged, key, log, nested, new_record, public, seal,
};
use ed25519_dalek::Signer as _;
use record::key::{KeyText, decode_base64, encode_base64};
use record::{
    Auth, Code, Fault, Hash, Intake, Kind, Link, NewRecord, Opening, Origin, PublicKey, Record, RecordId, Slug, Tenant,
};
use record::{Timestamp, author};
use serde_json::{Value, json};

const ENVELOPE: Code = Code::EnvelopeInvalid;

/// A legal intake with `member` set to `value`.
fn intake(member: &str, value: Value) -> String {
    let mut whole = json!({"kind": "audit.event", "payload": {}});
    whole[member] = value;
    whole.to_string()
}

#[test]
fn what_is_no_envelope_is_refused() {
    for text in ["[]", "null", "1", "\"{}\"", "[{\"kind\":\"a.b\",\"payload\":{}}]"] {
        assert_intake(text, ENVELOPE, "");
    }
    assert_intake("", Code::MalformedJson, "");
    assert_intake("{}", ENVELOPE, "/kind");
    assert_intake(r#"{"kind":"a.b"}"#, ENVELOPE, "/payload");
    assert_intake(r#"{"payload":{}}"#, ENVELOPE, "/kind");
    for name in [
        "offset",
        "seq",
        "prev",
        "hash",
        "sig",
        "pub_key",
        "log",
        "ts",
        "v",
        "witnesses",
        "Kind",
        "",
    ] {
        assert_intake(intake(name, json!(1)), ENVELOPE, &format!("/{name}"));
    }
    assert_intake(intake("a/b~", json!(1)), ENVELOPE, "/a~1b~0");
}

#[test]
fn members_of_another_form_are_refused_by_name() {
    for value in [json!(null), json!([]), json!("{}"), json!(1), json!([{}])] {
        assert_intake(intake("payload", value), ENVELOPE, "/payload");
    }
    for value in [
        json!(0),
        json!(-1),
        json!(1.5),
        json!("1"),
        json!(null),
        json!(4_294_967_296_u64),
        json!([1]),
    ] {
        assert_intake(intake("schema_version", value), ENVELOPE, "/schema_version");
    }
    for value in [json!("User"), json!("system "), json!(null), json!(1)] {
        assert_intake(intake("space", value), ENVELOPE, "/space");
    }
    for name in ["tenant", "kind", "id", "space"] {
        for value in [json!(null), json!(7), json!({}), json!([]), json!("")] {
            assert_intake(intake(name, value), ENVELOPE, &format!("/{name}"));
        }
    }
    for value in [
        json!(null),
        json!({}),
        json!("w"),
        json!({"id": "a", "key_id": "k"}),
        json!({"id": "a", "key_id": "k", "sig": "x"}),
    ] {
        assert_intake(intake("author", value), ENVELOPE, "/author");
    }
    assert_eq!(
        Intake::parse(intake("schema_version", json!(1.0)).as_bytes())
            .unwrap()
            .schema_version,
        1
    );
}

#[test]
fn kinds_follow_their_grammar_up_to_64_bytes() {
    let long = |bytes: usize| format!("a.{}", "b".repeat(bytes - 2));
    assert_eq!(Kind::parse(&long(64)).unwrap().as_str().len(), 64);
    assert_eq!(
        Intake::parse(intake("kind", json!(long(64))).as_bytes())
            .unwrap()
            .kind
            .as_str(),
        long(64)
    );
    assert_intake(intake("kind", json!(long(65))), ENVELOPE, "/kind");
    for kind in [
        "a",
        "a.",
        ".a",
        "a..b",
        "A.b",
        "a.B",
        "1.a",
        "a.1",
        "a._b",
        "a-b.c",
        "a.b\n",
        " a.b",
        "a.*",
        "a.>",
        "a.b\r\nX: y",
        "é.b",
        "../a.b",
    ] {
        assert_intake(intake("kind", json!(kind)), ENVELOPE, "/kind");
    }
    for kind in ["a.b", "a1_.b2_c", "canon.user.write"] {
        assert!(Kind::parse(kind).is_some(), "{kind}");
    }
}

#[test]
fn tenants_origins_and_slugs_follow_their_grammar() {
    assert!(Tenant::parse(&"a".repeat(63)).is_some());
    assert_intake(intake("tenant", json!("a".repeat(64))), ENVELOPE, "/tenant");
    for tenant in [
        "-a", "A", "a_b", "a.b", "a/b", "..", "a\r\nb", "a b", "ä", "a'--", "<b>", "a*", "a>",
    ] {
        assert_intake(intake("tenant", json!(tenant)), ENVELOPE, "/tenant");
    }
    assert!(Tenant::parse("0-").is_some() && Tenant::ledger().is_ledger());
    assert!(Origin::parse(&"a".repeat(255)).is_some());
    for origin in [&*"a".repeat(256), "", "a b", "a+b", "a\nb", "a\u{7f}", "é", "a\0"] {
        assert_eq!(Origin::parse(origin), None, "{origin:?}");
    }
    assert!(Slug::parse(&"a".repeat(32)).is_some() && Slug::parse("-0-").is_some());
    for slug in [&*"a".repeat(33), "", "A", "a.b", "a_b", "a b", "a>"] {
        assert_eq!(Slug::parse(slug), None, "{slug:?}");
    }
}

#[test]
fn ids_have_one_spelling() {
    let good = crate::samples::ID;
    for id in [
        "019A0A0B-0c0d-7e0f-8a1b-2c3d4e5f6071",
        "019a0a0b0c0d7e0f8a1b2c3d4e5f6071",
        "{019a0a0b-0c0d-7e0f-8a1b-2c3d4e5f6071}",
        "urn:uuid:019a0a0b-0c0d-7e0f-8a1b-2c3d4e5f6071",
        "019a0a0b-0c0d-4e0f-8a1b-2c3d4e5f6071",
        "019a0a0b-0c0d-7e0f-0a1b-2c3d4e5f6071",
        "019a0a0b-0c0d-7e0f-ca1b-2c3d4e5f6071",
        "019a0a0b-0c0d-7e0f-8a1b-2c3d4e5f607",
        "019a0a0b-0c0d-7e0f-8a1b-2c3d4e5f60711",
        "019a0a0b_0c0d_7e0f_8a1b_2c3d4e5f6071",
        "019a0a0-b0c0d-7e0f-8a1b-2c3d4e5f6071",
        "019a0a0b-0c0d-7e0f-8a1b-2c3d4e5f607g",
        "../../../../../../../../etc/passwd00",
        "019a0a0b-0c0d-7e0f-8a1b-2c3d4e5f6/71",
        "019a0a0b-0c0d-7e0f-8a1b-2c3d4e5f60\r\n",
        "00000000-0000-0000-0000-000000000000",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "é19a0a0b-0c0d-7e0f-8a1b-2c3d4e5f607",
        "'; drop table records; --00000000000",
        "<script>alert(1)</script>00000000000",
    ] {
        assert_ne!(id, good);
        assert_intake(intake("id", json!(id)), ENVELOPE, "/id");
    }
    assert_eq!(RecordId::from_bytes([0x70; 16]), None);
    assert_eq!(
        Intake::parse(intake("id", json!(good)).as_bytes()).unwrap().id,
        RecordId::parse(good)
    );
}

#[test]
fn times_have_one_spelling() {
    for ts in [
        "2026-11-20T12:00:00.00000Z",
        "2026-11-20T12:00:00.0000000Z",
        "2026-11-20T12:00:00Z",
        "2026-11-20T12:00:00.000000+00:00",
        "2026-11-20T12:00:00.000000",
        "2026-11-20t12:00:00.000000z",
        "2026-11-20 12:00:00.000000Z",
        "2026-11-20T12:00:00,000000Z",
        "2016-12-31T23:59:60.000000Z",
        "2026-11-20T24:00:00.000000Z",
        "2026-11-20T12:60:00.000000Z",
        "0000-01-01T00:00:00.000000Z",
        "10000-01-01T00:00:00.00000Z",
        "2026-02-29T00:00:00.000000Z",
        "2100-02-29T00:00:00.000000Z",
        "2026-04-31T00:00:00.000000Z",
        "2026-00-10T00:00:00.000000Z",
        "2026-13-10T00:00:00.000000Z",
        "2026-01-00T00:00:00.000000Z",
        "2026-01-32T00:00:00.000000Z",
        "+026-11-20T12:00:00.000000Z",
        "-026-11-20T12:00:00.000000Z",
        "2026-11-20T12:00:00.+00000Z",
        " 026-11-20T12:00:00.000000Z",
        "２026-11-20T12:00:00.0000Z",
        "2026-11-20T12:00:00.000000Z ",
        "",
    ] {
        assert_eq!(Timestamp::parse(ts), None, "{ts}");
        assert_stored(forged(|record| record["ts"] = json!(ts)), ENVELOPE, "/ts");
    }
    for ts in [
        "0001-01-01T00:00:00.000000Z",
        "9999-12-31T23:59:59.999999Z",
        "2000-02-29T00:00:00.000000Z",
    ] {
        assert_eq!(
            Record::parse(forged(|record| record["ts"] = json!(ts)))
                .unwrap()
                .ts
                .to_string(),
            ts
        );
    }
}

fn link(label: &str, target: &str) -> Value {
    json!({"label": label, "target": target})
}

#[test]
fn links_are_refused_one_past_every_limit() {
    let code = Code::LinkInvalid;
    let distinct = |count: usize| {
        (0..count)
            .map(|at| link("actor", &format!("a:{at}")))
            .collect::<Value>()
    };
    assert_eq!(
        Intake::parse(intake("links", distinct(64)).as_bytes())
            .unwrap()
            .links
            .len(),
        64
    );
    assert_intake(intake("links", distinct(65)), code, "/links");
    let repeated: Value = (0..200).map(|at| link("actor", &format!("a:{}", at % 64))).collect();
    assert_eq!(
        Intake::parse(intake("links", repeated).as_bytes()).unwrap().links.len(),
        64,
        "repetitions do not count"
    );
    let target = |bytes: usize| format!("a:{}é", "x".repeat(bytes - 4));
    assert_eq!(Link::new("actor", target(512)).unwrap().target().len(), 512);
    assert_intake(
        intake("links", json!([link("actor", &target(513))])),
        code,
        "/links/0/target",
    );
    for target in [
        "", ":", "a", "a:", ":a", "A:b", "1:b", "a b:c", "a\u{0}", "a:\u{1f}", "a:\n", "a:b\r\nc", "a:\u{7f}",
        "a:\u{80}", "a:\u{9f}", "é:b", "_a:b", "-a:b", "a.b:c",
    ] {
        assert_fault(Link::new("actor", target), code, "/target");
    }
    for target in ["a: ", "a_-9:b", "a:../..", "a:\u{a0}", "a:b:c", "a:'\"<&", "urn:x:y"] {
        assert!(Link::new("actor", target).is_ok(), "{target}");
    }
}

#[test]
fn labels_and_the_form_of_links_are_checked() {
    let code = Code::LinkInvalid;
    assert!(Link::new("a".repeat(32), "a:b").is_ok());
    for label in [
        "",
        "kind",
        "Actor",
        "1a",
        "_a",
        "a-b",
        "a.b",
        "a ",
        "é",
        &"a".repeat(33),
    ] {
        assert_intake(
            intake("links", json!([link("actor", "a:b"), link(label, "a:b")])),
            code,
            "/links/1/label",
        );
    }
    for links in [json!({}), json!(null), json!("a")] {
        assert_intake(intake("links", links), code, "/links");
    }
    for one in [
        json!(1),
        json!({}),
        json!({"label": "a"}),
        json!({"label": "a", "target": 1}),
        json!({"label": "a", "target": "a:b", "x": 1}),
    ] {
        assert_intake(intake("links", json!([one])), code, "/links/0");
    }
    assert_eq!(
        record::link::TIMELINE_LABELS,
        ["kind", "actor", "subject", "resource", "session", "proposal"]
    );
    assert!(Link::new("proposal", "a:b").unwrap().has_timeline() && !Link::new("cause", "a:b").unwrap().has_timeline());
}

#[test]
fn reserved_names_are_refused_everywhere_but_at_a_sealed_member() {
    let hex = "0".repeat(64);
    for name in ["$sealed", "$redacted", "$token"] {
        for (payload, pointer) in [
            (json!({ name: hex }), "/payload"),
            (json!({"a": { name: hex }}), "/payload/a"),
            (json!({"a": [1, {"b/": { name: true, "c": 1 }}]}), "/payload/a/1/b~1"),
            (json!({"private": { name: "x" }}), PRIVATE),
            (json!({"private": { name: hex, "more": 1 }}), PRIVATE),
            (json!({"private": {"a": { name: hex }}}), "/payload/private/a"),
            (json!({"private": [{ name: null }]}), "/payload/private/0"),
        ] {
            assert_fault(seal(new_record(payload)), Code::ReservedName, pointer);
        }
        let mut record = new_record(json!({}));
        record.author.evidence = Some(json!({"a": { name: hex }}));
        assert_fault(seal(record), Code::ReservedName, "/author/evidence/a");
    }
    let upper = json!({"private": {"$sealed": "A".repeat(64)}});
    assert_fault(seal(new_record(upper)), Code::ReservedName, PRIVATE);
    let unopened = json!({"private": {"$sealed": hex}});
    assert_fault(seal(new_record(unopened)), Code::SealInvalid, PRIVATE);
    assert!(seal(new_record(json!({"a": "$sealed", "$Sealed": 1, "$sealed ": 2}))).is_ok());
}

/// A record whose author sealed `value` himself.
fn sealed_by_author(value: Value) -> NewRecord {
    let opening = Opening {
        pointer: PRIVATE.to_owned(),
        salt: [3; 32],
        value,
    };
    let mut record = new_record(json!({}));
    let commitment = opening.commitment(&log(), &record.tenant, &record.id);
    record.payload = json!({"private": record::seal::placeholder(&commitment)});
    record.disclosures = vec![opening];
    record
}

#[test]
fn disclosures_open_exactly_what_is_sealed() {
    let code = Code::SealInvalid;
    let good = sealed_by_author(json!("secret"));
    assert_eq!(seal(good.clone()).unwrap().openings(), good.disclosures);
    let changed = |change: fn(&mut NewRecord)| {
        let mut record = good.clone();
        change(&mut record);
        seal(record)
    };
    assert_fault(changed(|r| r.disclosures.clear()), code, PRIVATE);
    assert_fault(changed(|r| r.disclosures[0].salt[31] ^= 1), code, PRIVATE);
    assert_fault(changed(|r| r.disclosures[0].value = json!("Secret")), code, PRIVATE);
    assert_fault(changed(|r| r.tenant = crate::samples::tenant("other")), code, PRIVATE);
    assert_fault(changed(|r| r.id = RecordId::new(0, [0; 10])), code, PRIVATE);
    assert_fault(changed(|r| r.disclosures.push(r.disclosures[0].clone())), code, PRIVATE);
    assert_fault(
        changed(|r| r.disclosures[0].pointer = "/payload/other".to_owned()),
        code,
        PRIVATE,
    );
    assert_fault(changed(|r| r.payload = json!({})), code, PRIVATE);
    assert_fault(
        changed(|r| r.payload = json!({"private": "in the clear"})),
        code,
        PRIVATE,
    );
    let stray = |pointer: &str| {
        let mut record = good.clone();
        record.disclosures.push(Opening {
            pointer: pointer.to_owned(),
            salt: [0; 32],
            value: json!(1),
        });
        seal(record)
    };
    assert_fault(stray("/payload/action"), code, "/payload/action");
    assert_fault(stray(""), code, "");
    let elsewhere = Origin::parse("example.com/other").unwrap();
    assert_fault(
        good.clone().seal::<Fault>(&elsewhere, &[PRIVATE], || Ok([0; 32])),
        code,
        PRIVATE,
    );
    let not_sealed_here = good.clone().seal::<Fault>(&log(), &[], || Ok([0; 32]));
    assert_fault(not_sealed_here, Code::ReservedName, PRIVATE);
}

#[test]
fn seals_do_not_nest() {
    let hex = "0".repeat(64);
    for name in ["$sealed", "$redacted", "$token"] {
        for value in [json!({ name: hex }), json!([{"a": { name: hex }}])] {
            assert_fault(seal(sealed_by_author(value)), Code::SealInvalid, PRIVATE);
        }
    }
}

#[test]
fn a_sealed_value_is_64_levels_deep_at_most() {
    assert!(seal(new_record(json!({"private": nested(64)}))).is_ok());
    assert_fault(seal(new_record(json!({"private": nested(65)}))), Code::TooDeep, PRIVATE);
    assert!(seal(sealed_by_author(nested(64))).is_ok());
    assert_fault(seal(sealed_by_author(nested(65))), Code::SealInvalid, PRIVATE);
}

#[test]
fn disclosures_have_one_form() {
    let good = json!({"pointer": PRIVATE, "salt": "0".repeat(64), "value": null});
    assert_eq!(
        Intake::parse(intake("disclosures", json!([good])).as_bytes())
            .unwrap()
            .disclosures
            .len(),
        1
    );
    for (member, value) in [
        ("pointer", json!(1)),
        ("salt", json!("0".repeat(63))),
        ("salt", json!("A".repeat(64))),
        ("salt", json!(null)),
        ("more", json!(1)),
    ] {
        let mut bad = good.clone();
        bad[member] = value;
        assert_intake(
            intake("disclosures", json!([good, bad])),
            Code::SealInvalid,
            "/disclosures/1",
        );
    }
    for bad in [
        json!({}),
        json!(null),
        json!([]),
        json!({"pointer": "", "salt": "0".repeat(64)}),
    ] {
        assert_intake(intake("disclosures", json!([bad])), Code::SealInvalid, "/disclosures/0");
    }
    assert_intake(intake("disclosures", json!({})), Code::SealInvalid, "/disclosures");
    let shown = format!(
        "{:?}",
        Opening {
            pointer: PRIVATE.to_owned(),
            salt: [0xab; 32],
            value: json!("marker-71")
        }
    );
    assert!(
        !shown.contains("marker-71") && !shown.contains("abab") && !shown.contains("171"),
        "{shown}"
    );
}

fn signed(change: impl FnOnce(&mut NewRecord)) -> NewRecord {
    let mut record = sealed_by_author(json!("secret"));
    record.author.key_id = Some(KeyText::from(public(5)).to_string());
    record.links = vec![Link::new("actor", "agent:a1").unwrap()];
    record.author.sig = Some(key(5).sign(&author::signed_message(&log(), &record)).to_bytes());
    change(&mut record);
    record
}

#[test]
fn a_signed_record_is_never_changed() {
    let code = Code::AuthorSignatureInvalid;
    assert!(seal(signed(|_| ())).is_ok());
    assert!(
        seal(signed(|r| r.author.evidence = Some(json!("the gateway's")))).is_ok(),
        "evidence is not the author's"
    );
    let changes: [fn(&mut NewRecord); 7] = [
        |r| r.kind = Kind::parse("audit.even").unwrap(),
        |r| r.schema_version = 2,
        |r| r.space = record::Space::System,
        |r| r.author.id = "agent:a2".to_owned(),
        |r| r.links.clear(),
        |r| r.payload["more"] = json!(1),
        |r| r.author.key_id = Some(KeyText::from(public(6)).to_string()),
    ];
    for (at, change) in changes.into_iter().enumerate() {
        let fault = seal(signed(change)).expect_err("the signature does not cover this");
        assert_eq!(
            (fault.code, fault.pointer.as_str()),
            (code, "/author/sig"),
            "change {at}"
        );
    }
    for weak in [
        "ed25519:0000000000000000000000000000000000000000000000000000000000000000",
        "key-1",
        "ed25519:",
        "ED25519:aa",
    ] {
        assert_fault(
            seal(signed(|r| r.author.key_id = Some(weak.to_owned()))),
            code,
            "/author/sig",
        );
    }
    assert_fault(seal(signed(|r| r.author.key_id = None)), ENVELOPE, "/author/sig");
    // A member left in the clear is not sealed for the author: that would break the signature.
    let clear = signed(|r| {
        r.payload = json!({"private": "clear"});
        r.disclosures.clear();
    });
    assert_fault(seal(clear), Code::SealInvalid, PRIVATE);
}

#[test]
fn an_author_signature_is_no_record_signature() {
    let record = signed(|_| ());
    let message = author::signed_message(&log(), &record);
    assert!(message.starts_with(b"sigil/author/v1\n") && message.len() == 48);
    let other = Origin::parse("example.com/other").unwrap();
    assert_ne!(
        author::signed_message(&other, &record),
        message,
        "no record can be replayed into another log"
    );
}

#[test]
fn author_ids_are_bounded_text() {
    let author = |id: String, key_id: Option<String>| {
        let mut record = new_record(json!({}));
        record.author = record::Author {
            key_id,
            ..record::Author::new(id, Auth::Jwt)
        };
        seal(record)
    };
    assert!(author("x".repeat(512), Some("k".repeat(512))).is_ok());
    for id in ["", &"x".repeat(513), "a\0", "a\nb", "\u{85}", &"é".repeat(257)] {
        assert_fault(author(id.to_owned(), None), ENVELOPE, "/author/id");
        assert_fault(author("x".to_owned(), Some(id.to_owned())), ENVELOPE, "/author/key_id");
    }
}

#[test]
fn stored_bytes_of_another_shape_are_refused_although_signed() {
    assert!(
        Record::parse(forged(|_| ()))
            .unwrap()
            .verify_signature(&public(1))
            .is_ok()
    );
    let set = |name: &'static str, value: Value| forged(move |record| record[name] = value);
    for (name, value) in [
        ("v", json!(2)),
        ("v", json!("1")),
        ("offset", json!(-1)),
        ("offset", json!("0")),
        ("offset", json!(0.5)),
        ("seq", json!(null)),
        ("prev", json!("")),
        ("prev", json!("A".repeat(64))),
        ("prev", json!("0".repeat(63))),
        ("kind", json!("a")),
        ("schema_version", json!(0)),
        ("schema_version", json!(4_294_967_296_u64)),
        ("id", json!("x")),
        ("space", json!("root")),
        ("tenant", json!("..")),
        ("log", json!("a b")),
        ("payload", json!([])),
        ("pub_key", json!("AA==")),
        ("witnesses", json!({})),
        ("author", json!("a")),
        ("author", json!({"id": "a"})),
        ("author", json!({"id": "a", "auth": "none"})),
        ("author", json!({"auth": "jwt"})),
        ("author", json!({"id": "a", "auth": "jwt", "role": "x"})),
        ("author", json!({"id": 1, "auth": "jwt"})),
    ] {
        assert_stored(set(name, value), ENVELOPE, &format!("/{name}"));
    }
}

#[test]
fn stored_records_have_every_member_and_no_other() {
    let set = |name: &'static str, value: Value| forged(move |record| record[name] = value);
    let none = |name: &'static str| forged(move |record| drop(record.as_object_mut().unwrap().remove(name)));
    for name in [
        "author",
        "links",
        "log",
        "offset",
        "prev",
        "pub_key",
        "schema_version",
        "seq",
        "sig",
        "space",
        "v",
        "witnesses",
        "payload",
    ] {
        assert_stored(none(name), ENVELOPE, "");
    }
    assert_stored(set("extra", json!(1)), ENVELOPE, "");
    let author = |value: Value| set("author", value);
    assert_stored(author(json!({"id": "", "auth": "jwt"})), ENVELOPE, "/author/id");
    assert_stored(
        author(json!({"id": "a", "auth": "jwt", "sig": encode_base64(&[0; 64])})),
        ENVELOPE,
        "/author/sig",
    );
    assert_stored(
        author(json!({"id": "a", "auth": "jwt", "evidence": {"base": "clear"}})),
        ENVELOPE,
        "/author/evidence",
    );
    let weak = encode_base64(&[0; 32]);
    assert_stored(set("pub_key", json!(weak)), ENVELOPE, "/pub_key");
}

#[test]
fn stored_links_and_witnesses_are_sorted_and_unique() {
    let links = |links: Value| forged(move |record| record["links"] = links);
    let (a, b) = (link("actor", "a:1"), link("actor", "a:2"));
    assert!(Record::parse(links(json!([a, b]))).is_ok());
    assert_stored(links(json!([b, a])), Code::LinkInvalid, "/links");
    assert_stored(links(json!([a, a])), Code::LinkInvalid, "/links");
    assert_stored(links(json!([link("kind", "a:1")])), Code::LinkInvalid, "/links/0/label");
    assert_stored(
        links((0..65).map(|at| link("actor", &format!("a:{at:02}"))).collect()),
        Code::LinkInvalid,
        "/links",
    );
    let witness = |id: &str| json!({"witness_id": id, "pub_key": public(6).to_base64(), "sig": encode_base64(&[0; 64]), "ts": "2026-11-20T12:00:00.000000Z"});
    let witnesses = |all: Value| forged(move |record| record["witnesses"] = all);
    assert_eq!(
        Record::parse(witnesses(json!([witness("a"), witness("b")])))
            .unwrap()
            .witnesses
            .len(),
        2
    );
    let mut more = witness("a");
    more["more"] = json!(1);
    for all in [
        json!([witness("b"), witness("a")]),
        json!([witness("a"), witness("a")]),
        json!([more]),
        json!([1]),
        json!([witness("")]),
        json!([witness("a\n")]),
    ] {
        assert_stored(witnesses(all), ENVELOPE, "/witnesses");
    }
}

#[test]
fn a_draft_refuses_what_stored_bytes_may_not_say() {
    let one = |witness_id: &str| record::attestation::Attestation {
        witness_id: witness_id.to_owned(),
        pub_key: public(6),
        sig: [0; 64],
        ts: Timestamp::MIN,
    };
    let draft = |witnesses: &[_]| record::Draft::new(&log(), seal(new_record(json!({}))).unwrap(), witnesses);
    assert!(draft(&[one("a"), one("b")]).is_ok());
    for witnesses in [
        [one("b"), one("a")],
        [one("a"), one("a")],
        [one(""), one("a")],
        [one("a\0"), one("b")],
    ] {
        assert_fault(draft(&witnesses), ENVELOPE, "/witnesses");
    }
    let mut many = new_record(json!({}));
    many.links = (0..65)
        .map(|at| Link::new("actor", format!("a:{at}")).unwrap())
        .collect();
    assert_fault(seal(many), Code::LinkInvalid, "/links");
    assert_fault(seal(new_record(json!(["no object"]))), ENVELOPE, "/payload");
}

#[test]
fn the_same_members_in_another_spelling_are_not_canonical() {
    let bytes = crate::samples::stored(json!({"a": 1}));
    let text = String::from_utf8(bytes.clone()).unwrap();
    for other in [
        format!(" {text}"),
        format!("{text}\n"),
        text.replace("\"a\":1", "\"a\": 1"),
        text.replace("\"a\":1", "\"a\":1.0"),
        text.replace("\"a\":1", "\"\\u0061\":1"),
        text.replace("example.com/audit", "example.com\\/audit"),
    ] {
        assert_ne!(other, text);
        assert_stored(other.into_bytes(), Code::NotCanonical, "");
    }
    // Of the same length, so that nothing but the order or the spelling differs.
    let bytes = crate::samples::stored(json!({"a": 1e-7, "b": 2, "c": "\u{1f}"}));
    let text = String::from_utf8(bytes).unwrap();
    for (canonical, other) in [
        ("\"a\":1e-7,\"b\":2", "\"b\":2,\"a\":1e-7"),
        ("1e-7", "1E-7"),
        ("\\u001f", "\\u001F"),
    ] {
        let other = text.replace(canonical, other);
        assert!(other != text && other.len() == text.len());
        assert_stored(other.into_bytes(), Code::NotCanonical, "");
    }
    let text = String::from_utf8(crate::samples::stored(json!({"a": 1}))).unwrap();
    assert_stored(
        text.replace("\"a\":1", "\"a\":2").into_bytes(),
        Code::HashMismatch,
        "/hash",
    );
    assert_stored(
        text.replace("\"a\":1", "\"a\":1,\"a\":1").into_bytes(),
        Code::DuplicateJsonKey,
        "/payload/a",
    );
}

#[test]
fn a_record_is_judged_by_the_key_the_reader_expects() {
    let record = Record::parse(crate::samples::stored(json!({}))).unwrap();
    assert_eq!(record.verify_signature(&public(1)), Ok(()));
    assert_fault(record.verify_signature(&public(2)), Code::SignatureInvalid, "/pub_key");
    let other_key = forged(|record| record["pub_key"] = json!(public(2).to_base64()));
    let other_key = Record::parse(other_key).unwrap();
    assert_fault(
        other_key.verify_signature(&public(1)),
        Code::SignatureInvalid,
        "/pub_key",
    );
    assert_fault(other_key.verify_signature(&public(2)), Code::SignatureInvalid, "/sig");
    assert_ne!(record.signed_message().as_slice(), Hash::of(record.bytes()).as_bytes());
}

#[test]
fn keys_and_signatures_have_one_spelling() {
    // The eight points of small order (RFC 8032 and its alternative spellings), in hex.
    for small in [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ] {
        assert_eq!(KeyText::parse(&format!("ed25519:{small}")), None, "{small}");
    }
    // y = p + 3 and p + 4 decompress to points of large order that are spelled 03.. and 04..; one key has one text.
    let (mut reduced, mut accepted) = ([0; 32], 0);
    for y in 0..19_u8 {
        reduced[0] = y;
        accepted += usize::from(PublicKey::from_bytes(&reduced).is_some());
        let mut unreduced = [0xff; 32];
        (unreduced[0], unreduced[31]) = (0xed + y, 0x7f);
        assert_eq!(PublicKey::from_bytes(&unreduced), None, "p + {y}");
        unreduced[31] = 0xff;
        assert_eq!(PublicKey::from_bytes(&unreduced), None, "p + {y}, negative");
    }
    assert!(
        accepted > 3,
        "some of the small y are points, or this test shows nothing"
    );
    let good = public(1).to_base64();
    assert_eq!(PublicKey::from_base64(&good), Some(public(1)));
    // The last digit before the padding carries two bits that are not part of the key.
    for bad in [
        good.replace("w=", "x="),
        good.trim_end_matches('=').to_owned(),
        format!("{good}\n"),
        good.replace('/', "_"),
    ] {
        assert!(bad == good || PublicKey::from_base64(&bad).is_none(), "{bad}");
    }
    assert_ne!(good.replace("w=", "x="), good);
    assert_eq!(decode_base64::<1>("AA=="), Some([0]));
    for bad in ["AB==", "AA", "AA=", "AA===", "A A==", "", "AAA="] {
        assert_eq!(decode_base64::<1>(bad), None, "{bad}");
    }
    for bad in [
        "",
        "0",
        &"0".repeat(63),
        &"0".repeat(65),
        &"A".repeat(64),
        &"é".repeat(32),
    ] {
        assert_eq!(Hash::from_hex(bad), None);
    }
}

#[test]
fn a_fault_names_the_place_and_never_the_value() {
    let marker = "marker-8f3a";
    for document in [
        intake("payload", json!(marker)),
        intake("tenant", json!(marker.to_uppercase())),
        intake("kind", json!(marker)),
        intake("id", json!(marker)),
        intake("space", json!(marker)),
        intake("schema_version", json!(marker)),
        intake("author", json!({"id": marker, "key_id": marker, "sig": marker})),
        intake("links", json!([link("actor", marker)])),
        intake(
            "disclosures",
            json!([{"pointer": "/payload/private", "salt": marker, "value": marker}]),
        ),
        format!("{{\"payload\":{{\"private\":[\"{marker}\",01]}}}}"),
        format!("{{\"payload\":\"{marker}"),
    ] {
        let fault = Intake::parse(document.as_bytes()).unwrap_err();
        assert!(!fault.to_string().to_lowercase().contains(marker), "{fault}");
    }
    for payload in [
        json!({"private": nested(65), "a": marker}),
        json!({"a": {"$token": marker}}),
        json!({"private": {"$sealed": marker}}),
    ] {
        let fault = seal(new_record(payload)).unwrap_err();
        assert!(!fault.to_string().contains(marker), "{fault}");
    }
    let fault = seal(sealed_by_author(json!([marker, {"$token": marker}]))).unwrap_err();
    assert!(!fault.to_string().contains(marker), "{fault}");
}
