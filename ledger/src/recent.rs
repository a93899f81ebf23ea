//! The newest committed records in memory, so that a reader who follows the log does not decrypt what was just written.

use ledger_client::Committed;
use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock};

/// Bytes of records kept.
const KEPT_BYTES: usize = 16 * 1_024 * 1_024;

/// A window at the end of the log.
#[derive(Default)]
pub(crate) struct Recent(RwLock<Window>);

#[derive(Default)]
struct Window {
    records: VecDeque<Committed>,
    bytes: usize,
}

impl Recent {
    /// Adds the records of a commit, in order.
    pub(crate) fn extend(&self, records: impl Iterator<Item = (u64, Arc<[u8]>)>) {
        let mut window = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for (offset, bytes) in records {
            window.bytes += bytes.len();
            window.records.push_back(Committed { offset, bytes });
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
        let first = window.records.front()?.offset;
        let skip = usize::try_from(from.checked_sub(first)?).ok()?;
        let mut left = bytes;
        let taken = window.records.iter().skip(skip).take(limit).take_while(|record| {
            let fits = left > 0;
            left = left.saturating_sub(record.bytes.len());
            fits
        });
        Some(taken.cloned().collect())
    }
}
