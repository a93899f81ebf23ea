//! Inclusion: that a leaf stands at a position of the tree with a given size and root (RFC 6962, section 2.1.1).
//!
//! Invariant: a position and a size fix the number of nodes and the side of each, so nothing about a proof's shape is
//! taken from the proof. Builder and verifier stand side by side and share no code but the hash.

use crate::frontier::check_size;
use crate::subtree::{Perfect, Subtree};
use crate::{Error, Node, hash_children};

/// The proof that leaf `index` is in the tree over the first `size` leaves: the leaf's sibling first, the root's child
/// last.
///
/// `node` is asked for perfect subtrees of that tree.
///
/// # Errors
///
/// [`Error::OutOfRange`] when the tree has no such leaf; the first error of `node`, unchanged.
pub fn prove_inclusion<E: From<Error>>(
    index: u64,
    size: u64,
    mut node: impl FnMut(Perfect) -> Result<Node, E>,
) -> Result<Vec<Node>, E> {
    check_index(index, size)?;
    let mut tree = Subtree::new(0, size);
    let mut siblings = Vec::new();
    while tree.size() > 1 {
        let (left, right) = tree.halves();
        let sibling;
        (tree, sibling) = if index < right.start {
            (left, right)
        } else {
            (right, left)
        };
        siblings.push(sibling);
    }
    siblings
        .into_iter()
        .rev()
        .map(|sibling| sibling.root(&mut node))
        .collect()
}

/// Checks that `leaf` is leaf `index` of the tree with this size and root (RFC 9162, section 2.1.3.2).
///
/// # Errors
///
/// [`Error::OutOfRange`], [`Error::ProofLength`], [`Error::RootMismatch`].
pub fn verify_inclusion(leaf: &Node, index: u64, size: u64, root: &Node, proof: &[Node]) -> Result<(), Error> {
    check_index(index, size)?;
    let expected = inclusion_len(index, size);
    if proof.len() != expected {
        return Err(Error::ProofLength {
            expected,
            actual: proof.len(),
        });
    }
    let (mut position, mut last) = (index, size - 1);
    let mut node = *leaf;
    for sibling in proof {
        // At the right edge a node without a right sibling rises until it has a left one.
        while position & 1 == 0 && position == last {
            position >>= 1;
            last >>= 1;
        }
        node = if position & 1 == 1 {
            hash_children(sibling, &node)
        } else {
            hash_children(&node, sibling)
        };
        position >>= 1;
        last >>= 1;
    }
    if node == *root {
        Ok(())
    } else {
        Err(Error::RootMismatch)
    }
}

/// Nodes of an inclusion proof. `index` is below `size`.
fn inclusion_len(index: u64, size: u64) -> usize {
    // Below the point where the paths of this leaf and the last one part, every level has a sibling; above it, only
    // the levels where the path is a right child.
    let inner = u64::BITS - (index ^ (size - 1)).leading_zeros();
    let border = index.checked_shr(inner).unwrap_or(0).count_ones();
    (inner + border) as usize
}

fn check_index(index: u64, size: u64) -> Result<(), Error> {
    check_size(size)?;
    if index >= size {
        return Err(Error::OutOfRange { index, size });
    }
    Ok(())
}
