//! RFC 6962 Merkle trees over SHA-256: hashes, the right edge that appending needs, and C2SP tlog-tiles.
//!
//! # The tree
//!
//! A tree over n leaves splits at the largest power of two below n (RFC 6962, section 2.1). Seven leaves:
//!
//! ```text
//!                r7
//!            /       \
//!         h4           r3          h1 = SHA-256(0x00 || leaf data)           hash_leaf
//!       /    \       /  |          h2, h4, r3, r7 = SHA-256(0x01 || l || r)  hash_children
//!     h2      h2    h2  |          no leaves: SHA-256("")                    EMPTY_ROOT
//!    /  \    /  \  /  \ |
//!   h1  h1  h1 h1 h1 h1 h1         hN, rN: a node over N leaves
//! at 0   1   2  3  4  5  6
//! ```
//!
//! `h1`, `h2` and `h4` are *perfect*: they cover a power of two of leaves and never change again. `r3` and the root
//! `r7` are gone with the next leaf. A leaf completes one perfect interior node per trailing one bit of its position:
//! leaf 3 = 0b11 completes the `h2` over 2..4, then the `h4` over 0..4; leaf 4 = 0b100 completes none.
//!
//! # The frontier
//!
//! [`Frontier`] is what appending needs of a tree and nothing else: its size and the roots of its largest perfect
//! subtrees, left to right, one per one bit of the size. Seven leaves = 0b111 leave `h4`, `h2`, `h1`:
//!
//! ```text
//! offset  0          8                40               72               104
//!         +----------+----------------+----------------+----------------+
//!         | size     | node over 0..4 | node over 4..6 | node over 6..7 |
//!         | u64 BE 7 | 32 bytes       | 32 bytes       | 32 bytes       |
//!         +----------+----------------+----------------+----------------+
//! length = 8 + 32 * popcount(size); the empty tree is eight zero bytes
//! ```
//!
//! A root does not say how many leaves it covers: under the sizes 3 and 5, the same two nodes fold into the same
//! root. A tree head is therefore always the pair (size, root), as in a checkpoint or a timeline head.
//!
//! # Tiles
//!
//! The log tree is stored as C2SP tlog-tiles of 256 nodes. Node n of level l covers 256^l leaves; a full tile's root is
//! a node of the level above. [`Edge`] holds the tiles that are not full yet. A log of 70,000 leaves:
//!
//! ```text
//! level 2  [ 1 ]                                          one node over leaves 0..65536
//! level 1  [ 256 nodes, full ][ 17 ]                      a node covers 256 leaves
//! level 0  [ 256 ][ 256 ] .. 273 full .. [ 256 ][ 112 ]   a node is a leaf hash
//! ```
//!
//! # Proofs
//!
//! [`prove_inclusion`], [`prove_consistency`] and [`prove_range`] ask for perfect subtrees ([`Perfect`]) and give nodes;
//! the `verify_` functions beside them need nothing but the proof. Sizes and positions fix a proof's shape, so nothing
//! about it is taken from whoever sent it.
//!
//! # Notes
//!
//! A [`Checkpoint`] is a tree head in a signed [`Note`]; witnesses add [`Cosignature`] lines to it, and a [`Policy`]
//! says how many make a quorum. What was sent and what was checked have different types: [`CheckpointText`] and
//! [`Checkpoint`], [`ProofText`] and what [`ProofText::verify`] gives back.
//!
//! # The map
//!
//! [`map_root`] is the root of the authenticated map from a timeline to its head, and a [`MapProof`] shows what the map
//! holds under a key, or that it holds nothing there.
//!
//! # Deliberately absent
//!
//! No clock, I/O or randomness: who stores nodes and tiles is the caller's business. Nothing here judges a root; what
//! is decoded or rebuilt is only trusted once its (size, root) equals a signed one.

mod base64;
mod bundle;
mod checkpoint;
mod consistency;
mod cosignature;
mod edge;
mod entry;
mod error;
mod frontier;
mod inclusion;
mod key;
mod map;
mod node;
mod note;
mod path;
mod policy;
mod range;
mod subtree;
mod text;
mod tile;
mod witness;

pub use bundle::{entries, push_entry};
pub use checkpoint::{Checkpoint, CheckpointText};
pub use consistency::{prove_consistency, verify_consistency};
pub use cosignature::Cosignature;
pub use edge::Edge;
pub use entry::{log_entry, timeline_entry};
pub use error::{Error, What};
pub use frontier::Frontier;
pub use inclusion::{prove_inclusion, verify_inclusion};
pub use key::{KeyId, KeyType, VerifierKey};
pub use map::{EMPTY_MAP, MapKey, MapLeaf, MapProof, map_root, prove_map};
pub use node::{EMPTY_ROOT, Node, hash_children, hash_leaf};
pub use note::{Line, Note};
pub use path::TilePath;
pub use policy::{Judgement, Policy, PolicyLog, PolicyWitness};
pub use range::{RangeFold, prove_range, verify_range};
pub use subtree::Perfect;
pub use text::ProofText;
pub use tile::{FullTile, TileId};
pub use witness::{AddCheckpoint, Refusal, Seen};
