//! A record on its way into the log: canonical fragments, then the stamp of its place, then the signature.
//!
//! The fragments are made beside the sequencer; stamping only copies them around the few members that the sequencer
//! decides, and hashes once. Members of a JCS object are sorted, so the splice equals canonicalizing the whole (a
//! property test proves it).

use crate::attestation::{self, Attestation};
use crate::canonical;
use crate::fault::{Code, Fault};
use crate::hash::Hash;
use crate::id::RecordId;
use crate::intake::SealedRecord;
use crate::key::{PublicKey, encode_base64};
use crate::limits::RECORD_BYTES;
use crate::link::{self, Link};
use crate::name::{Kind, Origin, Tenant};
use crate::seal::Opening;
use crate::time::Timestamp;
use ed25519_dalek::{Signer as _, SigningKey};

/// What a stamped record needs at most beside the fragments. Offset and `seq` have at most 16 digits, because no number in
/// a record exceeds 2^53-1.
const FRAME_BYTES: usize = 16 // offset
    + ",\"hash\":\"\"".len() + 64
    + "\"\"".len() + 64 // prev
    + ",\"pub_key\":\"\"".len() + 44
    + 16 // seq
    + ",\"sig\":\"\"".len() + 88
    + 27; // ts

/// A sealed record as canonical fragments.
#[derive(Debug, Clone)]
pub struct Draft {
    tenant: Tenant,
    kind: Kind,
    id: RecordId,
    links: Vec<Link>,
    openings: Vec<Opening>,
    /// `{"author":{...}`
    author: Vec<u8>,
    /// `,"id":...,"kind":...,"links":[...],"log":...,"offset":`
    middle: Vec<u8>,
    /// `,"payload":{...},"prev":`
    payload: Vec<u8>,
    /// `,"schema_version":...,"seq":`
    schema: Vec<u8>,
    /// `,"space":...,"tenant":...,"ts":"`
    space: Vec<u8>,
    /// `","v":1,"witnesses":[...]}`
    tail: Vec<u8>,
}

/// What the sequencer decides about a record.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Global position.
    pub offset: u64,
    /// Position in the tenant's chain.
    pub seq: u64,
    /// Hash of the tenant's previous record.
    pub prev: Option<&'a Hash>,
    /// Sequencing time.
    pub ts: Timestamp,
    /// The log's record-signing key at this offset.
    pub pub_key: &'a PublicKey,
}

/// A record with its place and hash, not yet signed.
#[derive(Debug, Clone)]
pub struct Stamped {
    bytes: Vec<u8>,
    sig_at: usize,
    hash: Hash,
}

impl Draft {
    /// The fragments of `sealed` for `log`, with the attestations known at commit.
    ///
    /// # Errors
    /// [`Code::RecordTooLarge`] when the record could exceed 786,432 bytes at any place, or its disclosures do;
    /// [`Code::EnvelopeInvalid`] at `/witnesses` ([`attestation::check`]).
    pub fn new(log: &Origin, sealed: SealedRecord, witnesses: &[Attestation]) -> Result<Self, Fault> {
        attestation::check(witnesses)?;
        let record = sealed.record();
        let mut author = b"{\"author\":".to_vec();
        canonical::write(&record.author.to_json(), &mut author);
        let mut payload = Vec::with_capacity(1_024);
        payload.extend_from_slice(b",\"payload\":");
        canonical::write(&record.payload, &mut payload);
        payload.extend_from_slice(b",\"prev\":");
        let mut tail = b"\",\"v\":1,\"witnesses\":".to_vec();
        canonical::write(&attestation::to_json(witnesses), &mut tail);
        tail.push(b'}');
        let draft = Self {
            tenant: record.tenant.clone(),
            kind: record.kind.clone(),
            id: record.id,
            links: record.links.clone(),
            author,
            middle: middle(log, &record.id, &record.kind, &record.links),
            payload,
            schema: format!(",\"schema_version\":{},\"seq\":", record.schema_version).into_bytes(),
            space: format!(
                ",\"space\":\"{}\",\"tenant\":\"{}\",\"ts\":\"",
                record.space.as_str(),
                record.tenant
            )
            .into_bytes(),
            tail,
            openings: sealed.openings().to_vec(),
        };
        draft.check_size()?;
        Ok(draft)
    }

    /// The stamped record's bytes at the place with the longest numbers: an upper bound for every place.
    #[must_use]
    pub fn size_bound(&self) -> usize {
        let fragments = [
            &self.author,
            &self.middle,
            &self.payload,
            &self.schema,
            &self.space,
            &self.tail,
        ];
        FRAME_BYTES + fragments.iter().map(|fragment| fragment.len()).sum::<usize>()
    }

