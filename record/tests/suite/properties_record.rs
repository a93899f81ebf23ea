//! Properties of records: the splice is the whole, no byte can change unseen, a seal belongs to one place, links have no
//! order of their own, and every time reads back.

use crate::samples::{PRIVATE, key, log, new_record, public, tenant};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use record::attestation::{self, Attestation};
use record::intake::SealedRecord;
use record::{Auth, Code, Draft, Fault, Hash, Kind, Link, NewRecord, Opening, Origin, Place, Record, RecordId, Space};
use record::{Timestamp, canonical, json, link};
use serde_json::{Map, Value, json};

const SAFE: u64 = 9_007_199_254_740_991;

fn text() -> impl Strategy<Value = String> {
    "([a-z\"\\\\\n]|\\PC){0,8}"
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i32>().prop_map(|a| json!(a)),
        (any::<i32>(), 1..9_999_i32).prop_map(|(a, b)| json!(f64::from(a) / f64::from(b))),
        text().prop_map(Value::String),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            object(inner).prop_map(Value::Object),
        ]
    })
}

fn object(inner: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::vec((text(), inner), 0..4).prop_map(|members| members.into_iter().collect())
}

fn links() -> impl Strategy<Value = Vec<Link>> {
    let one = (
        "(actor|subject|resource|session|cause|x_[a-z0-9_]{0,8})",
        "[a-z][a-z0-9_-]{0,8}:\\PC{1,20}",
    );
    let one = one.prop_map(|(label, target)| Link::new(label, target).expect("a legal link"));
    prop::collection::vec(one, 0..12)
}

fn time() -> impl Strategy<Value = Timestamp> {
    (Timestamp::MIN.micros()..=Timestamp::MAX.micros())
        .prop_map(|micros| Timestamp::from_micros(micros).expect("in range"))
}

fn record_id() -> impl Strategy<Value = RecordId> {
    any::<(u64, [u8; 10])>().prop_map(|(ms, entropy)| RecordId::new(ms, entropy))
}

prop_compose! {
    fn author()(id in "[a-z]{1,9}:\\PC{1,30}", auth in prop::sample::select(vec![Auth::Rfc9421, Auth::Jwt, Auth::ApiKey, Auth::Local, Auth::Ledger]),
        key_id in prop::option::of("\\PC{1,20}"), evidence in prop::option::of(value())) -> record::Author {
        record::Author { key_id, evidence, ..record::Author::new(id, auth) }
    }
}

prop_compose! {
    fn record()(tenant in "[a-z0-9][a-z0-9-]{0,62}", kind in "[a-z][a-z0-9_]{0,9}(\\.[a-z][a-z0-9_]{0,9}){1,4}", schema_version in 1..=u32::MAX,
        id in record_id(), space in prop::sample::select(vec![Space::User, Space::System]), author in author(), mut payload in object(value()),
        private in prop::option::of(value()), links in links()) -> NewRecord {
        if let Some(private) = private {
            payload.insert("private".to_owned(), private);
        }
        NewRecord { tenant: crate::samples::tenant(&tenant), kind: Kind::parse(&kind).expect("a kind"), schema_version, id, space, author,
            payload: Value::Object(payload), links, disclosures: Vec::new() }
    }
}

prop_compose! {
    fn witnesses()(ids in prop::collection::btree_set("\\PC{1,9}", 0..4), ts in time(), seed in 10..20_u8) -> Vec<Attestation> {
        let sign = |witness_id: String| {
            use ed25519_dalek::Signer as _;
            let message = attestation::signed_message(&log(), &tenant("acme"), &Hash::of(b"proposal"), &witness_id, ts);
            Attestation { sig: key(seed).sign(&message).to_bytes(), pub_key: public(seed), witness_id, ts }
        };
        ids.into_iter().map(sign).collect()
    }
}

fn seal(log: &Origin, record: NewRecord) -> SealedRecord {
    record
        .seal::<Fault>(log, &[PRIVATE], || Ok([9; 32]))
        .expect("a legal record")
}

