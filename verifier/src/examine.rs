//! What can be said about one record alone: canonical, schema, hash, author. Stateless, so that all cores share it.
//!
//! A record that fails is still read as far as possible, from the canonical form of what it says: the walk over the log
//! continues with the hash that it claims, and one broken record stays one finding.

use crate::anchors::Told;
use crate::check::Check;
use crate::envelope::{Envelope, Known, from_fault};
use crate::finding::Finding;
use crate::maps::MapRoot;
use crate::scan::{self, Member, Scanned};
use domain::Catalogue;
use domain::state::Body;
use record::Hash;
use sha2::{Digest as _, Sha256};
use std::sync::LazyLock;
use tlog::{Node, hash_leaf};

/// Compiling the schemas takes longer than checking a small log.
static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(Catalogue::builtin);

/// How records are examined.
pub(crate) struct Examiner {
    catalogue: &'static Catalogue,
    thorough: bool,
}

/// One record, examined.
#[derive(Debug)]
pub(crate) struct Examined {
    /// What is wrong with the record alone, not yet placed.
    pub(crate) findings: Vec<Finding>,
    /// What it says; `None` when that cannot be read at all.
    pub(crate) said: Option<Box<Said>>,
}

/// What a record says, and what was computed from its bytes.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) envelope: Envelope,
    /// The hash of the bytes; differs from the claimed one when the record was changed.
    pub(crate) computed: Hash,
    /// Leaf of the log tree.
    pub(crate) leaf: Node,
    /// Leaf of each of the record's timelines.
    pub(crate) timeline_leaf: Node,
    /// What the fold over the log depends on; `Plain` when the payload does not follow its schema.
    pub(crate) body: Body,
    /// What a `ledger.map_root` says; `None` for every other kind, or another form.
    pub(crate) map_root: Option<MapRoot>,
    /// What a `checkpoint.anchored` says; `None` for every other kind, or another form.
    pub(crate) anchored: Option<Box<Told>>,
    /// Whether only the ledger writes this kind.
    pub(crate) ledger_authored: bool,
}

impl Examiner {
    /// With `thorough`, canonical form and hash are recomputed by `serde_jcs` as well.
    pub(crate) fn new(thorough: bool) -> Self {
        Self {
            catalogue: &CATALOGUE,
            thorough,
        }
    }

    /// Looks at one record.
    pub(crate) fn examine(&self, bytes: &[u8]) -> Examined {
        self.examine_next(bytes, &mut Known::default())
    }

    /// Looks at one of many; `known` goes along with them.
    pub(crate) fn examine_next(&self, bytes: &[u8], known: &mut Known) -> Examined {
        let mut findings = Vec::new();
        let said = match scan::scan(bytes) {
            Ok(scanned) => {
                if self.thorough {
                    findings.extend(check_by_oracle(bytes, &scanned));
                }
                self.read(&scanned, bytes, known, &mut findings)
            }
            Err(finding) => {
                findings.push(finding);
                self.recover(bytes)
            }
        };
        Examined { findings, said }
    }

    fn read(
        &self,
        scanned: &Scanned<'_>,
        bytes: &[u8],
        known: &mut Known,
        findings: &mut Vec<Finding>,
    ) -> Option<Box<Said>> {
        let computed = hash_of(scanned);
        let changed = check_hash(scanned, &computed);
        let mut envelope = match Envelope::read(scanned, known) {
            Ok(envelope) => envelope,
            Err(finding) => {
                findings.push(changed.unwrap_or(finding));
                return None;
            }
        };
        let mut others: Vec<Finding> = envelope.check_author().into_iter().collect();
        let (body, ledger_authored) = self.read_payload(&envelope, &mut others);
        let is_map_root = envelope.kind.as_str() == "ledger.map_root";
        let map_root = Some(&envelope.payload).filter(|_| is_map_root).and_then(MapRoot::read);
        let anchored = Some(&envelope.payload).filter(|_| envelope.kind.as_str() == "checkpoint.anchored");
        let anchored = anchored.and_then(Told::read).map(Box::new);
        // Nothing looks at the largest parts any more: freed here, by the thread that made them.
        drop((envelope.payload.take(), envelope.author.take()));
        match changed {
            // What else is wrong with a changed record follows from the change.
            Some(finding) => findings.push(finding),
            None => findings.append(&mut others),
        }
        Some(Box::new(Said {
            leaf: log_leaf(&envelope, bytes),
            timeline_leaf: timeline_leaf(&envelope.hash),
            envelope,
            computed,
            body,
            map_root,
            anchored,
            ledger_authored,
        }))
    }

