//! What can be wrong with the bytes, texts and proofs of this crate.
//!
//! Each variant is one fact with the numbers that prove it. None of them holds a note's text or a node.

/// A failure of this crate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Fewer bytes than the size that opens every frontier.
    #[error("frontier of {actual} bytes ends inside its 8-byte size")]
    Truncated {
        /// Bytes given.
        actual: usize,
    },
    /// A size that no tree can have: 2^63 leaves or more.
    #[error("{size} leaves are claimed, a tree has fewer than 2^63")]
    SizeTooLarge {
        /// Leaves claimed.
        size: u64,
    },
    /// Not one 32-byte node per one bit of the size: nodes are missing, cut short, too many, or something trails them.
    #[error("frontier of {size} leaves is {expected} bytes long, not {actual}")]
    Length {
        /// Leaves claimed.
        size: u64,
        /// Bytes that a frontier of this size has, the size itself included.
        expected: usize,
        /// Bytes given.
        actual: usize,
    },
    /// A position that the tree does not have.
    #[error("position {index} is not in a tree of {size} leaves")]
    OutOfRange {
        /// The position.
        index: u64,
        /// Leaves of the tree.
        size: u64,
    },
    /// A range without leaves: there is nothing to prove.
    #[error("the range from {from} to before {until} holds no leaf")]
    EmptyRange {
        /// Inclusive.
        from: u64,
        /// Exclusive.
        until: u64,
    },
    /// A later tree with fewer leaves.
    #[error("a tree of {old} leaves cannot be the beginning of one of {new}")]
    Shrinks {
        /// Leaves of the earlier tree.
        old: u64,
        /// Leaves of the later tree.
        new: u64,
    },
    /// More or fewer nodes than the position and the size ask for.
    #[error("the proof has {actual} nodes where {expected} are needed")]
    ProofLength {
        /// Nodes that a proof of this shape has.
        expected: usize,
        /// Nodes given.
        actual: usize,
    },
    /// The proof is of the right shape and leads to another root: leaf, position, proof or root is not the true one.
    #[error("the proof leads to another root")]
    RootMismatch,
    /// A text is not of the form that its kind has.
    #[error("{what}: {detail}")]
    Malformed {
        /// What it should be: a note, a checkpoint, a verifier key, a policy, a proof, a tile path, an entry bundle.
        what: What,
        /// What is wrong, without the text itself.
        detail: &'static str,
    },
    /// A signature by a known key does not verify: the note was altered, or somebody forged that line.
    #[error("the signature of {name} does not verify")]
    SignatureInvalid {
        /// The key's name.
        name: String,
    },
    /// No line of the note is by the key that must sign it.
    #[error("the note is not signed by {name}")]
    Unsigned {
        /// The key's name.
        name: String,
    },
    /// The checkpoint is of another log.
    #[error("the checkpoint is of the log {found}, not of {expected}")]
    ForeignLog {
        /// The log asked about.
        expected: String,
        /// The checkpoint's origin.
        found: String,
    },
}

/// The forms of text and bytes that this crate reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// C2SP signed-note.
    Note,
    /// C2SP tlog-checkpoint.
    Checkpoint,
    /// A verifier key of a signed note.
    VerifierKey,
    /// A cosignature.
    Cosignature,
    /// C2SP tlog-policy.
    Policy,
    /// C2SP tlog-proof.
    Proof,
    /// A path of C2SP tlog-tiles.
    TilePath,
    /// An entry bundle of C2SP tlog-tiles.
    EntryBundle,
    /// A way through an authenticated map.
    MapProof,
    /// The body of a C2SP tlog-witness request.
    WitnessRequest,
}

impl std::fmt::Display for What {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Note => "not a signed note",
            Self::Checkpoint => "not a checkpoint",
            Self::VerifierKey => "not a verifier key",
            Self::Cosignature => "not a cosignature",
            Self::Policy => "not a tlog-policy",
            Self::Proof => "not a tlog-proof",
            Self::TilePath => "not a tile path",
            Self::EntryBundle => "not an entry bundle",
            Self::MapProof => "not a proof of a map",
            Self::WitnessRequest => "not an add-checkpoint request",
        })
    }
}

impl What {
    /// The error that a text of this kind is malformed.
    pub(crate) const fn malformed(self, detail: &'static str) -> Error {
        Error::Malformed { what: self, detail }
    }
}
