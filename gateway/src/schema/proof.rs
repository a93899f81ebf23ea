//! Shapes of what is served of proofs.

use super::Record;
use utoipa::ToSchema;

/// A checkpoint that the ledger has signed.
#[derive(ToSchema)]
pub(crate) struct Checkpoint {
    /// Number of records that it covers.
    size: u64,
    /// Number of records that the map in its last leaf covers.
    map_size: u64,
    /// When it was signed, by the ledger's clock.
    signed_at: String,
    /// Whether the witnesses that have cosigned it are a quorum by the ledger's policy; absent without a policy.
    witnessed: Option<bool>,
    /// The signed note (C2SP tlog-checkpoint), cosignatures included.
    note: String,
}

/// Kept checkpoints, newest first.
#[derive(ToSchema)]
pub(crate) struct CheckpointPage {
    data: Vec<Checkpoint>,
    has_more: bool,
    /// `below` of the next page; null on the last one.
    #[schema(required)]
    next_below: Option<u64>,
}

/// That one tree continues another.
#[derive(ToSchema)]
pub(crate) struct ConsistencyProof {
    from: u64,
    to: u64,
    /// Base64 of 32 bytes each, in the order of RFC 6962.
    nodes: Vec<String>,
    /// The checkpoint of `to` records, where one is kept.
    checkpoint: Option<Checkpoint>,
}

/// A record with the proof that it is in the log.
#[derive(ToSchema)]
pub(crate) struct RecordProof {
    record: Record,
    /// The leaf's place in the tree.
    offset: u64,
    /// Size of the tree that the proof leads to.
    size: u64,
    /// Base64 of 32 bytes each: the hashes beside the way from the leaf to the root (RFC 6962), the leaf's sibling first.
    nodes: Vec<String>,
    checkpoint: Checkpoint,
    /// The same as C2SP `tlog-proof@v1`.
    proof: String,
}
