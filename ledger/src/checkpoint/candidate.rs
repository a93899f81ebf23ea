//! A state of the log that a checkpoint may be signed for.

use tlog::Node;

/// The log right behind a committed `ledger.map_root`, which is the last leaf of its tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// Number of records.
    pub(crate) size: u64,
    /// Root of the tree over them.
    pub(crate) root: Node,
    /// Number of records that the map in the last leaf covers.
    pub(crate) map_size: u64,
}
