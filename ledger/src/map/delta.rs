//! What a group commit tells the map: which timelines grew, by what, and where they end now.
//!
//! Made by the committer out of what it has at hand, after the commit: hashing and sorting are the map's own business.

use super::Teller;
use crate::checkpoint::Candidate;
use crate::index::Key;
use crate::signer::Signed;
use domain::state::Body;
use record::Tenant;
use tlog::{Edge, MapKey, Node};

/// One group commit.
#[derive(Debug)]
pub(crate) struct Delta {
    /// Offset of its first record.
    pub(super) first: u64,
    pub(super) records: Vec<Leaf>,
    /// Position of each record in each of its timelines, in order.
    pub(super) positions: Vec<u64>,
    /// The nodes that these leaves completed and whose height is a multiple of four, in order, each leaf's bottom up.
    pub(super) nodes: Vec<Node>,
    /// The encoded frontier of every timeline that grew.
    pub(super) frontiers: Vec<(Key, Vec<u8>)>,
    /// The state of the log behind a `ledger.map_root`, when the batch holds one.
    pub(super) candidate: Option<Candidate>,
}

impl Delta {
    /// Leaves of timelines in it.
    pub(super) const fn leaves(&self) -> usize {
        self.positions.len()
    }
}

/// A record as its timelines see it.
#[derive(Debug)]
pub(super) struct Leaf {
    pub(super) tenant: Tenant,
    /// Whole chain, kind, then the links with a timeline, in order.
    pub(super) timelines: Vec<Key>,
    /// Where these stand in the tenant's map.
    pub(super) keys: Vec<MapKey>,
    pub(super) node: Node,
    pub(super) is_map_root: bool,
}

/// Height of the nodes that are stored: every fourth row.
pub(super) const ROWS: u32 = 4;

/// Collects a delta while a batch is made ready. Without anybody to send it to, it does nothing.
#[derive(Debug, Default)]
pub(crate) struct Growth {
    to: Option<Teller>,
    positions: Vec<u64>,
    nodes: Vec<Node>,
    frontiers: Vec<(Key, Vec<u8>)>,
    candidate: Option<Candidate>,
}

impl Growth {
    pub(crate) fn to(map: Option<Teller>) -> Self {
        Self {
            to: map,
            ..Self::default()
        }
    }

    const fn is_wanted(&self) -> bool {
        self.to.is_some()
    }

    /// Forgets what was collected for a batch that was not committed.
    pub(crate) fn begin(&mut self) {
        self.positions.clear();
        self.nodes.clear();
        self.frontiers.clear();
        self.candidate = None;
    }

    /// Notes a record whose leaf is the last one of `edge`.
    pub(crate) fn record(&mut self, record: &Signed, edge: &Edge) {
        if let (true, Body::MapRoot(root)) = (self.is_wanted(), &record.prepared.body) {
            self.candidate = Some(Candidate {
                size: record.offset + 1,
                root: edge.root(),
                map_size: root.size,
            });
        }
    }

    /// Notes the place of a record in one of its timelines.
    pub(crate) fn timeline(&mut self, position: u64, completed: &[Node]) {
        if self.is_wanted() {
            self.positions.push(position);
            // The first completed node has height 1.
            self.nodes
                .extend(completed.iter().skip(ROWS as usize - 1).step_by(ROWS as usize));
        }
    }

    /// Notes where a timeline ends now.
    pub(crate) fn frontier(&mut self, key: Key, frontier: &[u8]) {
        if self.is_wanted() {
            self.frontiers.push((key, frontier.to_vec()));
        }
    }

    /// Sends what was collected; the batch is committed and published.
    pub(crate) fn send(&mut self, records: Vec<Signed>) {
        let (Some(to), Some(first)) = (&self.to, records.first().map(|record| record.offset)) else {
            return;
        };
        let leaf = |record: Signed| Leaf {
            tenant: record.prepared.draft.tenant().clone(),
            is_map_root: matches!(record.prepared.body, Body::MapRoot(_)),
            timelines: record.prepared.timeline_keys,
            keys: record.prepared.map_keys,
            node: record.timeline_leaf,
        };
        let delta = Delta {
            first,
            records: records.into_iter().map(leaf).collect(),
            positions: std::mem::take(&mut self.positions),
            nodes: std::mem::take(&mut self.nodes),
            frontiers: std::mem::take(&mut self.frontiers),
            candidate: self.candidate.take(),
        };
        if to.grown(delta).is_err() {
            // The map has stopped and said why; the log goes on without it.
            self.to = None;
            self.begin();
        }
    }
}
