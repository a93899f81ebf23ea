//! A few decrypted blocks, for reads of single records that lie close together, such as a file that is imported again.

use crate::block::StoredRecord;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// Blocks kept; each holds at most 256 records or 1 MiB of them.
const KEPT: usize = 8;

/// A block: the offset of its first record, and all of them.
type Block = (u64, Vec<Arc<StoredRecord>>);

/// The blocks that were read last, newest at the back.
#[derive(Default)]
pub(crate) struct Blocks(Mutex<VecDeque<Block>>);

impl Blocks {
    /// The record at `offset`, when its block is here. Blocks never change once written.
    pub(crate) fn find(&self, offset: u64) -> Option<Arc<StoredRecord>> {
        let blocks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        blocks.iter().find_map(|(first, records)| {
            let at = usize::try_from(offset.checked_sub(*first)?).ok()?;
            records.get(at).cloned()
        })
    }

    /// Keeps the block whose first record is at `first`.
    pub(crate) fn keep(&self, first: u64, records: Vec<StoredRecord>) {
        let mut blocks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if blocks.len() >= KEPT {
            blocks.pop_front();
        }
        blocks.push_back((first, records.into_iter().map(Arc::new).collect()));
    }
}
