//! Why a request to the ledger failed. Policy branches on [`Error::kind`], never on text.

use crate::Refusal;
use domain::Denial;
use record::{Fault, RecordId, Timestamp};

/// A failed request.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// The record is malformed; at least one fault.
    #[error("the record is refused: {}", .0.first().map(ToString::to_string).unwrap_or_default())]
    Refused(Vec<Fault>),
    /// The log's state does not allow it.
    #[error("{0}")]
    Denied(Denial),
    /// The tenant has another record with this id.
    #[error("id {id} belongs to another record, at offset {offset}")]
    IdConflict {
        /// The id that was sent.
        id: RecordId,
        /// Where the other record is.
        offset: u64,
    },
    /// The idempotency key was used with other content.
    #[error("the idempotency key was used for another record, at offset {offset}")]
    IdempotencyConflict {
        /// Where the other record is.
        offset: u64,
    },
    /// The ledger behind the bus took no such command of this gateway; nothing was stored.
    #[error("{0}")]
    CommandRefused(Refusal),
    /// The log was restored less than a day ago and may have lost guards: an idempotency key alone does not make a retry
    /// safe. Send the record with an id of your own.
    #[error("the log was restored lately: until {until} an idempotency key needs an id made by the client")]
    OwnIdRequired {
        /// When the guards that may be lost would have expired.
        until: Timestamp,
    },
    /// The log was closed for good after a loss: it is read, never written.
    #[error("the log is closed: its records can be read, new ones belong to its successor")]
    Closed,
    /// The queue stayed full for as long as a request may wait; nothing was stored.
    #[error("the ledger takes no more records at the moment")]
    Overloaded,
    /// The system clock jumped; nothing is recorded under an implausible time.
    #[error("the system clock jumped forward by {seconds} s: nothing is recorded until it is right")]
    ClockJumped {
        /// How far.
        seconds: u64,
    },
    /// The store does not work at the moment; nothing was stored.
    #[error("the store is unavailable: {reason}")]
    Unavailable {
        /// What failed, without paths or values.
        reason: String,
    },
    /// The store failed while the record was being committed: it may or may not be in the log. Send it again with the
    /// same id.
    #[error("record {id} may or may not be stored: {reason}")]
    CommitUnknown {
        /// The record.
        id: RecordId,
        /// What failed.
        reason: String,
    },
    /// The record is stored, and no quorum of witnesses has cosigned a checkpoint that covers it within the time that a
    /// write waits for one. Send it again with the same id: it waits again.
    #[error("record {id} is stored at offset {offset}, and no quorum of witnesses has cosigned it in time")]
    Unwitnessed {
        /// The record.
        id: RecordId,
        /// Where it is.
        offset: u64,
    },
    /// A sealed value's key is gone without an erasure record.
    #[error("what opens a sealed value of this record is lost")]
    ScopeKeyLost,
    /// Stored bytes are not what was written. The ledger stops writing.
    #[error("stored data is damaged: {0}")]
    Corrupt(String),
}

/// What to do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Change the request.
    Invalid,
    /// Somebody else's change stands against it.
    Conflict,
    /// Try again later, unchanged.
    Unavailable,
    /// Stored data is damaged.
    Corrupt,
}

impl Error {
    /// What to do about it.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Refused(_) | Self::Denied(_) | Self::OwnIdRequired { .. } => Kind::Invalid,
            Self::IdConflict { .. } | Self::IdempotencyConflict { .. } | Self::Closed => Kind::Conflict,
            Self::CommandRefused(_)
            | Self::Overloaded
            | Self::ClockJumped { .. }
            | Self::Unavailable { .. }
            | Self::CommitUnknown { .. }
            | Self::Unwitnessed { .. } => Kind::Unavailable,
            Self::ScopeKeyLost | Self::Corrupt(_) => Kind::Corrupt,
        }
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Self::Refused(vec![fault])
    }
}

impl From<Denial> for Error {
    fn from(denial: Denial) -> Self {
        Self::Denied(denial)
    }
}
