//! Why a feed cannot go on: what passes, what an operator must change, and what means that the stream is not the log's.

use super::status::{Divergence, Reason};
use async_nats::jetstream;

/// What ended an attempt to publish.
#[derive(Debug)]
pub(super) enum Failure {
    /// The broker is not there, or refuses for now: try again.
    Passing(String),
    /// The server or the stream's configuration is wrong.
    Unfit(String),
    /// The stream does not hold this log.
    Diverged(Divergence),
    /// The stream holds records that this ledger signed and does not have: it was restored from an old copy.
    LogBehind {
        /// Records in the log.
        found: u64,
        /// An offset that was signed.
        signed: u64,
    },
    /// The ledger's own files or records cannot be read.
    Ledger(crate::Error),
}

impl Failure {
    pub(super) fn diverged(stream: &str, reason: Reason) -> Self {
        let stream = stream.to_owned();
        Self::Diverged(Divergence { stream, reason })
    }

    pub(super) fn passing(error: impl std::fmt::Display) -> Self {
        Self::Passing(error.to_string())
    }
}

impl From<crate::Error> for Failure {
    fn from(error: crate::Error) -> Self {
        Self::Ledger(error)
    }
}

impl From<ledger_client::Error> for Failure {
    fn from(error: ledger_client::Error) -> Self {
        Self::passing(error)
    }
}

impl From<jetstream::context::RequestError> for Failure {
    fn from(error: jetstream::context::RequestError) -> Self {
        Self::passing(error)
    }
}

/// Why a feed ended though nobody stopped it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server or the stream is not fit for a log, found at the start.
    #[error("the stream cannot be used: {0}")]
    Unfit(String),
    /// The stream holds records that this ledger signed and does not have.
    #[error(
        "LOG_BEHIND: the stream holds the record at offset {signed}, signed by this ledger, the log ends at {found}: \
         restore a newer backup, or run `sigil restore --from-stream`"
    )]
    LogBehind {
        /// Records in the log.
        found: u64,
        /// The offset of a signed record that the log does not have.
        signed: u64,
    },
    /// The ledger's own files or records cannot be read.
    #[error("the feed cannot read its log")]
    Ledger(#[from] crate::Error),
}
