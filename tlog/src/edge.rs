//! The tiles at the right edge of the log tree that are not full yet.
//!
//! Invariant: level l holds the last `(size / 256^l) mod 256` nodes of its row, and the frontier is that of the same
//! leaves. The frontier makes a tile's root a by-product of appending (no burst of 255 hashes when a tile fills) and
//! the root of the log a matter of a few hashes. Full tiles leave through `append` and are not kept. Nothing here
//! checks a root: after [`Edge::rebuild`] the caller compares (size, root) with what was signed.

use crate::tile::{TILE_HEIGHT, TILE_WIDTH, subtrees};
use crate::{Frontier, FullTile, Node, TileId};

/// Per level, the 0 to 255 nodes of the tile that is being filled, and the frontier of the same tree.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct Edge {
    frontier: Frontier,
    levels: Vec<Vec<Node>>,
}

impl Edge {
    /// The edge of a log without leaves.
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// Appends a leaf hash and pushes every tile it fills to `filled`, lowest level first. The root of a filled tile
    /// becomes a node of the level above.
    ///
    /// # Panics
    ///
    /// At 2^64 leaves, as [`Frontier::append`].
    pub fn append(&mut self, leaf: Node, filled: &mut Vec<FullTile>) {
        let Self { frontier, levels } = self;
        let row = frontier.size();
        push(levels, 0, row, leaf, filled);
        let mut height = 0;
        frontier.append(leaf, |node| {
            height += 1;
            if height % TILE_HEIGHT == 0 {
                push(levels, height / TILE_HEIGHT, row >> height, node, filled);
            }
        });
    }

    /// Root of the tree over all leaves; equals [`Frontier::root`] for the same leaves.
    pub fn root(&self) -> Node {
        self.frontier.root()
    }

    /// The nodes of the level's tile that is being filled, left to right: 0 to 255 of them.
    pub fn partial(&self, level: u8) -> &[Node] {
        self.levels.get(usize::from(level)).map_or(&[], Vec::as_slice)
    }

    /// Rebuilds the edge of a log of `size` leaves from what is stored.
    ///
    /// `leaf(i)` is the hash of leaf i, `tile_root(id)` the root of a stored full tile. Only nodes of partial tiles are
    /// asked for, left to right, level 0 first: at most 255 per level.
    ///
    /// # Errors
    ///
    /// The first error of either source, unchanged.
    pub fn rebuild<E>(
        size: u64,
        mut tile_root: impl FnMut(TileId) -> Result<Node, E>,
        mut leaf: impl FnMut(u64) -> Result<Node, E>,
    ) -> Result<Self, E> {
        let mut levels = Vec::new();
        let mut row = size;
        for level in 0.. {
            if row == 0 {
                break;
            }
            let partial = row - row % TILE_WIDTH as u64..row;
            let nodes: Result<Vec<Node>, E> = match level {
                0 => partial.map(&mut leaf).collect(),
                _ => partial
                    .map(|index| {
                        tile_root(TileId {
                            level: level - 1,
                            index,
                        })
                    })
                    .collect(),
            };
            levels.push(nodes?);
            row >>= TILE_HEIGHT;
        }
        let nodes = levels
            .iter()
            .rev()
            .flat_map(|nodes| subtrees(nodes).nodes().to_vec())
            .collect();
        Ok(Self {
            frontier: Frontier::from_parts(size, nodes),
            levels,
        })
    }
}

/// Puts node `row` of a level into its tile; a tile that is full moves to `filled`.
fn push(levels: &mut Vec<Vec<Node>>, level: u32, row: u64, node: Node, filled: &mut Vec<FullTile>) {
    let at = level as usize;
    if levels.len() == at {
        levels.push(Vec::new());
    }
    let nodes = levels
        .get_mut(at)
        .expect("a level opens when the first tile of the one below fills");
    nodes.push(node);
    if nodes.len() == TILE_WIDTH {
        // The next tile of this level will fill as well: allocate it once instead of growing it.
        let nodes = std::mem::replace(nodes, Vec::with_capacity(TILE_WIDTH));
        let id = TileId {
            level: level as u8,
            index: row / TILE_WIDTH as u64,
        };
        filled.push(FullTile { id, nodes });
    }
}
