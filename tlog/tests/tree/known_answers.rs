//! Answers that others published, typed in by hand and never regenerated.
//!
//! Certificate Transparency's eight leaves (RFC 6962 reference code), and a log of three entries whose leaf hashes,
//! root and tile were accepted by an independent implementation.

use sha2::{Digest, Sha256};
use tlog::{EMPTY_ROOT, Edge, Frontier, Node, hash_children, hash_leaf};

const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Leaf data of the Certificate Transparency tree, and the root once that leaf is in.
const CT: [(&str, &str); 8] = [
    ("", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
    ("00", "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
    ("10", "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
    (
        "2021",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ),
    (
        "3031",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    ),
    (
        "40414243",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    ),
    (
        "5051525354555657",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    ),
    (
        "606162636465666768696a6b6c6d6e6f",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ),
];

/// Base64 G7CJKXiZYvWKExZ15qRaGF8u7R2nRNW48t6zbr3EgjE=, JOtn5tZSYS7tElMbyxUNoOcOJEvgA+d5f58fotWa8fE=,
/// TqNtFmcLBWAQ6lqCXCZ7V14XtGnWQQqjxZfWsPzxYdg=.
pub const LEAVES: [&str; 3] = [
    "1bb08929789962f58a131675e6a45a185f2eed1da744d5b8f2deb36ebdc48231",
    "24eb67e6d652612eed12531bcb150da0e70e244be003e7797f9f1fa2d59af1f1",
    "4ea36d16670b056010ea5a825c267b575e17b469d6410aa3c597d6b0fcf161d8",
];
/// Base64 uMuL84Ui5Qw+0CJpMxzkso/kgLhX/GLEYxDVbLLrqO4=.
pub const ROOT_OF_THREE: &str = "b8cb8bf38522e50c3ed02269331ce4b28fe480b857fc62c46310d56cb2eba8ee";
/// SHA-256 of the 96 bytes at `tile/0/000.p/3`.
const TILE_OF_THREE: &str = "06efba249ce54b7f30d910751113458eda5878798bf81dc7e1c407e4412c15a3";
/// The log entry at position 1.
pub const ENTRY_1: &str = concat!(
    r#"{"digest":{"blake3":"3c68e3b954647fa9562d4f670b578d3539dfc957e443833639f0d62f3083cd30","#,
    r#""sha256":"555f91295619f0cef95e118c9840abbec587bef9b752e17dcaa63b55758434ba"},"kind":"record","#,
    r#""media_type":"application/vnd.ledger.record+json","#,
    r#""prev":"c89c7c2fbb05858b2701c782bdc5c57acfec23bb2eb0870d2a4b67b6dc6a0420","seq":1,"v":1}"#
);

pub fn node(digits: &str) -> Node {
    Node::from(<[u8; 32]>::try_from(hex::decode(digits).unwrap()).unwrap())
}

#[test]
fn the_empty_tree_has_the_hash_of_nothing() {
    assert_eq!(EMPTY_ROOT, node(EMPTY));
    assert_eq!(Frontier::new().root(), EMPTY_ROOT);
    assert_eq!(Edge::new().root(), EMPTY_ROOT);
}

#[test]
fn certificate_transparency_roots() {
    let (mut frontier, mut edge, mut filled) = (Frontier::new(), Edge::new(), Vec::new());
    for (position, (data, root)) in CT.into_iter().enumerate() {
        let leaf = hash_leaf(&hex::decode(data).unwrap());
        assert_eq!(frontier.append(leaf, |_| ()), position as u64);
        edge.append(leaf, &mut filled);
        assert_eq!(frontier.root(), node(root), "frontier after leaf {position}");
        assert_eq!(edge.root(), node(root), "edge after leaf {position}");
    }
    assert!(filled.is_empty());
}

#[test]
fn a_published_entry_has_its_leaf_hash() {
    assert_eq!(hash_leaf(ENTRY_1.as_bytes()), node(LEAVES[1]));
}

#[test]
fn a_published_log_of_three_has_its_root_and_tile() {
    let (mut edge, mut filled) = (Edge::new(), Vec::new());
    LEAVES.iter().for_each(|leaf| edge.append(node(leaf), &mut filled));
    assert_eq!(edge.root(), node(ROOT_OF_THREE));

    let tile: Vec<u8> = edge.partial(0).iter().flat_map(|node| *node.as_bytes()).collect();
    assert_eq!(tile.len(), 96);
    assert_eq!(hex::encode(Sha256::digest(&tile)), TILE_OF_THREE);
}

#[test]
fn a_leaf_cannot_pass_for_an_interior_node() {
    let (left, right) = (node(LEAVES[0]), node(LEAVES[1]));
    let both = [*left.as_bytes(), *right.as_bytes()].concat();
    assert_ne!(hash_leaf(&both), hash_children(&left, &right));
}

#[test]
fn nodes_print_as_hex() {
    assert_eq!(node(ROOT_OF_THREE).to_string(), ROOT_OF_THREE);
    assert_eq!(format!("{:?}", node(ROOT_OF_THREE)), ROOT_OF_THREE);
}
