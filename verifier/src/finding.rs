//! Findings: what is wrong, where, and what was expected; a bounded list with exact counts.
//!
//! A finding shows positions, names, hashes and keys, never a payload's value: a value may be personal data.

use crate::check::{Check, Verdict};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt;

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The check that found it.
    pub check: Check,
    /// Offset in the log where it was found; `None` when it belongs to no record.
    pub offset: Option<u64>,
    /// RFC 6901 pointer of the member; empty for the record as a whole or something beside it.
    pub member: String,
    /// A lower-case sentence: what is wrong.
    pub detail: String,
    /// What should stand there, where that is known.
    pub expected: Option<String>,
    /// What stands there, where it may be shown.
    pub found: Option<String>,
}

impl Finding {
    /// A fault of `check`, to be placed by [`Finding::at`].
    pub(crate) fn new(check: Check, member: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            check,
            offset: None,
            member: member.into(),
            detail: detail.into(),
            expected: None,
            found: None,
        }
    }

    /// Two values that should be equal.
    pub(crate) fn wanted(mut self, expected: impl ToString, found: impl ToString) -> Self {
        self.expected = Some(expected.to_string());
        self.found = Some(found.to_string());
        self
    }

    /// Places the fault.
    pub(crate) const fn at(mut self, offset: u64) -> Self {
        self.offset = Some(offset);
        self
    }

    /// The members of the finding; absent ones are omitted.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut members = Map::new();
        members.insert("check".to_owned(), json!(self.check.as_str()));
        members.insert("detail".to_owned(), json!(self.detail));
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                members.insert(name.to_owned(), value);
            }
        };
        put("offset", self.offset.map(Value::from));
        put("member", (!self.member.is_empty()).then(|| json!(self.member)));
        put("expected", self.expected.as_ref().map(|text| json!(text)));
        put("found", self.found.as_ref().map(|text| json!(text)));
        Value::Object(members)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.check)?;
        if let Some(offset) = self.offset {
            write!(f, " at offset {offset}")?;
        }
        if !self.member.is_empty() {
            write!(f, " {}", self.member)?;
        }
        write!(f, ": {}", self.detail)?;
        match (&self.expected, &self.found) {
            (Some(expected), Some(found)) => write!(f, " (expected {expected}, found {found})"),
            _ => Ok(()),
        }
    }
}

/// Findings in the order in which they were met: the first `limit` are kept, all are counted.
#[derive(Debug)]
pub(crate) struct Findings {
    limit: usize,
    kept: Vec<Finding>,
    failed: BTreeMap<Check, u64>,
    missed: BTreeMap<Check, String>,
    unasked: BTreeMap<Check, String>,
}

impl Findings {
    pub(crate) const fn new(limit: usize) -> Self {
        Self {
            limit,
            kept: Vec::new(),
            failed: BTreeMap::new(),
            missed: BTreeMap::new(),
            unasked: BTreeMap::new(),
        }
    }

    pub(crate) fn push(&mut self, finding: Finding) {
        *self.failed.entry(finding.check).or_default() += 1;
        if self.kept.len() < self.limit {
            self.kept.push(finding);
        }
    }

    /// Notes that `check` could not be made for everything; the first reason stays.
    pub(crate) fn not_checked(&mut self, check: Check, reason: impl Into<String>) {
        self.missed.entry(check).or_insert_with(|| reason.into());
    }

    /// Notes that `check` is not asked for, or has nothing to be made of.
    pub(crate) fn not_asked(&mut self, check: Check, reason: impl Into<String>) {
        self.unasked.entry(check).or_insert_with(|| reason.into());
    }

    /// The verdicts of `checks`, in their order.
    pub(crate) fn verdicts(&self, checks: &[Check]) -> Vec<(Check, Verdict)> {
        checks.iter().map(|check| (*check, self.verdict(*check))).collect()
    }

    pub(crate) fn verdict(&self, check: Check) -> Verdict {
        let reason = |reasons: &BTreeMap<Check, String>| reasons.get(&check).cloned();
        match self.failed.get(&check) {
            Some(count) => Verdict::Failed(*count),
            None => match (reason(&self.missed), reason(&self.unasked)) {
                (Some(why), _) => Verdict::NotChecked(why),
                (None, Some(why)) => Verdict::NotAsked(why),
                (None, None) => Verdict::Passed,
            },
        }
    }

    /// The findings that were kept since this was asked last, in the order in which they were met. There is room for as
    /// many again.
    pub(crate) fn take_kept(&mut self) -> Vec<Finding> {
        std::mem::take(&mut self.kept)
    }

    /// The checks that could not be made for everything, and why.
    pub(crate) fn missed(&self) -> impl Iterator<Item = (&Check, &str)> {
        self.missed.iter().map(|(check, reason)| (check, reason.as_str()))
    }

    /// The findings that were kept, by offset, and how many more there were.
    pub(crate) fn into_kept(mut self) -> (Vec<Finding>, u64) {
        let total: u64 = self.failed.values().sum();
        self.kept.sort_by_key(|finding| finding.offset.unwrap_or(u64::MAX));
        let more = total - self.kept.len() as u64;
        (self.kept, more)
    }
}
