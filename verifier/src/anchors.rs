//! Anchored checkpoints, held against a log while it is walked: what catches a whole directory that was put back.
//!
//! An anchor is a checkpoint of the log that was kept where the log's operator cannot take it back. At its size the walk's
//! tree must have its root, and the log's checkpoint key in force by then must have signed it; a log that ends before it
//! was rolled back. What passes dates the log: its first records existed when the anchor was made, by the clock of each
//! witness that cosigned it, of what keeps the file, and of the log itself, which says so in `checkpoint.anchored`.
//!
//! Invariant: the log's own word about its anchors is never taken for an anchor. It dates a checkpoint, and is a finding
//! where it names a tree that the log never had.

mod dated;

pub use dated::{Clock, Dated, Existed};

use crate::check::Check;
use crate::checkpoints::Moment;
use crate::finding::{Finding, Findings};
use crate::source::Anchor;
use domain::payload::CheckpointAnchored;
use record::Timestamp;
use serde_json::Value;
use std::collections::VecDeque;
use tlog::{CheckpointText, Node, Policy, VerifierKey};

/// Tree heads behind the newest map roots that are kept to hold the log's word against: the checkpoints of some hours.
const HEADS: usize = 8_192;

/// What waits for its size, and what was found out so far.
#[derive(Debug, Default)]
pub(crate) struct Anchors {
    waiting: VecDeque<(CheckpointText, Anchor)>,
    given: u64,
    policy: Option<Policy>,
    missed: bool,
    heads: VecDeque<(u64, Node)>,
    /// The newest checkpoint that the log says was anchored.
    told: Option<Existed>,
    dated: Dated,
}

/// What a `checkpoint.anchored` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    size: u64,
    root: Option<Node>,
    note: Option<CheckpointText>,
    anchor: String,
}

impl Told {
    /// Reads the payload.
    pub(crate) fn read(payload: &Value) -> Option<Self> {
        let said: CheckpointAnchored = serde_json::from_value(payload.clone()).ok()?;
        let root = record::Hash::from_hex(&said.root);
        Some(Self {
            size: said.size,
            root: root.map(|root| Node::from(*root.as_bytes())),
            note: CheckpointText::parse(&said.note).ok(),
            anchor: format!("{} {}", said.anchor.as_str(), said.place),
        })
    }

    /// Whether the note that it holds is of the tree head that it names.
    fn agrees(&self) -> bool {
        let note = self.note.as_ref();
        note.is_some_and(|note| note.size() == self.size && Some(*note.root()) == self.root)
    }
}

impl Anchors {
    /// Takes the anchors, in any order; those that are none are findings.
    pub(crate) fn new(given: &[Anchor], policy: Option<Policy>, findings: &mut Findings) -> Self {
        let mut waiting = Vec::with_capacity(given.len());
        for anchor in given {
            match CheckpointText::parse(&anchor.note) {
                Ok(text) => waiting.push((text, anchor.clone())),
                Err(error) => findings.push(wrong(anchor, &error.to_string())),
            }
        }
        waiting.sort_by_key(|(text, _)| text.size());
        let given = given.len() as u64;
        Self {
            waiting: waiting.into(),
            given,
            policy,
            dated: Dated {
                anchors: given,
                ..Dated::default()
            },
            ..Self::default()
        }
    }

    /// Whether the tree head behind the last record is asked for.
    pub(crate) fn is_due(&self, size: u64, is_map_root: bool) -> bool {
        is_map_root || self.waiting.front().is_some_and(|(text, _)| text.size() <= size)
    }

    /// Compares every anchor of this size, and keeps the tree head for what the log will say of it.
    pub(crate) fn compare(&mut self, now: &Moment<'_>, findings: &mut Findings) {
        if let (Some(root), Some(_)) = (now.root, now.map_root) {
            if self.heads.len() >= HEADS {
                self.heads.pop_front();
            }
            self.heads.push_back((now.size, root));
        }
        let is_due = |(text, _): &mut (CheckpointText, Anchor)| text.size() <= now.size;
        while let Some((text, anchor)) = self.waiting.pop_front_if(is_due) {
            if text.size() < now.size {
                // Its size was stepped over: records are missing, or it is a checkpoint of no records.
                self.missed = true;
                continue;
            }
            self.compare_one(text, &anchor, now, findings);
        }
    }

