//! The frontier against RFC 6962 section 2.1 written down word for word, on SHA-256 alone.

use sha2::{Digest, Sha256};
use tlog::{Frontier, Node, hash_leaf};

const SIZES: usize = 600;

/// `MTH(D[n])` over leaf hashes: split at k, the largest power of two smaller than n.
pub fn mth(leaves: &[Node]) -> Node {
    match leaves {
        [] => Node::from(<[u8; 32]>::from(Sha256::digest(b""))),
        [leaf] => *leaf,
        _ => {
            let mut k = 1;
            while k * 2 < leaves.len() {
                k *= 2;
            }
            let hasher = Sha256::new_with_prefix([1]);
            let hasher = hasher.chain_update(mth(&leaves[..k]).as_bytes());
            Node::from(<[u8; 32]>::from(
                hasher.chain_update(mth(&leaves[k..]).as_bytes()).finalize(),
            ))
        }
    }
}

/// Leaf hashes of distinct leaves.
pub fn leaves(count: usize) -> Vec<Node> {
    (0..count as u64)
        .map(|position| hash_leaf(&position.to_be_bytes()))
        .collect()
}

#[test]
fn every_size_has_the_naive_root() {
    let leaves = leaves(SIZES);
    let mut frontier = Frontier::new();
    for size in 0..=SIZES {
        assert_eq!(frontier.size(), size as u64);
        assert_eq!(frontier.root(), mth(&leaves[..size]), "size {size}");
        if let Some(leaf) = leaves.get(size) {
            frontier.append(*leaf, |_| ());
        }
    }
}

#[test]
fn the_frontier_holds_the_naive_perfect_subtrees() {
    let leaves = leaves(SIZES);
    let mut frontier = Frontier::new();
    for (position, leaf) in leaves.iter().enumerate() {
        frontier.append(*leaf, |_| ());
        let size = position + 1;
        let (mut start, mut expected) = (0, Vec::new());
        for height in (0..usize::BITS).rev().filter(|height| size >> height & 1 == 1) {
            expected.push(mth(&leaves[start..start + (1 << height)]));
            start += 1 << height;
        }
        assert_eq!(frontier.nodes(), expected, "size {size}");
    }
}

#[test]
fn a_leaf_completes_one_naive_subtree_per_trailing_one() {
    let leaves = leaves(SIZES);
    let mut frontier = Frontier::new();
    for (position, leaf) in leaves.iter().enumerate() {
        let mut completed = Vec::new();
        assert_eq!(frontier.append(*leaf, |node| completed.push(node)), position as u64);
        assert_eq!(
            completed.len(),
            position.trailing_ones() as usize,
            "position {position}"
        );
        for (below, node) in completed.iter().enumerate() {
            let span = 2 << below;
            assert_eq!(
                *node,
                mth(&leaves[position + 1 - span..=position]),
                "position {position}, {span} leaves"
            );
        }
    }
}
