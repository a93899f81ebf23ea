//! The edge of the log tree at the sizes where tiles begin and end, live and rebuilt from stored tiles.

use std::cell::Cell;
use std::collections::BTreeMap;

use proptest::prelude::*;
use tlog::{Edge, Frontier, FullTile, Node, TileId};

use crate::naive::{leaves, mth};

const SIZES: [usize; 12] = [0, 1, 255, 256, 257, 511, 512, 65_535, 65_536, 65_537, 65_793, 70_000];

/// A log as a store would keep it: leaf hashes, full tiles, and the live edge.
#[derive(Default)]
struct Log {
    leaves: Vec<Node>,
    tiles: BTreeMap<TileId, FullTile>,
    edge: Edge,
}

impl Log {
    fn append(&mut self, leaf: Node) -> Vec<FullTile> {
        let mut filled = Vec::new();
        self.edge.append(leaf, &mut filled);
        self.leaves.push(leaf);
        for tile in &filled {
            assert!(
                self.tiles.insert(tile.id, tile.clone()).is_none(),
                "{:?} filled twice",
                tile.id
            );
        }
        filled
    }

    fn of(size: usize) -> Self {
        let mut log = Self::default();
        leaves(size).into_iter().for_each(|leaf| {
            log.append(leaf);
        });
        log
    }

    fn full(&self, level: u8) -> usize {
        self.tiles.keys().filter(|id| id.level == level).count()
    }

    /// Rebuilds from tiles and leaves; every question must be about a node of a partial tile.
    fn rebuild(&self) -> Edge {
        let size = self.leaves.len() as u64;
        let asked = Cell::new(0);
        let tile_root = |id: TileId| {
            let row = size >> (8 * (u32::from(id.level) + 1));
            assert_eq!(id.index / 256, row / 256, "{id:?} is not under a partial tile");
            asked.set(asked.get() + 1);
            self.tiles.get(&id).map(FullTile::root).ok_or(id)
        };
        let leaf = |position: u64| {
            assert_eq!(position / 256, size / 256, "leaf {position} is not in the partial tile");
            asked.set(asked.get() + 1);
            Ok(self.leaves[position as usize])
        };
        let edge = Edge::rebuild(size, tile_root, leaf).unwrap();
        let partial: usize = (0..=8).map(|level| edge.partial(level).len()).sum();
        assert_eq!(asked.get(), partial);
        edge
    }
}

#[test]
fn edge_and_frontier_agree_and_rebuilding_changes_nothing() {
    let (mut log, mut frontier) = (Log::default(), Frontier::new());
    for leaf in leaves(70_001) {
        let size = log.leaves.len();
        if SIZES.contains(&size) {
            assert_eq!(log.edge.size(), size as u64);
            assert_eq!(log.edge.root(), frontier.root(), "size {size}");
            assert_eq!(log.edge.root(), mth(&log.leaves), "size {size}");
            assert_eq!(log.rebuild(), log.edge, "size {size}");
            for level in 0..=8 {
                assert_eq!(
                    log.edge.partial(level).len(),
                    size.checked_shr(8 * u32::from(level)).unwrap_or(0) % 256
                );
            }
        }
        log.append(leaf);
        frontier.append(leaf, |_| ());
    }
}

/// The example of the tlog-tiles specification.
#[test]
fn seventy_thousand_leaves() {
    let log = Log::of(70_000);
    assert_eq!((log.full(0), log.edge.partial(0).len()), (273, 112));
    assert_eq!((log.full(1), log.edge.partial(1).len()), (1, 17));
    assert_eq!((log.full(2), log.edge.partial(2).len()), (0, 1));
    assert_eq!(log.tiles.len(), 274);
    assert!(log.edge.partial(3).is_empty());
    assert!(log.edge.partial(255).is_empty());
}

#[test]
fn a_tile_holds_naive_subtree_roots() {
    let log = Log::of(65_536 + 256);
    for (id, tile) in &log.tiles {
        let span = 256_usize.pow(u32::from(id.level));
        let start = id.index as usize * 256 * span;
        let expected: Vec<Node> = log.leaves[start..start + 256 * span].chunks(span).map(mth).collect();
        assert_eq!(tile.id, *id);
        assert_eq!(tile.nodes, expected, "{id:?}");
        let above = TileId {
            level: id.level + 1,
            index: id.index / 256,
        };
        let row = log
            .tiles
            .get(&above)
            .map_or(log.edge.partial(above.level), |tile| &tile.nodes);
        assert_eq!(row[(id.index % 256) as usize], tile.root(), "{id:?} in the level above");
    }
}

#[test]
fn tiles_fill_lowest_level_first() {
    let mut log = Log::default();
    for (position, leaf) in leaves(65_536).into_iter().enumerate() {
        let filled: Vec<TileId> = log.append(leaf).into_iter().map(|tile| tile.id).collect();
        let expected = match position + 1 {
            65_536 => vec![TileId { level: 0, index: 255 }, TileId { level: 1, index: 0 }],
            size if size % 256 == 0 => vec![TileId {
                level: 0,
                index: position as u64 / 256,
            }],
            _ => Vec::new(),
        };
        assert_eq!(filled, expected, "position {position}");
    }
}

#[test]
fn a_rebuilt_edge_goes_on_as_the_live_one() {
    let mut live = Log::of(65_500);
    let mut resumed = live.rebuild();
    for leaf in leaves(65_600).split_off(65_500) {
        let mut filled = Vec::new();
        resumed.append(leaf, &mut filled);
        assert_eq!(filled, live.append(leaf));
        assert_eq!(resumed, live.edge);
    }
}

#[test]
fn rebuilding_passes_on_what_a_source_says() {
    let leaf = Node::from([1; 32]);
    let lost_tile = Edge::rebuild(257, |id| Err(format!("lost {}", id.path(None))), |_| Ok(leaf));
    assert_eq!(lost_tile, Err("lost tile/0/000".to_owned()));
    let lost_leaf = Edge::rebuild(257, |_| Ok(leaf), |position| Err(format!("lost leaf {position}")));
    assert_eq!(lost_leaf, Err("lost leaf 256".to_owned()));
}

/// No log is this long; the arithmetic must hold all the same.
#[test]
fn the_longest_log_can_be_rebuilt() {
    let node = Node::from([1; 32]);
    let edge = Edge::rebuild(u64::MAX, |_| Ok::<_, ()>(node), |_| Ok(node)).unwrap();
    assert_eq!((0..=255).map(|level| edge.partial(level).len()).sum::<usize>(), 8 * 255);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_size_rebuilds_to_the_live_edge(size in 0_usize..3000) {
        let log = Log::of(size);
        prop_assert_eq!(log.rebuild(), log.edge);
    }
}
