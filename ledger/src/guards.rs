//! Requests that must not be carried out twice: remembered from the moment they are sequenced, durable in the commit that
//! carries them out, and forgotten when their own time is over.
//!
//! The key in keyspace `guards` begins with the request's expiry, so that what is over lies together at the front. Idempotency
//! keys share the keyspace; their keys are shorter.

use crate::Error;
use crate::engine::Shared;
use crate::index::Key;
use crate::store::Store;
use fjall::OwnedWriteBatch;
use record::Timestamp;
use std::collections::{HashSet, VecDeque};

/// Expiry in Unix microseconds, u64 BE, and the index key of the request.
pub(crate) type OnceKey = [u8; 40];

/// How long a request is remembered behind its expiry; no ledger tolerates clocks that are further apart.
pub(crate) const MARGIN_MICROS: i64 = 3_600 * 1_000_000;
/// Requests between two sweeps.
const SWEEP_EVERY: usize = 64;
/// Entries that a sweep looks at for each request since the last one.
const SWEEP_FACTOR: usize = 4;

/// The key of a request.
pub(crate) fn once_key(expires_at: Timestamp, request: &Key) -> OnceKey {
    let mut key = [0; 40];
    let (expiry, rest) = key.split_at_mut(8);
    expiry.copy_from_slice(&u64::try_from(expires_at.micros()).unwrap_or(0).to_be_bytes());
    rest.copy_from_slice(request);
    key
}

/// Requests that are sequenced and perhaps not in the store yet.
#[derive(Default)]
pub(crate) struct Asked {
    known: HashSet<OnceKey>,
    /// With the size of the log when they came: behind a larger published log they are in the store.
    order: VecDeque<(u64, OnceKey)>,
}

impl Asked {
    /// Whether the request came before.
    pub(crate) fn contains(&self, once: &OnceKey, shared: &Shared) -> Result<bool, Error> {
        Ok(self.known.contains(once) || shared.knows(once)?)
    }

    pub(crate) fn insert(&mut self, once: OnceKey, size: u64) {
        self.known.insert(once);
        self.order.push_back((size, once));
    }

    /// Drops what the store knows by now.
    pub(crate) fn forget(&mut self, committed: u64) {
        while let Some((_, once)) = self.order.pop_front_if(|(size, _)| *size < committed) {
            self.known.remove(&once);
        }
    }
}

/// Where the next sweep goes on.
#[derive(Default)]
pub(crate) struct Expiry {
    since: usize,
    /// Behind what was looked at: tombstones are not walked over again.
    from: Vec<u8>,
}

impl Expiry {
    /// Counts `added` requests and now and then removes those whose time is over.
    pub(crate) fn sweep(
        &mut self,
        store: &Store,
        added: usize,
        now: Timestamp,
        batch: &mut OwnedWriteBatch,
    ) -> Result<(), Error> {
        self.since += added;
        if self.since < SWEEP_EVERY {
            return Ok(());
        }
        let looks = std::mem::take(&mut self.since) * SWEEP_FACTOR;
        let over = u64::try_from(now.micros() - MARGIN_MICROS).unwrap_or(0).to_be_bytes();
        for guard in store.guards.range(self.from.clone()..over.to_vec()).take(looks) {
            let key = guard.key()?;
            // Idempotency keys have no expiry in their keys; some of them sort here by chance.
            if key.len() == size_of::<OnceKey>() {
                batch.remove(&store.guards, key.clone());
            }
            self.from = [&key, &[0][..]].concat();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000).expect("in range")
    }

    #[test]
    fn what_is_over_is_forgotten_and_nothing_else() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open(dir.path(), 1 << 20, None).expect("opens");
        let key = |expires: i64, n: u8| once_key(at(expires), &[n; 32]);
        // An idempotency key that sorts among the requests that are over.
        let idempotency = [[0; 4], [9; 4]].concat().repeat(4);
        let mut batch = store.batch();
        for n in 0..200_u8 {
            batch.insert(&store.guards, key(1_000, n), []);
            batch.insert(&store.guards, key(9_000, n), []);
        }
        batch.insert(&store.guards, idempotency.clone(), [1; 16]);
        batch.commit().expect("commits");
        let left = || store.guards.range::<Vec<u8>, _>(..).count();
        let mut expiry = Expiry::default();
        let mut sweep = |added: usize, now: i64| {
            let mut batch = store.batch();
            expiry.sweep(&store, added, at(now), &mut batch).expect("sweeps");
            batch.commit().expect("commits");
        };
        sweep(63, 20_000);
        assert_eq!(left(), 401, "not every time");
        sweep(1, 4_600);
        assert_eq!(left(), 401, "an hour of margin");
        for _ in 0..4 {
            sweep(64, 4_601);
        }
        assert_eq!(left(), 201);
        assert!(store.guards.contains_key(&idempotency).expect("reads"));
        assert!(store.guards.contains_key(key(9_000, 7)).expect("reads"));
        assert!(!store.guards.contains_key(key(1_000, 7)).expect("reads"));
    }
}
