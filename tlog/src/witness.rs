//! What a witness is asked and what it answers (C2SP tlog-witness v1.0.0, `add-checkpoint`), without the wire.
//!
//! ```text
//! old 20852014\n                 the size that the witness is believed to know
//! <base64 hash>\n                the consistency proof from there, 0 to 63 lines
//! \n
//! <checkpoint>
//! ```
//!
//! Invariant: a witness never cosigns a checkpoint that does not continue what it cosigned before. [`AddCheckpoint::judge`]
//! decides that from what the witness remembers; remembering durably *before* answering, and deciding and remembering
//! as one step, is the caller's part.

use crate::checkpoint::parse_size;
use crate::{Checkpoint, CheckpointText, EMPTY_ROOT, Error, Node, Note, VerifierKey, What, base64, verify_consistency};
use std::fmt::Write as _;

/// Lines of a consistency proof at most.
const MAX_PROOF: usize = 63;

/// A request as it came: of the right form, and believed in nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// The size from which the proof leads.
    pub old: u64,
    /// The consistency proof.
    pub proof: Vec<Node>,
    /// The checkpoint to cosign.
    pub checkpoint: CheckpointText,
}

/// The newest tree head of a log that a witness has cosigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Number of leaves.
    pub size: u64,
    /// The root.
    pub root: Node,
}

/// Why a witness does not cosign.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No known key of the log signed it, or a known key's line is forged.
    #[error("no key of the log has signed this checkpoint: {0}")]
    Unsigned(Error),
    /// The proof leads from a size above the checkpoint's.
    #[error("the proof leads from {old} leaves, the checkpoint has {size}")]
    OldAboveNew {
        /// From where the proof leads.
        old: u64,
        /// The checkpoint's size.
        size: u64,
    },
    /// The proof leads from another size than the witness remembers: ask again from that one.
    #[error("the witness knows this log at {size} leaves")]
    Stale {
        /// What the witness remembers.
        size: u64,
    },
    /// The checkpoint does not continue what the witness remembers: the log forked, or the proof is wrong.
    #[error("the checkpoint does not continue the tree of {size} leaves that the witness knows: {reason}")]
    Inconsistent {
        /// What the witness remembers.
        size: u64,
        /// What the proof fails with.
        reason: Error,
    },
}

impl Refusal {
    /// The status that tlog-witness gives it.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Unsigned(_) => 403,
            Self::OldAboveNew { .. } => 400,
            Self::Stale { .. } => 409,
            Self::Inconsistent { .. } => 422,
        }
    }
}

impl AddCheckpoint {
    /// Reads a request's body.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`], [`Error::SizeTooLarge`].
    pub fn parse(body: &str) -> Result<Self, Error> {
        let malformed = |detail| What::WitnessRequest.malformed(detail);
        let (head, checkpoint) = body
            .split_once("\n\n")
            .ok_or(malformed("no blank line ends its proof"))?;
        let mut lines = head.split('\n');
        let old = lines.next().and_then(|line| parse_size(line.strip_prefix("old ")?));
        let old = old.ok_or(malformed("its first line is not `old` and a size"))?;
        let node = |line| base64::decode_node(line).ok_or(malformed("a line of its proof is not base64 of 32 bytes"));
        let proof: Vec<Node> = lines.take(MAX_PROOF + 1).map(node).collect::<Result<_, _>>()?;
        if proof.len() > MAX_PROOF {
            return Err(malformed("its proof has more than 63 lines"));
        }
        let checkpoint = CheckpointText::parse(checkpoint)?;
        Ok(Self { old, proof, checkpoint })
    }

    /// The body of the request that `checkpoint` be cosigned by a witness that knows the log at `old` leaves.
    #[must_use]
    pub fn text(old: u64, proof: &[Node], checkpoint: &Note) -> String {
        let mut out = format!("old {old}\n");
        for node in proof {
            // Writing to a String does not fail.
            let _ok = writeln!(out, "{}", base64::encode(node.as_bytes()));
        }
        out.push('\n');
        out.push_str(&checkpoint.to_text());
        out
    }

    /// Whether a witness that remembers `seen` of the log `origin`, whose keys are `keys`, may cosign the checkpoint.
    ///
    /// # Errors
    ///
    /// Why not.
    pub fn judge(self, origin: &str, keys: &[VerifierKey], seen: Option<&Seen>) -> Result<Checkpoint, Refusal> {
        let Self { old, proof, checkpoint } = self;
        let checkpoint = checkpoint.verify(origin, keys).map_err(Refusal::Unsigned)?;
        let size = checkpoint.size();
        if old > size {
            return Err(Refusal::OldAboveNew { old, size });
        }
        let known = seen.copied().unwrap_or(Seen {
            size: 0,
            root: EMPTY_ROOT,
        });
        if old != known.size {
            return Err(Refusal::Stale { size: known.size });
        }
        verify_consistency(known.size, &known.root, size, checkpoint.root(), &proof).map_err(|reason| {
            Refusal::Inconsistent {
                size: known.size,
                reason,
            }
        })?;
        Ok(checkpoint)
    }
}