    /// Kind, space and payload against the catalogue.
    fn read_payload(&self, envelope: &Envelope, findings: &mut Vec<Finding>) -> (Body, bool) {
        let spec = match self.catalogue.find(&envelope.kind, envelope.schema_version) {
            Ok(spec) => spec,
            Err(fault) => {
                findings.push(from_fault(&fault));
                return (Body::Plain, false);
            }
        };
        let faults = spec.check_stored(&envelope.payload);
        findings.extend(faults.iter().map(from_fault));
        if envelope.space != spec.space {
            let finding = Finding::new(Check::Schema, "/space", "the kind belongs to another space");
            findings.push(finding.wanted(spec.space.as_str(), envelope.space.as_str()));
        }
        let body = Body::read(&envelope.kind, envelope.schema_version, &envelope.payload);
        (body.unwrap_or(Body::Plain), spec.ledger_authored)
    }

    /// What a record that is not canonical says nevertheless, without judging it a second time.
    fn recover(&self, bytes: &[u8]) -> Option<Box<Said>> {
        let value = record::json::parse(bytes).ok()?;
        let canonical = serde_jcs::to_vec(&value).ok()?;
        let scanned = scan::scan(&canonical).ok()?;
        self.read(&scanned, bytes, &mut Known::default(), &mut Vec::new())
    }
}

/// BLAKE3-256 over the members that the hash covers.
fn hash_of(scanned: &Scanned<'_>) -> Hash {
    let mut hasher = blake3::Hasher::new();
    for part in scanned.hashed_parts() {
        hasher.update(part);
    }
    Hash::from(*hasher.finalize().as_bytes())
}

fn check_hash(scanned: &Scanned<'_>, computed: &Hash) -> Option<Finding> {
    let claimed = scanned.value(Member::Hash).trim_matches('"');
    let changed = claimed.as_bytes() != computed.to_hex();
    let detail = "the record was changed: its hash does not match its bytes";
    changed.then(|| Finding::new(Check::Hash, "/hash", detail).wanted(computed, claimed))
}

/// The scanner's verdict and hash once more, by `serde_jcs` over parsed values.
fn check_by_oracle(bytes: &[u8], scanned: &Scanned<'_>) -> Option<Finding> {
    let wrong = || Finding::new(Check::Canonical, "", "serde_jcs writes this record in another way");
    let Ok(mut value) = record::json::parse(bytes) else {
        return Some(wrong());
    };
    if !serde_jcs::to_vec(&value).is_ok_and(|canonical| canonical == bytes) {
        return Some(wrong());
    }
    let members = value.as_object_mut()?;
    for name in ["hash", "pub_key", "sig"] {
        members.remove(name);
    }
    let covered = serde_jcs::to_vec(&value).ok().map(|covered| Hash::of(&covered));
    (covered != Some(hash_of(scanned))).then(wrong)
}

/// JCS of `{"blake3", "offset", "sha256", "v"}`, as an RFC 6962 leaf.
fn log_leaf(envelope: &Envelope, bytes: &[u8]) -> Node {
    let sha256 = Hash::from(<[u8; 32]>::from(Sha256::digest(bytes)));
    let offset = envelope.offset.to_string();
    let mut entry = Vec::with_capacity(192);
    for part in [
        b"{\"blake3\":\"".as_slice(),
        &envelope.hash.to_hex(),
        b"\",\"offset\":",
        offset.as_bytes(),
        b",\"sha256\":\"",
        &sha256.to_hex(),
        b"\",\"v\":1}",
    ] {
        entry.extend_from_slice(part);
    }
    hash_leaf(&entry)
}

/// `"sigil/timeline/v1\n" || record hash`, as an RFC 6962 leaf.
fn timeline_leaf(hash: &Hash) -> Node {
    let mut data = [0; 50];
    let (label, rest) = data.split_at_mut(18);
    label.copy_from_slice(b"sigil/timeline/v1\n");
    rest.copy_from_slice(hash.as_bytes());
    hash_leaf(&data)
}
