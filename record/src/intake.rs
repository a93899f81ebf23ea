//! Intake: the envelope that a client sends, checked member by member, and its sealing.
//!
//! [`Intake`] is what one JSON document says; [`NewRecord`] has everything but its place in the log; [`SealedRecord`] is
//! the same with every sealed member replaced by a commitment. Payloads are checked against their kind by `domain`.

use crate::author::{self, Author};
use crate::fault::{Code, Fault};
use crate::id::RecordId;
use crate::json;
use crate::key::{Signature, decode_base64};
use crate::limits;
use crate::link::{self, Link};
use crate::name::{Kind, Origin, Space, Tenant};
use crate::seal::{self, Opening};
use serde_json::{Map, Value};

const MEMBERS: [&str; 9] = [
    "author",
    "disclosures",
    "id",
    "kind",
    "links",
    "payload",
    "schema_version",
    "space",
    "tenant",
];

/// A record as a client sends it: `kind` and `payload` are required, `schema_version` defaults to 1, `space` to `user`.
#[derive(Debug, Clone, PartialEq)]
pub struct Intake {
    /// The tenant, when the document names one.
    pub tenant: Option<Tenant>,
    /// The kind of the record.
    pub kind: Kind,
    /// The version of the kind's payload.
    pub schema_version: u32,
    /// The id, when the client made one; a retry is safe only with an id.
    pub id: Option<RecordId>,
    /// `user` unless the document says `system`.
    pub space: Space,
    /// The payload, an object.
    pub payload: Value,
    /// Sorted and unique.
    pub links: Vec<Link>,
    /// An author signature, when the client signed.
    pub author: Option<SignedBy>,
    /// Openings of the members that the client sealed itself.
    pub disclosures: Vec<Opening>,
}

/// The author member of an intake: who signed, with which key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedBy {
    /// The author's handle as it was signed.
    pub id: String,
    /// `ed25519:<64 hex>`.
    pub key_id: String,
    /// Over [`author::signed_message`].
    pub sig: Signature,
}

/// A record with everything but its place: who, what, links, and the id that makes a retry safe.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRecord {
    /// Isolation boundary.
    pub tenant: Tenant,
    /// The kind of the record.
    pub kind: Kind,
    /// The version of the kind's payload.
    pub schema_version: u32,
    /// Unique within the tenant.
    pub id: RecordId,
    /// Who may write such a record.
    pub space: Space,
    /// Who asked.
    pub author: Author,
    /// The payload, an object.
    pub payload: Value,
    /// Sorted and unique ([`link::normalize`]).
    pub links: Vec<Link>,
    /// Openings of members that are sealed already.
    pub disclosures: Vec<Opening>,
}

/// A record whose sealed members are commitments, with the openings of exactly these.
#[derive(Debug, Clone, PartialEq)]
pub struct SealedRecord {
    record: NewRecord,
    openings: Vec<Opening>,
}

impl Intake {
    /// Parses one document strictly and checks its envelope.
    ///
    /// # Errors
    /// Everything of [`json::parse`]; [`Code::EnvelopeInvalid`], [`Code::LinkInvalid`], [`Code::SealInvalid`],
    /// [`Code::ReservedName`], [`Code::TooDeep`] or [`Code::RecordTooLarge`] with the pointer of the member.
    pub fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        // A record and its disclosures, each at its limit, with room for JSON's longest escapes.
        if bytes.len() > 12 * limits::RECORD_BYTES {
            return Err(Fault::new(
                Code::RecordTooLarge,
                "",
                "a record is at most 786,432 bytes in canonical form",
            ));
        }
        Self::from_json(json::parse(bytes)?)
    }

    /// Checks the envelope of a strictly parsed document.
    ///
    /// # Errors
    /// As [`Intake::parse`], without the faults of parsing.
    pub fn from_json(value: Value) -> Result<Self, Fault> {
        let Value::Object(mut members) = value else {
            return Err(Fault::new(Code::EnvelopeInvalid, "", "a record is a JSON object"));
        };
        if let Some(name) = members.keys().find(|name| !MEMBERS.contains(&name.as_str())) {
            let detail = format!("unknown member: a record has {}", MEMBERS.join(", "));
            return Err(Fault::new(Code::EnvelopeInvalid, "", detail).under(name));
        }
        Ok(Self {
            tenant: optional(&members, "tenant", "[a-z0-9][a-z0-9-]{0,62}", Tenant::parse)?,
            kind: optional(
                &members,
                "kind",
                "[a-z][a-z0-9_]*(.[a-z][a-z0-9_]*)+, at most 64 bytes",
                Kind::parse,
            )?
            .ok_or_else(|| missing("kind"))?,
            schema_version: schema_version(&members)?,
            id: optional(&members, "id", "a lower-case UUIDv7", RecordId::parse)?,
            space: optional(&members, "space", "`user` or `system`", Space::parse)?.unwrap_or(Space::User),
            links: members
                .get("links")
                .map(link::parse_array)
                .transpose()?
                .unwrap_or_default(),
            author: members.get("author").map(signed_by).transpose()?,
            disclosures: members
                .get("disclosures")
                .map(disclosures)
                .transpose()?
                .unwrap_or_default(),
            payload: payload(members.remove("payload").ok_or_else(|| missing("payload"))?)?,
        })
    }
}

