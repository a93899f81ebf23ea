//! Properties of the protocol: what goes in comes out, and a byte that was changed on the way never passes for what was
//! sent.

use bytes::Bytes;
use domain::Denial;
use ed25519_dalek::{Signer as _, SigningKey};
use ledger_client::wire::{
    Assembly, Command, Frame, GatewayKey, OpenedReply, PART_BYTES, Part, REPLY_BYTES, Reply, Request, RequestId,
    Status, Verb, body, chunk, command_message, read_error, reply_message, write_error,
};
use ledger_client::{Append, Committed, Error, Guard, Head, Receipt, Refusal};
use proptest::prelude::*;
use record::{
    Auth, Author, Code, Fault, Hash, Kind, Link, NewRecord, Opening, Origin, PublicKey, RecordId, Space, Tenant,
    Timestamp,
};
use serde_json::{Value, json};

const SAFE: u64 = record::limits::SAFE_INTEGER;

fn log() -> Origin {
    Origin::parse("example.com/audit").expect("an origin")
}

fn key() -> GatewayKey {
    GatewayKey::from_seed("gw-1", &[11; 32]).expect("a key")
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z0-9 \"\\\\/]{0,40}",
        proptest::collection::vec(any::<char>().prop_filter("no NUL", |c| *c != '\0'), 0..20)
            .prop_map(|chars| chars.into_iter().collect()),
    ]
}

fn id() -> impl Strategy<Value = RecordId> {
    (0..1u64 << 48, any::<[u8; 10]>()).prop_map(|(ms, entropy)| RecordId::new(ms, entropy))
}

fn errors() -> impl Strategy<Value = Error> {
    let fault = (proptest::sample::select(Code::ALL.to_vec()), text(), text())
        .prop_map(|(code, pointer, detail)| Fault::new(code, pointer, detail));
    prop_oneof![
        proptest::collection::vec(fault, 0..4).prop_map(Error::Refused),
        proptest::sample::select(Denial::ALL.to_vec()).prop_map(Error::Denied),
        (id(), 0..SAFE).prop_map(|(id, offset)| Error::IdConflict { id, offset }),
        (0..SAFE).prop_map(|offset| Error::IdempotencyConflict { offset }),
        proptest::sample::select(Refusal::ALL.to_vec()).prop_map(Error::CommandRefused),
        Just(Error::Overloaded),
        Just(Error::Closed),
        (0..SAFE).prop_map(|micros| Error::OwnIdRequired {
            until: Timestamp::from_micros(micros as i64 % 1_000_000).expect("in range"),
        }),
        (0..SAFE).prop_map(|seconds| Error::ClockJumped { seconds }),
        text().prop_map(|reason| Error::Unavailable { reason }),
        (id(), text()).prop_map(|(id, reason)| Error::CommitUnknown { id, reason }),
        (id(), 0..SAFE).prop_map(|(id, offset)| Error::Unwitnessed { id, offset }),
        Just(Error::ScopeKeyLost),
        text().prop_map(Error::Corrupt),
    ]
}

