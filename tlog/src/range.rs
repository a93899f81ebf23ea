//! Ranges: that leaves stand side by side in a tree, none left out between them.
//!
//! A range proof is what the verifier cannot compute from the range's own leaves: the roots of the subtrees left of it,
//! then of those right of it, each from left to right. For one leaf these are the nodes of an inclusion proof in
//! another order. Leaves 2 to 4 of a tree of seven:
//!
//! ```text
//!                r7
//!            /       \
//!         .            r3          proof = [ h2 over 0..2, h1 over 5, h1 over 6 ]
//!       /    \       /  |          leaves = 2, 3, 4: given to the verifier, who hashes them
//!   [h2]      .     .  [6]
//!    /  \    /  \  /  \ |
//!   0    1  2    3 4 [5]
//! ```
//!
//! Invariant: (from, number of leaves, size) fixes the shape; no part of it is taken from the proof.

use crate::frontier::check_size;
use crate::subtree::{Perfect, Subtree};
use crate::{Error, Node, hash_children};

/// The proof that the leaves from `from` to before `until` are a stretch of the tree over the first `size` leaves.
///
/// `node` is asked for perfect subtrees of that tree. At most two nodes a level: 126 at most, whatever the range.
///
/// # Errors
///
/// [`Error::EmptyRange`]; [`Error::OutOfRange`] when the tree ends before the range; the first error of `node`.
pub fn prove_range<E: From<Error>>(
    from: u64,
    until: u64,
    size: u64,
    mut node: impl FnMut(Perfect) -> Result<Node, E>,
) -> Result<Vec<Node>, E> {
    check_range(from, until, size)?;
    let mut beside = Vec::new();
    collect(Subtree::new(0, size), from, until, &mut beside);
    beside.into_iter().map(|subtree| subtree.root(&mut node)).collect()
}

/// Checks that `leaves` are the leaves from `from` on, side by side, of the tree with this size and root.
///
/// # Errors
///
/// [`Error::EmptyRange`], [`Error::OutOfRange`], [`Error::ProofLength`], [`Error::RootMismatch`].
pub fn verify_range(from: u64, leaves: &[Node], size: u64, root: &Node, proof: &[Node]) -> Result<(), Error> {
    let until = from.saturating_add(leaves.len() as u64);
    check_range(from, until, size)?;
    let tree = Subtree::new(0, size);
    let mut beside = Vec::new();
    collect(tree, from, until, &mut beside);
    let (expected, actual) = (beside.len(), proof.len());
    if actual != expected {
        return Err(Error::ProofLength { expected, actual });
    }
    let (mut leaves, mut proof) = (leaves.iter(), proof.iter());
    let rebuilt = rebuild(tree, from, until, &mut leaves, &mut proof);
    if rebuilt.as_ref() == Some(root) {
        Ok(())
    } else {
        Err(Error::RootMismatch)
    }
}

const fn is_beside(tree: Subtree, from: u64, until: u64) -> bool {
    tree.end <= from || tree.start >= until
}

/// The largest subtrees beside the range, left to right. Recursion goes as deep as the tree is high, 63 at most.
fn collect(tree: Subtree, from: u64, until: u64, beside: &mut Vec<Subtree>) {
    if is_beside(tree, from, until) {
        beside.push(tree);
    } else if tree.start < from || tree.end > until {
        let (left, right) = tree.halves();
        collect(left, from, until, beside);
        collect(right, from, until, beside);
    }
}

/// The root of `tree` from the leaves in the range and the nodes beside it; `None` when one of them runs out.
fn rebuild<'a>(
    tree: Subtree,
    from: u64,
    until: u64,
    leaves: &mut impl Iterator<Item = &'a Node>,
    proof: &mut impl Iterator<Item = &'a Node>,
) -> Option<Node> {
    if is_beside(tree, from, until) {
        return proof.next().copied();
    }
    if tree.size() == 1 {
        return leaves.next().copied();
    }
    let (left, right) = tree.halves();
    let left = rebuild(left, from, until, leaves, proof)?;
    let right = rebuild(right, from, until, leaves, proof)?;
    Some(hash_children(&left, &right))
}

fn check_range(from: u64, until: u64, size: u64) -> Result<(), Error> {
    check_size(size)?;
    if from >= until {
        return Err(Error::EmptyRange { from, until });
    }
    if until > size {
        return Err(Error::OutOfRange { index: until - 1, size });
    }
    Ok(())
}
