//! Ids that importing again gives again: the event's own time and a keyed hash of its bytes.
//!
//! The key keeps anybody without it from finding out, by hashing guesses, which lines a ledger holds.

use record::{RecordId, Timestamp};
use std::collections::HashMap;

/// The id key, and how often each line has been met.
pub struct Ids {
    key: [u8; 32],
    met: HashMap<[u8; 16], u64>,
}

impl Ids {
    pub fn new(key: [u8; 32]) -> Self {
        Self {
            key,
            met: HashMap::new(),
        }
    }

    /// Counts one more `line` and returns the first 80 bits of keyed BLAKE3 over the line and its occurrence (from 0, 8
    /// bytes, big-endian), of which an id takes 74.
    pub fn next(&mut self, line: &[u8]) -> [u8; 10] {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(line);
        let met = self.met.entry(first(hasher.finalize())).or_default();
        hasher.update(&met.to_be_bytes());
        *met += 1;
        first(hasher.finalize())
    }
}

/// The id of an event: its milliseconds, 0 for an event without time or from before 1970.
pub fn record_id(occurred_at: Option<Timestamp>, entropy: [u8; 10]) -> RecordId {
    let micros = occurred_at.map_or(0, Timestamp::micros);
    RecordId::new(u64::try_from(micros).unwrap_or_default() / 1_000, entropy)
}

fn first<const N: usize>(hash: blake3::Hash) -> [u8; N] {
    *hash.as_bytes().first_chunk().expect("a hash has 32 bytes")
}
