//! The members of a scanned record as typed values.
//!
//! Each member has passed the grammar of its type; nothing here compares a member with another record, with the hash or
//! with a key. A member of another form is a finding of [`Check::Schema`] at its pointer.

use crate::check::Check;
use crate::finding::Finding;
use crate::scan::{MEMBERS, Member, Scanned, unescape};
use record::intake::NewRecord;
use record::key::decode_base64;
use record::{Author, Hash, Kind, Link, Origin, RecordId, Space, Tenant, Timestamp};
use record::{attestation, key, limits, link};
use serde_json::Value;

const UNSORTED: &str = "links are sorted by (label, target), unique and at most 64";

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
    /// `None` when it is known to have signed nothing; taken once its signature is checked.
    pub(crate) author: Option<Author>,
    pub(crate) payload: Value,
    pub(crate) links: Vec<Link>,
    pub(crate) hash: Hash,
    pub(crate) sig: key::Signature,
    /// Whether it is a key at all only matters if the log's key is the same.
    pub(crate) pub_key: [u8; 32],
}

/// What was read in a record before and need not be read again where it comes in the same words.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// The text of an author who has the right form and did not sign.
    author: String,
}

impl Envelope {
    /// Whether the record stands in its tenant's timeline of this name; every one does in the whole chain, which has none.
    pub(crate) fn stands_in(&self, label: &str, target: &str) -> bool {
        match label {
            "" => true,
            "kind" => self.kind.as_str() == target,
            label => {
                let mut links = self.links.iter();
                links.any(|link| link.label() == label && link.target() == target)
            }
        }
    }

    /// Reads the members of a record.
    ///
    /// # Errors
    /// The first member that has another form.
    pub(crate) fn read(scanned: &Scanned<'_>, known: &mut Known) -> Result<Self, Finding> {
        if scanned.value(Member::V) != "1" {
            return Err(wrong(
                Member::V,
                "this envelope version is not 1: verify it with a newer build",
            ));
        }
        Ok(Self {
            log: text(scanned, Member::Log, Origin::parse)?,
            offset: integer(scanned, Member::Offset)?,
            tenant: text(scanned, Member::Tenant, Tenant::parse)?,
            seq: integer(scanned, Member::Seq)?,
            prev: match scanned.value(Member::Prev) {
                "null" => None,
                _ => Some(text(scanned, Member::Prev, Hash::from_hex)?),
            },
            kind: text(scanned, Member::Kind, Kind::parse)?,
            schema_version: u32::try_from(integer(scanned, Member::SchemaVersion)?)
                .ok()
                .filter(|version| *version >= 1)
                .ok_or_else(|| wrong(Member::SchemaVersion, "`schema_version` is an integer from 1"))?,
            id: text(scanned, Member::Id, RecordId::parse)?,
            ts: text(scanned, Member::Ts, Timestamp::parse)?,
            space: text(scanned, Member::Space, Space::parse)?,
            author: author(scanned, known)?,
            payload: Some(value(scanned, Member::Payload)?)
                .filter(Value::is_object)
                .ok_or_else(|| wrong(Member::Payload, "`payload` is an object"))?,
            links: links(scanned)?,
            hash: text(scanned, Member::Hash, Hash::from_hex)?,
            sig: text(scanned, Member::Sig, decode_base64)?,
            pub_key: text(scanned, Member::PubKey, decode_base64)?,
        })
        .and_then(|envelope| witnesses(scanned).map(|()| envelope))
    }

    /// Whether the author's signature, if there is one, covers this record.
    pub(crate) fn check_author(&self) -> Option<Finding> {
        let author = self.author.as_ref().filter(|author| author.sig.is_some())?;
        let record = NewRecord {
            tenant: self.tenant.clone(),
            kind: self.kind.clone(),
            schema_version: self.schema_version,
            id: self.id,
            space: self.space,
            author: author.clone(),
            payload: self.payload.clone(),
            links: self.links.clone(),
            disclosures: Vec::new(),
        };
        let fault = record::author::verify_signature(&self.log, &record).err()?;
        Some(Finding::new(Check::Author, fault.pointer, fault.detail))
    }
}

/// A fault of `record` as a finding about the record's schema.
pub(crate) fn from_fault(fault: &record::Fault) -> Finding {
    Finding::new(Check::Schema, fault.pointer.clone(), fault.detail.clone())
}

fn wrong(member: Member, detail: &str) -> Finding {
    let name = MEMBERS.get(member as usize).copied().unwrap_or_default();
    Finding::new(Check::Schema, format!("/{name}"), detail)
}

fn text<T>(scanned: &Scanned<'_>, member: Member, parse: impl Fn(&str) -> Option<T>) -> Result<T, Finding> {
    let written = scanned.value(member);
    let inner = written.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let parsed = inner.and_then(|inner| match inner.contains('\\') {
        true => parse(&unescape(inner)),
        false => parse(inner),
    });
    parsed.ok_or_else(|| wrong(member, "this member has another form in CanonicalRecord v1"))
}

fn integer(scanned: &Scanned<'_>, member: Member) -> Result<u64, Finding> {
    let value = scanned.value(member).parse();
    value.map_err(|_| wrong(member, "this member is an integer from 0"))
}

/// A member as a value. The scan has refused repeated names and inexact numbers, so an ordinary parser is exact here.
fn value(scanned: &Scanned<'_>, member: Member) -> Result<Value, Finding> {
    serde_json::from_str(scanned.value(member)).map_err(|_| wrong(member, "this member cannot be read"))
}

/// Most records of a log come from few authors.
fn author(scanned: &Scanned<'_>, known: &mut Known) -> Result<Option<Author>, Finding> {
    let written = scanned.value(Member::Author);
    if written == known.author {
        return Ok(None);
    }
    let author = Author::from_json(&value(scanned, Member::Author)?).map_err(|fault| from_fault(&fault))?;
    if author.sig.is_none() {
        written.clone_into(&mut known.author);
    }
    Ok(Some(author))
}

fn links(scanned: &Scanned<'_>) -> Result<Vec<Link>, Finding> {
    let written = scanned.value(Member::Links);
    let links = match plain_links(written) {
        Some(links) => links.map_err(|fault| from_fault(&fault.under("links")))?,
        None => escaped_links(scanned)?,
    };
    match links.is_sorted_by(|a, b| a < b) && links.len() <= limits::LINKS {
        true => Ok(links),
        false => Err(wrong(Member::Links, UNSORTED)),
    }
}

/// The general reader sorts links and drops repetitions: what it changed shows in the bytes.
fn escaped_links(scanned: &Scanned<'_>) -> Result<Vec<Link>, Finding> {
    let links = link::parse_array(&value(scanned, Member::Links)?).map_err(|fault| from_fault(&fault))?;
    match link::to_canonical(&links) == scanned.value(Member::Links).as_bytes() {
        true => Ok(links),
        false => Err(wrong(Member::Links, UNSORTED)),
    }
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
    if scanned.value(Member::Witnesses) == "[]" {
        return Ok(());
    }
    let read = attestation::from_json(&value(scanned, Member::Witnesses)?);
    read.map(drop).map_err(|fault| from_fault(&fault))
}
