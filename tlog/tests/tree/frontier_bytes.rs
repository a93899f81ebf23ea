//! The encoded frontier: its exact bytes, what decoding refuses, and that no byte can change unnoticed.

use proptest::prelude::*;
use tlog::{Error, Frontier, hash_children};

use crate::naive::leaves;

fn frontier_of(size: usize) -> Frontier {
    let mut frontier = Frontier::new();
    leaves(size).into_iter().for_each(|leaf| {
        frontier.append(leaf, |_| ());
    });
    frontier
}

#[test]
fn the_layout_is_size_then_nodes_largest_first() {
    let leaf = leaves(3);
    let pair = hash_children(&leaf[0], &leaf[1]);
    let expected = [&[0, 0, 0, 0, 0, 0, 0, 3], &pair.as_bytes()[..], &leaf[2].as_bytes()[..]].concat();
    assert_eq!(frontier_of(3).encode(), expected);
    assert_eq!(Frontier::new().encode(), [0; 8]);
}

#[test]
fn encoding_into_keeps_what_is_there() {
    let mut out = vec![7];
    frontier_of(5).encode_into(&mut out);
    assert_eq!(out[0], 7);
    assert_eq!(Frontier::decode(&out[1..]), Ok(frontier_of(5)));
}

#[test]
fn every_truncation_and_extension_is_refused() {
    for size in [0, 1, 2, 3, 7, 255, 256, 600] {
        let mut bytes = frontier_of(size).encode();
        for len in 0..bytes.len() {
            let refused = Frontier::decode(&bytes[..len]).unwrap_err();
            let expected = match len {
                0..8 => Error::Truncated { actual: len },
                _ => Error::Length {
                    size: size as u64,
                    expected: bytes.len(),
                    actual: len,
                },
            };
            assert_eq!(refused, expected);
        }
        let expected = bytes.len();
        for actual in expected + 1..expected + 70 {
            bytes.push(0);
            let refused = Error::Length {
                size: size as u64,
                expected,
                actual,
            };
            assert_eq!(Frontier::decode(&bytes), Err(refused));
        }
    }
}

#[test]
fn a_size_that_no_tree_can_have_is_refused() {
    let largest = [&i64::MAX.to_be_bytes()[..], &[1; 32 * 63]].concat();
    assert_eq!(
        Frontier::decode(&largest).map(|frontier| frontier.size()),
        Ok(i64::MAX as u64)
    );

    for size in [1 << 63, u64::MAX] {
        let bytes = [&size.to_be_bytes()[..], &vec![1; 32 * size.count_ones() as usize]].concat();
        assert_eq!(Frontier::decode(&bytes), Err(Error::SizeTooLarge { size }));
    }
}

/// Why a tree head is (size, root): sizes 3 and 5 have two nodes each, and a root does not tell them apart.
#[test]
fn a_root_alone_does_not_bind_the_size() {
    let mut bytes = frontier_of(3).encode();
    bytes[7] = 5;
    let forged = Frontier::decode(&bytes).unwrap();
    assert_eq!(forged.root(), frontier_of(3).root());
    assert_ne!(forged.size(), frontier_of(3).size());
}

proptest! {
    #[test]
    fn decoding_is_the_inverse_of_encoding(size in 0_usize..2000) {
        let frontier = frontier_of(size);
        prop_assert_eq!(Frontier::decode(&frontier.encode()), Ok(frontier));
    }

    #[test]
    fn appending_goes_on_after_decoding(size in 0_usize..300, more in 0_usize..300) {
        let mut resumed = Frontier::decode(&frontier_of(size).encode()).unwrap();
        for leaf in leaves(size + more).split_off(size) {
            resumed.append(leaf, |_| ());
        }
        prop_assert_eq!(resumed, frontier_of(size + more));
    }

    #[test]
    fn a_flipped_byte_changes_the_head_or_is_refused(
        size in 0_usize..2000, at in any::<prop::sample::Index>(), mask in 1_u8..,
    ) {
        let frontier = frontier_of(size);
        let mut bytes = frontier.encode();
        let at = at.index(bytes.len());
        bytes[at] ^= mask;
        match Frontier::decode(&bytes) {
            Err(_) => prop_assert!(at < 8, "node bytes are never refused, they change the root"),
            Ok(changed) if at < 8 => prop_assert_ne!(changed.size(), frontier.size()),
            Ok(changed) => prop_assert_ne!(changed.root(), frontier.root()),
        }
    }

    #[test]
    fn what_decodes_has_one_encoding(bytes in frontier_like()) {
        if let Ok(frontier) = Frontier::decode(&bytes) {
            prop_assert_eq!(frontier.encode(), bytes);
        }
    }
}

/// A small size in front of any number of bytes around the right one: about half of them decode.
fn frontier_like() -> impl Strategy<Value = Vec<u8>> {
    (0_u64..32, -1_isize..2, any::<bool>(), any::<u8>()).prop_map(|(size, off, exact, fill)| {
        let nodes = 32 * size.count_ones() as isize;
        let len = if exact { nodes } else { (nodes + off).max(0) };
        [&size.to_be_bytes()[..], &vec![fill; len as usize]].concat()
    })
}
