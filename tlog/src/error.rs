//! What can be wrong with an encoded frontier.
//!
//! Each variant is one fact about the bytes with the numbers that prove it. None of them holds the bytes themselves.

/// Why bytes are not the canonical encoding of a frontier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Fewer bytes than the size that opens every frontier.
    #[error("frontier of {actual} bytes ends inside its 8-byte size")]
    Truncated {
        /// Bytes given.
        actual: usize,
    },
    /// A size that no tree can have: 2^63 leaves or more.
    #[error("frontier claims {size} leaves, a tree has fewer than 2^63")]
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
}
