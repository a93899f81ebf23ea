//! Reading the maps: ways through them, and the trees of timelines.
//!
//! Reads go to one state of the store each, so garbage collection beside them takes nothing away in the middle. A version
//! that is not kept any more is an answer, not a fault; a kept one with a page missing or altered is damage.

use super::pages::Pages;
use super::place::{Places, Trie};
use super::version::is_whole;
use super::{fragment, trie};
use crate::Error;
use crate::index::Index;
use crate::store::{Store, View};
use record::{Origin, Tenant};
use tlog::{MapKey, MapLeaf, MapProof, Node, Perfect};

/// What reads the maps of a store.
#[derive(Clone)]
pub(crate) struct Maps {
    pub(super) store: Store,
    pub(super) places: Places,
}

/// What a version of the maps says about a timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "one for each answer, taken apart at once")]
pub(crate) enum Proven {
    /// Both ways; that through the tenant's map shows the timeline or its absence.
    Ways {
        /// The tenant in the top map.
        top: MapProof,
        /// The timeline in the tenant's map.
        map: MapProof,
    },
    /// The tenant has no record in this version. The way to where it would be shows another tenant: it is not given.
    TenantUnknown,
    /// There is no such version, or not any more.
    Gone,
}

impl Maps {
    pub(crate) const fn new(store: Store, log: Origin, index: Index) -> Self {
        Self {
            store,
            places: Places { log, index },
        }
    }

    /// The ways to a timeline in the maps over the first `n` records.
    pub(crate) fn prove(&self, n: u64, tenant: &Tenant, timeline: &MapKey) -> Result<Proven, Error> {
        let view = self.store.view();
        if !is_whole(&view, n)? {
            return Ok(Proven::Gone);
        }
        let pages = Pages {
            view: &view,
            places: &self.places,
        };
        let key = MapKey::tenant(tenant.as_str());
        let top = way(&pages, Trie::Top, n, &key)?;
        let Some(leaf) = top.end.filter(|leaf| leaf.key == key) else {
            return Ok(Proven::TenantUnknown);
        };
        let map = way(&pages, Trie::Tenant(key), n, timeline)?;
        check(n, &leaf, &map, timeline)?;
        Ok(Proven::Ways { top, map })
    }

    /// The tree of a timeline; the whole chain has label and target empty. The newest version holds all nodes below the
    /// counts that it proves.
    pub(crate) fn timeline_tree(&self, tenant: &Tenant, label: &str, target: &str) -> TimelineTree {
        TimelineTree {
            view: self.store.view(),
            tree: fragment::Tree::new(self.places.index.timeline(tenant, label, target)),
        }
    }
}

/// The tree of a timeline in one state of the store.
pub(crate) struct TimelineTree {
    view: View,
    tree: fragment::Tree,
}

impl TimelineTree {
    /// A perfect node of the tree.
    pub(crate) fn node(&mut self, at: Perfect) -> Result<Node, Error> {
        self.tree.node(at, |prefix| self.view.map_prefix(&prefix))
    }
}

fn way(pages: &Pages<'_>, trie: Trie, n: u64, key: &MapKey) -> Result<MapProof, Error> {
    match pages.root(trie, n)? {
        None => Ok(MapProof {
            siblings: Vec::new(),
            end: None,
        }),
        Some((_, root)) => trie::prove(root, key, &mut |path, version| pages.read(trie, path, version)),
    }
}

/// A page that was swapped for an older one of its own decrypts as well: the way would lead elsewhere.
fn check(n: u64, tenant: &MapLeaf, map: &MapProof, timeline: &MapKey) -> Result<(), Error> {
    let verified = map.verify(&tenant.root, timeline);
    verified
        .map(drop)
        .map_err(|error| Error::corrupt(format!("keyspace map, version {n}"), error.to_string()))
}
