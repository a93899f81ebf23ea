//! Following a log that grows: the same walk as over a whole log, fed record by record, with checkpoints between.
//!
//! For a monitor: it knows a checkpoint, reads the records up to it, and learns whether their tree, their map roots and
//! their signatures are what the checkpoint says. Nothing that a store keeps beside its records is compared.

use crate::check::Check;
use crate::checkpoints::{self, Checkpoints};
use crate::examine::Examiner;
use crate::finding::Finding;
use crate::log::{Batch, Options, check_trust, examine, fold};
use crate::signature;
use crate::source::StoredRecord;
use crate::trust::Trust;
use crate::walk::Walk;
use std::collections::BTreeSet;
use tlog::{Error, Policy};

/// A log that is followed.
pub struct Follower {
    walk: Walk<'static>,
    examiner: Examiner,
    trust: Option<Trust>,
    policy: Option<Policy>,
    /// Checks that were told to be missed.
    told: BTreeSet<Check>,
}

impl Follower {
    /// Begins in front of the first record.
    ///
    /// # Errors
    /// The policy of the trust file cannot be read.
    pub fn new(options: &Options<'_>) -> Result<Self, Error> {
        let policy = checkpoints::policy_of(options.policy, options.trust)?;
        let mut walk = Walk::new(options.findings, None);
        walk.checkpoints = Checkpoints::new(&[], policy.clone(), &mut walk.findings);
        Ok(Self {
            walk,
            examiner: Examiner::new(options.thorough),
            trust: options.trust.cloned(),
            policy,
            told: BTreeSet::new(),
        })
    }

    /// The offset of the record that comes next.
    #[must_use]
    pub const fn next(&self) -> u64 {
        self.walk.next
    }

    /// Makes a checkpoint known; it is compared when its last record has passed, so it has to come before that one.
    pub fn know(&mut self, note: &str) {
        let notes = [note.to_owned()];
        let known = Checkpoints::new(&notes, self.policy.clone(), &mut self.walk.findings);
        self.walk.checkpoints.await_also(known);
    }

    /// Follows records in the order of the log; what is wrong with them, at most as many findings as were asked for.
    pub fn follow(&mut self, records: impl IntoIterator<Item = Vec<u8>>) -> Vec<Finding> {
        let first = self.walk.next == 0;
        let stored = records.into_iter().map(|bytes| StoredRecord {
            bytes: bytes.into(),
            timelines: Vec::new(),
        });
        let batch = Batch {
            records: stored.collect(),
            damaged: None,
        };
        let claims = fold(&mut self.walk, examine(&self.examiner, batch));
        for offset in signature::refused(&claims, false) {
            self.walk.findings.push(signature::finding(offset));
        }
        if first && self.walk.next > 0 {
            check_trust(&mut self.walk, self.trust.as_ref());
        }
        self.walk.findings.take_kept()
    }

    /// What could not be checked of the records so far, and why; each check once.
    pub fn missed(&mut self) -> Vec<String> {
        let missed = self.walk.findings.missed();
        let new = missed.filter(|(check, _)| self.told.insert(**check));
        new.map(|(check, reason)| format!("{check}: {reason}")).collect()
    }

    /// How many records have passed.
    #[must_use]
    pub const fn records(&self) -> u64 {
        self.walk.counts.records
    }
}
