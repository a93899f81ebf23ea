//! One verification under way: what was found, what was learnt, and the checks on a checkpoint that every proof shares.

use super::ProofOptions;
use super::report::{Dated, Facts, ProofReport, Quorum, Subject};
use crate::check::Check;
use crate::checkpoints::policy_of;
use crate::finding::{Finding, Findings};
use record::{Origin, Timestamp};
use std::collections::BTreeSet;
use tlog::{CheckpointText, Judgement, Policy, VerifierKey};

/// Seconds by which clocks may differ before a time counts as lying in the future.
const SKEW: i64 = 300;

pub(crate) struct Case<'a> {
    pub(crate) findings: Findings,
    pub(crate) options: &'a ProofOptions<'a>,
    pub(crate) facts: Facts,
    subject: Subject,
    /// The policy to judge by.
    policy: Option<Policy>,
}

impl<'a> Case<'a> {
    pub(crate) fn new(subject: Subject, options: &'a ProofOptions<'a>) -> Self {
        let mut findings = Findings::new(options.findings);
        let policy = policy_of(options.policy, options.trust).unwrap_or_else(|error| {
            findings.not_checked(Check::Witnesses, format!("the policy cannot be read: {error}"));
            None
        });
        if options.trust.is_none() {
            let reason = "no trust file: nothing here is pinned";
            findings.not_checked(Check::Trust, reason);
        }
        Self {
            findings,
            options,
            facts: Facts::default(),
            subject,
            policy,
        }
    }

