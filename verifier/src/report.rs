//! The report on a whole log: a verdict for every check, findings, counters and the fingerprints that were seen.
//!
//! [`Report::to_json`] and [`Report::lines`] say the same; neither decides anything.

use crate::anchors::Dated;
use crate::check::{Check, Outcome, Verdict};
use crate::finding::Finding;
use crate::source::Head;
use record::{Hash, Origin, PublicKey};
use serde_json::{Map, Value, json};
use tlog::Node;

/// What was found out about one log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// One verdict for each of [`Check::LOG`], in that order.
    pub verdicts: Vec<(Check, Verdict)>,
    /// The findings, by offset, at most as many as asked for.
    pub findings: Vec<Finding>,
    /// How many findings were counted beyond these.
    pub more_findings: u64,
    /// How much was looked at.
    pub counts: Counts,
    /// The end of the log as it was walked.
    pub head: Head,
    /// RFC 6962 root over the records as they were walked; `None` when one of them is broken or missing.
    pub root: Option<Node>,
    /// How old anchors show the log to be.
    pub dated: Dated,
    /// What the log itself says about its identity: to be compared with a trust file, never to be believed alone.
    pub seen: Fingerprints,
}

/// How much was looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Stored records, also the broken ones.
    pub records: u64,
    /// Offsets for which there was nothing readable.
    pub unreadable: u64,
    /// Tenants.
    pub tenants: u64,
    /// Timelines, the tenants' whole chains among them.
    pub timelines: u64,
}

/// What a log says about its identity.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fingerprints {
    /// The origin of the first readable record.
    pub origin: Option<Origin>,
    /// Hash of the record at offset 0.
    pub genesis_hash: Option<Hash>,
    /// The root key that genesis names.
    pub root_key: Option<PublicKey>,
}

impl Report {
    /// The verdict of one check.
    #[must_use]
    pub fn verdict(&self, check: Check) -> &Verdict {
        let found = self.verdicts.iter().find(|(named, _)| *named == check);
        &found.expect("a report has a verdict for every check").1
    }

    /// The answer.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        Outcome::of(self.verdicts.iter().map(|(_, verdict)| verdict))
    }

    /// `{outcome, size, head, root, records, unreadable, tenants, timelines, checks, findings, more_findings, anchors, seen}`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let findings: Vec<Value> = self.findings.iter().map(Finding::to_json).collect();
        json!({
            "outcome": self.outcome().as_str(),
            "size": self.head.size,
            "head": self.head.last_hash.map(|hash| hash.to_string()),
            "root": self.root.map(|root| root.to_string()),
            "records": self.counts.records,
            "unreadable": self.counts.unreadable,
            "tenants": self.counts.tenants,
            "timelines": self.counts.timelines,
            "checks": checks_to_json(&self.verdicts),
            "findings": findings,
            "more_findings": self.more_findings,
            "anchors": self.dated.to_json(),
            "seen": self.seen.to_json(),
        })
    }

    /// The report as lines for people, without colour.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.verdicts.iter().map(verdict_line).collect();
        lines.extend(self.findings.iter().map(|finding| format!("  {finding}")));
        if self.more_findings > 0 {
            lines.push(format!("  and {} more", self.more_findings));
        }
        let counts = &self.counts;
        lines.push(format!(
            "{} records, {} tenants, {} timelines, root {}",
            counts.records,
            counts.tenants,
            counts.timelines,
            self.root.map_or_else(|| "unknown".to_owned(), |root| root.to_string())
        ));
        lines.extend(self.dated.lines());
        lines.extend(self.seen.lines());
        lines.push(match self.outcome() {
            Outcome::Verified => "verified".to_owned(),
            Outcome::Failed => "verification failed".to_owned(),
            Outcome::Unchecked => "could not be checked".to_owned(),
        });
        lines
    }
}

impl Fingerprints {
    /// The members that were seen, the others `null`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "origin": self.origin.as_ref().map(Origin::as_str),
            "genesis_hash": self.genesis_hash.map(|hash| hash.to_string()),
            "root_key": self.root_key.as_ref().map(PublicKey::to_base64),
        })
    }

    fn lines(&self) -> Vec<String> {
        let line =
            |name: &str, value: Option<String>| format!("{name} {}", value.unwrap_or_else(|| "not seen".to_owned()));
        vec![
            line("origin      ", self.origin.as_ref().map(Origin::to_string)),
            line("genesis hash", self.genesis_hash.map(|hash| hash.to_string())),
            line("root key    ", self.root_key.as_ref().map(PublicKey::to_base64)),
        ]
    }
}

/// `{check: {verdict, means, findings?, reason?}}` in the order given.
pub(crate) fn checks_to_json(verdicts: &[(Check, Verdict)]) -> Value {
    let one = |(check, verdict): &(Check, Verdict)| {
        let mut members = Map::new();
        members.insert("verdict".to_owned(), json!(verdict.as_str()));
        members.insert("means".to_owned(), json!(check.words()));
        match verdict {
            Verdict::Passed => None,
            Verdict::Failed(count) => members.insert("findings".to_owned(), json!(count)),
            Verdict::NotChecked(reason) | Verdict::NotAsked(reason) => {
                members.insert("reason".to_owned(), json!(reason))
            }
        };
        (check.as_str().to_owned(), Value::Object(members))
    };
    Value::Object(verdicts.iter().map(one).collect())
}

/// One verdict for people.
pub(crate) fn verdict_line((check, verdict): &(Check, Verdict)) -> String {
    let name = check.as_str();
    match verdict {
        Verdict::Passed => format!("ok           {name:<12} {}", check.words()),
        Verdict::Failed(1) => format!("FAILED       {name:<12} 1 finding"),
        Verdict::Failed(count) => format!("FAILED       {name:<12} {count} findings"),
        Verdict::NotChecked(reason) => format!("not checked  {name:<12} {reason}"),
        Verdict::NotAsked(reason) => format!("-            {name:<12} {reason}"),
    }
}