    fn compare_one(&mut self, text: CheckpointText, anchor: &Anchor, now: &Moment<'_>, findings: &mut Findings) {
        let at = now.size.saturating_sub(1);
        let Some(root) = now.root else {
            self.missed = true;
            return;
        };
        if let Some(detail) = self.unsigned(&text, now.origin, now.keys.checkpoint_key(now.origin)) {
            return findings.push(wrong(anchor, &detail).at(at));
        }
        if root != *text.root() {
            let detail = format!(
                "the log's first {} records are not those that were anchored: it is another history",
                now.size
            );
            return findings.push(wrong(anchor, &detail).wanted(text.root(), root).at(at));
        }
        self.dated.verified += 1;
        self.date(&text, anchor);
    }

    /// Why a checkpoint is none of this log's.
    fn unsigned(&self, text: &CheckpointText, origin: &str, key: Option<VerifierKey>) -> Option<String> {
        let Some(key) = key else {
            return Some("no genesis names the log's checkpoint key".to_owned());
        };
        let error = text.clone().verify(origin, &[key]).err()?;
        Some(format!("the checkpoint of {} records: {error}", text.size()))
    }

    fn date(&mut self, text: &CheckpointText, anchor: &Anchor) {
        let judged = self.policy.as_ref().map(|policy| policy.judge(text.note()));
        // What is wrong with cosignatures is the checkpoints' matter; here they only tell the time.
        let seen = judged
            .and_then(Result::ok)
            .map(|judged| judged.seen)
            .unwrap_or_default();
        for (name, cosignature) in seen {
            let micros = i64::try_from(cosignature.time)
                .ok()
                .and_then(|time| time.checked_mul(1_000_000));
            self.exists(text, micros, Clock::Witness(name));
        }
        self.exists(text, anchor.written, Clock::File(anchor.name.clone()));
    }

    fn exists(&mut self, text: &CheckpointText, micros: Option<i64>, says: Clock) {
        let Some(by) = micros.and_then(Timestamp::from_micros) else {
            return;
        };
        let (size, root) = (text.size(), *text.root());
        self.dated.push(Existed { size, root, by, says });
    }

    /// What the log says of an anchor, in the record at `offset` of the time `ts`.
    pub(crate) fn told(&mut self, told: &Told, offset: u64, ts: Timestamp, findings: &mut Findings) {
        let wrong = |detail: &str| Finding::new(Check::Anchors, "/payload", detail).at(offset);
        if !told.agrees() {
            return findings.push(wrong("it names another checkpoint than the note that it holds"));
        }
        let Some(root) = told.root else { return };
        let behind = self.heads.partition_point(|(size, _)| *size <= told.size);
        match behind.checked_sub(1).and_then(|at| self.heads.get(at)) {
            Some((size, known)) if *size == told.size && *known == root => {}
            Some((size, known)) if *size == told.size => {
                let detail = "it says that a checkpoint of another history was anchored";
                return findings.push(wrong(detail).wanted(known, root));
            }
            Some(_) => return findings.push(wrong("it names a size at which the log has no map root")),
            // Of so long ago that nothing is known of it any more: it dates nothing.
            None => return,
        }
        let anchor = told.anchor.clone();
        let existed = Existed {
            size: told.size,
            root,
            by: ts,
            says: Clock::Log { offset, anchor },
        };
        self.told = Some(existed.clone());
        self.dated.push(existed);
    }

    /// What the end of the log says: `size` records, and whether more of them cannot be read.
    pub(crate) fn finish(&mut self, now: &Moment<'_>, lost: bool, findings: &mut Findings) -> Dated {
        let waiting = std::mem::take(&mut self.waiting);
        for (text, anchor) in &waiting {
            if lost {
                findings.not_checked(Check::Anchors, "the end of the log cannot be read");
                break;
            }
            let count = |size: u64| format!("{size} records");
            let finding = match self.unsigned(text, now.origin, now.keys.checkpoint_key(now.origin)) {
                None => wrong(
                    anchor,
                    "rolled back: the log has fewer records than were anchored, its directory was cut or put back to an \
                     older copy",
                ),
                Some(detail) => wrong(anchor, &format!("{detail}; the log ends before it")),
            };
            findings.push(finding.wanted(count(text.size()), count(now.size)).at(now.size));
        }
        if self.missed {
            let reason = "a record is broken or missing, so an anchored checkpoint could not be compared";
            findings.not_checked(Check::Anchors, reason);
        }
        if self.given == 0 {
            let reason = match &self.told {
                Some(told) => format!(
                    "no anchor was given; the log says that its first {} records were anchored by {} ({})",
                    told.size, told.by, told.says
                ),
                None => "no anchor was given".to_owned(),
            };
            findings.not_asked(Check::Anchors, reason);
        }
        std::mem::take(&mut self.dated)
    }
}

fn wrong(anchor: &Anchor, detail: &str) -> Finding {
    Finding::new(Check::Anchors, "", format!("{}: {detail}", anchor.name))
}