/// A new variant does not compile until it stands here, and so in the strategy above.
const fn _every_error_is_generated(error: &Error) {
    match error {
        Error::Refused(_)
        | Error::Denied(_)
        | Error::IdConflict { .. }
        | Error::IdempotencyConflict { .. }
        | Error::CommandRefused(_)
        | Error::Overloaded
        | Error::Closed
        | Error::OwnIdRequired { .. }
        | Error::ClockJumped { .. }
        | Error::Unavailable { .. }
        | Error::CommitUnknown { .. }
        | Error::Unwitnessed { .. }
        | Error::ScopeKeyLost
        | Error::Corrupt(_) => {}
    }
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        (-1_000_000i64..1_000_000).prop_map(Value::from),
        (-1000i32..1000).prop_map(|n| json!(f64::from(2 * n + 1) / 2.0)),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let members = proptest::collection::vec((text(), inner.clone()), 0..4);
        prop_oneof![
            proptest::collection::vec(inner, 0..4).prop_map(Value::from),
            members.prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn links() -> impl Strategy<Value = Vec<Link>> {
    let one = ("[a-j]{1,8}", "[a-z]{1,6}:[a-zé ]{1,12}").prop_map(|(label, target)| Link::new(label, target));
    proptest::collection::vec(one, 0..5)
        .prop_map(|links| record::link::normalize(links.into_iter().flatten().collect()).expect("few links"))
}

fn records() -> impl Strategy<Value = NewRecord> {
    let opening = ("/payload/[a-z]{1,5}", any::<[u8; 32]>(), values()).prop_map(|(pointer, salt, value)| Opening {
        pointer,
        salt,
        value,
    });
    let author = (
        text(),
        proptest::option::of(text()),
        proptest::option::of(any::<[u8; 64]>()),
        proptest::option::of(values()),
    );
    let author = author.prop_map(|(id, key_id, sig, evidence)| Author {
        id,
        auth: Auth::ApiKey,
        key_id,
        sig,
        evidence,
    });
    let payload = proptest::collection::vec((text(), values()), 0..5)
        .prop_map(|members| Value::Object(members.into_iter().collect()));
    (
        id(),
        author,
        payload,
        links(),
        proptest::collection::vec(opening, 0..3),
        1..9u32,
    )
        .prop_map(|(id, author, payload, links, disclosures, schema_version)| NewRecord {
            tenant: Tenant::parse("acme").expect("a tenant"),
            kind: Kind::parse("audit.event").expect("a kind"),
            schema_version,
            id,
            space: Space::User,
            author,
            payload,
            links,
            disclosures,
        })
}

fn document(verb: Verb, body: &[u8]) -> Vec<u8> {
    let at = |micros| Timestamp::from_micros(micros).expect("in range");
    let request = Request {
        log: &log(),
        gateway: "gw-1",
        id: RequestId::new([7; 16]),
        issued_at: at(1_000_000),
        expires_at: at(2_000_000),
        caller: "local:a",
        verb,
        body,
    };
    request.document()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn errors_come_out_as_they_went_in(error in errors()) {
        let mut bytes = Vec::new();
        write_error(&error, &mut bytes);
        prop_assert_eq!(read_error(&bytes), error);
    }

    #[test]
    fn records_come_out_as_they_went_in(record in records(), guard in proptest::option::of((text(), text(), any::<bool>()))) {
        let guard = guard.map(|(caller, key, own_id)| Guard { caller, key, own_id });
        let append = Append { record, guard };
        prop_assert_eq!(body::check(&append.record), Ok(()));
        let mut item = Vec::new();
        body::write_item(&append, &mut item);
        let document = document(Verb::Append, &body::append([item.as_slice(), item.as_slice()].into_iter()));
        let command = Command::read(&document).expect("a command");
        let items = body::read_append(command.body).expect("items");
        prop_assert_eq!(items.len(), 2);
        for item in items {
            let read = item.expect("no fault");
            prop_assert_eq!(&read.record, &append.record);
            prop_assert_eq!(&read.guard, &append.guard);
        }
    }

    #[test]
    fn a_document_is_canonical(record in records()) {
        let mut item = Vec::new();
        body::write_item(&Append { record, guard: None }, &mut item);
        let document = document(Verb::Append, &body::append([item.as_slice()].into_iter()));
        let parsed = record::json::parse(&document).expect("strict JSON");
        prop_assert_eq!(record::canonical::to_vec(&parsed), document);
    }

    #[test]
    fn a_flipped_bit_of_a_request_does_not_verify(at in any::<prop::sample::Index>(), bit in 0..8u8) {
        let document = document(Verb::Head, b"{}");
        let signature = key().sign(&command_message(&document));
        prop_assert!(key().public().verifies(&command_message(&document), &signature));
        let mut flipped = document.clone();
        flipped[at.index(document.len())] ^= 1 << bit;
        prop_assert!(!key().public().verifies(&command_message(&flipped), &signature));
        let mut other = signature;
        other[at.index(64)] ^= 1 << bit;
        prop_assert!(!key().public().verifies(&command_message(&document), &other));
        // A signature of another purpose is none.
        prop_assert!(!key().public().verifies(&reply_message(&document), &signature));
    }

    #[test]
    fn a_flipped_bit_of_a_reply_does_not_verify(at in any::<prop::sample::Index>(), bit in 0..8u8) {
        let ledger = SigningKey::from_bytes(&[3; 32]);
        let public = PublicKey::from(ledger.verifying_key());
        let reply = Reply { log: &log(), gateway: "gw-1", id: RequestId::new([7; 16]), status: Status::Ok, body: &body::size(5) };
        let document = reply.document();
        let signature = ledger.sign(&reply_message(&document)).to_bytes();
        prop_assert!(public.verifies(&reply_message(&document), &signature));
        let mut flipped = document.clone();
        flipped[at.index(document.len())] ^= 1 << bit;
        prop_assert!(!public.verifies(&reply_message(&flipped), &signature));
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "[{}\\[\\]\",:a-z0-9]{0,120}") {
        for bytes in [bytes.as_slice(), text.as_bytes()] {
            let _command = Command::read(bytes);
            let _reply = OpenedReply::read(&Bytes::copy_from_slice(bytes), &log(), "gw-1", RequestId::new([0; 16]));
            let _error = read_error(bytes);
            let _bodies = (body::read_results(bytes), body::read_head(bytes), body::read_records(bytes, 0), body::read_found(bytes));
            let _bodies = (body::read_openings(bytes), body::read_size(bytes), body::read_keys(bytes));
        }
    }

    #[test]
    fn documents_are_cut_and_put_together_in_any_order(len in 1..4 * PART_BYTES, order in any::<u64>()) {
        let document = Bytes::from((0..len).map(|at| (at % 251) as u8).collect::<Vec<_>>());
        let frame = |part| Frame { request_id: RequestId::new([1; 16]), gateway: "gw-1".to_owned(), signature: [2; 64], part };
        let mut parts: Vec<_> = chunk::split(&document).collect();
        let count = parts.len();
        parts.rotate_left(order as usize % count);
        let mut assembly = Assembly::new(frame(parts[0].0));
        for (at, (part, bytes)) in parts.into_iter().enumerate() {
            prop_assert!(bytes.len() <= PART_BYTES);
            prop_assert_eq!(Assembly::check(part, bytes.len(), REPLY_BYTES), Ok(()));
            let read = Frame::read(Some(&frame(part).headers(part)));
            prop_assert_eq!(read, Some(frame(part)));
            let whole = assembly.add(&frame(part), bytes).expect("belongs");
            prop_assert_eq!(whole.is_some(), at + 1 == count);
            if let Some(whole) = whole {
                prop_assert_eq!(&whole, &document);
            }
        }
    }
}

#[test]
fn parts_that_do_not_make_a_document_are_refused() {
    let total = 2 * PART_BYTES + 5;
    let part = |index, count, total| Part { index, count, total };
    let check = |part: Part, len| Assembly::check(part, len, REPLY_BYTES).is_ok();
    assert!(check(part(0, 3, total), PART_BYTES) && check(part(2, 3, total), 5));
    assert!(!check(part(0, 3, total), PART_BYTES - 1), "a part is full");
    assert!(!check(part(2, 3, total), 6), "the last one has what is left");
    assert!(!check(part(0, 4, total), PART_BYTES), "no more parts than needed");
    assert!(!check(part(0, 2, total), PART_BYTES), "and no fewer");
    assert!(!check(part(0, 1, PART_BYTES + 1), PART_BYTES + 1), "no oversized part");
    assert!(!check(part(0, 20, REPLY_BYTES + 1), PART_BYTES), "a limit for all");
    let frame = |part, signature| Frame {
        request_id: RequestId::new([1; 16]),
        gateway: "gw-1".to_owned(),
        signature,
        part,
    };
    let bytes = Bytes::from(vec![0; PART_BYTES]);
    let mut assembly = Assembly::new(frame(part(0, 3, total), [1; 64]));
    assert_eq!(
        assembly.add(&frame(part(0, 3, total), [1; 64]), bytes.clone()),
        Ok(None)
    );
    assert!(
        assembly.add(&frame(part(0, 3, total), [1; 64]), bytes.clone()).is_err(),
        "a part comes once"
    );
    assert!(
        assembly
            .add(&frame(part(1, 3, total + 1), [1; 64]), bytes.clone())
            .is_err(),
        "one total"
    );
    assert!(
        assembly.add(&frame(part(1, 3, total), [2; 64]), bytes).is_err(),
        "one signature"
    );
}

#[test]
fn header_fields_are_each_there_once_and_in_their_form() {
    let whole = Frame {
        request_id: RequestId::new([1; 16]),
        gateway: "gw-1".to_owned(),
        signature: [2; 64],
        part: Part::whole(5),
    };
    let good = whole.headers(whole.part);
    assert_eq!(Frame::read(Some(&good)), Some(whole.clone()));
    assert_eq!(Frame::read(None), None);
    for (name, wrong) in [
        ("Sigil-Request", "01"),
        ("Sigil-Request", "AB".repeat(16).as_str()),
        ("Sigil-Gateway", "GW"),
        ("Sigil-Gateway", ""),
        ("Sigil-Signature", "AAAA"),
        ("Sigil-Part", "0/1"),
        ("Sigil-Part", "1/1/5"),
        ("Sigil-Part", "0/0/5"),
        ("Sigil-Part", "00/1/5"),
        ("Sigil-Part", "0/1/5/6"),
        ("Sigil-Part", "0/9/5"),
        ("Sigil-Part", "-1/1/5"),
    ] {
        let mut headers = good.clone();
        headers.insert(name, wrong);
        assert_eq!(Frame::read(Some(&headers)), None, "{name}: {wrong}");
    }
    for name in ["Sigil-Request", "Sigil-Gateway", "Sigil-Signature", "Sigil-Part"] {
        let mut twice = good.clone();
        let value = good.get(name).expect("is there").clone();
        twice.append(name, value);
        assert_eq!(Frame::read(Some(&twice)), None, "{name} twice");
    }
}

#[test]
fn a_reply_answers_one_request_of_one_gateway_in_one_log() {
    let id = RequestId::new([7; 16]);
    let reply = |gateway, id| {
        let reply = Reply {
            log: &log(),
            gateway,
            id,
            status: Status::Error,
            body: b"{}",
        };
        Bytes::from(reply.document())
    };
    let reads = |document: &Bytes, log: &Origin| OpenedReply::read(document, log, "gw-1", id).is_some();
    assert!(reads(&reply("gw-1", id), &log()));
    assert!(!reads(&reply("gw-2", id), &log()));
    assert!(!reads(&reply("gw-1", RequestId::new([8; 16])), &log()));
    assert!(!reads(
        &reply("gw-1", id),
        &Origin::parse("example.com/other").expect("an origin")
    ));
}

#[test]
fn answers_come_out_as_they_went_in() {
    let committed = Committed {
        offset: 5,
        bytes: b"{\"a\":[1,\"\\u0001\"]}".as_slice().into(),
    };
    let receipt = Receipt {
        committed: committed.clone(),
        id: RecordId::new(1, [1; 10]),
        hash: Hash::of(b"x"),
        replayed: true,
        sealed_unchecked: false,
        published: true,
    };
    let results = vec![Ok(receipt), Err(Error::Overloaded)];
    assert_eq!(body::read_results(&body::results(&results)), Some(results));
    for ts in [None, Timestamp::from_micros(1)] {
        let head = Head {
            log: log(),
            size: u64::from(ts.is_some()),
            hash: ts.map(|_| Hash::of(b"y")),
            root: [3; 32],
            ts,
        };
        assert_eq!(body::read_head(&body::head(&head)), Some(head));
    }
    let records = vec![
        committed.clone(),
        Committed {
            offset: 6,
            ..committed.clone()
        },
    ];
    assert_eq!(body::read_records(&body::records(&records), 5), Some(records));
    for found in [None, Some(committed)] {
        assert_eq!(body::read_found(&body::found(found.as_ref())), Some(found));
    }
    let opening = Opening {
        pointer: "/payload/private".to_owned(),
        salt: [1; 32],
        value: json!({"a": "ü"}),
    };
    for openings in [None, Some(vec![]), Some(vec![opening])] {
        assert_eq!(
            body::read_openings(&body::openings(openings.as_deref())),
            Some(openings)
        );
    }
    assert_eq!(body::read_size(&body::size(9)), Some(9));
}

#[test]
fn an_error_of_tomorrow_is_one_that_may_pass() {
    for text in [
        "{\"code\":\"NEW\"}",
        "{\"code\":\"DENIED\",\"reason\":\"NEW\"}",
        "[]",
        "{}",
    ] {
        assert!(
            matches!(read_error(text.as_bytes()), Error::Unavailable { .. }),
            "{text}"
        );
    }
}

#[test]
fn a_key_file_is_its_owners_alone_and_nothing_prints_the_key() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("gw-1.command-key");
    let key = GatewayKey::generate("gw-1").expect("entropy");
    key.write(&path).expect("writes");
    assert_eq!(
        std::fs::metadata(&path).expect("is there").permissions().mode() & 0o777,
        0o600
    );
    let read = GatewayKey::read(&path).expect("reads");
    assert_eq!((read.name(), read.public()), ("gw-1", key.public()));
    assert!(key.write(&path).is_err(), "a key is never overwritten");
    assert_eq!(format!("{key:?}"), "GatewayKey(\"gw-1\")");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("sets");
    assert!(GatewayKey::read(&path).is_err(), "others may read it");
    for text in [
        "",
        "sigil-gateway-key-v1:gw-1",
        "sigil-key-v1:00",
        "sigil-gateway-key-v1:GW:00",
    ] {
        let path = dir.path().join("other");
        std::fs::write(&path, text).expect("writes");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("sets");
        assert!(GatewayKey::read(&path).is_err(), "{text}");
    }
    assert!(GatewayKey::from_seed("GW", &[1; 32]).is_err());
}