    fn check_size(&self) -> Result<(), Fault> {
        let disclosed: usize = self.openings.iter().map(|opening| opening.to_canonical().len()).sum();
        for (what, size) in [("record", self.size_bound()), ("disclosures", disclosed)] {
            if size > RECORD_BYTES {
                let detail = format!(
                    "the {what} would take {size} bytes, at most {RECORD_BYTES} are stored: split it, or store a digest"
                );
                return Err(Fault::new(Code::RecordTooLarge, "", detail));
            }
        }
        Ok(())
    }

    /// Gives the record its place: the complete bytes, with a blank signature, and the hash.
    #[must_use]
    pub fn stamp(&self, place: &Place<'_>) -> Stamped {
        let mut bytes = Vec::with_capacity(self.size_bound());
        bytes.extend_from_slice(&self.author);
        bytes.extend_from_slice(b",\"hash\":\"");
        let hash_at = bytes.len();
        bytes.extend_from_slice(&[b'0'; 64]);
        bytes.push(b'"');
        let first = bytes.len();
        bytes.extend_from_slice(&self.middle);
        canonical::write_integer(place.offset, &mut bytes);
        bytes.extend_from_slice(&self.payload);
        write_prev(place.prev, &mut bytes);
        let first_end = bytes.len();
        bytes.extend_from_slice(b",\"pub_key\":\"");
        bytes.extend_from_slice(place.pub_key.to_base64().as_bytes());
        bytes.push(b'"');
        let second = bytes.len();
        bytes.extend_from_slice(&self.schema);
        canonical::write_integer(place.seq, &mut bytes);
        let second_end = bytes.len();
        bytes.extend_from_slice(b",\"sig\":\"");
        let sig_at = bytes.len();
        bytes.extend_from_slice(&[b'A'; 88]);
        bytes.push(b'"');
        let third = bytes.len();
        bytes.extend_from_slice(&self.space);
        bytes.extend_from_slice(place.ts.to_string().as_bytes());
        bytes.extend_from_slice(&self.tail);
        let part = |from: usize, to: usize| {
            bytes
                .get(from..to)
                .expect("the parts lie inside the bytes just written")
        };
        let hash = Hash::of_parts(&[
            &self.author,
            part(first, first_end),
            part(second, second_end),
            part(third, bytes.len()),
        ]);
        let text = hash.to_hex();
        bytes
            .get_mut(hash_at..hash_at + 64)
            .expect("room was left for the hash")
            .copy_from_slice(&text);
        Stamped { bytes, sig_at, hash }
    }

    /// The tenant whose chain this record continues.
    #[must_use]
    pub const fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    /// The kind of the record.
    #[must_use]
    pub const fn kind(&self) -> &Kind {
        &self.kind
    }

    /// The record's id.
    #[must_use]
    pub const fn id(&self) -> &RecordId {
        &self.id
    }

    /// The record's links, sorted.
    #[must_use]
    pub fn links(&self) -> &[Link] {
        &self.links
    }

    /// The openings of the record's sealed members.
    #[must_use]
    pub fn openings(&self) -> &[Opening] {
        &self.openings
    }
}

impl Stamped {
    /// The record's hash.
    #[must_use]
    pub const fn hash(&self) -> &Hash {
        &self.hash
    }

    /// Signs the hash and returns the record's final bytes.
    #[must_use]
    pub fn sign(mut self, key: &SigningKey) -> Vec<u8> {
        let text = encode_base64(&key.sign(&signed_message(&self.hash)).to_bytes());
        let slot = self.bytes.get_mut(self.sig_at..self.sig_at + text.len());
        slot.expect("room was left for the signature")
            .copy_from_slice(text.as_bytes());
        self.bytes
    }

    /// Number of bytes of the record.
    #[must_use]
    pub fn size(&self) -> usize {
        self.bytes.len()
    }
}

/// What `sig` covers: `"sigil/record/v1\n" || hash`.
#[must_use]
pub fn signed_message(hash: &Hash) -> [u8; 48] {
    let mut message = [0; 48];
    let (domain, rest) = message.split_at_mut(16);
    domain.copy_from_slice(b"sigil/record/v1\n");
    rest.copy_from_slice(hash.as_bytes());
    message
}

fn middle(log: &Origin, id: &RecordId, kind: &Kind, links: &[Link]) -> Vec<u8> {
    let mut out = format!(",\"id\":\"{id}\",\"kind\":\"{kind}\",\"links\":").into_bytes();
    out.extend_from_slice(&link::to_canonical(links));
    out.extend_from_slice(b",\"log\":");
    canonical::write_string(log.as_str(), &mut out);
    out.extend_from_slice(b",\"offset\":");
    out
}

fn write_prev(prev: Option<&Hash>, out: &mut Vec<u8>) {
    match prev {
        None => out.extend_from_slice(b"null"),
        Some(hash) => {
            out.push(b'"');
            out.extend_from_slice(&hash.to_hex());
            out.push(b'"');
        }
    }
}
