//! Consistency: that one tree is the beginning of another (RFC 6962, section 2.1.2).
//!
//! Invariant: two sizes fix the number of nodes. A proof from the empty tree, or from a tree to itself, is empty: the
//! first says nothing about the later root (every tree begins with the empty one), the second compares the roots.

use crate::frontier::check_size;
use crate::subtree::{Perfect, Subtree};
use crate::{EMPTY_ROOT, Error, Node, hash_children};

/// The proof that the tree over the first `old` leaves is the beginning of that over the first `new`.
///
/// `node` is asked for perfect subtrees of the newer tree.
///
/// # Errors
///
/// [`Error::Shrinks`] when `old` is above `new`; the first error of `node`, unchanged.
pub fn prove_consistency<E: From<Error>>(
    old: u64,
    new: u64,
    mut node: impl FnMut(Perfect) -> Result<Node, E>,
) -> Result<Vec<Node>, E> {
    check_sizes(old, new)?;
    if old == 0 || old == new {
        return Ok(Vec::new());
    }
    // Down to the subtree that ends where the old tree ends, noting what is passed by.
    let mut tree = Subtree::new(0, new);
    let mut passed = Vec::new();
    while tree.end != old {
        let (left, right) = tree.halves();
        let other;
        (tree, other) = if old <= right.start {
            (left, right)
        } else {
            (right, left)
        };
        passed.push(other);
    }
    // The old tree itself, when it is one node of the new one, is known to whoever verifies.
    if tree.start > 0 {
        passed.push(tree);
    }
    passed
        .into_iter()
        .rev()
        .map(|subtree| subtree.root(&mut node))
        .collect()
}

/// Checks that the tree (`old`, `old_root`) is the beginning of (`new`, `new_root`) (RFC 9162, section 2.1.4.2).
///
/// # Errors
///
/// [`Error::Shrinks`], [`Error::ProofLength`], [`Error::RootMismatch`], whichever of the two roots is missed.
pub fn verify_consistency(old: u64, old_root: &Node, new: u64, new_root: &Node, proof: &[Node]) -> Result<(), Error> {
    check_sizes(old, new)?;
    let expected = consistency_len(old, new);
    if proof.len() != expected {
        return Err(Error::ProofLength {
            expected,
            actual: proof.len(),
        });
    }
    let same = |is_same: bool| if is_same { Ok(()) } else { Err(Error::RootMismatch) };
    if old == 0 {
        return same(*old_root == EMPTY_ROOT && (new > 0 || *new_root == EMPTY_ROOT));
    }
    if old == new {
        return same(old_root == new_root);
    }
    let shift = (old - 1).trailing_ones();
    let (mut position, mut last) = ((old - 1) >> shift, (new - 1) >> shift);
    let (seed, rest) = match proof.split_first() {
        // A perfect old tree is a node of the new one.
        _ if position == 0 => (old_root, proof),
        Some((seed, rest)) => (seed, rest),
        None => (old_root, proof),
    };
    let (mut old_node, mut new_node) = (*seed, *seed);
    for sibling in rest {
        while position & 1 == 0 && position == last {
            position >>= 1;
            last >>= 1;
        }
        if position & 1 == 1 {
            old_node = hash_children(sibling, &old_node);
            new_node = hash_children(sibling, &new_node);
        } else {
            new_node = hash_children(&new_node, sibling);
        }
        position >>= 1;
        last >>= 1;
    }
    same(old_node == *old_root && new_node == *new_root)
}

/// Nodes of a consistency proof. `old` is at most `new`.
fn consistency_len(old: u64, new: u64) -> usize {
    if old == 0 || old == new {
        return 0;
    }
    let shift = (old - 1).trailing_ones();
    let (position, last) = ((old - 1) >> shift, (new - 1) >> shift);
    let inner = u64::BITS - (position ^ last).leading_zeros();
    let border = position.checked_shr(inner).unwrap_or(0).count_ones();
    (inner + border + u32::from(position != 0)) as usize
}

fn check_sizes(old: u64, new: u64) -> Result<(), Error> {
    check_size(new)?;
    if old > new {
        return Err(Error::Shrinks { old, new });
    }
    Ok(())
}