impl NewRecord {
    /// Replaces every member at one of `pointers`, and [`EVIDENCE`], by a commitment, each with a salt from `salt`, sorts
    /// the links and checks the members that came sealed. What passes can be stored and read back, however it was made.
    ///
    /// # Errors
    /// Everything of [`json::check`]; [`Code::SealInvalid`], [`Code::ReservedName`], [`Code::LinkInvalid`],
    /// [`Code::EnvelopeInvalid`] or, for a signed record, whatever [`author::verify_signature`] finds.
    pub fn seal<E: From<Fault>>(
        mut self,
        log: &Origin,
        pointers: &[&str],
        mut salt: impl FnMut() -> Result<[u8; 32], E>,
    ) -> Result<SealedRecord, E> {
        self.author.check()?;
        self.check_values()?;
        self.links = link::normalize(self.links)?;
        let mut openings = self.check_marks(log, pointers)?;
        let signed = self.author.sig.is_some();
        let others = pointers.iter().filter(|pointer| **pointer != EVIDENCE);
        for pointer in others.chain(&[EVIDENCE]) {
            let (tenant, id) = (self.tenant.clone(), self.id);
            let Some(member) = self.member_mut(pointer) else {
                continue;
            };
            if seal::read_placeholder(member).is_some() {
                continue;
            }
            // The author's evidence is the gateway's, added after the author signed.
            if signed && *pointer != EVIDENCE {
                return Err(unsealed(pointer).into());
            }
            if json::depth(member) > limits::SEALED_DEPTH {
                let detail = "a sealed value is at most 64 levels deep";
                return Err(Fault::new(Code::TooDeep, *pointer, detail).into());
            }
            let opening = Opening {
                pointer: (*pointer).to_owned(),
                salt: salt()?,
                value: member.take(),
            };
            *member = seal::placeholder(&opening.commitment(log, &tenant, &id));
            openings.push(opening);
        }
        if json::depth(&self.payload) + 1 > limits::RECORD_DEPTH {
            return Err(Fault::new(Code::TooDeep, "/payload", "a record is at most 64 levels deep").into());
        }
        author::verify_signature(log, &self)?;
        Ok(SealedRecord { record: self, openings })
    }

    /// The member at `pointer`, which starts with `/payload` or is `/author/evidence`.
    fn member_mut(&mut self, pointer: &str) -> Option<&mut Value> {
        if pointer == EVIDENCE {
            return self.author.evidence.as_mut();
        }
        self.payload.pointer_mut(pointer.strip_prefix("/payload")?)
    }

    /// The parser's rules, for values that an importer or the ledger itself built. [`NewRecord::seal`] applies them; whoever
    /// writes a record down before it is sealed applies them first.
    ///
    /// # Errors
    /// Everything of [`json::check`], with the pointer from the record's root; [`Code::EnvelopeInvalid`] at `/payload`.
    pub fn check_values(&self) -> Result<(), Fault> {
        if !self.payload.is_object() {
            return Err(Fault::new(Code::EnvelopeInvalid, "/payload", "`payload` is an object"));
        }
        json::check(&self.payload).map_err(|fault| fault.under("payload"))?;
        if let Some(evidence) = &self.author.evidence {
            json::check(evidence).map_err(|fault| fault.within(EVIDENCE))?;
        }
        let opened = |opening: &Opening| json::check(&opening.value).map_err(|fault| fault.within(&opening.pointer));
        self.disclosures.iter().try_for_each(opened)
    }

