//! What every read model can do beside answering: follow the log, be built anew, and say what it holds.
//!
//! One suite of tests runs over every implementation, and the same log gives the same digest in each.

use crate::digest::{Digester, Row};
use crate::query::{Pending, Queries};
use crate::{Cancel, Digest, ParkedRow, Source};
use std::pin::Pin;
use tokio::sync::watch;

/// A read model that a projector fills.
pub trait ReadModel: Queries {
    /// Applies what `source` has and then what it gets, until cancelled. Goes on in the new tables after a rebuild.
    /// Begins with [`ReadModel::retry_parked`]: this build may know what an older one did not.
    ///
    /// # Errors
    /// [`Error::LogBehind`](crate::Error::LogBehind) at the start; what a record or the database fails with: the
    /// position stays before that batch.
    fn run<'a>(&'a self, source: &'a mut dyn Source, cancel: &'a Cancel) -> Pending<'a, ()>;

    /// Builds new tables from offset zero, checking every record, and switches to them. One rebuild runs at a time.
    ///
    /// # Errors
    /// [`Error::Cancelled`](crate::Error::Cancelled); [`Error::LogBehind`](crate::Error::LogBehind) when the log is
    /// shorter than what the read model has; what a record or the database fails with. The old tables stand in every
    /// case.
    fn rebuild<'a>(
        &'a self,
        source: &'a mut dyn Source,
        progress: &'a mut (dyn FnMut(Progress) + Send),
        cancel: &'a Cancel,
    ) -> Pending<'a, ()>;

    /// Visits every row of the digest's tables in one snapshot, and returns the position that the snapshot had reached.
    /// Rows of a table by offset come in the order of their offsets, and the tables one after another.
    ///
    /// # Errors
    /// [`Error::Damaged`](crate::Error::Damaged), [`Error::Database`](crate::Error::Database).
    fn scan<'a>(&'a self, visit: &'a mut (dyn FnMut(&Row<'_>) + Send)) -> Pending<'a, u64>;

    /// The hashes of what the tables hold, and the position they were taken at: one snapshot. Reads every row.
    ///
    /// # Errors
    /// As [`ReadModel::scan`].
    fn digest(&self) -> Pending<'_, (u64, Digest)> {
        Box::pin(async move {
            let mut digester = Digester::default();
            let mut add = |row: &Row<'_>| digester.add(row);
            let position = self.scan(&mut add).await?;
            Ok((position, digester.finish()))
        })
    }

    /// Parked records of all tenants from offset `from` on, at most `limit`, and how many there are in all.
    ///
    /// # Errors
    /// [`Error::Damaged`](crate::Error::Damaged), [`Error::Database`](crate::Error::Database).
    fn parked(&self, from: u64, limit: u16) -> Pending<'_, Parked>;

    /// Reads the payload of every parked record again ([`Retry`](crate::Retry)). Where this build can read it, the rows
    /// become those that [`project`](crate::project) makes, and the record is parked no more; an older write never
    /// replaces a newer one. Each record changes whole or not at all, and nothing else moves.
    ///
    /// # Errors
    /// [`Error::Damaged`](crate::Error::Damaged), [`Error::Database`](crate::Error::Database).
    fn retry_parked(&self) -> Pending<'_, Retried>;

    /// Number of records applied, updated after each batch.
    fn positions(&self) -> watch::Receiver<u64>;

    /// Lets the questions under way end and closes the database. Every later call fails.
    fn close(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// Some of the parked records, and the number of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parked {
    /// By offset.
    pub rows: Vec<ParkedRow>,
    /// Number of parked records of all tenants.
    pub total: u64,
}

/// What came of trying the parked records again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retried {
    /// Records that are parked no more.
    pub projected: u64,
    /// Records that still are.
    pub left: u64,
}

/// What a rebuild is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Records are read, checked and written.
    Loading,
    /// The rows are in; indexes are created, a step each.
    Indexing,
    /// A replay is in, and compared with what is there.
    Comparing,
}

impl Stage {
    /// One word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Loading => "loading",
            Self::Indexing => "indexing",
            Self::Comparing => "comparing",
        }
    }
}

/// How far a rebuild is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What it is at.
    pub stage: Stage,
    /// Records written.
    pub position: u64,
    /// Records in the log, as far as is known.
    pub head: u64,
}
