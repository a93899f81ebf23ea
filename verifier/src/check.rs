//! The checks: what each of them means in words, and its verdict.
//!
//! The list is closed and ordered; a report names every check, also the ones that could not be made, so that a reader
//! never takes silence for success.

use std::fmt;

/// One question that a verifier asks of a log, of a proof, or of both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Check {
    /// Every stored block and record, and every file given, could be read.
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
    /// Every `ledger.map_root` names the root over all timelines as they were, and every way through a map leads there.
    Maps,
    /// Every version of the maps that is stored, and every node of the timelines' trees beside it, is that of the records.
    StoredMaps,
    /// Every checkpoint is signed by the log's checkpoint key over the log's own tree, and ends in a `ledger.map_root`.
    Checkpoints,
    /// The log continues every checkpoint that was kept out of its operator's reach.
    Anchors,
    /// Every record stands where the proof says, in the tree that the checkpoint names.
    Inclusion,
    /// The later checkpoint's tree continues the earlier one's.
    Consistency,
    /// Nothing is left out of what was asked for, below the offset that the proof names.
    Completeness,
    /// Every opened value is the one that the record commits to.
    Disclosure,
    /// The checkpoint is not older than allowed.
    Freshness,
    /// As many witnesses as the policy asks for have cosigned the checkpoint.
    Witnesses,
    /// Origin, genesis and keys are the pinned ones.
    Trust,
}

impl Check {
    /// What is asked of a whole log, in the order of a report.
    pub const LOG: [Self; 19] = [
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
        Self::Maps,
        Self::StoredMaps,
        Self::Checkpoints,
        Self::Anchors,
        Self::Witnesses,
        Self::Trust,
    ];
    /// What is asked of records that come with a proof, in the order of a report.
    pub const PROOF: [Self; 17] = [
        Self::Readable,
        Self::Canonical,
        Self::Schema,
        Self::Hash,
        Self::Key,
        Self::Signature,
        Self::Author,
        Self::Chain,
        Self::Time,
        Self::Inclusion,
        Self::Maps,
        Self::Completeness,
        Self::Disclosure,
        Self::Checkpoints,
        Self::Freshness,
        Self::Witnesses,
        Self::Trust,
    ];
    /// What is asked of checkpoints alone, in the order of a report.
    pub const NOTE: [Self; 6] = [
        Self::Readable,
        Self::Checkpoints,
        Self::Consistency,
        Self::Freshness,
        Self::Witnesses,
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
            Self::Maps => "maps",
            Self::StoredMaps => "stored_maps",
            Self::Checkpoints => "checkpoints",
            Self::Anchors => "anchors",
            Self::Inclusion => "inclusion",
            Self::Consistency => "consistency",
            Self::Completeness => "completeness",
            Self::Disclosure => "disclosure",
            Self::Freshness => "freshness",
            Self::Witnesses => "witnesses",
            Self::Trust => "trust",
        }
    }

    /// What a passed check proves, as a sentence for people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Readable => "everything that was given could be read",
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
            Self::Maps => "every map root is that of the timelines, every way through a map leads there",
            Self::StoredMaps => "the stored maps and trees of timelines are those of the records",
            Self::Checkpoints => "every checkpoint is the log's own, over the log's own tree",
            Self::Anchors => "the log continues every anchored checkpoint",
            Self::Inclusion => "every record is in the tree of the checkpoint, at its place",
            Self::Consistency => "the later checkpoint continues the earlier one",
            Self::Completeness => "nothing is left out",
            Self::Disclosure => "every opened value is the one that was sealed",
            Self::Freshness => "the checkpoint is not older than allowed",
            Self::Witnesses => "as many witnesses as the policy asks for have cosigned",
            Self::Trust => "origin, genesis and keys are the pinned ones",
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
    /// Not made because nobody asked for it, or because there is nothing to make it of: why. It stands in no way.
    NotAsked(String),
}

impl Verdict {
    /// The stable name in JSON.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed(_) => "failed",
            Self::NotChecked(_) => "not_checked",
            Self::NotAsked(_) => "not_asked",
        }
    }
}

/// The answer to "is this log what it claims to be?".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Every check that was asked for was made and passed. Exit code 0.
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
        } else if verdicts
            .clone()
            .all(|verdict| matches!(verdict, Verdict::Passed | Verdict::NotAsked(_)))
        {
            Self::Verified
        } else {
            Self::Unchecked
        }
    }
}
