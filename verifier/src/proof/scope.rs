//! What the records of a bundle are: a stretch of the log, or a stretch of one timeline.
//!
//! Invariant: one record that is left out, repeated or moved is one finding; the range proof is then not compared,
//! because it would only say the same again.

use super::case::Case;
use super::climb::Ground;
use super::form::{self, Members, RangeText, TimelineText};
use super::keys::History;
use crate::check::Check;
use crate::examine::Said;
use crate::finding::Finding;
use domain::state::Body;
use record::{Hash, Tenant, Timestamp};
use serde_json::Value;
use std::collections::HashMap;
use tlog::{CheckpointText, Node, RangeFold};

/// The scope as it came.
pub(crate) enum ScopeText {
    /// Offsets.
    Log(RangeText),
    /// Positions.
    Timeline(Box<TimelineText>),
}

/// The scope while its records pass.
pub(crate) struct Scope {
    kind: Kind,
    from: u64,
    until: u64,
    /// `None` when no records are due.
    fold: Option<RangeFold>,
    nodes: Vec<Node>,
    root: Node,
    /// Records so far.
    passed: u64,
    /// A record was broken, or stood where it does not belong.
    lost: bool,
    last: Option<(u64, Timestamp)>,
    chains: HashMap<Tenant, (u64, Hash)>,
    /// What the records are, in words.
    claim: String,
}

enum Kind {
    Log,
    Timeline(Box<TimelineText>),
}

impl ScopeText {
    pub(crate) fn read(value: &Value) -> Result<Self, Finding> {
        let members = Members::open(value, "/scope")?;
        match members.text("kind")? {
            "log" => {
                let members = Members::strict(value, "/scope", &["from", "kind", "nodes", "until"])?;
                Ok(Self::Log(RangeText {
                    from: members.number("from")?,
                    until: members.number("until")?,
                    nodes: members.nodes("nodes")?,
                }))
            }
            "timeline" => {
                let members = Members::strict(value, "/scope", &["kind", "proof"])?;
                let proof = TimelineText::read_part(members.need("proof")?, "/scope/proof")?;
                Ok(Self::Timeline(Box::new(proof)))
            }
            _ => Err(form::wrong("/scope/kind", "log or timeline")),
        }
    }

    /// Where the records have to stand; `None` when that cannot be said.
    pub(crate) fn place(&self, case: &mut Case<'_>, checkpoint: &CheckpointText, ground: &Ground) -> Option<Scope> {
        match self {
            Self::Log(range) => {
                let claim = format!(
                    "all records of the log from offset {} to before {}",
                    range.from, range.until
                );
                let tree = (checkpoint.size(), *checkpoint.root());
                Scope::new(case, Kind::Log, range, tree, "/scope", claim)
            }
            Self::Timeline(proof) => {
                let head = case.climb(proof, ground, "/scope/proof")?;
                let (count, root) = head.0.unwrap_or((0, tlog::EMPTY_ROOT));
                let kind = Kind::Timeline(proof.clone());
                match &proof.range {
                    Some(range) => {
                        let words = format!("positions {} to before {} of {count}", range.from, range.until);
                        let claim = format!("{}: {words}, below offset {}", proof.name(), proof.as_of);
                        Scope::new(case, kind, range, (count, root), "/scope/proof/range", claim)
                    }
                    None => {
                        let claim = format!("{} has {count} records below offset {}", proof.name(), proof.as_of);
                        Some(Scope::empty(kind, claim))
                    }
                }
            }
        }
    }
}

impl Scope {
    fn new(
        case: &mut Case<'_>,
        kind: Kind,
        range: &RangeText,
        (size, root): (u64, Node),
        pointer: &str,
        claim: String,
    ) -> Option<Self> {
        let fold = match RangeFold::new(range.from, range.until, size) {
            Ok(fold) => fold,
            Err(error) => {
                case.push(Finding::new(Check::Completeness, pointer, error.to_string()));
                return None;
            }
        };
        Some(Self {
            from: range.from,
            until: range.until,
            fold: Some(fold),
            nodes: range.nodes.clone(),
            root,
            ..Self::empty(kind, claim)
        })
    }

    fn empty(kind: Kind, claim: String) -> Self {
        Self {
            kind,
            from: 0,
            until: 0,
            fold: None,
            nodes: Vec::new(),
            root: tlog::EMPTY_ROOT,
            passed: 0,
            lost: false,
            last: None,
            chains: HashMap::new(),
            claim,
        }
    }

    /// A record could not be read, or was changed.
    pub(crate) fn lose(&mut self) {
        self.lost = true;
        self.passed += 1;
    }

    /// Whether a record names the log's key at its offset. Behind the proven rotations there may be others.
    pub(crate) fn check_record_key(&self, case: &mut Case<'_>, said: &Said, history: &mut History, pointer: &str) {
        let offset = said.envelope.offset;
        let sees_rotations = matches!(self.kind, Kind::Log) && self.from <= history.known_until;
        let differs = history
            .at(offset)
            .is_some_and(|key| *key.as_bytes() != said.envelope.pub_key);
        if differs && offset >= history.known_until && !sees_rotations {
            let reason = "a record lies behind the proven key rotations and names another key";
            return case.missed(&[Check::Key], reason);
        }
        case.check_key(said, history, pointer);
        let rotates = matches!(said.body, Body::KeyRotated(_)) && said.envelope.tenant.is_ledger();
        if rotates && offset >= history.known_until {
            let finding = history.fold(said);
            finding.into_iter().for_each(|finding| case.push(finding.at(offset)));
        }
    }

