//! The trees of timelines, as far as range proofs need them: nodes of every fourth row, in tiles of 16.
//!
//! A tile of row r holds the nodes of height 4 r below one node of height 4 r + 4. It is never rewritten: each version adds
//! the nodes that it completed as a fragment, and whoever reads joins the fragments. A fragment's value is its nodes, 32
//! bytes each; they are hashes only, so it is clear.

mod check;

pub(super) use check::check;

use super::delta::ROWS;
use crate::Error;
use crate::index::Key;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use tlog::{Node, Perfect, hash_children};

/// Nodes of a tile.
const TILE: u64 = 16;
/// First byte of a fragment's key.
const TAG: u8 = 3;
/// Bytes of a timeline's key that name it here.
const NAME: usize = 16;

/// Nodes that follow each other within one tile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fragment {
    row: u8,
    /// Number of its first node within the row.
    first: u64,
    nodes: Vec<Node>,
}

/// What one version adds to a timeline.
#[derive(Debug, Default)]
pub(super) struct Fragments(Vec<Fragment>);

impl Fragments {
    /// Adds a leaf and the nodes that it completed, of heights 4, 8 and so on.
    pub(super) fn add(&mut self, position: u64, leaf: Node, completed: impl Iterator<Item = Node>) {
        for (row, node) in std::iter::once(leaf).chain(completed).enumerate() {
            let index = position >> (ROWS as usize * row);
            self.push(row as u8, index, node);
        }
    }

    fn push(&mut self, row: u8, index: u64, node: Node) {
        let last = self.0.iter_mut().rev().find(|fragment| fragment.row == row);
        match last {
            Some(last) if !index.is_multiple_of(TILE) && last.first + last.nodes.len() as u64 == index => {
                last.nodes.push(node);
            }
            _ => self.0.push(Fragment {
                row,
                first: index,
                nodes: vec![node],
            }),
        }
    }

    /// Keys and values for the store.
    pub(super) fn entries(&self, timeline: &Key) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
        self.0.iter().map(move |fragment| {
            let mut key = tile_key(timeline, fragment.row, fragment.first / TILE);
            key.push((fragment.first % TILE) as u8);
            let nodes = fragment.nodes.iter().flat_map(|node| *node.as_bytes()).collect();
            (key, nodes)
        })
    }
}

/// What the keys of a row's fragments begin with.
fn row_key(timeline: &Key, row: u8) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + NAME + 1 + 8 + 1);
    key.push(TAG);
    key.extend(timeline.iter().take(NAME));
    key.push(row);
    key
}

/// What the keys of a tile's fragments begin with.
fn tile_key(timeline: &Key, row: u8, tile: u64) -> Vec<u8> {
    let mut key = row_key(timeline, row);
    key.extend_from_slice(&tile.to_be_bytes());
    key
}

/// The nodes of one tile, as far as they are there.
type Tile = [Option<Node>; TILE as usize];

/// The tree of one timeline, read by the tile: the nodes of a proof stand beside each other in few of them.
pub(super) struct Tree {
    timeline: Key,
    tiles: HashMap<(u8, u64), Tile>,
}

impl Tree {
    pub(super) fn new(timeline: Key) -> Self {
        Self {
            timeline,
            tiles: HashMap::new(),
        }
    }

    /// A perfect node of the tree. `scan` gives the entries whose keys begin with some bytes, always of the same state.
    pub(super) fn node<I: Iterator<Item = Result<(Vec<u8>, Vec<u8>), Error>>>(
        &mut self,
        at: Perfect,
        scan: impl FnOnce(Vec<u8>) -> I,
    ) -> Result<Node, Error> {
        let missing = || Error::corrupt(place(at), "it is missing");
        let row = u8::try_from(at.height / ROWS).map_err(|_| missing())?;
        // One to eight nodes of the row, which stand in one tile.
        let (width, first) = (1_u64 << (at.height % ROWS), at.index.checked_shl(at.height % ROWS));
        let first = first.ok_or_else(missing)?;
        let tile = match self.tiles.entry((row, first / TILE)) {
            Entry::Occupied(tile) => tile.into_mut(),
            Entry::Vacant(slot) => slot.insert(join(scan(tile_key(&self.timeline, row, first / TILE)), at)?),
        };
        let wanted = tile.iter().skip((first % TILE) as usize).take(width as usize);
        let mut row = wanted.copied().collect::<Option<Vec<_>>>().ok_or_else(missing)?;
        while row.len() > 1 {
            let pairs = row.as_chunks::<2>().0.iter();
            row = pairs.map(|[left, right]| hash_children(left, right)).collect();
        }
        row.pop().ok_or_else(missing)
    }
}

