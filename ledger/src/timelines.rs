//! The frontiers of timelines: read when a timeline is met, extended in memory, written once per group commit.
//!
//! The store always holds the frontiers as of the last commit, so the cache may forget any of them between commits.

use crate::Error;
use crate::index::Key;
use crate::store::Store;
use std::collections::HashMap;
use tlog::{Frontier, Node};

/// Frontiers that are kept in memory between commits; about 400 bytes each.
const KEPT: usize = 100_000;

/// Cached frontiers, with those that the current commit changed.
#[derive(Default)]
pub(crate) struct Timelines {
    frontiers: HashMap<Key, Frontier>,
    changed: Vec<Key>,
}

impl Timelines {
    /// Appends a leaf to the timeline with this key; gives its position and, bottom up, the nodes it completed.
    pub(crate) fn append(
        &mut self,
        store: &Store,
        key: Key,
        leaf: Node,
        completed: &mut Vec<Node>,
    ) -> Result<u64, Error> {
        let frontier = match self.frontiers.entry(key) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => entry.insert(read(store, &key)?),
        };
        self.changed.push(key);
        Ok(frontier.append(leaf, |node| completed.push(node)))
    }

    /// The frontiers that changed since the last call, each once, encoded.
    pub(crate) fn take_changed(&mut self) -> Vec<(Key, Vec<u8>)> {
        self.changed.sort_unstable();
        self.changed.dedup();
        let encoded = self
            .changed
            .drain(..)
            .filter_map(|key| Some((key, self.frontiers.get(&key)?.encode())));
        encoded.collect()
    }

    /// Forgets some frontiers when there are too many. Only between commits.
    pub(crate) fn trim(&mut self) {
        if self.frontiers.len() > KEPT {
            let mut keep = false;
            self.frontiers.retain(|_, _| {
                keep = !keep;
                keep
            });
        }
    }
}

fn read(store: &Store, key: &Key) -> Result<Frontier, Error> {
    let Some(bytes) = store.head(key)? else {
        return Ok(Frontier::new());
    };
    Frontier::decode(&bytes).map_err(|error| Error::corrupt("keyspace heads", error.to_string()))
}
