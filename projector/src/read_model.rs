//! What every read model can do beside answering: follow the log, be built anew, and say what it holds.
//!
//! One suite of tests runs over every implementation, and the same log gives the same digest in each.

use crate::query::{Pending, Queries};
use crate::{Cancel, Digest, Source};
use std::pin::Pin;
use tokio::sync::watch;

/// A read model that a projector fills.
pub trait ReadModel: Queries {
    /// Applies what `source` has and then what it gets, until cancelled. Goes on in the new tables after a rebuild.
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

    /// The hashes of what the tables hold, and the position they were taken at: one snapshot. Reads every row.
    ///
    /// # Errors
    /// [`Error::Damaged`](crate::Error::Damaged), [`Error::Database`](crate::Error::Database).
    fn digest(&self) -> Pending<'_, (u64, Digest)>;

    /// Number of records applied, updated after each batch.
    fn positions(&self) -> watch::Receiver<u64>;

    /// Lets the questions under way end and closes the database. Every later call fails.
    fn close(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// What a rebuild is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Records are read, checked and written.
    Loading,
    /// The rows are in; indexes are created, a step each.
    Indexing,
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
