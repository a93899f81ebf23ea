//! The check of one record by itself, under keys that the caller pins.
//!
//! One record proves who signed it and that it was not changed. It does not prove that it is in the log, nor what is
//! missing beside it: these checks are listed as not made, with the reason.

use crate::check::{Check, Outcome, Verdict};
use crate::examine::{Examiner, Said};
use crate::finding::{Finding, Findings};
use crate::report::{checks_to_json, verdict_line};
use crate::signature::{self, Claim, LogKey};
use crate::trust::Trust;
use record::key::encode_base64;
use record::{Hash, PublicKey};
use serde_json::{Value, json};

/// What lies beside a record: a log or a proof shows it.
const BESIDE: [Check; 7] = [
    Check::Tree,
    Check::Timelines,
    Check::Head,
    Check::Maps,
    Check::StoredMaps,
    Check::Checkpoints,
    Check::Witnesses,
];

/// What was found out about one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordReport {
    /// One verdict for each of [`Check::LOG`], in that order.
    pub verdicts: Vec<(Check, Verdict)>,
    /// Everything that was found.
    pub findings: Vec<Finding>,
    /// The offset and the hash that the record claims, when it can be read.
    pub claimed: Option<(u64, Hash)>,
}

/// Verifies one record under `keys`, any of which may have signed it: the log's record keys that the caller believes
/// in, such as those of a log verified before. Without keys the signature is not checked. `trust` pins the origin, and
/// for a genesis its hash and root key.
#[must_use]
pub fn verify_record(bytes: &[u8], keys: &[PublicKey], trust: Option<&Trust>) -> RecordReport {
    let examined = Examiner::new(true).examine(bytes);
    let mut findings = Findings::new(usize::MAX);
    examined.findings.into_iter().for_each(|finding| findings.push(finding));
    match &examined.said {
        Some(said) => {
            check_keys(said, keys, &mut findings);
            check_trust(said, trust, &mut findings);
        }
        None => {
            for check in [
                Check::Schema,
                Check::Hash,
                Check::Key,
                Check::Signature,
                Check::Author,
                Check::Trust,
            ] {
                findings.not_checked(check, "the record cannot be read");
            }
        }
    }
    for check in [Check::Offsets, Check::Chain, Check::Time] {
        findings.not_checked(check, "needs the records before it");
    }
    for check in BESIDE {
        findings.not_checked(
            check,
            "needs the log or a proof: one record does not show what is missing beside it",
        );
    }
    RecordReport {
        verdicts: findings.verdicts(&Check::LOG),
        findings: findings.into_kept().0,
        claimed: examined.said.map(|said| (said.envelope.offset, said.envelope.hash)),
    }
}

impl RecordReport {
    /// The verdict of one check.
    #[must_use]
    pub fn verdict(&self, check: Check) -> &Verdict {
        let found = self.verdicts.iter().find(|(named, _)| *named == check);
        &found.expect("a report has a verdict for every check").1
    }

    /// The answer for what one record can answer: readable, canonical, schema, hash, key, signature, author and trust.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let alone =
            |check: &Check| !matches!(check, Check::Offsets | Check::Chain | Check::Time) && !BESIDE.contains(check);
        let verdicts = self.verdicts.iter().filter(|(check, _)| alone(check));
        Outcome::of(verdicts.map(|(_, verdict)| verdict))
    }

    /// `{outcome, offset, hash, checks, findings}`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let findings: Vec<Value> = self.findings.iter().map(Finding::to_json).collect();
        json!({
            "outcome": self.outcome().as_str(),
            "offset": self.claimed.map(|(offset, _)| offset),
            "hash": self.claimed.map(|(_, hash)| hash.to_string()),
            "checks": checks_to_json(&self.verdicts),
            "findings": findings,
        })
    }

    /// The report as lines for people, without colour.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.verdicts.iter().map(verdict_line).collect();
        lines.extend(self.findings.iter().map(|finding| format!("  {finding}")));
        lines.push(match self.outcome() {
            Outcome::Verified => "the record is genuine; that the log is complete was not checked".to_owned(),
            Outcome::Failed => "verification failed".to_owned(),
            Outcome::Unchecked => "could not be checked".to_owned(),
        });
        lines
    }
}

fn check_keys(said: &Said, keys: &[PublicKey], findings: &mut Findings) {
    let envelope = &said.envelope;
    if keys.is_empty() {
        for check in [Check::Key, Check::Signature] {
            findings.not_checked(check, "no key of the log was given");
        }
        return;
    }
    let named = keys.iter().find(|key| *key.as_bytes() == envelope.pub_key);
    let Some(key) = named else {
        let finding = Finding::new(Check::Key, "/pub_key", "not one of the log's given record keys");
        let known: Vec<String> = keys.iter().map(PublicKey::to_base64).collect();
        findings.push(finding.wanted(known.join(" or "), encode_base64(&envelope.pub_key)));
        findings.not_checked(Check::Signature, "the record names a key that was not given");
        return;
    };
    let claim = Claim {
        offset: envelope.offset,
        key: LogKey::new(*key),
        hash: said.computed,
        sig: envelope.sig,
    };
    if !signature::refused(&[claim], true).is_empty() {
        let detail = "the signature is not the key's over this record";
        findings.push(Finding::new(Check::Signature, "/sig", detail));
    }
}

fn check_trust(said: &Said, trust: Option<&Trust>, findings: &mut Findings) {
    let Some(trust) = trust else {
        findings.not_checked(Check::Trust, "no trust file");
        return;
    };
    if said.envelope.log != trust.origin {
        let finding = Finding::new(Check::Trust, "/log", "the log's origin is not the pinned one");
        findings.push(finding.wanted(&trust.origin, &said.envelope.log));
    }
    if said.envelope.offset == 0 && said.computed != trust.genesis_hash {
        let finding = Finding::new(Check::Trust, "/hash", "the genesis is not the pinned one");
        findings.push(finding.wanted(trust.genesis_hash, said.computed));
    }
}
