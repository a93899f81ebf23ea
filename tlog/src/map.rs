//! The authenticated map from a timeline to its head: what makes "nothing was left out" and "there is none" provable.
//!
//! A binary trie over SHA-256 keys. Two levels hang together: a tenant's map holds the heads of its timelines, the top
//! map holds the tenants' maps.
//!
//! ```text
//! root(no key)   32 zero bytes                              EMPTY_MAP
//! root(one key)  SHA-256(0x00 || key || count u64 BE || root)  its leaf, at whatever depth it is alone
//! root(more)     SHA-256(0x01 || left || right)             also where one half is empty
//!
//! direction at depth d: bit d of the key, most significant first; 0 is left
//! tenant map     key = SHA-256(label || 0x00 || target); the whole chain's is SHA-256(0x00)
//! top map        key = SHA-256(tenant)
//! ```
//!
//! Invariant: directions come from the key that is asked about, never from a proof. A proof ends in the leaf of that key
//! (then its head is proven), in a half without keys, or in the leaf of another key that shares the way (then the key is
//! proven absent). Nothing here knows what a timeline is; who keeps the map on disk is the ledger's business.

use crate::{Error, Node, What, hash_children};
use sha2::{Digest as _, Sha256};

/// The root of a map without keys.
pub const EMPTY_MAP: Node = Node::zero();

/// Bits of a key, and so the most siblings that a proof can have.
const BITS: usize = 256;

/// Where a head stands in a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MapKey([u8; 32]);

/// A head under its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapLeaf {
    /// Where it stands.
    pub key: MapKey,
    /// Number of leaves of the tree whose root this is.
    pub count: u64,
    /// In a tenant's map the root of a timeline, in the top map that of the tenant's map.
    pub root: Node,
}

/// The way from a key to the root of a map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapProof {
    /// The halves that the way does not take, the root's child first.
    pub siblings: Vec<Node>,
    /// What is at the end of the way; `None` for a half without keys.
    pub end: Option<MapLeaf>,
}

impl MapKey {
    /// The key of a timeline in its tenant's map.
    #[must_use]
    pub fn timeline(label: &str, target: &str) -> Self {
        Self::of(&[label.as_bytes(), &[0], target.as_bytes()])
    }

    /// The key of the tenant's whole chain in its map.
    #[must_use]
    pub fn whole_chain() -> Self {
        Self::of(&[&[0]])
    }

    /// The key of a tenant in the top map.
    #[must_use]
    pub fn tenant(name: &str) -> Self {
        Self::of(&[name.as_bytes()])
    }

    fn of(parts: &[&[u8]]) -> Self {
        let hasher = parts
            .iter()
            .fold(Sha256::new(), |hasher, part| hasher.chain_update(part));
        Self(hasher.finalize().into())
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether the way to this key goes right at `depth`.
    fn goes_right(&self, depth: usize) -> bool {
        self.0
            .get(depth / 8)
            .is_some_and(|byte| byte >> (7 - depth % 8) & 1 == 1)
    }

    /// Whether both keys go the same way down to `depth`.
    fn shares(&self, other: &Self, depth: usize) -> bool {
        (0..depth).all(|at| self.goes_right(at) == other.goes_right(at))
    }
}

impl From<[u8; 32]> for MapKey {
    /// A key that was made and stored before.
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl MapLeaf {
    /// The leaf's node.
    #[must_use]
    pub fn node(&self) -> Node {
        let hasher = Sha256::new_with_prefix([0x00]).chain_update(self.key.0);
        let hasher = hasher
            .chain_update(self.count.to_be_bytes())
            .chain_update(self.root.as_bytes());
        Node::from(<[u8; 32]>::from(hasher.finalize()))
    }
}

/// The root of the map over `leaves`, which are sorted by key and have each key once.
#[must_use]
pub fn map_root(leaves: &[MapLeaf]) -> Node {
    subtree(leaves, 0)
}

/// The way to `key` in the map over `leaves`, which are sorted by key and have each key once.
#[must_use]
pub fn prove_map(leaves: &[MapLeaf], key: &MapKey) -> MapProof {
    let (mut here, mut siblings) = (leaves, Vec::new());
    while here.len() > 1 {
        let depth = siblings.len();
        let (left, right) = halves(here, depth);
        let sibling;
        (here, sibling) = if key.goes_right(depth) {
            (right, left)
        } else {
            (left, right)
        };
        siblings.push(subtree(sibling, depth + 1));
    }
    MapProof {
        siblings,
        end: here.first().copied(),
    }
}

impl MapProof {
    /// What the map with this root holds under `key`: its leaf, or `None` when it is proven to hold none.
    ///
    /// # Errors
    ///
    /// [`Error::RootMismatch`] when the way leads to another root; [`Error::Malformed`] when it is longer than a key, or
    /// ends in a leaf that does not lie on it.
    pub fn verify(&self, root: &Node, key: &MapKey) -> Result<Option<MapLeaf>, Error> {
        let depth = self.siblings.len();
        if depth > BITS {
            return Err(What::MapProof.malformed("it has more nodes than a key has bits"));
        }
        if self.end.is_some_and(|leaf| !leaf.key.shares(key, depth)) {
            return Err(What::MapProof.malformed("its leaf does not lie on the way to the key"));
        }
        let mut node = self.end.map_or(EMPTY_MAP, |leaf| leaf.node());
        for (depth, sibling) in self.siblings.iter().enumerate().rev() {
            node = if key.goes_right(depth) {
                hash_children(sibling, &node)
            } else {
                hash_children(&node, sibling)
            };
        }
        if node != *root {
            return Err(Error::RootMismatch);
        }
        Ok(self.end.filter(|leaf| leaf.key == *key))
    }
}

/// The root over keys that share their first `depth` bits. Recursion goes as deep as two keys are alike.
fn subtree(leaves: &[MapLeaf], depth: usize) -> Node {
    match leaves {
        [] => EMPTY_MAP,
        [leaf] => leaf.node(),
        _ if depth >= BITS => unreachable!("two different keys part within 256 bits"),
        _ => {
            let (left, right) = halves(leaves, depth);
            hash_children(&subtree(left, depth + 1), &subtree(right, depth + 1))
        }
    }
}

fn halves(leaves: &[MapLeaf], depth: usize) -> (&[MapLeaf], &[MapLeaf]) {
    leaves.split_at(leaves.partition_point(|leaf| !leaf.key.goes_right(depth)))
}
