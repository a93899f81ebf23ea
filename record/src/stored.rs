//! Stored records: bytes read back from a log, a stream or a file, checked before anything is believed.
//!
//! [`Record::parse`] accepts exactly the canonical bytes of a well-formed envelope whose `hash` is right. Signature,
//! chain and offset are the reader's to check, because they need the log's keys and the record before:
//! [`Record::verify_signature`] and the fields do it.

use crate::attestation::{self, Attestation};
use crate::author::Author;
use crate::canonical;
use crate::draft::signed_message;
use crate::fault::{Code, Fault};
use crate::hash::Hash;
use crate::id::RecordId;
use crate::json;
use crate::key::{PublicKey, Signature, decode_base64};
use crate::limits;
use crate::link::{self, Link};
use crate::name::{Kind, Origin, Space, Tenant};
use crate::time::Timestamp;
use serde_json::{Map, Value};

/// The members of CanonicalRecord v1, in canonical order; all are always present.
const MEMBERS: [&str; 18] = [
    "author",
    "hash",
    "id",
    "kind",
    "links",
    "log",
    "offset",
    "payload",
    "prev",
    "pub_key",
    "schema_version",
    "seq",
    "sig",
    "space",
    "tenant",
    "ts",
    "v",
    "witnesses",
];

/// One record of a log, with the canonical bytes it was read from.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The log's origin.
    pub log: Origin,
    /// Global position.
    pub offset: u64,
    /// Isolation boundary.
    pub tenant: Tenant,
    /// Position in the tenant's chain.
    pub seq: u64,
    /// Hash of the tenant's previous record.
    pub prev: Option<Hash>,
    /// The kind of the record.
    pub kind: Kind,
    /// The version of the kind's payload.
    pub schema_version: u32,
    /// Unique within the tenant.
    pub id: RecordId,
    /// Sequencing time.
    pub ts: Timestamp,
    /// Who may write such a record.
    pub space: Space,
    /// Who asked.
    pub author: Author,
    /// The payload, with commitments in place of sealed members.
    pub payload: Value,
    /// Sorted and unique.
    pub links: Vec<Link>,
    /// Attestations known at commit.
    pub witnesses: Vec<Attestation>,
    /// BLAKE3-256 of the record without `hash`, `sig` and `pub_key`; checked.
    pub hash: Hash,
    /// Over the hash; not checked here.
    pub sig: Signature,
    /// The key that `sig` claims; a reader compares it with the log's key at this offset.
    pub pub_key: PublicKey,
    bytes: Vec<u8>,
}

impl Record {
    /// Reads canonical bytes and checks form, canonical spelling and hash.
    ///
    /// # Errors
    /// Everything of [`json::parse`]; [`Code::NotCanonical`]; [`Code::EnvelopeInvalid`] and [`Code::LinkInvalid`] with
    /// the pointer of the member; [`Code::HashMismatch`]; [`Code::RecordTooLarge`].
    pub fn parse(bytes: Vec<u8>) -> Result<Self, Fault> {
        if bytes.len() > limits::RECORD_BYTES {
            return Err(Fault::new(
                Code::RecordTooLarge,
                "",
                "a record is at most 786,432 bytes",
            ));
        }
        let Value::Object(mut members) = json::parse(&bytes)? else {
            return Err(Fault::new(Code::EnvelopeInvalid, "", "a record is a JSON object"));
        };
        if !members.keys().map(String::as_str).eq(MEMBERS) {
            let detail = "a record has exactly the members of CanonicalRecord v1";
            return Err(Fault::new(Code::EnvelopeInvalid, "", detail));
        }
        let hash = check_bytes(&members, &bytes)?;
        if let Some(name) = members
            .iter()
            .find(|(_, value)| json::depth(value) >= limits::RECORD_DEPTH)
        {
            let detail = "a record is at most 64 levels deep";
            return Err(Fault::new(Code::TooDeep, "", detail).under(name.0));
        }
        Self::from_members(&mut members, hash, bytes)
    }

    fn from_members(members: &mut Map<String, Value>, hash: Hash, bytes: Vec<u8>) -> Result<Self, Fault> {
        if member(members, "v")?.as_u64() != Some(1) {
            return Err(wrong("v", "this envelope version is not 1: read it with a newer build"));
        }
        let payload = members.get_mut("payload").map(Value::take).filter(Value::is_object);
        Ok(Self {
            log: text(members, "log", Origin::parse)?,
            offset: integer(members, "offset")?,
            tenant: text(members, "tenant", Tenant::parse)?,
            seq: integer(members, "seq")?,
            prev: prev(members)?,
            kind: text(members, "kind", Kind::parse)?,
            schema_version: schema_version(members)?,
            id: text(members, "id", RecordId::parse)?,
            ts: text(members, "ts", Timestamp::parse)?,
            space: text(members, "space", Space::parse)?,
            author: Author::from_json(member(members, "author")?)?,
            payload: payload.ok_or_else(|| wrong("payload", "`payload` is an object"))?,
            links: sorted_links(member(members, "links")?)?,
            witnesses: attestation::from_json(member(members, "witnesses")?)?,
            sig: text(members, "sig", decode_base64)?,
            pub_key: text(members, "pub_key", PublicKey::from_base64)?,
            hash,
            bytes,
        })
    }

