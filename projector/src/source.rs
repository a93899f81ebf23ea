//! Where records come from: a ledger in this process, a stream, a file.
//!
//! A source is believed in nothing: what it gives is checked record by record. It neither filters nor reorders.

use crate::query::Pending;
use std::sync::Arc;

/// The committed records of one log, in order.
pub trait Source: Send {
    /// Canonical bytes of the records from offset `from` on, in order and without a gap: at least one, and no more than a
    /// few MiB at once. Waits while there is none. Dropping the future loses nothing: the next call names its offset.
    ///
    /// # Errors
    /// [`Error::Source`](crate::Error::Source).
    fn next(&mut self, from: u64) -> Pending<'_, Vec<Arc<[u8]>>>;

    /// Number of records in the log now.
    ///
    /// # Errors
    /// [`Error::Source`](crate::Error::Source).
    fn head(&mut self) -> Pending<'_, u64>;

    /// Who to ask for the same records when what [`Source::next`] gave was refused; `None` where nobody knows better.
    fn fallback(&mut self) -> Option<&mut dyn Source> {
        None
    }
}
