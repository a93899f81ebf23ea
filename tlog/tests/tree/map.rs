//! The authenticated map: by hand, against a naive trie, and every altered proof refused.

use proptest::prelude::*;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use tlog::{EMPTY_MAP, Error, MapKey, MapLeaf, MapProof, Node, map_root, prove_map};

fn leaf(key: MapKey, count: u64) -> MapLeaf {
    MapLeaf {
        key,
        count,
        root: tlog::hash_leaf(&count.to_be_bytes()),
    }
}

fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    parts
        .iter()
        .fold(Sha256::new(), |hasher, part| hasher.chain_update(part))
        .finalize()
        .into()
}

/// The definition of the format, word for word, over keys as bit strings.
fn naive(leaves: &[(String, [u8; 32])]) -> [u8; 32] {
    match leaves {
        [] => [0; 32],
        [(_, leaf)] => *leaf,
        _ => {
            let half = |bit: char| -> Vec<(String, [u8; 32])> {
                let of = leaves.iter().filter(|(bits, _)| bits.starts_with(bit));
                of.map(|(bits, leaf)| (bits[1..].to_owned(), *leaf)).collect()
            };
            sha256(&[&[1], &naive(&half('0')), &naive(&half('1'))])
        }
    }
}

fn bits(key: &MapKey) -> String {
    key.as_bytes().iter().map(|byte| format!("{byte:08b}")).collect()
}

fn many(count: u64) -> Vec<MapLeaf> {
    let keyed = (0..count).map(|n| {
        let key = MapKey::timeline("actor", &format!("agent:{n}"));
        (key, leaf(key, n + 1))
    });
    keyed.collect::<BTreeMap<_, _>>().into_values().collect()
}

#[test]
fn keys_and_leaves_are_the_hashes_of_the_format() {
    assert_eq!(
        MapKey::timeline("actor", "agent:a").as_bytes(),
        &sha256(&[b"actor\0agent:a"])
    );
    assert_eq!(MapKey::whole_chain().as_bytes(), &sha256(&[b"\0"]));
    assert_eq!(MapKey::tenant("acme").as_bytes(), &sha256(&[b"acme"]));
    let one = leaf(MapKey::tenant("acme"), 7);
    let expected = sha256(&[&[0], &sha256(&[b"acme"]), &7_u64.to_be_bytes(), one.root.as_bytes()]);
    assert_eq!(one.node().as_bytes(), &expected);
    assert_eq!(map_root(&[]).as_bytes(), &[0; 32]);
    assert_eq!(map_root(&[one]), one.node());
}

#[test]
fn every_size_up_to_eighty_has_the_naive_root() {
    for count in 0..80 {
        let leaves = many(count);
        let strings: Vec<_> = leaves
            .iter()
            .map(|leaf| (bits(&leaf.key), *leaf.node().as_bytes()))
            .collect();
        assert_eq!(map_root(&leaves).as_bytes(), &naive(&strings), "{count} keys");
    }
}

#[test]
fn presence_and_absence_are_proven() {
    for count in [0, 1, 2, 3, 17, 200] {
        let leaves = many(count);
        let root = map_root(&leaves);
        for one in &leaves {
            assert_eq!(prove_map(&leaves, &one.key).verify(&root, &one.key), Ok(Some(*one)));
        }
        let (mut in_empty_half, mut beside_a_leaf) = (0, 0);
        for n in 0..200 {
            let absent = MapKey::timeline("subject", &format!("claim:{n}"));
            let proof = prove_map(&leaves, &absent);
            assert_eq!(proof.verify(&root, &absent), Ok(None));
            match proof.end {
                None => in_empty_half += 1,
                Some(_) => beside_a_leaf += 1,
            }
        }
        // Both ways to be absent are met.
        assert!(
            count < 17 || (in_empty_half > 0 && beside_a_leaf > 0),
            "{in_empty_half}, {beside_a_leaf}"
        );
    }
}

#[test]
fn a_key_that_is_there_cannot_be_proven_absent() {
    let leaves = many(64);
    let root = map_root(&leaves);
    for one in &leaves {
        let honest = prove_map(&leaves, &one.key);
        let without_end = MapProof {
            end: None,
            ..honest.clone()
        };
        assert_eq!(without_end.verify(&root, &one.key), Err(Error::RootMismatch));
        for other in &leaves {
            if other.key != one.key {
                let swapped = MapProof {
                    end: Some(*other),
                    ..honest.clone()
                };
                assert!(swapped.verify(&root, &one.key).is_err());
                // Another key's whole proof.
                assert!(!matches!(
                    prove_map(&leaves, &other.key).verify(&root, &one.key),
                    Ok(None)
                ));
            }
        }
        let shorter = MapProof {
            siblings: honest.siblings[1..].to_vec(),
            end: honest.end,
        };
        assert!(shorter.verify(&root, &one.key).is_err());
    }
}

#[test]
fn a_proof_longer_than_a_key_is_refused() {
    let key = MapKey::whole_chain();
    let proof = MapProof {
        siblings: vec![EMPTY_MAP; 257],
        end: None,
    };
    assert!(matches!(proof.verify(&EMPTY_MAP, &key), Err(Error::Malformed { .. })));
}

proptest! {
    #[test]
    fn any_altered_proof_is_refused(
        count in 1_u64..100, which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(),
        byte in 0_usize..32, bit in 0_u8..8, delta in 1_u64..9,
    ) {
        let flip = |node: &Node| {
            let mut bytes = *node.as_bytes();
            bytes[byte] ^= 1 << bit;
            Node::from(bytes)
        };
        let leaves = many(count);
        let (root, one) = (map_root(&leaves), leaves[which.index(leaves.len())]);
        let proof = prove_map(&leaves, &one.key);
        prop_assert!(proof.verify(&flip(&root), &one.key).is_err());
        for end in [MapLeaf { count: one.count + delta, ..one }, MapLeaf { root: flip(&one.root), ..one }] {
            let altered = MapProof { end: Some(end), ..proof.clone() };
            prop_assert_eq!(altered.verify(&root, &one.key), Err(Error::RootMismatch));
        }
        if !proof.siblings.is_empty() {
            let mut altered = proof.clone();
            let at = at.index(altered.siblings.len());
            altered.siblings[at] = flip(&altered.siblings[at]);
            prop_assert_eq!(altered.verify(&root, &one.key), Err(Error::RootMismatch));
        }
    }
}
