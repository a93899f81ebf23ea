//! What the maps have been told and not written yet, by timeline: however often one grew, it is written once.

use super::delta::{Delta, ROWS};
use super::fragment::Fragments;
use crate::Error;
use crate::index::Key;
use record::Tenant;
use std::collections::{BTreeMap, HashMap};
use tlog::{Frontier, MapKey, MapLeaf, Node};

/// Timelines that grew.
#[derive(Default)]
pub(super) struct Pending {
    timelines: HashMap<Key, Grown>,
    /// Leaves of timelines in it.
    leaves: usize,
}

struct Grown {
    /// The tenant's key in the top map.
    tenant: MapKey,
    /// Its own key in the tenant's map.
    key: MapKey,
    /// Encoded; empty until it is known.
    frontier: Vec<u8>,
    fragments: Fragments,
}

impl Pending {
    /// Number of leaves; each takes about 100 bytes.
    pub(super) const fn len(&self) -> usize {
        self.leaves
    }

    /// Adds a leaf of a timeline and those of the nodes it completed whose height is a multiple of [`ROWS`].
    pub(super) fn add(
        &mut self,
        timeline: Key,
        name: (&Tenant, MapKey),
        (position, leaf): (u64, Node),
        completed: impl Iterator<Item = Node>,
    ) {
        self.leaves += 1;
        let grown = self.timelines.entry(timeline).or_insert_with(|| Grown {
            tenant: MapKey::tenant(name.0.as_str()),
            key: name.1,
            frontier: Vec::new(),
            fragments: Fragments::default(),
        });
        grown.fragments.add(position, leaf, completed);
    }

    /// Adds a group commit.
    pub(super) fn absorb(&mut self, delta: Delta) {
        let (mut positions, mut nodes) = (delta.positions.into_iter(), delta.nodes.into_iter());
        for record in delta.records {
            for (timeline, key) in record.timelines.into_iter().zip(record.keys) {
                let Some(position) = positions.next() else { return };
                let completed = nodes.by_ref().take((position.trailing_ones() / ROWS) as usize);
                self.add(timeline, (&record.tenant, key), (position, record.node), completed);
            }
        }
        for (timeline, frontier) in delta.frontiers {
            if let Some(grown) = self.timelines.get_mut(&timeline) {
                grown.frontier = frontier;
            }
        }
    }

    /// Sets where every timeline ends.
    pub(super) fn set_frontiers(
        &mut self,
        mut read: impl FnMut(&Key) -> Result<Option<Vec<u8>>, Error>,
    ) -> Result<(), Error> {
        for (timeline, grown) in &mut self.timelines {
            grown.frontier = read(timeline)?.unwrap_or_default();
        }
        Ok(())
    }

    /// The leaves of each tenant's map that change, sorted by key.
    pub(super) fn leaves(&self) -> Result<BTreeMap<MapKey, Vec<MapLeaf>>, Error> {
        let mut tenants: BTreeMap<MapKey, Vec<MapLeaf>> = BTreeMap::new();
        for grown in self.timelines.values() {
            let frontier = Frontier::decode(&grown.frontier)
                .map_err(|error| Error::corrupt("keyspace heads", error.to_string()))?;
            tenants.entry(grown.tenant).or_default().push(MapLeaf {
                key: grown.key,
                count: frontier.size(),
                root: frontier.root(),
            });
        }
        for leaves in tenants.values_mut() {
            leaves.sort_unstable_by_key(|leaf| leaf.key);
        }
        Ok(tenants)
    }

    /// Entries for what the timelines' trees grew by.
    pub(super) fn fragments(&self) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
        self.timelines
            .iter()
            .flat_map(|(timeline, grown)| grown.fragments.entries(timeline))
    }

    /// Forgets everything: it is written.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
