//! The checkpoints that are kept beside a log, held against it while it is walked.
//!
//! Invariant: at the size that a checkpoint names, the walk's tree must have its root, the record before must be a
//! `ledger.map_root`, and the log's checkpoint key in force by then must have signed it. One that names more records
//! than there are shows a log that was cut or put back to an older state. Witnesses are judged by the policy alone.

use crate::check::Check;
use crate::finding::{Finding, Findings};
use crate::keyring::Keyring;
use crate::maps::MapRoot;
use std::collections::VecDeque;
use tlog::{CheckpointText, Error, KeyType, Node, Policy, VerifierKey};

/// What waits for its size, and what was found out so far.
#[derive(Debug, Default)]
pub(crate) struct Checkpoints {
    waiting: VecDeque<CheckpointText>,
    policy: Option<Policy>,
    given: bool,
    /// Whether any size could not be compared, because the tree ended before.
    missed: bool,
    /// Records that the newest checkpoint with a quorum covers.
    witnessed: Option<u64>,
    /// Names of those who cosigned the newest checkpoint, and of those who did not.
    newest: Option<(Vec<String>, Vec<String>)>,
    /// Records that the map of the checkpoint before covers.
    map_size: u64,
}

/// The log as it is after the record that a checkpoint ends in.
pub(crate) struct Moment<'a> {
    pub(crate) size: u64,
    /// `None` when a leaf is lost.
    pub(crate) root: Option<Node>,
    /// What the last record says, if it is a map root.
    pub(crate) map_root: Option<MapRoot>,
    pub(crate) keys: &'a Keyring,
    pub(crate) origin: &'a str,
}

impl Checkpoints {
    /// Takes the notes, in any order; those that are none are findings.
    pub(crate) fn new(notes: &[String], policy: Option<Policy>, findings: &mut Findings) -> Self {
        let mut waiting = Vec::with_capacity(notes.len());
        for note in notes {
            match CheckpointText::parse(note) {
                Ok(text) => waiting.push(text),
                Err(error) => findings.push(Finding::new(Check::Checkpoints, "", error.to_string())),
            }
        }
        waiting.sort_by_key(CheckpointText::size);
        Self {
            given: !waiting.is_empty(),
            waiting: waiting.into(),
            policy,
            ..Self::default()
        }
    }

    /// Lets the checkpoints of `others` wait as well.
    pub(crate) fn await_also(&mut self, others: Self) {
        self.given |= others.given;
        self.waiting.extend(others.waiting);
        self.waiting.make_contiguous().sort_by_key(CheckpointText::size);
    }

    /// Whether a checkpoint of this size waits.
    pub(crate) fn is_due(&self, size: u64) -> bool {
        self.waiting.front().is_some_and(|text| text.size() <= size)
    }

    /// Compares every checkpoint of this size.
    pub(crate) fn compare(&mut self, now: &Moment<'_>, findings: &mut Findings) {
        while let Some(text) = self.waiting.pop_front_if(|text| text.size() <= now.size) {
            if text.size() < now.size {
                // Its size was stepped over: records are missing, or it is a checkpoint of no records.
                self.missed = true;
                continue;
            }
            self.compare_one(text, now, findings);
        }
    }

    fn compare_one(&mut self, text: CheckpointText, now: &Moment<'_>, findings: &mut Findings) {
        let at = now.size.saturating_sub(1);
        let wrong = |detail: String| Finding::new(Check::Checkpoints, "", detail).at(at);
        match now.root {
            Some(root) if root != *text.root() => {
                let detail = format!("the checkpoint of {} records is of another history", now.size);
                findings.push(wrong(detail).wanted(root, text.root()));
            }
            Some(_) => {}
            None => self.missed = true,
        }
        match now.map_root {
            Some(map) if map.size >= self.map_size => self.map_size = map.size,
            Some(map) => {
                let finding = wrong("its map covers fewer records than that of the checkpoint before".to_owned());
                findings.push(finding.wanted(format!("{} at least", self.map_size), map.size));
            }
            None => findings.push(wrong(
                "a checkpoint ends in a ledger.map_root, and this one does not".to_owned(),
            )),
        }
        self.judge(&text, findings, at);
        let Some(key) = now.keys.checkpoint_key(now.origin) else {
            let reason = "no genesis names the log's checkpoint key";
            return findings.not_checked(Check::Checkpoints, reason);
        };
        if let Err(error) = text.verify(now.origin, &[key]) {
            findings.push(wrong(format!("the checkpoint of {} records: {error}", now.size)));
        }
    }

