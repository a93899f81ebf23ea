//! Why a projector stops or a read model cannot answer.

use record::Fault;

/// A failure of this room.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The source skipped or repeated an offset.
    #[error("the source gave offset {found} where {expected} follows")]
    Gap {
        /// The offset that follows the last applied one.
        expected: u64,
        /// The offset that came.
        found: u64,
    },
    /// A record fails its checks. Nothing after it is applied.
    #[error("the record at offset {offset} fails its checks: {fault}")]
    Unverified {
        /// Where.
        offset: u64,
        /// What is wrong.
        fault: Fault,
    },
    /// A record does not continue its tenant's chain.
    #[error("the record at offset {offset} breaks the chain of its tenant: {detail}")]
    BrokenChain {
        /// Where.
        offset: u64,
        /// What was expected.
        detail: String,
    },
    /// The read model is further than the log: the log lost records.
    #[error(
        "the read model is at {position}, the log ends at {head}: LOG_BEHIND, the log lost records or is another log"
    )]
    LogBehind {
        /// Records applied.
        position: u64,
        /// Records in the log.
        head: u64,
    },
    /// The read model belongs to another log.
    #[error("the read model belongs to log {found}, not to {expected}")]
    ForeignLog {
        /// The log being read.
        expected: String,
        /// The log that the read model was built from.
        found: String,
    },
    /// The source failed.
    #[error("the source failed: {0}")]
    Source(String),
    /// The database failed; try again later.
    #[error("the read model's database failed")]
    Database(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The read model's own data is damaged: rebuild it.
    #[error("the read model is damaged: {0}")]
    Damaged(String),
    /// The read model was built by another version of the projection or of its tables: rebuild it.
    #[error("the read model was built by version {found} of the projection, this build has {expected}: rebuild it")]
    Outdated {
        /// The version of this build.
        expected: u32,
        /// The version that the read model names.
        found: u32,
    },
    /// Another process has the read model open.
    #[error("the read model in {0} is open in another process")]
    Locked(String),
    /// Somebody else applied records to the same tables in the meantime: nothing of this batch was applied.
    #[error("the read model is no longer at {expected}: another projector applies to it")]
    PositionConflict {
        /// The position that the batch starts from.
        expected: u64,
    },
    /// What the read model was told about its database cannot be right. Trying again does not help.
    #[error("the read model's database is not configured right: {0}")]
    Configuration(String),
    /// The work was cancelled; what was there before still stands.
    #[error("cancelled")]
    Cancelled,
}

impl Error {
    /// Whether the records themselves were refused: another source may have better ones.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Gap { .. } | Self::Unverified { .. } | Self::BrokenChain { .. }
        )
    }

    /// The offset of the record that could not be applied, where the failure is one record's.
    #[must_use]
    pub const fn offset(&self) -> Option<u64> {
        match self {
            Self::Gap { expected, .. } | Self::PositionConflict { expected } => Some(*expected),
            Self::Unverified { offset, .. } | Self::BrokenChain { offset, .. } => Some(*offset),
            Self::LogBehind { head, .. } => Some(*head),
            _ => None,
        }
    }
}
