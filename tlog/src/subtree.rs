//! The subtrees that proofs are made of, and how their roots come out of stored perfect nodes.
//!
//! Invariant: a [`Subtree`] is one of those that RFC 6962's splitting of some tree visits, so each but the rightmost is
//! perfect. A perfect one is a single stored node; the rightmost is folded from a few. Nothing here knows a leaf's data.

use crate::{Node, hash_children};

/// A perfect subtree: node `index` of the row at `height`, over the leaves `index << height` and up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Perfect {
    /// 0 for a leaf hash.
    pub height: u32,
    /// Number of the node within its row, from the left.
    pub index: u64,
}

/// The leaves from `start` to before `end` as one node of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subtree {
    pub(crate) start: u64,
    pub(crate) end: u64,
}

/// Largest power of two below `size`: where a tree of two or more leaves splits.
pub(crate) const fn split(size: u64) -> u64 {
    1 << (u64::BITS - 1 - (size - 1).leading_zeros())
}

impl Subtree {
    pub(crate) const fn new(start: u64, end: u64) -> Self {
        Self { start, end }
    }

    pub(crate) const fn size(self) -> u64 {
        self.end - self.start
    }

    /// Both halves; the left one is perfect.
    pub(crate) const fn halves(self) -> (Self, Self) {
        let middle = self.start + split(self.size());
        (Self::new(self.start, middle), Self::new(middle, self.end))
    }

    /// The perfect subtrees that make it up, left to right: one per one bit of its size.
    pub(crate) fn parts(self) -> impl DoubleEndedIterator<Item = Perfect> {
        let size = self.size();
        let part = move |height: u32| {
            // Whatever is left of it is larger, so it starts where the higher bits of the size end.
            let before = size
                .checked_shr(height + 1)
                .unwrap_or(0)
                .checked_shl(height + 1)
                .unwrap_or(0);
            Perfect {
                height,
                index: (self.start + before) >> height,
            }
        };
        (0..u64::BITS)
            .rev()
            .filter(move |height| size >> height & 1 == 1)
            .map(part)
    }

    /// Its root, from `node`, which is asked for perfect subtrees only.
    pub(crate) fn root<E>(self, node: &mut impl FnMut(Perfect) -> Result<Node, E>) -> Result<Node, E> {
        let mut root = None;
        for part in self.parts().rev() {
            let left = node(part)?;
            root = Some(root.map_or(left, |right| hash_children(&left, &right)));
        }
        Ok(root.unwrap_or(crate::EMPTY_ROOT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_splits_at_the_largest_power_of_two_below_its_size() {
        for (size, expected) in [(2, 1), (3, 2), (4, 2), (5, 4), (8, 4), (9, 8), (1 << 62, 1 << 61)] {
            assert_eq!(split(size), expected, "{size}");
        }
        assert_eq!(split(i64::MAX as u64), 1 << 62);
    }

    #[test]
    fn parts_are_the_one_bits_of_the_size() {
        let parts: Vec<Perfect> = Subtree::new(8, 15).parts().collect();
        let perfect = |height, index| Perfect { height, index };
        assert_eq!(parts, [perfect(2, 2), perfect(1, 6), perfect(0, 14)]);
        assert_eq!(Subtree::new(4, 8).parts().collect::<Vec<_>>(), [perfect(2, 1)]);
        assert_eq!(Subtree::new(3, 3).parts().count(), 0);
    }
}
