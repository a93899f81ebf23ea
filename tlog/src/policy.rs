//! Which witnesses must have seen a checkpoint (C2SP tlog-policy): one text for whoever publishes and whoever verifies.
//!
//! ```text
//! log <verifier key> [<url>]
//! witness <name> <verifier key, type 04> [<submission prefix>]
//! group <name> <k | any | all> <member>...
//! quorum <name | none>
//! ```
//!
//! Empty lines and lines that start with `#` are passed over. Invariant: every name is defined once and before it is
//! used, so groups nest and never loop; no key and no member counts twice; exactly one quorum line.

use crate::{Cosignature, Error, KeyType, Note, VerifierKey, What};
use std::collections::BTreeSet;

/// Logs, witnesses and groups at most, each; C2SP asks for at least 32.
const MAX: usize = 1_024;
/// Witnesses at most: a note with a line of each, and the log's own, is still a note that everybody reads.
const MAX_WITNESSES: usize = 200;

/// A log that the policy names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyLog {
    /// Its checkpoint key, type 0x01.
    pub key: VerifierKey,
    /// Where its tiles are.
    pub url: Option<String>,
}

/// A witness that the policy names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyWitness {
    /// Its name within the policy.
    pub name: String,
    /// Its cosignature key, type 0x04.
    pub key: VerifierKey,
    /// Where checkpoints are submitted to: `<prefix>/add-checkpoint`.
    pub url: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Group {
    name: String,
    needed: usize,
    members: Vec<String>,
}

/// A policy.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Policy {
    logs: Vec<PolicyLog>,
    witnesses: Vec<PolicyWitness>,
    groups: Vec<Group>,
    /// What must be satisfied; `None` for `quorum none`.
    quorum: Option<String>,
}

/// Who has cosigned a checkpoint, and whether that is enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// Names of the policy's witnesses whose cosignature verifies, with the time of each.
    pub seen: Vec<(String, Cosignature)>,
    /// Names of those who have not cosigned.
    pub missing: Vec<String>,
    /// Whether the quorum is met.
    pub is_met: bool,
}

impl Policy {
    /// Reads a policy.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] with the first thing that is wrong.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut reader = Reader::default();
        for line in text.lines() {
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            match words.split_first() {
                None => {}
                Some((first, _)) if first.starts_with('#') => {}
                Some((first, rest)) => reader.line(first, rest)?,
            }
        }
        reader.finish()
    }

    /// The logs that it names.
    #[must_use]
    pub fn logs(&self) -> &[PolicyLog] {
        &self.logs
    }

    /// The witnesses that it names.
    #[must_use]
    pub fn witnesses(&self) -> &[PolicyWitness] {
        &self.witnesses
    }

    /// The policy as a text without comments and addresses: what a reader needs to judge a checkpoint by it.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut lines = Vec::new();
        lines.extend(self.logs.iter().map(|log| format!("log {}\n", log.key)));
        let witnesses = self.witnesses.iter();
        lines.extend(witnesses.map(|witness| format!("witness {} {}\n", witness.name, witness.key)));
        let groups = self.groups.iter();
        lines
            .extend(groups.map(|group| format!("group {} {} {}\n", group.name, group.needed, group.members.join(" "))));
        lines.push(format!("quorum {}\n", self.quorum.as_deref().unwrap_or("none")));
        lines.concat()
    }

    /// Whether it asks for any cosignature at all.
    #[must_use]
    pub const fn asks_for_witnesses(&self) -> bool {
        self.quorum.is_some()
    }

    /// Whether these witnesses, by their names in the policy, are enough.
    #[must_use]
    pub fn is_met_by(&self, seen: &BTreeSet<&str>) -> bool {
        // Groups stand in the order of their definition, so a member is settled before it is asked for.
        let mut settled = seen.clone();
        for group in &self.groups {
            let have = group.members.iter().filter(|member| settled.contains(member.as_str()));
            if have.count() >= group.needed {
                settled.insert(&group.name);
            }
        }
        self.quorum.as_ref().is_none_or(|name| settled.contains(name.as_str()))
    }

    /// Counts the cosignatures under `note`.
    ///
    /// # Errors
    ///
    /// [`Error::SignatureInvalid`] when a line names one of the policy's witnesses and does not verify.
    pub fn judge(&self, note: &Note) -> Result<Judgement, Error> {
        let (mut seen, mut missing) = (Vec::new(), Vec::new());
        for witness in &self.witnesses {
            match Cosignature::find(note, &witness.key)? {
                Some(cosignature) => seen.push((witness.name.clone(), cosignature)),
                None => missing.push(witness.name.clone()),
            }
        }
        let names = seen.iter().map(|(name, _)| name.as_str()).collect();
        let is_met = self.is_met_by(&names);
        Ok(Judgement { seen, missing, is_met })
    }
}

