//! Records that stand in a document: each by itself, before anything is said about its place.

use super::case::Case;
use crate::check::Check;
use crate::examine::{Examiner, Said};
use crate::finding::Finding;
use crate::signature::{self, Claim, LogKey};
use rayon::prelude::*;
use record::PublicKey;
use record::key::encode_base64;

/// One record of a document.
pub(crate) struct Row {
    /// What is wrong with it alone; members are pointers within the document.
    findings: Vec<Finding>,
    /// What it says; `None` when it cannot be read.
    pub(crate) said: Option<Box<Said>>,
    /// Where it stands.
    pub(crate) pointer: String,
}

impl Row {
    /// Looks at a record alone.
    pub(crate) fn examine(bytes: Vec<u8>, pointer: String) -> Self {
        let examined = Examiner::new(false).examine(&bytes);
        let place = |finding: Finding| Finding {
            member: format!("{pointer}{}", finding.member),
            ..finding
        };
        Self {
            findings: examined.findings.into_iter().map(place).collect(),
            said: examined.said,
            pointer,
        }
    }

    /// The same for many, on all cores.
    pub(crate) fn examine_all(records: Vec<(Vec<u8>, String)>) -> Vec<Self> {
        let rows = records.into_par_iter().with_min_len(16);
        rows.map(|(bytes, pointer)| Self::examine(bytes, pointer)).collect()
    }

    /// Whether the record is what its hash says.
    pub(crate) fn is_sound(&self) -> bool {
        let broken = |finding: &Finding| matches!(finding.check, Check::Canonical | Check::Hash);
        self.said.is_some() && !self.findings.iter().any(broken)
    }
}

/// Signatures that are left to be checked together, and the key that was seen last.
#[derive(Default)]
pub(crate) struct Signatures {
    claims: Vec<Claim>,
    last: Option<LogKey>,
}

impl Signatures {
    /// Leaves the row's signature to be checked under the key that it names; a finding when that is no key.
    pub(crate) fn add(&mut self, said: &Said, pointer: &str) -> Option<Finding> {
        let named = &said.envelope.pub_key;
        let key = match self.last.filter(|key| key.as_bytes() == named) {
            Some(key) => key,
            None => match PublicKey::from_bytes(named) {
                Some(key) => LogKey::new(key),
                None => {
                    let member = format!("{pointer}/pub_key");
                    return Some(
                        Finding::new(Check::Key, member, "this is no Ed25519 public key").at(said.envelope.offset),
                    );
                }
            },
        };
        self.last = Some(key);
        self.claims.push(Claim {
            offset: said.envelope.offset,
            key,
            hash: said.envelope.hash,
            sig: said.envelope.sig,
        });
        None
    }

    /// The claims that were left, to be checked elsewhere.
    pub(crate) fn take(&mut self) -> Vec<Claim> {
        std::mem::take(&mut self.claims)
    }
}

/// A finding for each signature that does not hold.
pub(crate) fn refused(claims: &[Claim]) -> Vec<Finding> {
    let refused = signature::refused(claims, false).into_iter();
    refused.map(signature::finding).collect()
}

impl Case<'_> {
    /// Takes over what is wrong with a row alone and checks its signature under the key that it names; whether it may be
    /// believed to say what it says.
    pub(crate) fn take_row(&mut self, row: &Row) -> bool {
        let mut signatures = Signatures::default();
        let sound = self.take_findings(row, &mut signatures);
        refused(&signatures.take())
            .into_iter()
            .for_each(|finding| self.push(finding));
        sound
    }

    /// The same, with the signature left in `signatures`.
    pub(crate) fn take_findings(&mut self, row: &Row, signatures: &mut Signatures) -> bool {
        let offset = row.said.as_ref().map(|said| said.envelope.offset);
        for finding in &row.findings {
            let finding = finding.clone();
            self.push(offset.map_or(finding.clone(), |offset| finding.at(offset)));
        }
        let Some(said) = row.said.as_ref() else {
            return false;
        };
        if row.is_sound() {
            let finding = signatures.add(said, &row.pointer);
            finding.into_iter().for_each(|finding| self.push(finding));
            self.check_given_keys(said, &row.pointer);
        }
        row.is_sound()
    }

    /// Where the caller gave keys, a record is signed with one of them.
    fn check_given_keys(&mut self, said: &Said, pointer: &str) {
        let (keys, named) = (self.options.keys, &said.envelope.pub_key);
        if keys.is_empty() || keys.iter().any(|key| key.as_bytes() == named) {
            return;
        }
        let known: Vec<String> = keys.iter().map(PublicKey::to_base64).collect();
        let finding = Finding::new(
            Check::Key,
            format!("{pointer}/pub_key"),
            "not one of the log's given record keys",
        );
        let finding = finding.wanted(known.join(" or "), encode_base64(named));
        self.push(finding.at(said.envelope.offset));
    }
}
