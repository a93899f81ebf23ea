//! Inclusion, consistency and range proofs: every size up to 300 against RFC 6962's own recursion, and every flipped
//! byte refused.

use crate::naive::{leaves, mth};
use proptest::prelude::*;
use tlog::{Error, Node, Perfect};
use tlog::{
    RangeFold, prove_consistency, prove_inclusion, prove_range, verify_consistency, verify_inclusion, verify_range,
};

/// Every (index, size) up to here.
const SIZES: usize = 300;

/// `PATH(m, D[n])` of RFC 6962, section 2.1.1.
fn path(m: usize, leaves: &[Node]) -> Vec<Node> {
    if leaves.len() <= 1 {
        return Vec::new();
    }
    let k = split(leaves.len());
    let (left, right) = leaves.split_at(k);
    let (mut below, sibling) = if m < k {
        (path(m, left), mth(right))
    } else {
        (path(m - k, right), mth(left))
    };
    below.push(sibling);
    below
}

/// `SUBPROOF(m, D[n], b)` of RFC 6962, section 2.1.2.
fn subproof(m: usize, leaves: &[Node], known: bool) -> Vec<Node> {
    if m == leaves.len() {
        return if known { Vec::new() } else { vec![mth(leaves)] };
    }
    let k = split(leaves.len());
    let (left, right) = leaves.split_at(k);
    let (mut below, other) = if m <= k {
        (subproof(m, left, known), mth(right))
    } else {
        (subproof(m - k, right, false), mth(left))
    };
    below.push(other);
    below
}

fn split(size: usize) -> usize {
    let mut k = 1;
    while k * 2 < size {
        k *= 2;
    }
    k
}

/// Perfect subtrees by hashing their leaves; asking beyond the tree panics.
fn nodes(leaves: &[Node]) -> impl FnMut(Perfect) -> Result<Node, Error> + '_ {
    |Perfect { height, index }| {
        let start = (index << height) as usize;
        Ok(mth(&leaves[start..start + (1 << height)]))
    }
}

/// The same from a table of rows, for the many calls of the exhaustive tests.
struct Rows(Vec<Vec<Node>>);

impl Rows {
    fn of(leaves: &[Node]) -> Self {
        let mut rows = vec![leaves.to_vec()];
        while rows.last().unwrap().len() > 1 {
            let pairs = rows.last().unwrap().as_chunks::<2>().0;
            rows.push(pairs.iter().map(|[l, r]| tlog::hash_children(l, r)).collect());
        }
        Self(rows)
    }

    fn node(&self, limit: usize) -> impl FnMut(Perfect) -> Result<Node, Error> + '_ {
        move |Perfect { height, index }| {
            assert!(
                ((index + 1) << height) as usize <= limit,
                "a node outside of the tree is asked for"
            );
            Ok(self.0[height as usize][index as usize])
        }
    }
}

fn roots(leaves: &[Node]) -> Vec<Node> {
    let mut frontier = tlog::Frontier::new();
    let mut roots = vec![frontier.root()];
    for leaf in leaves {
        frontier.append(*leaf, |_| ());
        roots.push(frontier.root());
    }
    roots
}

#[test]
fn every_inclusion_proof_is_the_naive_one_and_verifies() {
    let leaves = leaves(SIZES);
    let (rows, roots) = (Rows::of(&leaves), roots(&leaves));
    for size in 1..=SIZES {
        for index in 0..size {
            let proof = prove_inclusion(index as u64, size as u64, rows.node(size)).unwrap();
            if size % 7 == 0 || size < 40 {
                assert_eq!(proof, path(index, &leaves[..size]), "leaf {index} of {size}");
            }
            verify_inclusion(&leaves[index], index as u64, size as u64, &roots[size], &proof)
                .unwrap_or_else(|error| panic!("leaf {index} of {size}: {error}"));
        }
    }
}