/// What has been read of a policy.
#[derive(Default)]
struct Reader {
    policy: Policy,
    quorum: Option<Option<String>>,
    /// Members of some group already.
    members: BTreeSet<String>,
}

impl Reader {
    fn line(&mut self, first: &str, rest: &[&str]) -> Result<(), Error> {
        match (first, rest) {
            ("log", [key]) => self.log(key, None),
            ("log", [key, url]) => self.log(key, Some(url)),
            ("witness", [name, key]) => self.witness(name, key, None),
            ("witness", [name, key, url]) => self.witness(name, key, Some(url)),
            ("group", [name, needed, members @ ..]) if !members.is_empty() => self.group(name, needed, members),
            ("quorum", [name]) => self.quorum(name),
            _ => Err(malformed(
                "a line is not `log`, `witness`, `group` or `quorum` with its words",
            )),
        }
    }

    fn log(&mut self, key: &str, url: Option<&str>) -> Result<(), Error> {
        let key = VerifierKey::parse(key)?;
        if key.kind() != KeyType::Ed25519 {
            return Err(malformed("the key of a log is of the type 01"));
        }
        let repeated = self.policy.logs.iter().any(|log| log.key == key);
        self.room(self.policy.logs.len(), repeated)?;
        let url = url.map(str::to_owned);
        self.policy.logs.push(PolicyLog { key, url });
        Ok(())
    }

    fn witness(&mut self, name: &str, key: &str, url: Option<&str>) -> Result<(), Error> {
        let key = VerifierKey::parse(key)?;
        if key.kind() != KeyType::Cosignature {
            return Err(malformed("the key of a witness is of the type 04"));
        }
        // The signed message does not bind the witness's name: the same key under two names would count twice.
        let repeated = self
            .policy
            .witnesses
            .iter()
            .any(|witness| witness.key.key() == key.key());
        self.room(self.policy.witnesses.len(), repeated || self.is_known(name))?;
        if self.policy.witnesses.len() >= MAX_WITNESSES {
            return Err(malformed(
                "it has more than 200 witnesses: their lines are too many for a note",
            ));
        }
        let (name, url) = (fresh(name)?, url.map(str::to_owned));
        self.policy.witnesses.push(PolicyWitness { name, key, url });
        Ok(())
    }

    fn group(&mut self, name: &str, needed: &str, members: &[&str]) -> Result<(), Error> {
        self.room(self.policy.groups.len(), self.is_known(name))?;
        for member in members {
            if !self.is_known(member) {
                return Err(malformed("a group has a member that no line before it defines"));
            }
            if !self.members.insert((*member).to_owned()) {
                return Err(malformed("a name is a member twice"));
            }
        }
        let needed = match needed {
            "any" => 1,
            "all" => members.len(),
            digits => crate::checkpoint::parse_size(digits)
                .and_then(|k| usize::try_from(k).ok())
                .filter(|k| (1..=members.len()).contains(k))
                .ok_or(malformed(
                    "a group needs `any`, `all` or a number from 1 to that of its members",
                ))?,
        };
        let members = members.iter().map(|member| (*member).to_owned()).collect();
        let name = fresh(name)?;
        self.policy.groups.push(Group { name, needed, members });
        Ok(())
    }

    fn quorum(&mut self, name: &str) -> Result<(), Error> {
        if self.quorum.is_some() {
            return Err(malformed("it has more than one quorum line"));
        }
        if name != "none" && !self.is_known(name) {
            return Err(malformed("its quorum is a name that no line before it defines"));
        }
        self.quorum = Some((name != "none").then(|| name.to_owned()));
        Ok(())
    }

    fn is_known(&self, name: &str) -> bool {
        self.policy.witnesses.iter().any(|witness| witness.name == name)
            || self.policy.groups.iter().any(|group| group.name == name)
    }

    fn room(&self, taken: usize, repeated: bool) -> Result<(), Error> {
        if repeated {
            return Err(malformed("a key or a name is defined twice"));
        }
        if taken >= MAX {
            return Err(malformed("it has more than 1,024 logs, witnesses or groups"));
        }
        Ok(())
    }

    fn finish(self) -> Result<Policy, Error> {
        let quorum = self.quorum.ok_or(malformed("it has no quorum line"))?;
        Ok(Policy { quorum, ..self.policy })
    }
}

fn fresh(name: &str) -> Result<String, Error> {
    if name == "none" {
        return Err(malformed("`none` is no name"));
    }
    Ok(name.to_owned())
}

const fn malformed(detail: &'static str) -> Error {
    What::Policy.malformed(detail)
}
