//! What goes in and what comes back.

use record::{Hash, NewRecord, RecordId, Timestamp};
use std::sync::Arc;

/// A request to append one record.
#[derive(Debug, Clone)]
pub struct Append {
    /// The record, with its id.
    pub record: NewRecord,
    /// Makes a retry without a client-made id safe for 24 hours.
    pub guard: Option<Guard>,
}

/// An idempotency key in the name of a caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    /// The caller's id.
    pub caller: String,
    /// The key, unquoted.
    pub key: String,
    /// Whether the caller made the record's id. Such a retry is safe without the guard; in the first day after a restore,
    /// when guards may be lost, nothing else is.
    pub own_id: bool,
}

/// A record that is in the log: acknowledged and fsynced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// Global position.
    pub offset: u64,
    /// Canonical bytes.
    pub bytes: Arc<[u8]>,
}

/// What an appender gets back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The record as it was committed.
    pub committed: Committed,
    /// The record's id.
    pub id: RecordId,
    /// The record's hash.
    pub hash: Hash,
    /// The record was there before: this is the receipt of the first request.
    pub replayed: bool,
    /// The record was there before and sealed values could no longer be compared, because they were erased.
    pub sealed_unchecked: bool,
    /// The log's stream had acknowledged the record when this was answered. Always `false` where no stream is configured,
    /// and usually right after a commit: publishing follows it.
    pub published: bool,
}

/// The end of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The log's origin.
    pub log: record::Origin,
    /// Number of committed records.
    pub size: u64,
    /// Hash of the last record; `None` for an empty log.
    pub hash: Option<Hash>,
    /// RFC 6962 root over all records, 32 bytes.
    pub root: [u8; 32],
    /// Sequencing time of the last record.
    pub ts: Option<Timestamp>,
}
