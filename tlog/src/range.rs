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
use crate::{Error, Frontier, Node, hash_children};
use std::iter::Peekable;

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

/// Checks a range whose leaves come one after another, in memory that does not grow with it.
///
/// The leaves are folded into the largest perfect subtrees that lie in the range, two for each level at most; each of
/// them is a node of the tree, whatever its size.
#[derive(Clone, Debug)]
pub struct RangeFold {
    from: u64,
    until: u64,
    size: u64,
    /// Perfect subtrees that are complete, left to right.
    blocks: Vec<(Subtree, Node)>,
    /// The leaves behind them.
    open: Frontier,
}

impl RangeFold {
    /// The range from `from` to before `until` of a tree of `size` leaves.
    ///
    /// # Errors
    ///
    /// [`Error::EmptyRange`], [`Error::OutOfRange`].
    pub fn new(from: u64, until: u64, size: u64) -> Result<Self, Error> {
        check_range(from, until, size)?;
        Ok(Self {
            from,
            until,
            size,
            blocks: Vec::new(),
            open: Frontier::new(),
        })
    }

    /// The next leaf. Leaves behind the end of the range are counted and make [`Self::finish`] fail.
    pub fn push(&mut self, leaf: Node) {
        self.open.append(leaf, |_| ());
        let start = self.blocks.last().map_or(self.from, |(block, _)| block.end);
        let end = start.saturating_add(largest_perfect(start, self.until));
        if end - start == self.open.size() {
            self.blocks.push((Subtree::new(start, end), self.open.root()));
            self.open = Frontier::new();
        }
    }

    /// How many leaves came.
    #[must_use]
    pub fn leaves(&self) -> u64 {
        let closed = self.blocks.last().map_or(0, |(block, _)| block.end - self.from);
        closed + self.open.size()
    }

    /// Checks that the leaves were exactly the range, of the tree with this root.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfRange`] when there were more or fewer leaves, [`Error::ProofLength`], [`Error::RootMismatch`].
    pub fn finish(&self, root: &Node, proof: &[Node]) -> Result<(), Error> {
        let index = self.from.saturating_add(self.leaves());
        if index != self.until {
            return Err(Error::OutOfRange {
                index,
                size: self.until,
            });
        }
        let tree = Subtree::new(0, self.size);
        let mut beside = Vec::new();
        collect(tree, self.from, self.until, &mut beside);
        let (expected, actual) = (beside.len(), proof.len());
        if actual != expected {
            return Err(Error::ProofLength { expected, actual });
        }
        let (mut blocks, mut proof) = (self.blocks.iter().peekable(), proof.iter());
        match self.join(tree, &mut blocks, &mut proof) {
            Some(rebuilt) if rebuilt == *root => Ok(()),
            _ => Err(Error::RootMismatch),
        }
    }

    fn join<'a>(
        &self,
        tree: Subtree,
        blocks: &mut Peekable<impl Iterator<Item = &'a (Subtree, Node)>>,
        proof: &mut impl Iterator<Item = &'a Node>,
    ) -> Option<Node> {
        if is_beside(tree, self.from, self.until) {
            return proof.next().copied();
        }
        if let Some((_, node)) = blocks.next_if(|(block, _)| *block == tree) {
            return Some(*node);
        }
        if tree.size() == 1 {
            return None;
        }
        let (left, right) = tree.halves();
        let left = self.join(left, blocks, proof)?;
        let right = self.join(right, blocks, proof)?;
        Some(hash_children(&left, &right))
    }
}

/// Leaves of the largest perfect subtree that begins at `start` and ends at `until` at the latest; 0 for none.
const fn largest_perfect(start: u64, until: u64) -> u64 {
    let room = until.saturating_sub(start);
    if room == 0 {
        return 0;
    }
    let highest = u64::BITS - 1 - room.leading_zeros();
    let aligned = start.trailing_zeros();
    1 << if aligned < highest { aligned } else { highest }
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
