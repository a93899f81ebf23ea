//! The members of a scanned record as typed values.
//!
//! Each member has passed the grammar of its type; nothing here compares a member with another record, with the hash or
//! with a key. A member of another form is a finding of [`Check::Schema`] at its pointer.

use crate::check::Check;
use crate::finding::Finding;
use crate::scan::{Scanned, unescape};
use record::intake::NewRecord;
use record::key::decode_base64;
use record::{Author, Hash, Kind, Link, Origin, PublicKey, RecordId, Space, Tenant, Timestamp};
use record::{attestation, author, key, limits, link};
use serde_json::Value;

/// What a record says.
#[derive(Debug)]
pub(crate) struct Envelope {
    pub(crate) log: Origin,
    pub(crate) offset: u64,
    pub(crate) tenant: Tenant,
    pub(crate) seq: u64,
    pub(crate) prev: Option<Hash>,
    pub(crate) kind: Kind,
    pub(crate) schema_version: u32,
    pub(crate) id: RecordId,
    pub(crate) ts: Timestamp,
    pub(crate) space: Space,
    pub(crate) author: Author,
    pub(crate) payload: Value,
    pub(crate) links: Vec<Link>,
    pub(crate) hash: Hash,
    pub(crate) sig: key::Signature,
    /// Canonical base64; whether it is a key at all only matters if the log's key is the same.
    pub(crate) pub_key: String,
}

impl Envelope {
    /// Reads the members of a record.
    ///
    /// # Errors
    /// The first member that has another form.
    pub(crate) fn read(scanned: &Scanned<'_>) -> Result<Self, Finding> {
        if scanned.value("v") != "1" {
            return Err(wrong(
                "v",
                "this envelope version is not 1: verify it with a newer build",
            ));
        }
        Ok(Self {
            log: text(scanned, "log", Origin::parse)?,
            offset: integer(scanned, "offset")?,
            tenant: text(scanned, "tenant", Tenant::parse)?,
            seq: integer(scanned, "seq")?,
            prev: match scanned.value("prev") {
                "null" => None,
                _ => Some(text(scanned, "prev", Hash::from_hex)?),
            },
            kind: text(scanned, "kind", Kind::parse)?,
            schema_version: u32::try_from(integer(scanned, "schema_version")?)
                .ok()
                .filter(|version| *version >= 1)
                .ok_or_else(|| wrong("schema_version", "`schema_version` is an integer from 1"))?,
            id: text(scanned, "id", RecordId::parse)?,
            ts: text(scanned, "ts", Timestamp::parse)?,
            space: text(scanned, "space", Space::parse)?,
            author: Author::from_json(&value(scanned, "author")?).map_err(|fault| from_fault(&fault))?,
            payload: Some(value(scanned, "payload")?)
                .filter(Value::is_object)
                .ok_or_else(|| wrong("payload", "`payload` is an object"))?,
            links: links(scanned)?,
            hash: text(scanned, "hash", Hash::from_hex)?,
            sig: text(scanned, "sig", decode_base64)?,
            pub_key: text(scanned, "pub_key", |text| {
                decode_base64::<32>(text).map(|_| text.to_owned())
            })?,
        })
        .and_then(|envelope| witnesses(scanned).map(|()| envelope))
    }

    /// Whether the author's signature, if there is one, covers this record.
    pub(crate) fn check_author(&self) -> Option<Finding> {
        self.author.sig?;
        let record = NewRecord {
            tenant: self.tenant.clone(),
            kind: self.kind.clone(),
            schema_version: self.schema_version,
            id: self.id,
            space: self.space,
            author: self.author.clone(),
            payload: self.payload.clone(),
            links: self.links.clone(),
            disclosures: Vec::new(),
        };
        let fault = author::verify_signature(&self.log, &record).err()?;
        Some(Finding::new(Check::Author, fault.pointer, fault.detail))
    }

    /// The key that the record names, if it is one.
    pub(crate) fn named_key(&self) -> Option<PublicKey> {
        PublicKey::from_base64(&self.pub_key)
    }
}

/// A fault of `record` as a finding about the record's schema.
pub(crate) fn from_fault(fault: &record::Fault) -> Finding {
    Finding::new(Check::Schema, fault.pointer.clone(), fault.detail.clone())
}

fn wrong(name: &str, detail: &str) -> Finding {
    Finding::new(Check::Schema, format!("/{name}"), detail)
}

fn text<T>(scanned: &Scanned<'_>, name: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T, Finding> {
    let written = scanned.value(name);
    let inner = written.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let parsed = inner.and_then(|inner| match inner.contains('\\') {
        true => parse(&unescape(inner)),
        false => parse(inner),
    });
    parsed.ok_or_else(|| wrong(name, "this member has another form in CanonicalRecord v1"))
}

fn integer(scanned: &Scanned<'_>, name: &str) -> Result<u64, Finding> {
    let value = scanned.value(name).parse();
    value.map_err(|_| wrong(name, "this member is an integer from 0"))
}

/// A member as a value. The scan has refused repeated names and inexact numbers, so an ordinary parser is exact here.
fn value(scanned: &Scanned<'_>, name: &str) -> Result<Value, Finding> {
    serde_json::from_str(scanned.value(name)).map_err(|_| wrong(name, "this member cannot be read"))
}

fn links(scanned: &Scanned<'_>) -> Result<Vec<Link>, Finding> {
    let written = scanned.value("links");
    let found = match plain_links(written) {
        Some(links) => links.map_err(|fault| from_fault(&fault.under("links")))?,
        None => link::parse_array(&value(scanned, "links")?).map_err(|fault| from_fault(&fault))?,
    };
    let sorted = found.is_sorted_by(|a, b| a < b) && found.len() <= limits::LINKS;
    // The general reader sorts and drops repetitions, so what it changed shows in the bytes.
    if !sorted || link::to_canonical(&found) != written.as_bytes() {
        return Err(wrong(
            "links",
            "links are sorted by (label, target), unique and at most 64",
        ));
    }
    Ok(found)
}

/// Reads links that are written without escapes; `None` when the general reader has to.
fn plain_links(written: &str) -> Option<Result<Vec<Link>, record::Fault>> {
    let mut rest = written.strip_prefix('[')?;
    let mut links = Vec::new();
    if written.contains('\\') {
        return None;
    }
    while rest != "]" {
        let (label, after) = rest.strip_prefix("{\"label\":\"")?.split_once('"')?;
        let (target, after) = after.strip_prefix(",\"target\":\"")?.split_once('"')?;
        match Link::new(label, target) {
            Ok(link) => links.push(link),
            Err(fault) => return Some(Err(fault.under(&links.len().to_string()))),
        }
        let after = after.strip_prefix('}')?;
        rest = after.strip_prefix(',').unwrap_or(after);
    }
    Some(Ok(links))
}

fn witnesses(scanned: &Scanned<'_>) -> Result<(), Finding> {
    if scanned.value("witnesses") == "[]" {
        return Ok(());
    }
    let read = attestation::from_json(&value(scanned, "witnesses")?);
    read.map(drop).map_err(|fault| from_fault(&fault))
}