    /// Folds a sound record.
    pub(crate) fn fold(&mut self, case: &mut Case<'_>, said: &Said, pointer: &str) {
        let expected = self.from.saturating_add(self.passed);
        self.passed += 1;
        if let Some(fold) = &mut self.fold {
            fold.push(match self.kind {
                Kind::Log => said.leaf,
                Kind::Timeline(_) => said.timeline_leaf,
            });
        }
        if !self.lost {
            let misplaced = self.misplaced(said, expected, pointer);
            self.lost |= misplaced.is_some();
            misplaced.into_iter().for_each(|finding| case.push(finding));
        }
        if !self.lost {
            self.check_neighbours(case, said, pointer);
        }
        self.last = Some((said.envelope.offset, said.envelope.ts));
        let link = (said.envelope.seq, said.envelope.hash);
        self.chains.insert(said.envelope.tenant.clone(), link);
    }

    /// A record that does not stand where it has to, or does not belong here.
    fn misplaced(&self, said: &Said, expected: u64, pointer: &str) -> Option<Finding> {
        let envelope = &said.envelope;
        let offset = envelope.offset;
        let wrong = |member: &str, detail: &str| {
            Finding::new(Check::Completeness, format!("{pointer}{member}"), detail).at(offset)
        };
        let proof = match &self.kind {
            Kind::Log if offset == expected => return None,
            Kind::Log => {
                let detail = "records are left out, repeated or out of order before this one";
                return Some(wrong("/offset", detail).wanted(expected, offset));
            }
            Kind::Timeline(proof) => proof,
        };
        if envelope.tenant.as_str() != proof.tenant {
            return Some(wrong("/tenant", "the record is another tenant's").wanted(&proof.tenant, &envelope.tenant));
        }
        if !envelope.stands_in(&proof.label, &proof.target) {
            return Some(wrong("", "the record is not of the bundle's timeline"));
        }
        let repeated = self.last.is_some_and(|(last, _)| offset <= last);
        if repeated {
            return Some(wrong("/offset", "the record is repeated or out of order"));
        }
        if proof.label.is_empty() && envelope.seq != expected {
            let detail = "records are left out, repeated or out of order before this one";
            return Some(wrong("/seq", detail).wanted(expected, envelope.seq));
        }
        (self.fold.is_none()).then(|| wrong("", "the bundle proves that there are no such records"))
    }

    /// Times and chains between the records.
    fn check_neighbours(&self, case: &mut Case<'_>, said: &Said, pointer: &str) {
        let envelope = &said.envelope;
        let wrong = |check, member: &str, detail: &str| {
            Finding::new(check, format!("{pointer}{member}"), detail).at(envelope.offset)
        };
        if let Some((_, last)) = self.last.filter(|(_, last)| *last > envelope.ts) {
            let finding = wrong(Check::Time, "/ts", "earlier than the record before");
            case.push(finding.wanted(format!("{last} or later"), envelope.ts));
        }
        let Some((seq, hash)) = self.chains.get(&envelope.tenant) else {
            return;
        };
        let step = envelope.seq.checked_sub(*seq);
        let gapless = match &self.kind {
            Kind::Log => true,
            Kind::Timeline(proof) => proof.label.is_empty(),
        };
        let out_of_step = matches!(step, None | Some(0)) || gapless && step != Some(1);
        if out_of_step {
            let finding = wrong(Check::Chain, "/seq", "the record does not follow its tenant's last one");
            case.push(finding.wanted(seq.saturating_add(1), envelope.seq));
        } else if step == Some(1) && envelope.prev != Some(*hash) {
            let finding = wrong(
                Check::Chain,
                "/prev",
                "the record does not continue its tenant's last one",
            );
            case.push(finding.wanted(hash, envelope.prev.map_or("null".to_owned(), |prev| prev.to_string())));
        }
    }

    /// Holds all records together against the range proof.
    pub(crate) fn finish(&self, case: &mut Case<'_>) {
        case.facts.claims.push(self.claim.clone());
        let due = self.until - self.from;
        if self.lost {
            let reason = "a record was changed or misplaced, so the range cannot be computed";
            return case.missed(
                &[Check::Inclusion, Check::Completeness, Check::Chain, Check::Time],
                reason,
            );
        }
        if self.passed != due {
            let detail = match self.passed < due {
                true => "records are left out at the end",
                false => "there are more records than the range has",
            };
            let finding = Finding::new(Check::Completeness, "", detail);
            case.push(finding.wanted(format!("{due} records"), format!("{} records", self.passed)));
            return case.missed(&[Check::Inclusion], "the number of records is not that of the range");
        }
        let held = self
            .fold
            .as_ref()
            .map_or(Ok(()), |fold| fold.finish(&self.root, &self.nodes));
        if let Err(error) = held {
            let detail = format!("the records are not the ones at their places: {error}");
            case.push(Finding::new(Check::Inclusion, "/scope", detail));
        }
    }
}
