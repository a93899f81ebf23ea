//! One node of a tree and the two ways to make it.
//!
//! Invariant: the hash input begins with 0x00 for a leaf and 0x01 for an interior node, so that neither can pass for
//! the other (RFC 6962, section 2.1). Nothing here knows where in a tree a node sits.

use std::fmt;

use sha2::{Digest, Sha256};

const LEAF_PREFIX: u8 = 0x00;
const INTERIOR_PREFIX: u8 = 0x01;

/// A 32-byte SHA-256 node: a leaf hash, an interior node or a root. Prints as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node([u8; 32]);

/// The root of a tree without leaves: SHA-256 of the empty string (RFC 6962, section 2.1).
pub const EMPTY_ROOT: Node = Node([
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae, 0x41,
    0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
]);

impl Node {
    /// 32 zero bytes, which no hash is known to have.
    pub(crate) const fn zero() -> Self {
        Self([0; 32])
    }

    /// The 32 bytes of the hash.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for Node {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The hash of a leaf: SHA-256(0x00 || data).
pub fn hash_leaf(data: &[u8]) -> Node {
    Node(
        Sha256::new()
            .chain_update([LEAF_PREFIX])
            .chain_update(data)
            .finalize()
            .into(),
    )
}

/// The hash of an interior node: SHA-256(0x01 || left || right).
pub fn hash_children(left: &Node, right: &Node) -> Node {
    let mut input = [INTERIOR_PREFIX; 65];
    input[1..33].copy_from_slice(&left.0);
    input[33..].copy_from_slice(&right.0);
    Node(Sha256::digest(input).into())
}
