//! What one look at a watched server has shown, and how it is said.

use crate::output::Output;
use serde_json::json;
use verifier::{Check, Finding, Outcome, ProofReport, Verdict};

/// What one look has shown.
pub struct Look {
    pub outcome: Outcome,
    /// About the checkpoint, and about its consistency with the one before.
    reports: Vec<ProofReport>,
    /// What is wrong with the records.
    findings: Vec<Finding>,
    /// Answers that prove something else than was asked.
    refused: Vec<String>,
    /// Records that were read so far, all of them from the first.
    pub records: Option<u64>,
    pub notes: Vec<String>,
}

impl Look {
    /// What the newest checkpoint shows by itself.
    pub fn begin(report: ProofReport) -> Self {
        Self {
            outcome: report.outcome(),
            reports: vec![report],
            findings: Vec::new(),
            refused: Vec::new(),
            records: None,
            notes: Vec::new(),
        }
    }

    /// Whether the checkpoint does not continue the one that was seen before.
    pub fn is_forked(&self) -> bool {
        let mut reports = self.reports.iter();
        reports.any(|report| matches!(report.verdict(Check::Consistency), Some(Verdict::Failed(_))))
    }

    /// A report about something else that was looked at.
    pub fn add(&mut self, report: ProofReport) {
        self.worsen(report.outcome());
        self.reports.push(report);
    }

    /// What is wrong with a page of records.
    pub fn find(&mut self, findings: Vec<Finding>) {
        if !findings.is_empty() {
            self.worsen(Outcome::Failed);
        }
        self.findings.extend(findings);
    }

    /// An answer that is not to what was asked.
    pub fn refuse(&mut self, reason: String) {
        self.worsen(Outcome::Failed);
        self.refused.push(reason);
    }

    /// Something that was to be looked at and could not be.
    pub fn miss(&mut self, note: String) {
        self.worsen(Outcome::Unchecked);
        self.notes.push(note);
    }

    fn worsen(&mut self, outcome: Outcome) {
        self.outcome = match (self.outcome, outcome) {
            (Outcome::Failed, _) | (_, Outcome::Failed) => Outcome::Failed,
            (Outcome::Unchecked, _) | (_, Outcome::Unchecked) => Outcome::Unchecked,
            (Outcome::Verified, Outcome::Verified) => Outcome::Verified,
        };
    }

    /// Says all of it.
    pub fn tell(&self, output: &Output) {
        let value = json!({
            "outcome": self.outcome.as_str(),
            "reports": self.reports.iter().map(ProofReport::to_json).collect::<Vec<_>>(),
            "findings": self.findings.iter().map(Finding::to_json).collect::<Vec<_>>(),
            "refused": self.refused,
            "records": self.records,
            "notes": self.notes,
        });
        let mut lines: Vec<String> = Vec::new();
        for report in &self.reports {
            lines.push(format!("{}:", report.subject.as_str()));
            lines.extend(report.lines().into_iter().map(|line| format!("  {line}")));
        }
        lines.extend(
            self.findings
                .iter()
                .map(|finding| format!("FAILED   records: {finding}")),
        );
        lines.extend(self.refused.iter().map(|reason| format!("FAILED   answer: {reason}")));
        if let Some(records) = self.records {
            lines.push(format!("{records} records computed again, with their map roots"));
        }
        lines.extend(self.notes.iter().map(|note| format!("note: {note}")));
        lines.push(self.outcome.as_str().to_owned());
        output.data(&value, &lines.join("\n"));
    }
}