    fn judge(&mut self, text: &CheckpointText, findings: &mut Findings, at: u64) {
        let Some(policy) = &self.policy else {
            return;
        };
        match policy.judge(text.note()) {
            Ok(judged) => {
                if judged.is_met {
                    self.witnessed = Some(text.size());
                }
                let seen = judged.seen.into_iter().map(|(name, _)| name).collect();
                self.newest = Some((seen, judged.missing));
            }
            Err(error) => findings.push(Finding::new(Check::Witnesses, "", error.to_string()).at(at)),
        }
    }

    /// What the end of the log says: `size` records, of which `worth` come before trailing map roots.
    pub(crate) fn finish(&self, size: u64, worth: u64, lost: bool, has_map_roots: bool, findings: &mut Findings) {
        for text in &self.waiting {
            if lost {
                findings.not_checked(Check::Checkpoints, "the end of the log cannot be read");
                break;
            }
            let detail = "a signed checkpoint has more records than the log: it was cut, or put back to an older state";
            let finding = Finding::new(Check::Checkpoints, "", detail).at(size);
            findings.push(finding.wanted(format!("{} records", text.size()), format!("{size} records")));
        }
        match (self.given, has_map_roots) {
            (true, _) if self.missed => findings.not_checked(
                Check::Checkpoints,
                "a record is broken or missing, so a checkpoint could not be compared",
            ),
            (true, _) => {}
            (false, true) => findings.not_checked(
                Check::Checkpoints,
                "the log names map roots, and no checkpoint was given",
            ),
            (false, false) => findings.not_asked(Check::Checkpoints, "this log has no checkpoints"),
        }
        self.finish_witnesses(worth, findings);
    }

    fn finish_witnesses(&self, worth: u64, findings: &mut Findings) {
        let Some(policy) = self.policy.as_ref().filter(|policy| policy.asks_for_witnesses()) else {
            return findings.not_asked(Check::Witnesses, "no policy asks for witnesses");
        };
        match (self.witnessed, &self.newest) {
            (Some(covered), _) if covered >= worth => {}
            (Some(covered), _) => findings.not_checked(
                Check::Witnesses,
                format!("a quorum has cosigned the first {covered} records, not those behind them"),
            ),
            (None, Some((seen, missing))) => {
                let detail = "no checkpoint is cosigned by as many witnesses as the policy asks for";
                let total = policy.witnesses().len();
                let finding = Finding::new(Check::Witnesses, "", detail);
                let found = format!("{} of {total}, without {}", seen.len(), missing.join(", "));
                findings.push(finding.wanted("a quorum", found));
            }
            (None, None) => findings.not_checked(Check::Witnesses, "no checkpoint was given"),
        }
    }
}

impl Keyring {
    /// The checkpoint key in force, under the log's name.
    pub(crate) fn checkpoint_key(&self, origin: &str) -> Option<VerifierKey> {
        let key = self.in_force()?.checkpoint;
        VerifierKey::new(origin, KeyType::Ed25519, key.as_bytes()).ok()
    }
}

/// The policy to judge by: the one given, else the trust file's.
pub(crate) fn policy_of(given: Option<&Policy>, trust: Option<&crate::Trust>) -> Result<Option<Policy>, Error> {
    match (given, trust.and_then(|trust| trust.policy.as_ref())) {
        (Some(policy), _) => Ok(Some(policy.clone())),
        (None, Some(text)) => Policy::parse(text).map(Some),
        (None, None) => Ok(None),
    }
}