#[test]
fn every_consistency_proof_is_the_naive_one_and_verifies() {
    let leaves = leaves(SIZES);
    let (rows, roots) = (Rows::of(&leaves), roots(&leaves));
    for new in 0..=SIZES {
        for old in 0..=new {
            let proof = prove_consistency(old as u64, new as u64, rows.node(new)).unwrap();
            if old > 0 && (new % 7 == 0 || new < 40) {
                assert_eq!(proof, subproof(old, &leaves[..new], true), "from {old} to {new}");
            }
            verify_consistency(old as u64, &roots[old], new as u64, &roots[new], &proof)
                .unwrap_or_else(|error| panic!("from {old} to {new}: {error}"));
        }
    }
}

#[test]
fn every_range_up_to_sixty_verifies_and_no_other_place_does() {
    let leaves = leaves(60);
    let (rows, roots) = (Rows::of(&leaves), roots(&leaves));
    for (size, root) in roots.iter().enumerate().skip(1) {
        for from in 0..size {
            for until in from + 1..=size {
                let (a, b, n) = (from as u64, until as u64, size as u64);
                let proof = prove_range(a, b, n, rows.node(size)).unwrap();
                verify_range(a, &leaves[from..until], n, root, &proof).unwrap();
                let mut fold = RangeFold::new(a, b, n).unwrap();
                leaves[from..until].iter().for_each(|leaf| fold.push(*leaf));
                fold.finish(root, &proof).unwrap();
                fold.push(leaves[0]);
                assert!(fold.finish(root, &proof).is_err(), "one leaf too many");
                assert!(proof.len() <= 2 * 6, "{} nodes", proof.len());
                if until < size {
                    // The same leaves one place further.
                    assert!(verify_range(a + 1, &leaves[from..until], n, root, &proof).is_err());
                    // One leaf left out at the end, in the middle, at the head.
                    assert!(verify_range(a, &leaves[from..until - 1], n, root, &proof).is_err());
                }
            }
        }
    }
}

#[test]
fn a_range_of_one_has_the_nodes_of_an_inclusion_proof() {
    let leaves = leaves(100);
    for index in 0..100 {
        let mut range = prove_range(index, index + 1, 100, nodes(&leaves)).unwrap();
        let mut inclusion = prove_inclusion(index, 100, nodes(&leaves)).unwrap();
        range.sort_unstable();
        inclusion.sort_unstable();
        assert_eq!(range, inclusion);
    }
}

#[test]
fn a_range_of_everything_needs_no_proof() {
    let leaves = leaves(77);
    assert_eq!(prove_range(0, 77, 77, nodes(&leaves)).unwrap(), []);
    verify_range(0, &leaves, 77, &mth(&leaves), &[]).unwrap();
}

#[test]
fn what_cannot_be_proven_is_named() {
    let none = |_| -> Result<Node, Error> { panic!("no node is needed") };
    let leaf = leaves(1)[0];
    assert_eq!(
        prove_inclusion(3, 3, none),
        Err(Error::OutOfRange { index: 3, size: 3 })
    );
    assert_eq!(
        prove_inclusion(0, 0, none),
        Err(Error::OutOfRange { index: 0, size: 0 })
    );
    assert_eq!(prove_consistency(4, 3, none), Err(Error::Shrinks { old: 4, new: 3 }));
    assert_eq!(prove_range(2, 2, 3, none), Err(Error::EmptyRange { from: 2, until: 2 }));
    assert_eq!(prove_range(2, 5, 4, none), Err(Error::OutOfRange { index: 4, size: 4 }));
    let size = 1 << 63;
    assert_eq!(
        verify_inclusion(&leaf, 0, size, &leaf, &[]),
        Err(Error::SizeTooLarge { size })
    );
    let far = verify_range(u64::MAX, &[leaf], 5, &leaf, &[]);
    assert_eq!(
        far,
        Err(Error::EmptyRange {
            from: u64::MAX,
            until: u64::MAX
        })
    );
    let missing = verify_inclusion(&leaf, 0, 2, &leaf, &[]);
    assert_eq!(missing, Err(Error::ProofLength { expected: 1, actual: 0 }));
    let longer = verify_consistency(1, &leaf, 1, &leaf, &[leaf]);
    assert_eq!(longer, Err(Error::ProofLength { expected: 0, actual: 1 }));
    let forked = verify_consistency(1, &leaf, 1, &tlog::EMPTY_ROOT, &[]);
    assert_eq!(forked, Err(Error::RootMismatch));
    let from_nothing = verify_consistency(0, &leaf, 1, &leaf, &[]);
    assert_eq!(from_nothing, Err(Error::RootMismatch), "the empty tree has one root");
}

