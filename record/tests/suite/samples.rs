//! Fixed keys, names and records for the tests of this crate; nothing here is random.
use ed25519_dalek::SigningKey;
use record::intake::SealedRecord;
use record::{Auth, Author, Code, Draft, Fault, Intake, Kind, NewRecord, Origin, Place, PublicKey, Record, RecordId};
use record::{Space, Tenant, Timestamp, json};
use serde_json::{Value, json};

pub const ID: &str = "019a0a0b-0c0d-7e0f-8a1b-2c3d4e5f6071";
pub const PRIVATE: &str = "/payload/private";

/// The key whose 32 secret bytes are all `byte`.
pub fn key(byte: u8) -> SigningKey {
    SigningKey::from_bytes(&[byte; 32])
}

pub fn public(byte: u8) -> PublicKey {
    key(byte).verifying_key().into()
}

pub fn log() -> Origin {
    Origin::parse("example.com/audit").expect("an origin")
}

pub fn tenant(text: &str) -> Tenant {
    Tenant::parse(text).expect("a tenant")
}

pub fn id(text: &str) -> RecordId {
    RecordId::parse(text).expect("a record id")
}

pub fn time(text: &str) -> Timestamp {
    Timestamp::parse(text).expect("a timestamp")
}

pub fn new_record(payload: Value) -> NewRecord {
    NewRecord {
        tenant: tenant("acme"),
        kind: Kind::parse("audit.event").expect("a kind"),
        schema_version: 1,
        id: id(ID),
        space: Space::User,
        author: Author::new("agent:a1", Auth::Local),
        payload,
        links: Vec::new(),
        disclosures: Vec::new(),
    }
}

/// Seals `/payload/private` with a salt of sevens.
pub fn seal(record: NewRecord) -> Result<SealedRecord, Fault> {
    record.seal::<Fault>(&log(), &[PRIVATE], || Ok([7; 32]))
}

pub fn draft(record: NewRecord) -> Result<Draft, Fault> {
    Draft::new(&log(), seal(record)?, &[])
}

/// The bytes of `payload` as the first record of a chain, signed by `key(1)`.
pub fn stored(payload: Value) -> Vec<u8> {
    let key = public(1);
    let place = Place {
        offset: 0,
        seq: 0,
        prev: None,
        ts: time("2026-11-20T12:00:00.000000Z"),
        pub_key: &key,
    };
    draft(new_record(payload))
        .expect("a legal record")
        .stamp(&place)
        .sign(&crate::samples::key(1))
}

/// `levels` arrays inside each other.
pub fn nested(levels: usize) -> Value {
    (0..levels).fold(json!(1), |inner, _| json!([inner]))
}

/// Stored bytes with `change` applied and hash and signature made anew: what a ledger that breaks the format would sign.
pub fn forged(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    use ed25519_dalek::Signer as _;
    let mut whole: Value = serde_json::from_slice(&stored(json!({"a": 1}))).expect("JSON");
    change(&mut whole);
    let members = whole.as_object_mut().expect("an object");
    let (_, sig, pub_key) = (members.remove("hash"), members.remove("sig"), members.remove("pub_key"));
    let hash = blake3::hash(&serde_jcs::to_vec(&members).expect("JCS"));
    let message = [b"sigil/record/v1\n".as_slice(), hash.as_bytes()].concat();
    members.insert("hash".to_owned(), json!(hash.to_hex().as_str()));
    if sig.is_some() {
        let sig = record::key::encode_base64(&key(1).sign(&message).to_bytes());
        members.insert("sig".to_owned(), json!(sig));
    }
    if let Some(pub_key) = pub_key {
        members.insert("pub_key".to_owned(), pub_key);
    }
    serde_jcs::to_vec(&whole).expect("JCS")
}

#[track_caller]
pub fn assert_json(text: impl AsRef<[u8]>, code: Code, pointer: &str) {
    let fault = json::parse(text.as_ref()).expect_err("this document is refused");
    assert_eq!((fault.code, fault.pointer.as_str()), (code, pointer), "{fault}");
}

#[track_caller]
pub fn assert_intake(text: impl AsRef<[u8]>, code: Code, pointer: &str) {
    let fault = Intake::parse(text.as_ref()).expect_err("this intake is refused");
    assert_eq!((fault.code, fault.pointer.as_str()), (code, pointer), "{fault}");
}

#[track_caller]
pub fn assert_stored(bytes: Vec<u8>, code: Code, pointer: &str) {
    let fault = Record::parse(bytes).expect_err("these bytes are refused");
    assert_eq!((fault.code, fault.pointer.as_str()), (code, pointer), "{fault}");
}

#[track_caller]
pub fn assert_fault<T: std::fmt::Debug>(result: Result<T, Fault>, code: Code, pointer: &str) {
    let fault = result.expect_err("this is refused");
    assert_eq!((fault.code, fault.pointer.as_str()), (code, pointer), "{fault}");
}