/// Puts the fragments of a tile together.
fn join(entries: impl Iterator<Item = Result<(Vec<u8>, Vec<u8>), Error>>, at: Perfect) -> Result<Tile, Error> {
    let mut tile: Tile = [None; TILE as usize];
    for entry in entries {
        let (key, value) = entry?;
        if !put(&key, &value, &mut tile) {
            return Err(Error::corrupt(place(at), "a fragment of its tile is malformed"));
        }
    }
    Ok(tile)
}

/// Puts a fragment's nodes into its tile; `false` when it does not fit.
fn put(key: &[u8], value: &[u8], tile: &mut Tile) -> bool {
    let start = key.last().copied().map_or(0, usize::from);
    let (found, rest) = value.as_chunks::<32>();
    if !rest.is_empty() || start + found.len() > tile.len() {
        return false;
    }
    let places = tile.iter_mut().skip(start);
    places.zip(found).for_each(|(to, node)| *to = Some(Node::from(*node)));
    true
}

fn place(at: Perfect) -> String {
    format!("keyspace map: node {} at height {} of a timeline", at.index, at.height)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use tlog::{Frontier, prove_range, verify_range};

    fn leaf(position: u64) -> Node {
        tlog::hash_leaf(&position.to_be_bytes())
    }

    /// The entries of a timeline whose leaves were added in these portions.
    fn store(timeline: &Key, portions: &[u64]) -> (BTreeMap<Vec<u8>, Vec<u8>>, Frontier) {
        let (mut frontier, mut store) = (Frontier::new(), BTreeMap::new());
        for portion in portions {
            let mut fragments = Fragments::default();
            for _ in 0..*portion {
                let mut completed = Vec::new();
                let node = leaf(frontier.size());
                let position = frontier.append(node, |node| completed.push(node));
                fragments.add(position, node, completed.into_iter().skip(3).step_by(4));
            }
            for (key, value) in fragments.entries(timeline) {
                assert!(store.insert(key, value).is_none(), "written once");
            }
        }
        (store, frontier)
    }

    proptest! {
        #[test]
        fn ranges_are_proven_from_fragments(
            portions in prop::collection::vec(1_u64..90, 1..12), from in any::<prop::sample::Index>(), len in 1_u64..60,
        ) {
            let (store, frontier) = store(&[7; 32], &portions);
            let size = frontier.size();
            let from = from.index(size as usize) as u64;
            let until = (from + len).min(size);
            let scan = |prefix: Vec<u8>| {
                let inside = store.range(prefix.clone()..).take_while(move |(key, _)| key.starts_with(&prefix));
                inside.map(|(key, value)| Ok((key.clone(), value.clone())))
            };
            let mut tree = Tree::new([7; 32]);
            let nodes = prove_range(from, until, size, |at| {
                tree.node(at, scan).map_err(|error| panic!("{error}"))
            }).map_err(|error: tlog::Error| error).unwrap();
            let leaves: Vec<_> = (from..until).map(leaf).collect();
            prop_assert_eq!(verify_range(from, &leaves, size, &frontier.root(), &nodes), Ok(()));
            prop_assert_eq!(check(&[7; 32], size, scan).map_err(|error| error.to_string()), Ok(frontier.root()));
        }
    }

    #[test]
    fn a_node_that_is_not_there_is_named() {
        let (mut store, _) = store(&[7; 32], &[20]);
        let read = |store: &BTreeMap<Vec<u8>, Vec<u8>>, height, index| {
            let entries: Vec<_> = store.clone().into_iter().collect();
            Tree::new([7; 32]).node(Perfect { height, index }, move |prefix| {
                entries
                    .into_iter()
                    .filter(move |(key, _)| key.starts_with(&prefix))
                    .map(Ok)
            })
        };
        assert!(read(&store, 2, 4).is_ok());
        assert!(read(&store, 4, 0).is_ok());
        for (height, index) in [(0, 20), (3, 2), (5, 0), (200, 0), (1, u64::MAX)] {
            assert!(
                matches!(read(&store, height, index), Err(Error::Corrupt { .. })),
                "{height} {index}"
            );
        }
        for value in store.values_mut() {
            value.pop();
        }
        assert!(matches!(read(&store, 0, 0), Err(Error::Corrupt { .. })));
    }
}