    /// The canonical bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What `sig` covers.
    #[must_use]
    pub fn signed_message(&self) -> [u8; 48] {
        signed_message(&self.hash)
    }

    /// Checks `sig` by `verify_strict`, and that it claims `key`.
    ///
    /// # Errors
    /// [`Code::SignatureInvalid`] at `/pub_key` or `/sig`.
    pub fn verify_signature(&self, key: &PublicKey) -> Result<(), Fault> {
        if self.pub_key != *key {
            let detail = "this is not the log's record key at this offset";
            return Err(Fault::new(Code::SignatureInvalid, "/pub_key", detail));
        }
        if key.verifies(&self.signed_message(), &self.sig) {
            return Ok(());
        }
        Err(Fault::new(
            Code::SignatureInvalid,
            "/sig",
            "the signature does not verify under the log's record key",
        ))
    }
}

/// Compares `bytes` with the canonical form of `members` and returns the record's hash, which they must carry.
fn check_bytes(members: &Map<String, Value>, bytes: &[u8]) -> Result<Hash, Fault> {
    let mut canonical = Vec::with_capacity(bytes.len());
    let mut hasher = blake3::Hasher::new();
    let mut hashed = 0;
    for (at, (name, value)) in members.iter().enumerate() {
        let start = canonical.len();
        canonical.push(if at == 0 { b'{' } else { b',' });
        canonical::write_string(name, &mut canonical);
        canonical.push(b':');
        canonical::write(value, &mut canonical);
        if matches!(name.as_str(), "hash" | "sig" | "pub_key") {
            hasher.update(canonical.get(hashed..start).unwrap_or_default());
            hashed = canonical.len();
        }
    }
    canonical.push(b'}');
    hasher.update(canonical.get(hashed..).unwrap_or_default());
    if canonical != bytes {
        return Err(Fault::new(
            Code::NotCanonical,
            "",
            "the stored bytes are not the RFC 8785 form of what they say",
        ));
    }
    let hash = Hash::from(*hasher.finalize().as_bytes());
    if text(members, "hash", Hash::from_hex)? != hash {
        return Err(Fault::new(
            Code::HashMismatch,
            "/hash",
            "the record was changed: its hash does not match its bytes",
        ));
    }
    Ok(hash)
}

fn wrong(name: &str, detail: &str) -> Fault {
    Fault::new(Code::EnvelopeInvalid, format!("/{name}"), detail)
}

fn member<'a>(members: &'a Map<String, Value>, name: &str) -> Result<&'a Value, Fault> {
    members.get(name).ok_or_else(|| wrong(name, "this member is required"))
}

fn text<T>(members: &Map<String, Value>, name: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T, Fault> {
    member(members, name)?
        .as_str()
        .and_then(parse)
        .ok_or_else(|| wrong(name, "this member has another form in CanonicalRecord v1"))
}

fn integer(members: &Map<String, Value>, name: &str) -> Result<u64, Fault> {
    member(members, name)?
        .as_u64()
        .ok_or_else(|| wrong(name, "this member is an integer from 0"))
}

fn schema_version(members: &Map<String, Value>) -> Result<u32, Fault> {
    let version = u32::try_from(integer(members, "schema_version")?)
        .ok()
        .filter(|version| *version >= 1);
    version.ok_or_else(|| wrong("schema_version", "`schema_version` is an integer from 1"))
}

fn prev(members: &Map<String, Value>) -> Result<Option<Hash>, Fault> {
    match member(members, "prev")? {
        Value::Null => Ok(None),
        _ => text(members, "prev", Hash::from_hex).map(Some),
    }
}

fn sorted_links(value: &Value) -> Result<Vec<Link>, Fault> {
    let links = link::parse_array(value)?;
    if value.as_array().map(Vec::len) != Some(links.len()) || link::to_canonical(&links) != canonical::to_vec(value) {
        return Err(Fault::new(
            Code::LinkInvalid,
            "/links",
            "stored links are sorted by (label, target) and unique",
        ));
    }
    Ok(links)
}