#[test]
fn an_error_of_the_source_comes_back_unchanged() {
    #[derive(Debug, PartialEq)]
    struct Lost(Perfect);
    impl From<Error> for Lost {
        fn from(error: Error) -> Self {
            panic!("{error}")
        }
    }
    let lost = prove_inclusion(0, 2, |node| Err::<Node, _>(Lost(node)));
    assert_eq!(lost, Err(Lost(Perfect { height: 0, index: 1 })));
}

fn flipped(node: &Node, byte: usize, bit: u8) -> Node {
    let mut bytes = *node.as_bytes();
    bytes[byte] ^= 1 << bit;
    Node::from(bytes)
}

proptest! {
    #[test]
    fn any_flipped_bit_of_a_proof_is_refused(
        size in 1_u64..2_000, at in 0.0..1.0, width in 1_u64..40, node in any::<prop::sample::Index>(),
        byte in 0_usize..32, bit in 0_u8..8,
    ) {
        let leaves = leaves(size as usize);
        let index = ((size - 1) as f64 * at) as u64;
        let until = (index + width).min(size);
        let root = mth(&leaves);
        let flip = |proof: &[Node]| {
            let mut proof = proof.to_vec();
            let at = node.index(proof.len());
            proof[at] = flipped(&proof[at], byte, bit);
            proof
        };
        let inclusion = prove_inclusion(index, size, nodes(&leaves)).unwrap();
        let leaf = &leaves[index as usize];
        prop_assert_eq!(verify_inclusion(leaf, index, size, &root, &inclusion), Ok(()));
        prop_assert!(verify_inclusion(&flipped(leaf, byte, bit), index, size, &root, &inclusion).is_err());
        prop_assert!(verify_inclusion(leaf, index, size, &flipped(&root, byte, bit), &inclusion).is_err());
        if !inclusion.is_empty() {
            prop_assert!(verify_inclusion(leaf, index, size, &root, &flip(&inclusion)).is_err());
            prop_assert!(verify_inclusion(leaf, index ^ 1, size, &root, &inclusion).is_err());
        }
        let range = prove_range(index, until, size, nodes(&leaves)).unwrap();
        let stretch = &leaves[index as usize..until as usize];
        prop_assert_eq!(verify_range(index, stretch, size, &root, &range), Ok(()));
        if !range.is_empty() {
            prop_assert!(verify_range(index, stretch, size, &root, &flip(&range)).is_err());
        }
        let mut altered = stretch.to_vec();
        let at = node.index(altered.len());
        altered[at] = flipped(&altered[at], byte, bit);
        prop_assert!(verify_range(index, &altered, size, &root, &range).is_err());
        let (old, old_root) = (index + 1, mth(&leaves[..=index as usize]));
        let consistency = prove_consistency(old, size, nodes(&leaves)).unwrap();
        prop_assert_eq!(verify_consistency(old, &old_root, size, &root, &consistency), Ok(()));
        prop_assert!(verify_consistency(old, &flipped(&old_root, byte, bit), size, &root, &consistency).is_err());
        prop_assert!(verify_consistency(old, &old_root, size, &flipped(&root, byte, bit), &consistency).is_err());
        if !consistency.is_empty() {
            prop_assert!(verify_consistency(old, &old_root, size, &root, &flip(&consistency)).is_err());
        }
    }
}
