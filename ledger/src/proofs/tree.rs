//! Nodes of the log tree as of any committed size: from full tiles in the store, and at the right edge from blocks.
//!
//! Invariant: a node that is given out covers committed records only, so it never changes and may be kept in memory. A
//! tile that is not full yet is kept as the nodes it had when it was read, and grows when more of it is asked for.

use super::entry;
use crate::Error;
use crate::engine::Shared;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use tlog::{EMPTY_ROOT, Node, Perfect, TileId, hash_children, hash_leaf};

/// Nodes of a full tile.
pub(crate) const TILE: usize = 256;
/// Tiles kept: 2 MiB.
const KEPT: usize = 256;

/// The tiles that were read last, newest at the back.
#[derive(Default)]
pub(crate) struct Tiles(Mutex<VecDeque<(TileId, Arc<[Node]>)>>);

impl Tiles {
    fn find(&self, id: TileId) -> Option<Arc<[Node]>> {
        let tiles = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tiles
            .iter()
            .rev()
            .find(|(at, _)| *at == id)
            .map(|(_, nodes)| Arc::clone(nodes))
    }

    fn keep(&self, id: TileId, nodes: Arc<[Node]>) {
        let mut tiles = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tiles.retain(|(at, _)| *at != id);
        if tiles.len() >= KEPT {
            tiles.pop_front();
        }
        tiles.push_back((id, nodes));
    }
}

/// The log's tree.
#[derive(Clone, Copy)]
pub(crate) struct LogTree<'a>(pub(crate) &'a Shared);

impl LogTree<'_> {
    /// The root of a perfect subtree of committed leaves.
    pub(crate) fn node(self, place: Perfect) -> Result<Node, Error> {
        let within = place.height % 8;
        let (span, first) = (1_usize << within, place.index << within);
        let level = u8::try_from(place.height / 8).unwrap_or(u8::MAX);
        let (index, start) = (first / TILE as u64, (first % TILE as u64) as usize);
        let tile = self.tile(TileId { level, index }, start + span)?;
        let nodes = tile.get(start..start + span).and_then(fold);
        nodes.ok_or_else(|| Error::corrupt("the log tree", "a tile has fewer nodes than were asked for"))
    }

    /// At least the first `width` nodes of a tile, 1 to 256 of them; they cover committed records.
    pub(crate) fn tile(self, id: TileId, width: usize) -> Result<Arc<[Node]>, Error> {
        let kept = self.0.tiles.find(id);
        if let Some(nodes) = kept.as_ref().filter(|nodes| nodes.len() >= width) {
            return Ok(Arc::clone(nodes));
        }
        let nodes: Arc<[Node]> = match self.0.store.tile(id)? {
            Some(bytes) => read_tile(&bytes, id)?,
            None if width >= TILE => return Err(Error::corrupt(id.path(None), "this tile is missing")),
            None => self.partial(id, width, kept.as_deref().unwrap_or_default())?,
        };
        self.0.tiles.keep(id, Arc::clone(&nodes));
        Ok(nodes)
    }

    /// The first `width` nodes of a tile that is not full, of which some are known.
    fn partial(self, id: TileId, width: usize, known: &[Node]) -> Result<Arc<[Node]>, Error> {
        let first = id.index * TILE as u64;
        let missing = (known.len()..width).map(|at| {
            let row = first + at as u64;
            match id.level.checked_sub(1) {
                None => self.leaf(row),
                Some(level) => {
                    let below = TileId { level, index: row };
                    fold(&self.tile(below, TILE)?).ok_or_else(|| Error::corrupt(below.path(None), "it is not full"))
                }
            }
        });
        known.iter().copied().map(Ok).chain(missing).collect()
    }

    /// The hash of a leaf.
    pub(crate) fn leaf(self, offset: u64) -> Result<Node, Error> {
        Ok(hash_leaf(&entry(self.0, offset)?))
    }

    /// The root of the tree over the first `size` records, all committed.
    pub(crate) fn root(self, size: u64) -> Result<Node, Error> {
        let mut root = None;
        for height in (0..u64::BITS).filter(|height| size >> height & 1 == 1) {
            // What lies left of this part is larger, so it covers the higher bits of the size.
            let index = (size >> height) - 1;
            let left = self.node(Perfect { height, index })?;
            root = Some(root.map_or(left, |right| hash_children(&left, &right)));
        }
        Ok(root.unwrap_or(EMPTY_ROOT))
    }
}

/// The node over a power of two of nodes.
fn fold(nodes: &[Node]) -> Option<Node> {
    let mut row = nodes.to_vec();
    while row.len() > 1 {
        let (pairs, odd) = row.as_chunks::<2>();
        if !odd.is_empty() {
            return None;
        }
        row = pairs.iter().map(|[left, right]| hash_children(left, right)).collect();
    }
    row.pop()
}

fn read_tile(bytes: &[u8], id: TileId) -> Result<Arc<[Node]>, Error> {
    let (nodes, rest) = bytes.as_chunks::<32>();
    if nodes.len() != TILE || !rest.is_empty() {
        return Err(Error::corrupt(id.path(None), "a full tile has 256 nodes"));
    }
    Ok(nodes.iter().map(|node| Node::from(*node)).collect())
}
