//! The right edge of an append-only tree, in memory and as canonical bytes.
//!
//! Invariant: one node per one bit of `size`, largest subtree first, so a frontier of n leaves takes at most
//! 8 + 32 * 63 bytes and one tree state has one encoding. It keeps neither leaves nor completed nodes: `append` hands
//! those to the caller. It does not check its nodes against a signed root; whoever decodes one does.

use crate::{EMPTY_ROOT, Error, Node, hash_children};

const NODE_BYTES: usize = size_of::<Node>();
const MAX_SIZE: u64 = i64::MAX as u64;

/// Right edge of an append-only tree: its size and the roots of its perfect subtrees, largest first.
///
/// [`root`](Self::root) alone does not bind the size; compare (size, root).
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Frontier {
    size: u64,
    nodes: Vec<Node>,
}

impl Frontier {
    /// A tree without leaves.
    pub fn new() -> Self {
        Self::default()
    }

    /// Joins parts that the caller took from one tree.
    pub(crate) fn from_parts(size: u64, nodes: Vec<Node>) -> Self {
        debug_assert_eq!(nodes.len(), node_count(size));
        Self { size, nodes }
    }

    /// Number of leaves, which is also the position of the next one.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Roots of the perfect subtrees, largest (leftmost) first: one per one bit of the size.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Appends a leaf hash and returns its position.
    ///
    /// Calls `completed` bottom up for every interior node that this leaf completes: exactly as many as the position
    /// has trailing one bits, the first of height 1 (two leaves). The frontier changes after the last call.
    ///
    /// # Panics
    ///
    /// At 2^64 leaves, which decoding refuses and appending does not reach.
    pub fn append(&mut self, leaf: Node, mut completed: impl FnMut(Node)) -> u64 {
        let position = self.size;
        let size = position.checked_add(1).expect("a tree never reaches 2^64 leaves");
        let kept = self.nodes.len() - position.trailing_ones() as usize;
        let merged = self.nodes.iter().skip(kept).rev().fold(leaf, |right, left| {
            let node = hash_children(left, &right);
            completed(node);
            node
        });
        self.nodes.truncate(kept);
        self.nodes.push(merged);
        self.size = size;
        position
    }

    /// Root of the tree over all leaves (RFC 6962 `MTH`), [`EMPTY_ROOT`] if there are none. One hash fewer than nodes.
    pub fn root(&self) -> Node {
        let smallest_first = self.nodes.iter().rev().copied();
        smallest_first
            .reduce(|right, left| hash_children(&left, &right))
            .unwrap_or(EMPTY_ROOT)
    }

    /// Appends the canonical bytes to `out`: size u64 big-endian, then 32 bytes per node, largest subtree first.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        out.reserve(encoded_len(self.size));
        out.extend_from_slice(&self.size.to_be_bytes());
        self.nodes
            .iter()
            .for_each(|node| out.extend_from_slice(node.as_bytes()));
    }

    /// The canonical bytes; see [`encode_into`](Self::encode_into).
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode_into(&mut out);
        out
    }

    /// Reads exactly what [`encode`](Self::encode) writes.
    ///
    /// # Errors
    ///
    /// [`Error::Truncated`] below eight bytes, [`Error::SizeTooLarge`] from 2^63 leaves, [`Error::Length`] if the nodes
    /// are not one per one bit of the size or anything trails them.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let actual = bytes.len();
        let (head, tail) = bytes.split_first_chunk().ok_or(Error::Truncated { actual })?;
        let size = u64::from_be_bytes(*head);
        check_size(size)?;
        let expected = encoded_len(size);
        if actual != expected {
            return Err(Error::Length { size, expected, actual });
        }
        let (nodes, _) = tail.as_chunks::<NODE_BYTES>();
        Ok(Self::from_parts(size, nodes.iter().copied().map(Node::from).collect()))
    }
}

/// Refuses a size that no tree can have.
pub(crate) const fn check_size(size: u64) -> Result<(), Error> {
    if size > MAX_SIZE {
        return Err(Error::SizeTooLarge { size });
    }
    Ok(())
}

fn node_count(size: u64) -> usize {
    size.count_ones() as usize
}

fn encoded_len(size: u64) -> usize {
    size_of::<u64>() + NODE_BYTES * node_count(size)
}