/// The record as one JSON value with everything that was asked for, built without the writer under test.
fn whole(log: &Origin, record: &NewRecord, witnesses: &[Attestation], place: &Place<'_>) -> Value {
    let link = |link: &Link| json!({"label": link.label(), "target": link.target()});
    let mut links: Vec<&Link> = record.links.iter().collect();
    links.sort_by_key(|link| (link.label().as_bytes(), link.target().as_bytes()));
    links.dedup();
    json!({
        "v": 1, "log": log.as_str(), "offset": place.offset, "tenant": record.tenant.as_str(), "seq": place.seq,
        "prev": place.prev.map(Hash::to_string), "kind": record.kind.as_str(), "schema_version": record.schema_version,
        "id": record.id.to_string(), "ts": place.ts.to_string(), "space": record.space.as_str(),
        "author": record.author.to_json(), "payload": record.payload, "links": links.into_iter().map(link).collect::<Value>(),
        "witnesses": attestation::to_json(witnesses),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn splicing_equals_canonicalizing_the_whole(
        record in record(), witnesses in witnesses(), log in "[a-z]{1,9}\\.[a-z]{2,3}/[!-*,-~]{1,20}", offset in 0..=SAFE, seq in 0..=SAFE,
        prev in prop::option::of(any::<[u8; 32]>()), ts in time(),
    ) {
        let log = Origin::parse(&log).unwrap();
        let prev = prev.map(Hash::from);
        let place = Place { offset, seq, prev: prev.as_ref(), ts, pub_key: &public(1) };
        let sealed = seal(&log, record);
        let mut expected = whole(&log, sealed.record(), &witnesses, &place);
        let hash = Hash::of(&serde_jcs::to_vec(&expected).unwrap());
        let draft = Draft::new(&log, sealed, &witnesses).unwrap();
        let stamped = draft.stamp(&place);
        prop_assert_eq!(stamped.hash(), &hash);
        prop_assert!(stamped.size() <= draft.size_bound());
        let bytes = stamped.sign(&key(1));
        let members = expected.as_object_mut().unwrap();
        let parsed: Value = serde_json::from_slice(&bytes).unwrap();
        members.insert("hash".to_owned(), json!(hash.to_string()));
        members.insert("pub_key".to_owned(), json!(public(1).to_base64()));
        members.insert("sig".to_owned(), parsed["sig"].clone());
        prop_assert_eq!(&bytes, &serde_jcs::to_vec(&expected).unwrap());
        prop_assert_eq!(&bytes, &canonical::to_vec(&parsed));
        let read = Record::parse(bytes.clone()).map_err(|fault| TestCaseError::fail(fault.to_string()))?;
        prop_assert_eq!(read.verify_signature(&public(1)), Ok(()));
        prop_assert_eq!((read.bytes(), read.offset, read.seq, read.prev, read.ts), (bytes.as_slice(), offset, seq, prev, ts));
        prop_assert_eq!(read.links.as_slice(), draft.links());
    }

    #[test]
    fn links_have_no_order_of_their_own(links in links(), again in any::<u64>()) {
        let expected = link::normalize(links.clone()).unwrap();
        let mut shuffled = links.clone();
        shuffled.extend(links.iter().take(3).cloned());
        let length = shuffled.len().max(1);
        shuffled.rotate_left(usize::try_from(again).unwrap() % length % length);
        shuffled.reverse();
        prop_assert_eq!(&link::normalize(shuffled.clone()).unwrap(), &expected);
        let document = Value::from_iter(shuffled.iter().map(|link| json!({"target": link.target(), "label": link.label()})));
        prop_assert_eq!(&link::parse_array(&document).unwrap(), &expected);
        let pairs: Vec<_> = expected.iter().map(|link| (link.label().as_bytes(), link.target().as_bytes())).collect();
        prop_assert!(pairs.is_sorted_by(|a, b| a < b));
        let shuffled = NewRecord { links: shuffled, ..new_record(json!({})) };
        let sorted = NewRecord { links: expected, ..new_record(json!({})) };
        prop_assert_eq!(seal(&log(), shuffled), seal(&log(), sorted));
    }

    #[test]
    fn any_change_of_place_salt_or_value_changes_the_commitment(
        value in value(), other in value(), salt in any::<[u8; 32]>(), flip in 0..256_usize, id in record_id(), other_id in record_id(),
    ) {
        let opening = Opening { pointer: PRIVATE.to_owned(), salt, value };
        let (log, tenant) = (log(), tenant("acme"));
        let commitment = opening.commitment(&log, &tenant, &id);
        prop_assert_eq!(opening.clone().commitment(&log, &tenant, &id), commitment);
        prop_assert_ne!(opening.commitment(&Origin::parse("example.com/audi").unwrap(), &tenant, &id), commitment);
        prop_assert_ne!(opening.commitment(&log, &crate::samples::tenant("acm"), &id), commitment);
        let mut salted = opening.clone();
        salted.salt[flip / 8] ^= 1 << (flip % 8);
        prop_assert_ne!(salted.commitment(&log, &tenant, &id), commitment);
        let moved = Opening { pointer: "/payload/privat".to_owned(), ..opening.clone() };
        prop_assert_ne!(moved.commitment(&log, &tenant, &id), commitment);
        let elsewhere = opening.commitment(&log, &tenant, &other_id);
        prop_assert_eq!(elsewhere == commitment, id == other_id);
        let changed = Opening { value: other.clone(), ..opening.clone() };
        prop_assert_eq!(changed.commitment(&log, &tenant, &id) == commitment, canonical::to_vec(&other) == canonical::to_vec(&opening.value));
        prop_assert_eq!(Opening::from_json(&opening.to_json()), Ok(opening.clone()));
        prop_assert_eq!(opening.to_canonical(), serde_jcs::to_vec(&opening.to_json()).unwrap());
    }

    #[test]
    fn sealing_leaves_a_commitment_and_its_opening(record in record()) {
        let private = record.payload.get("private").cloned();
        let evidence = record.author.evidence.clone();
        let sealed = seal(&log(), record.clone());
        let expected: Vec<_> = [(PRIVATE, private), ("/author/evidence", evidence)].into_iter().filter_map(|(pointer, value)| Some((pointer, value?))).collect();
        let openings: Vec<_> = sealed.openings().iter().map(|opening| (opening.pointer.as_str(), opening.value.clone())).collect();
        prop_assert_eq!(openings, expected);
        for opening in sealed.openings() {
            let placeholder = json!({"$sealed": opening.commitment(&log(), &record.tenant, &record.id).to_string()});
            let member = if opening.pointer == PRIVATE { sealed.record().payload.get("private") } else { sealed.record().author.evidence.as_ref() };
            prop_assert_eq!(member, Some(&placeholder));
        }
        // Sent again with its disclosures, the same record passes unchanged.
        let again = NewRecord { disclosures: sealed.openings().to_vec(), ..sealed.record().clone() };
        prop_assert_eq!(seal(&log(), again), sealed);
    }

    #[test]
    fn every_time_reads_back(ts in time(), other in time()) {
        let text = ts.to_string();
        prop_assert_eq!(text.len(), 27);
        prop_assert_eq!(Timestamp::parse(&text), Some(ts));
        prop_assert_eq!(ts.cmp(&other), text.cmp(&other.to_string()), "text order is time order");
    }

    #[test]
    fn times_are_dates_exactly_when_the_calendar_has_them(year in 0..=9999_i64, month in 0..=13_i64, day in 0..=32_i64, second in 0..86_400_i64) {
        let text = format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.000000Z", second / 3_600, second / 60 % 60, second % 60);
        let lengths = [31, if year % 4 == 0 && year % 100 != 0 || year % 400 == 0 { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        let before: Option<i64> = (1..=12).contains(&month).then(|| lengths.iter().take(month as usize - 1).sum());
        let exists = year >= 1 && before.is_some() && (1..=lengths[(month.clamp(1, 12) - 1) as usize]).contains(&day);
        // Days since 0001-01-01, counted year by year in closed form.
        let past = year - 1;
        let days = past * 365 + past / 4 - past / 100 + past / 400 + before.unwrap_or(0) + day - 1;
        let micros = (days - 719_162) * 86_400_000_000 + second * 1_000_000;
        prop_assert_eq!(Timestamp::parse(&text).map(Timestamp::micros), exists.then_some(micros), "{}", text);
    }

    #[test]
    fn ids_read_back_in_one_spelling_only(id in record_id()) {
        let text = id.to_string();
        prop_assert_eq!(RecordId::parse(&text), Some(id));
        prop_assert_eq!(RecordId::from_bytes(*id.as_bytes()), Some(id));
        let upper = text.to_uppercase();
        prop_assert_eq!(RecordId::parse(&upper).is_some(), upper == text);
        prop_assert_eq!(RecordId::parse(&text.replace('-', "")), None);
    }
}

/// What a reader who knows the log's key says about these bytes.
fn accepts(bytes: Vec<u8>) -> bool {
    Record::parse(bytes).is_ok_and(|record| record.verify_signature(&public(1)).is_ok())
}

#[test]
fn any_changed_byte_is_seen() {
    let bytes = crate::samples::stored(json!({"a": 1.5, "private": "x", "t": ["\u{e9}", null]}));
    assert!(accepts(bytes.clone()));
    for at in 0..bytes.len() {
        for mask in [0x01, 0x02, 0x20, 0x80, 0xff] {
            let mut changed = bytes.clone();
            changed[at] ^= mask;
            assert!(!accepts(changed), "byte {at} xor {mask:#x}");
        }
        let mut removed = bytes.clone();
        removed.remove(at);
        assert!(!accepts(removed), "byte {at} removed");
        let mut doubled = bytes.clone();
        doubled.insert(at, bytes[at]);
        assert!(!accepts(doubled), "byte {at} doubled");
        assert!(!accepts(bytes[..at].to_vec()), "cut at {at}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_changed_byte_of_a_larger_record_is_seen(record in record(), changes in prop::collection::vec((any::<prop::sample::Index>(), 1..=255_u8), 12)) {
        let place = Place { offset: 3, seq: 2, prev: Some(&Hash::of(b"prev")), ts: Timestamp::MIN, pub_key: &public(1) };
        let bytes = Draft::new(&log(), seal(&log(), record), &[]).unwrap().stamp(&place).sign(&key(1));
        prop_assert!(accepts(bytes.clone()));
        for (at, mask) in changes {
            let mut changed = bytes.clone();
            changed[at.index(bytes.len())] ^= mask;
            prop_assert!(!accepts(changed));
        }
    }

    #[test]
    fn what_seal_accepts_reads_back_whoever_built_it(payload in hostile(5)) {
        let built = new_record(json!({"data": payload}));
        let lawful = json::parse(&serde_json::to_vec(&built.payload).unwrap()).is_ok();
        match built.seal::<Fault>(&log(), &[PRIVATE], || Ok([9; 32])) {
            Err(fault) => prop_assert!(!lawful || fault.code == Code::ReservedName, "{}", fault),
            Ok(sealed) => {
                let place = Place { offset: 0, seq: 0, prev: None, ts: Timestamp::MIN, pub_key: &public(1) };
                let bytes = Draft::new(&log(), sealed, &[]).unwrap().stamp(&place).sign(&key(1));
                prop_assert!(accepts(bytes));
            }
        }
    }
}

/// Values that code can build and no client could have sent.
fn hostile(depth: u32) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<u64>().prop_map(|a| json!(a)),
        any::<i64>().prop_map(|a| json!(a)),
        any::<f64>().prop_map(|a| json!(a)),
        prop::sample::select(vec![
            json!("a\0b"),
            json!("\u{1}"),
            json!(1.0),
            json!(-0.0),
            json!(1e300),
            json!({"$token": "t"})
        ]),
    ];
    leaf.prop_recursive(depth, 6, 2, |inner| {
        let name = prop::sample::select(vec![
            "a",
            "\0",
            "$serde_json::private::Number",
            "$serde_json::private::RawValue",
            "b",
        ]);
        prop_oneof![
            2 => prop::collection::vec(inner.clone(), 1..3).prop_map(Value::Array),
            1 => (name, inner).prop_map(|(name, inner)| json!({name: inner})),
        ]
    })
}

#[test]
fn a_cut_or_reordered_chain_is_the_readers_to_see() {
    // Two records that verify on their own; nothing but `prev` and `offset` tells their order, so both must be in the hash.
    let mut runner = TestRunner::deterministic();
    let record = record().new_tree(&mut runner).unwrap().current();
    let stamp = |offset, seq, prev: Option<&Hash>| {
        let place = Place {
            offset,
            seq,
            prev,
            ts: Timestamp::MIN,
            pub_key: &public(1),
        };
        *Draft::new(&log(), seal(&log(), record.clone()), &[])
            .unwrap()
            .stamp(&place)
            .hash()
    };
    let other = Hash::of(b"other");
    let hashes = [
        stamp(0, 0, None),
        stamp(1, 0, None),
        stamp(0, 1, None),
        stamp(0, 0, Some(&other)),
    ];
    let distinct: std::collections::BTreeSet<_> = hashes.iter().collect();
    assert_eq!(distinct.len(), hashes.len());
}
