//! An authenticated map that is changed key by key: only what lies on the way to a changed key is hashed again.
//!
//! Invariant: [`Trie::root`] equals `tlog::map_root` over the same leaves; a property test holds them together. One inner
//! node for every subtree with two or more keys, so memory is about a hundred bytes for each key.

use tlog::{EMPTY_MAP, MapKey, Node, hash_children};

/// A map from keys to leaf nodes.
#[derive(Debug, Default)]
pub(crate) struct Trie {
    root: Slot,
    leaves: Vec<(MapKey, Node)>,
    inner: Vec<Inner>,
}

/// What stands at the end of a way.
#[derive(Debug, Clone, Copy, Default)]
enum Slot {
    #[default]
    Empty,
    /// Index into `leaves`.
    Leaf(u32),
    /// Index into `inner`.
    Inner(u32),
}

#[derive(Debug)]
struct Inner {
    left: Slot,
    right: Slot,
    /// The node; `None` since a key below was changed.
    node: Option<Node>,
}

impl Trie {
    /// Puts `node` under `key`, in place of what was there.
    pub(crate) fn set(&mut self, key: MapKey, node: Node) {
        self.root = self.put(self.root, 0, key, node);
    }

    /// The root, hashing what was changed since it was last asked for.
    pub(crate) fn root(&mut self) -> Node {
        self.node_of(self.root)
    }

    /// Recursion goes as deep as two keys are alike: nobody finds SHA-256 keys that share many more bits than chance.
    fn put(&mut self, slot: Slot, depth: usize, key: MapKey, node: Node) -> Slot {
        match slot {
            Slot::Empty => self.new_leaf(key, node),
            Slot::Leaf(at) => {
                let found = self.leaf_mut(at);
                if found.0 == key {
                    found.1 = node;
                    return slot;
                }
                let other = found.0;
                self.part(slot, &other, depth, key, node)
            }
            Slot::Inner(at) => {
                let right = goes_right(&key, depth);
                let inner = self.inner_mut(at);
                inner.node = None;
                let below = if right { inner.right } else { inner.left };
                let below = self.put(below, depth + 1, key, node);
                let inner = self.inner_mut(at);
                *(if right { &mut inner.right } else { &mut inner.left }) = below;
                slot
            }
        }
    }

    /// Two different keys where one leaf stood: inner nodes down to the bit in which they differ.
    fn part(&mut self, old: Slot, other: &MapKey, depth: usize, key: MapKey, node: Node) -> Slot {
        let new_right = goes_right(&key, depth);
        let (left, right) = match (new_right, goes_right(other, depth)) {
            (true, false) => (old, self.new_leaf(key, node)),
            (false, true) => (self.new_leaf(key, node), old),
            (true, true) => (Slot::Empty, self.part(old, other, depth + 1, key, node)),
            (false, false) => (self.part(old, other, depth + 1, key, node), Slot::Empty),
        };
        let node = None;
        self.inner.push(Inner { left, right, node });
        Slot::Inner(index(self.inner.len()))
    }

    fn new_leaf(&mut self, key: MapKey, node: Node) -> Slot {
        self.leaves.push((key, node));
        Slot::Leaf(index(self.leaves.len()))
    }

    fn node_of(&mut self, slot: Slot) -> Node {
        match slot {
            Slot::Empty => EMPTY_MAP,
            Slot::Leaf(at) => self.leaf_mut(at).1,
            Slot::Inner(at) => {
                let Inner { left, right, node } = *self.inner_mut(at);
                if let Some(node) = node {
                    return node;
                }
                let node = hash_children(&self.node_of(left), &self.node_of(right));
                self.inner_mut(at).node = Some(node);
                node
            }
        }
    }

    fn leaf_mut(&mut self, at: u32) -> &mut (MapKey, Node) {
        self.leaves
            .get_mut(at as usize)
            .expect("a slot names a leaf that was made")
    }

    fn inner_mut(&mut self, at: u32) -> &mut Inner {
        self.inner
            .get_mut(at as usize)
            .expect("a slot names a node that was made")
    }
}

/// The index of what was pushed last.
fn index(len: usize) -> u32 {
    u32::try_from(len - 1).expect("fewer than 2^32 timelines fit into memory")
}

fn goes_right(key: &MapKey, depth: usize) -> bool {
    let byte = key.as_bytes().get(depth / 8);
    byte.is_some_and(|byte| byte >> (7 - depth % 8) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use tlog::{MapLeaf, map_root};

    #[test]
    fn an_empty_map_and_a_lone_key() {
        let mut trie = Trie::default();
        assert_eq!(trie.root(), EMPTY_MAP);
        let leaf = MapLeaf {
            key: MapKey::tenant("acme"),
            count: 3,
            root: Node::from([7; 32]),
        };
        trie.set(leaf.key, leaf.node());
        assert_eq!(trie.root(), map_root(&[leaf]));
    }

    proptest! {
        #[test]
        fn the_root_is_that_of_the_same_leaves_however_they_came(
            // Few distinct bytes, so that keys share long beginnings and are changed again.
            writes in prop::collection::vec((prop::collection::vec(0_u8..3, 3), 1_u64..9), 1..60),
        ) {
            let (mut trie, mut leaves) = (Trie::default(), BTreeMap::new());
            for (beginning, count) in writes {
                let mut key = [0; 32];
                key[..3].copy_from_slice(&beginning);
                let leaf = MapLeaf { key: MapKey::from(key), count, root: Node::from([count as u8; 32]) };
                trie.set(leaf.key, leaf.node());
                leaves.insert(leaf.key, leaf);
                let sorted: Vec<MapLeaf> = leaves.values().copied().collect();
                prop_assert_eq!(trie.root(), map_root(&sorted));
            }
        }
    }
}
