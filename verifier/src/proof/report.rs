//! What was found out about a proof: a verdict for every check of its kind, findings, and what it says in words.

use crate::check::{Check, Outcome, Verdict};
use crate::finding::Finding;
use crate::report::{checks_to_json, verdict_line};
use serde_json::{Map, Value, json};
use tlog::Node;

/// What kind of proof it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A saved answer of the API.
    Answer,
    /// A proof bundle.
    Bundle,
    /// One record with its proof.
    Record,
    /// One checkpoint.
    Checkpoint,
    /// Two checkpoints, one of which continues the other.
    Consistency,
}

/// The report on a proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProofReport {
    /// What kind of proof it is.
    pub subject: Subject,
    /// One verdict for each check of its kind.
    pub verdicts: Vec<(Check, Verdict)>,
    /// The findings, at most as many as asked for.
    pub findings: Vec<Finding>,
    /// How many findings were counted beyond these.
    pub more_findings: u64,
    /// What was learnt.
    pub facts: Facts,
}

/// What a proof says, whether or not it holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The origin of the checkpoint.
    pub origin: Option<String>,
    /// Records that the checkpoint covers.
    pub size: Option<u64>,
    /// Its root.
    pub root: Option<Node>,
    /// Offsets below this one are covered by the proof.
    pub as_of: Option<u64>,
    /// Records that were looked at.
    pub records: u64,
    /// Offsets of rows that are too new to be proven.
    pub unproven: Vec<u64>,
    /// When the checkpoint was there.
    pub dated: Option<Dated>,
    /// Its age in seconds, when somebody said what time it is.
    pub age: Option<i64>,
    /// Who has cosigned it, when a policy asks for that.
    pub quorum: Option<Quorum>,
    /// What the proof says when every check has passed.
    pub claims: Vec<String>,
    /// What a reader should know and no check is about.
    pub notes: Vec<String>,
}

/// When a checkpoint was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dated {
    /// Seconds since the Unix epoch.
    pub seconds: i64,
    /// Whether a quorum of witnesses says so; else it is the log's own word.
    pub by_witnesses: bool,
}

/// Who has cosigned a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quorum {
    /// Names of the policy's witnesses that have.
    pub seen: Vec<String>,
    /// Names of those that have not.
    pub missing: Vec<String>,
    /// Whether they are enough.
    pub is_met: bool,
}

impl Subject {
    /// The stable name in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answer => "answer",
            Self::Bundle => "bundle",
            Self::Record => "record",
            Self::Checkpoint => "checkpoint",
            Self::Consistency => "consistency",
        }
    }
}

impl Quorum {
    /// `2 of 3, without w3`.
    pub(crate) fn words(&self) -> String {
        let total = self.seen.len() + self.missing.len();
        let without = match self.missing.is_empty() {
            true => String::new(),
            false => format!(", without {}", self.missing.join(", ")),
        };
        format!("{} of {total}{without}", self.seen.len())
    }
}

impl ProofReport {
    /// The verdict of one check; `None` when it is not one of this kind's.
    #[must_use]
    pub fn verdict(&self, check: Check) -> Option<&Verdict> {
        let found = self.verdicts.iter().find(|(named, _)| *named == check);
        found.map(|(_, verdict)| verdict)
    }

    /// The answer.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        Outcome::of(self.verdicts.iter().map(|(_, verdict)| verdict))
    }

    /// What is proven: nothing unless every check has passed.
    fn claims(&self) -> &[String] {
        match self.outcome() {
            Outcome::Verified => &self.facts.claims,
            Outcome::Failed | Outcome::Unchecked => &[],
        }
    }

    /// `{outcome, subject, checks, findings, more_findings, origin, size, root, as_of, ...}`; what is unknown is omitted.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let facts = &self.facts;
        let mut members = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                members.insert(name.to_owned(), value);
            }
        };
        put("outcome", Some(json!(self.outcome().as_str())));
        put("subject", Some(json!(self.subject.as_str())));
        put("checks", Some(checks_to_json(&self.verdicts)));
        put("findings", Some(self.findings.iter().map(Finding::to_json).collect()));
        put("more_findings", Some(json!(self.more_findings)));
        put("origin", facts.origin.as_ref().map(|origin| json!(origin)));
        put("size", facts.size.map(Value::from));
        put("root", facts.root.map(|root| json!(root.to_string())));
        put("as_of", facts.as_of.map(Value::from));
        put("records", Some(json!(facts.records)));
        put("unproven", Some(json!(facts.unproven)));
        put("dated", facts.dated.map(Dated::to_json));
        put("age_s", facts.age.map(Value::from));
        put("witnesses", facts.quorum.as_ref().map(Quorum::to_json));
        put("claims", Some(json!(self.claims())));
        put("notes", Some(json!(facts.notes)));
        Value::Object(members)
    }

    /// The report as lines for people, without colour.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let facts = &self.facts;
        let mut lines: Vec<String> = self.verdicts.iter().map(verdict_line).collect();
        lines.extend(self.findings.iter().map(|finding| format!("  {finding}")));
        if self.more_findings > 0 {
            lines.push(format!("  and {} more", self.more_findings));
        }
        if let (Some(origin), Some(size), Some(root)) = (&facts.origin, facts.size, facts.root) {
            lines.push(format!("checkpoint of {origin}: {size} records, root {root}"));
        }
        lines.extend(facts.age_line());
        lines.extend(
            facts
                .quorum
                .as_ref()
                .map(|quorum| format!("witnesses: {}", quorum.words())),
        );
        lines.extend(facts.notes.iter().map(|note| format!("note: {note}")));
        lines.extend(self.claims().iter().cloned());
        lines.push(match self.outcome() {
            Outcome::Verified => "verified".to_owned(),
            Outcome::Failed => "verification failed".to_owned(),
            Outcome::Unchecked => "could not be checked".to_owned(),
        });
        lines
    }
}

impl Facts {
    fn age_line(&self) -> Option<String> {
        let dated = self.dated?;
        let by = match dated.by_witnesses {
            true => "by a quorum of witnesses",
            false => "by the log's own clock",
        };
        Some(match self.age {
            Some(age) => format!("checkpoint seen {age} seconds ago, {by}"),
            None => format!("checkpoint seen at Unix time {}, {by}", dated.seconds),
        })
    }
}

impl Dated {
    fn to_json(self) -> Value {
        json!({"unix_s": self.seconds, "by": if self.by_witnesses { "witnesses" } else { "log" }})
    }
}

impl Quorum {
    fn to_json(&self) -> Value {
        json!({"seen": self.seen, "missing": self.missing, "met": self.is_met})
    }
}
