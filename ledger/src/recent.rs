//! The newest committed records in memory, so that a reader who follows the log does not decrypt what was just written.

use ledger_client::Committed;
use ledger_client::trace::TraceContext;
use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock};

/// Bytes of records kept.
const KEPT_BYTES: usize = 16 * 1_024 * 1_024;

/// A window at the end of the log.
#[derive(Default)]
pub(crate) struct Recent(RwLock<Window>);

#[derive(Default)]
struct Window {
    records: VecDeque<Entry>,
    bytes: usize,
}

/// A record as it was committed.
pub(crate) struct Entry {
    pub(crate) offset: u64,
    pub(crate) bytes: Arc<[u8]>,
    /// The trace that it was asked for in. Known here alone: it is no part of the record.
    pub(crate) trace: Option<TraceContext>,
}

impl Entry {
    fn committed(&self) -> Committed {
        Committed {
            offset: self.offset,
            bytes: Arc::clone(&self.bytes),
        }
    }
}

impl Recent {
    /// Adds the records of a commit, in order.
    pub(crate) fn extend(&self, records: impl Iterator<Item = Entry>) {
        let mut window = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for record in records {
            window.bytes += record.bytes.len();
            window.records.push_back(record);
        }
        while window.bytes > KEPT_BYTES {
            let Some(oldest) = window.records.pop_front() else {
                break;
            };
            window.bytes -= oldest.bytes.len();
        }
    }

    /// Records from `from` on, at most `limit` and about `bytes`; `None` when the window does not reach back so far.
    pub(crate) fn read(&self, from: u64, limit: usize, bytes: usize) -> Option<Vec<Committed>> {
        let window = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut left = bytes;
        let taken = window.records.iter().skip(window.at(from)?).take(limit);
        let taken = taken.take_while(|record| {
            let fits = left > 0;
            left = left.saturating_sub(record.bytes.len());
            fits
        });
        Some(taken.map(Entry::committed).collect())
    }

    /// The trace that the record at `offset` was asked for in, while the window knows it.
    pub(crate) fn trace(&self, offset: u64) -> Option<TraceContext> {
        let window = self.0.read().unwrap_or_else(PoisonError::into_inner);
        window.records.get(window.at(offset)?)?.trace.clone()
    }
}

impl Window {
    /// Where in the window an offset stands, or would stand; `None` before it.
    fn at(&self, offset: u64) -> Option<usize> {
        usize::try_from(offset.checked_sub(self.records.front()?.offset)?).ok()
    }
}
