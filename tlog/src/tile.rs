//! Coordinates and content of full C2SP tlog-tiles (tlog-tiles v0.1.0).
//!
//! Invariant: tile n of level l holds nodes n * 256 to n * 256 + 255 of that level, where a node covers 256^l leaves,
//! so a full tile never changes once written. Partial tiles belong to [`Edge`](crate::Edge); entry bundles are not
//! tiles of hashes and are not named here. Paths are written, never parsed.

use crate::{Frontier, Node};

/// Nodes of a full tile.
pub(crate) const TILE_WIDTH: usize = 256;
/// A tile's root stands this many levels of the tree above its nodes: 2^8 = 256.
pub(crate) const TILE_HEIGHT: u32 = 8;

/// Where a tile sits. Orders by level, then index, and so do its [`key`](Self::key) bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileId {
    /// 0 for tiles of leaf hashes; a node of level l has height 8 * l.
    pub level: u8,
    /// Number of the tile within its level, from the left.
    pub index: u64,
}

impl TileId {
    /// The C2SP path without a prefix: `tile/0/x001/x234/067`, and `tile/0/x001/x234/067.p/W` for a partial tile of
    /// W nodes.
    ///
    /// # Panics
    ///
    /// At a width of 0: an empty tile has no path (tlog-tiles: W is 1 to 255).
    pub fn path(&self, width: Option<u8>) -> String {
        assert_ne!(width, Some(0), "an empty tile has no path");
        let mut number = format!("{:03}", self.index % 1000);
        let mut rest = self.index / 1000;
        while rest > 0 {
            number.insert_str(0, &format!("x{:03}/", rest % 1000));
            rest /= 1000;
        }
        let partial = width.map(|nodes| format!(".p/{nodes}")).unwrap_or_default();
        format!("tile/{}/{number}{partial}", self.level)
    }

    /// The nine bytes level || index big-endian, a storage key that sorts as the coordinates do.
    pub fn key(&self) -> [u8; 9] {
        let mut key = [self.level; 9];
        key[1..].copy_from_slice(&self.index.to_be_bytes());
        key
    }
}

/// A tile that is full and will never change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FullTile {
    /// Where it sits.
    pub id: TileId,
    /// Its 256 nodes, left to right.
    pub nodes: Vec<Node>,
}

impl FullTile {
    /// Root of the subtree over the tile's nodes, which is node `id.index` of level `id.level + 1`. 255 hashes.
    pub fn root(&self) -> Node {
        subtrees(&self.nodes).root()
    }
}

/// Folds nodes of one height, left to right, into the perfect subtrees over them.
pub(crate) fn subtrees(nodes: &[Node]) -> Frontier {
    let mut frontier = Frontier::new();
    for node in nodes {
        frontier.append(*node, |_| ());
    }
    frontier
}