    pub(crate) fn push(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// Notes a check that nothing could be made of.
    pub(crate) fn missed(&mut self, checks: &[Check], reason: &str) {
        checks
            .iter()
            .for_each(|check| self.findings.not_checked(*check, reason));
    }

    /// A note as a checkpoint, its form and origin, who signed it and who cosigned it; `None` when it is none at all.
    ///
    /// `proven` is the only checkpoint key that counts, when it is known; else any of the pinned ones does. What fails is
    /// a finding; the tree head is given back nevertheless, so that one fault does not hide another.
    pub(crate) fn checkpoint(
        &mut self,
        note: &str,
        proven: Option<&VerifierKey>,
        pointer: &str,
    ) -> Option<CheckpointText> {
        let text = self.signed_head(note, proven, pointer)?;
        self.check_witnesses(&text, pointer);
        Some(text)
    }

    /// The same without its witnesses: of a checkpoint that a later one continues, they were asked for in its time.
    pub(crate) fn signed_head(
        &mut self,
        note: &str,
        proven: Option<&VerifierKey>,
        pointer: &str,
    ) -> Option<CheckpointText> {
        let text = match CheckpointText::parse(note) {
            Ok(text) => text,
            Err(error) => {
                self.push(Finding::new(Check::Readable, pointer, error.to_string()));
                return None;
            }
        };
        let origin = text.origin().to_owned();
        self.facts.size = Some(text.size());
        self.facts.root = Some(*text.root());
        self.facts.origin = Some(origin.clone());
        if let Some(trust) = self.options.trust.filter(|trust| trust.origin.as_str() != origin) {
            let finding = Finding::new(
                Check::Trust,
                pointer,
                "the checkpoint is of another log than the pinned one",
            );
            self.push(finding.wanted(&trust.origin, &origin));
        }
        self.check_signed(&text, proven, pointer);
        Some(text)
    }

    fn check_signed(&mut self, text: &CheckpointText, proven: Option<&VerifierKey>, pointer: &str) {
        let pinned = || self.options.trust.map(|trust| trust.checkpoint_keys.clone());
        let keys = proven.map_or_else(|| pinned().unwrap_or_default(), |key| vec![key.clone()]);
        if keys.is_empty() {
            let reason = "no checkpoint key is pinned";
            return self.findings.not_checked(Check::Checkpoints, reason);
        }
        if let Err(error) = text.clone().verify(text.origin(), &keys) {
            let known: Vec<String> = keys.iter().map(VerifierKey::to_string).collect();
            let found: Vec<&str> = text.note().lines().iter().map(tlog::Line::name).collect();
            let finding = Finding::new(Check::Checkpoints, pointer, error.to_string());
            self.push(finding.wanted(known.join(" or "), format!("lines of {}", found.join(", "))));
        }
    }

    fn check_witnesses(&mut self, text: &CheckpointText, pointer: &str) {
        let Some(policy) = self.policy.as_ref().filter(|policy| policy.asks_for_witnesses()) else {
            return self
                .findings
                .not_asked(Check::Witnesses, "no policy asks for witnesses");
        };
        let judged = match policy.judge(text.note()) {
            Ok(judged) => judged,
            Err(error) => return self.push(Finding::new(Check::Witnesses, pointer, error.to_string())),
        };
        let quorum = Quorum {
            seen: judged.seen.iter().map(|(name, _)| name.clone()).collect(),
            missing: judged.missing.clone(),
            is_met: judged.is_met,
        };
        self.facts.dated = quorum_time(policy, &judged).map(|seconds| Dated {
            seconds,
            by_witnesses: true,
        });
        if !judged.is_met {
            let detail = "the checkpoint is not cosigned by as many witnesses as the policy asks for";
            let finding = Finding::new(Check::Witnesses, pointer, detail);
            self.push(finding.wanted("a quorum", quorum.words()));
        }
        self.facts.quorum = Some(quorum);
    }

    /// Judges how old the checkpoint is: by a quorum of witnesses where there is one, else by `ts`, the log's own word.
    pub(crate) fn check_age(&mut self, ts: Option<Timestamp>) {
        let own = ts.map(|ts| Dated {
            seconds: ts.micros().div_euclid(1_000_000),
            by_witnesses: false,
        });
        self.facts.dated = self.facts.dated.or(own);
        let age = self
            .facts
            .dated
            .zip(self.options.now)
            .map(|(dated, now)| now - dated.seconds);
        self.facts.age = age;
        let Some(limit) = self.options.max_age else {
            let reason = "no limit was given for the checkpoint's age";
            return self.findings.not_asked(Check::Freshness, reason);
        };
        match age {
            None => {
                let reason = "neither a witness nor a map root dates this checkpoint, or nobody said what time it is";
                self.findings.not_checked(Check::Freshness, reason);
            }
            Some(age) if age < -SKEW => {
                let finding = Finding::new(Check::Freshness, "", "the checkpoint is dated in the future");
                self.push(finding.wanted("a time before now", format!("{} seconds from now", -age)));
            }
            Some(age) if age > i64::try_from(limit).unwrap_or(i64::MAX) => {
                let finding = Finding::new(Check::Freshness, "", "the checkpoint is older than allowed");
                self.push(finding.wanted(format!("at most {limit} seconds"), format!("{age} seconds")));
            }
            Some(_) => {}
        }
    }

    /// Holds the origin of a record at `pointer` against the pinned one.
    pub(crate) fn check_log(&mut self, log: &Origin, offset: u64, pointer: &str) {
        let trusted = self.options.trust.map(|trust| trust.origin.as_str());
        let expected = trusted.or(self.facts.origin.as_deref()).map(str::to_owned);
        if let Some(expected) = expected.filter(|expected| expected != log.as_str()) {
            let finding = Finding::new(
                Check::Trust,
                format!("{pointer}/log"),
                "the record belongs to another log",
            );
            self.push(finding.wanted(expected, log).at(offset));
        }
    }

    /// The report, with a verdict for each of `checks`.
    pub(crate) fn finish(self, checks: &[Check]) -> ProofReport {
        let verdicts = self.findings.verdicts(checks);
        let (findings, more_findings) = self.findings.into_kept();
        ProofReport {
            subject: self.subject,
            verdicts,
            findings,
            more_findings,
            facts: self.facts,
        }
    }
}

/// The newest time at which a quorum has cosigned.
fn quorum_time(policy: &Policy, judged: &Judgement) -> Option<i64> {
    let mut seen: Vec<_> = judged.seen.iter().collect();
    seen.sort_by_key(|(_, cosignature)| std::cmp::Reverse(cosignature.time));
    let mut names = BTreeSet::new();
    for (name, cosignature) in seen {
        names.insert(name.as_str());
        if policy.is_met_by(&names) {
            return i64::try_from(cosignature.time).ok();
        }
    }
    None
}