    /// Every reserved name must be a commitment at a sealed pointer, opened by exactly one disclosure.
    fn check_marks(&mut self, log: &Origin, pointers: &[&str]) -> Result<Vec<Opening>, Fault> {
        let openings = std::mem::take(&mut self.disclosures);
        let marks = json::marks(&self.payload)
            .into_iter()
            .map(|mark| format!("/payload{mark}"));
        let evidence = self
            .author
            .evidence
            .iter()
            .flat_map(json::marks)
            .map(|mark| format!("{EVIDENCE}{mark}"));
        let marks: Vec<String> = marks.chain(evidence).collect();
        for mark in &marks {
            let commitment = self.member_mut(mark).and_then(|member| seal::read_placeholder(member));
            let may_be_sealed = mark == EVIDENCE || pointers.contains(&mark.as_str());
            let commitment = commitment.filter(|_| may_be_sealed).ok_or_else(|| {
                let detail = "$sealed, $redacted and $token are reserved: send the value in the clear, or a commitment at a \
                              sealed member with its disclosure";
                Fault::new(Code::ReservedName, mark.clone(), detail)
            })?;
            let mut opens = openings.iter().filter(|opening| opening.pointer == *mark);
            let opened = opens
                .next()
                .filter(|opening| opening.commitment(log, &self.tenant, &self.id) == commitment);
            let sealable = |value: &Value| json::depth(value) <= limits::SEALED_DEPTH && json::marks(value).is_empty();
            if opened.is_none_or(|opening| !sealable(&opening.value)) || opens.next().is_some() {
                let detail = "this commitment needs exactly one disclosure that opens it, at most 64 levels deep and \
                              without a seal inside";
                return Err(Fault::new(Code::SealInvalid, mark.clone(), detail));
            }
        }
        match openings.iter().find(|opening| !marks.contains(&opening.pointer)) {
            None => Ok(openings),
            Some(stray) => Err(Fault::new(
                Code::SealInvalid,
                stray.pointer.clone(),
                "this disclosure opens nothing in the record",
            )),
        }
    }
}

impl SealedRecord {
    /// The record with commitments in place of sealed values.
    #[must_use]
    pub const fn record(&self) -> &NewRecord {
        &self.record
    }

    /// The openings of all sealed members.
    #[must_use]
    pub fn openings(&self) -> &[Opening] {
        &self.openings
    }
}

/// The sealed member that every kind has.
pub const EVIDENCE: &str = "/author/evidence";

fn unsealed(pointer: &str) -> Fault {
    let detail = "a signed record is never changed: seal this member yourself before signing, and send its disclosure";
    Fault::new(Code::SealInvalid, pointer, detail)
}

fn missing(name: &str) -> Fault {
    Fault::new(Code::EnvelopeInvalid, format!("/{name}"), "this member is required")
}

fn optional<T>(
    members: &Map<String, Value>,
    name: &str,
    form: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, Fault> {
    let Some(value) = members.get(name) else {
        return Ok(None);
    };
    let parsed = value.as_str().and_then(parse);
    let wrong = || Fault::new(Code::EnvelopeInvalid, format!("/{name}"), format!("`{name}` is {form}"));
    parsed.map(Some).ok_or_else(wrong)
}

fn schema_version(members: &Map<String, Value>) -> Result<u32, Fault> {
    let Some(value) = members.get("schema_version") else {
        return Ok(1);
    };
    let version = value
        .as_u64()
        .and_then(|version| u32::try_from(version).ok())
        .filter(|version| *version >= 1);
    version.ok_or_else(|| {
        Fault::new(
            Code::EnvelopeInvalid,
            "/schema_version",
            "`schema_version` is an integer from 1",
        )
    })
}

fn payload(value: Value) -> Result<Value, Fault> {
    if !value.is_object() {
        return Err(Fault::new(Code::EnvelopeInvalid, "/payload", "`payload` is an object"));
    }
    Ok(value)
}

fn signed_by(value: &Value) -> Result<SignedBy, Fault> {
    let wrong = || {
        Fault::new(
            Code::EnvelopeInvalid,
            "/author",
            "`author` is {\"id\", \"key_id\", \"sig\"}: who signed this record",
        )
    };
    let members = value
        .as_object()
        .filter(|members| members.len() == 3)
        .ok_or_else(wrong)?;
    let text = |name: &str| members.get(name).and_then(Value::as_str).ok_or_else(wrong);
    let sig = decode_base64(text("sig")?).ok_or_else(wrong)?;
    Ok(SignedBy {
        id: text("id")?.to_owned(),
        key_id: text("key_id")?.to_owned(),
        sig,
    })
}

fn disclosures(value: &Value) -> Result<Vec<Opening>, Fault> {
    let wrong = || Fault::new(Code::SealInvalid, "/disclosures", "`disclosures` is an array");
    let one = |(at, item): (usize, &Value)| {
        Opening::from_json(item).map_err(|fault| fault.under(&at.to_string()).under("disclosures"))
    };
    value
        .as_array()
        .ok_or_else(wrong)?
        .iter()
        .enumerate()
        .map(one)
        .collect()
}
