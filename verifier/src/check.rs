//! The checks: what each of them means in words, and its verdict.
//!
//! The list is closed and ordered; a report names every check, also the ones that could not be made, so that a reader
//! never takes silence for success.

use std::fmt;

/// One question that a verifier asks of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Check {
    /// Every stored block and record could be read.
    Readable,
    /// Stored bytes are the RFC 8785 form of what they say, with exactly the members of CanonicalRecord v1.
    Canonical,
    /// Every member of the envelope has its form, the kind is known and the stored payload follows its schema.
    Schema,
    /// `hash` is BLAKE3-256 of the record without `hash`, `sig` and `pub_key`.
    Hash,
    /// `pub_key` is the log's record key at this offset, and every rotation is signed by the new key and the root key.
    Key,
    /// `sig` is the key's signature over the hash.
    Signature,
    /// Where an author signed, the signature covers this very record.
    Author,
    /// Offsets run from 0 without a gap, a repetition or a step back, in one log.
    Offsets,
    /// `prev` and `seq` continue the tenant's chain, which begins with the record that creates the tenant.
    Chain,
    /// `ts` never decreases.
    Time,
    /// The RFC 6962 tree over all records has the stored tiles and the stored root.
    Tree,
    /// Every timeline has the stored positions, completed nodes and heads.
    Timelines,
    /// The log ends where the store says it ends.
    Head,
    /// Origin, genesis and root key are the pinned ones.
    Trust,
}

impl Check {
    /// Every check, in the order of a report.
    pub const ALL: [Self; 14] = [
        Self::Readable,
        Self::Canonical,
        Self::Schema,
        Self::Hash,
        Self::Key,
        Self::Signature,
        Self::Author,
        Self::Offsets,
        Self::Chain,
        Self::Time,
        Self::Tree,
        Self::Timelines,
        Self::Head,
        Self::Trust,
    ];

    /// The stable name in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Readable => "readable",
            Self::Canonical => "canonical",
            Self::Schema => "schema",
            Self::Hash => "hash",
            Self::Key => "key",
            Self::Signature => "signature",
            Self::Author => "author",
            Self::Offsets => "offsets",
            Self::Chain => "chain",
            Self::Time => "time",
            Self::Tree => "tree",
            Self::Timelines => "timelines",
            Self::Head => "head",
            Self::Trust => "trust",
        }
    }

    /// What a passed check proves, as a sentence for people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Readable => "every stored record could be read",
            Self::Canonical => "the bytes are the canonical form of what they say",
            Self::Schema => "every member and payload follows its schema",
            Self::Hash => "every hash is the hash of its record",
            Self::Key => "every record names the log's key, every rotation is proven",
            Self::Signature => "every signature is the log key's",
            Self::Author => "every author's signature covers its record",
            Self::Offsets => "offsets run from 0 without a gap",
            Self::Chain => "every tenant's chain is unbroken",
            Self::Time => "times never decrease",
            Self::Tree => "the log tree is the tree of these records",
            Self::Timelines => "every timeline is complete and in order",
            Self::Head => "the log ends where the store says",
            Self::Trust => "origin, genesis and root key are the pinned ones",
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What came out of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Made for everything, nothing found.
    Passed,
    /// How many faults were found, also those beyond the findings that are listed.
    Failed(u64),
    /// Not made, or not for everything: why.
    NotChecked(String),
}

impl Verdict {
    /// The stable name in JSON.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed(_) => "failed",
            Self::NotChecked(_) => "not_checked",
        }
    }
}

/// The answer to "is this log what it claims to be?".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Every check was made and passed. Exit code 0.
    Verified,
    /// At least one check failed. Exit code 3.
    Failed,
    /// Nothing failed, but something could not be checked. Exit code 5.
    Unchecked,
}

impl Outcome {
    /// The stable name in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Failed => "failed",
            Self::Unchecked => "unchecked",
        }
    }

    /// The outcome of these verdicts: any failure fails, then anything not checked is unchecked.
    pub(crate) fn of<'a>(verdicts: impl Iterator<Item = &'a Verdict> + Clone) -> Self {
        if verdicts.clone().any(|verdict| matches!(verdict, Verdict::Failed(_))) {
            Self::Failed
        } else if verdicts.clone().all(|verdict| *verdict == Verdict::Passed) {
            Self::Verified
        } else {
            Self::Unchecked
        }
    }
}
