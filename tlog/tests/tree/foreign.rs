//! Against two crates of others, `tlog_tiles` and `signed_note`: roots, tiles, proofs, checkpoints and notes, made by one
//! side and taken by the other. (Paths of tiles are left out: those of that crate are not C2SP's.)

use crate::naive::leaves;
use ed25519_dalek::SigningKey;
use signed_note::{Note as ForeignNote, StandardVerifier, VerifierList};
use tlog::{Checkpoint, CheckpointText, Edge, Error, KeyType, Node, Perfect, VerifierKey};
use tlog::{prove_consistency, prove_inclusion, verify_consistency, verify_inclusion};
use tlog_tiles::{Hash, HashReader, Tile, record_hash};

/// Sizes that are compared: around powers of two, and around the first tile.
const SIZES: [usize; 12] = [1, 2, 3, 7, 8, 9, 100, 255, 256, 257, 300, 600];

/// Every node of the tree over some leaves, stored as that crate stores them.
struct Stored(Vec<Hash>);

impl HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, tlog_tiles::Error> {
        Ok(indexes.iter().map(|index| self.0[*index as usize]).collect())
    }
}

impl Stored {
    fn of(leaves: &[Node]) -> Self {
        let mut stored = Self(Vec::new());
        for (position, leaf) in leaves.iter().enumerate() {
            let leaf = Hash(*leaf.as_bytes());
            let new = tlog_tiles::stored_hashes_for_record_hash(position as u64, leaf, &stored);
            stored.0.extend(new.expect("it reads what it stored"));
        }
        stored
    }

    /// What our proofs ask for.
    fn node(&self, Perfect { height, index }: Perfect) -> Node {
        let at = tlog_tiles::stored_hash_index(u8::try_from(height).expect("a height"), index);
        ours(&self.0[at as usize])
    }

    fn root(&self, size: usize) -> Hash {
        tlog_tiles::tree_hash(size as u64, self).expect("it has the tree")
    }
}

fn ours(hash: &Hash) -> Node {
    Node::from(hash.0)
}

fn all_ours(hashes: &[Hash]) -> Vec<Node> {
    hashes.iter().map(ours).collect()
}

fn theirs(nodes: &[Node]) -> Vec<Hash> {
    nodes.iter().map(|node| Hash(*node.as_bytes())).collect()
}

#[test]
fn a_leaf_is_hashed_alike() {
    assert_eq!(ours(&record_hash(b"leaf data")), tlog::hash_leaf(b"leaf data"));
    let (left, right) = (record_hash(b"left"), record_hash(b"right"));
    let parent = tlog::hash_children(&ours(&left), &ours(&right));
    assert_eq!(ours(&tlog_tiles::node_hash(left, right)), parent);
}

#[test]
fn inclusion_proofs_are_the_same_and_each_side_takes_the_others() {
    let leaves = leaves(600);
    let stored = Stored::of(&leaves);
    for size in SIZES {
        let root = stored.root(size);
        for index in (0..size).step_by(1 + size / 50) {
            let (n, t, leaf) = (index as u64, size as u64, &leaves[index]);
            let made = prove_inclusion(n, t, |perfect| Ok::<_, Error>(stored.node(perfect))).expect("a proof");
            let foreign = tlog_tiles::prove_record(t, n, &stored).expect("a proof");
            assert_eq!(made, all_ours(&foreign), "leaf {n} of {t}");
            verify_inclusion(leaf, n, t, &ours(&root), &all_ours(&foreign)).expect("theirs holds");
            let taken = tlog_tiles::check_record(&theirs(&made), t, root, n, Hash(*leaf.as_bytes()));
            taken.expect("ours holds");
            let wrong = tlog_tiles::check_record(&theirs(&made), t, root, n, record_hash(b"another"));
            assert!(wrong.is_err(), "leaf {n} of {t}");
        }
    }
}

#[test]
fn consistency_proofs_are_the_same_and_each_side_takes_the_others() {
    let leaves = leaves(600);
    let stored = Stored::of(&leaves);
    for new in SIZES {
        for old in (1..=new).step_by(1 + new / 50) {
            let (n, t) = (old as u64, new as u64);
            let (before, after) = (stored.root(old), stored.root(new));
            let made = prove_consistency(n, t, |perfect| Ok::<_, Error>(stored.node(perfect))).expect("a proof");
            let foreign = tlog_tiles::prove_tree(t, n, &stored).expect("a proof");
            assert_eq!(made, all_ours(&foreign), "{n} to {t}");
            let held = verify_consistency(n, &ours(&before), t, &ours(&after), &all_ours(&foreign));
            held.expect("theirs holds");
            let taken = tlog_tiles::check_tree(&theirs(&made), t, after, n, before);
            taken.expect("ours holds");
            if old < new {
                let wrong = tlog_tiles::check_tree(&theirs(&made), t, after, n, after);
                assert!(wrong.is_err(), "{n} to {t}");
            }
        }
    }
}

#[test]
fn roots_and_tiles_hold_the_same_bytes() {
    let leaves = leaves(600);
    let stored = Stored::of(&leaves);
    let (mut edge, mut filled) = (Edge::new(), Vec::new());
    for (position, leaf) in leaves.iter().enumerate() {
        edge.append(*leaf, &mut filled);
        assert_eq!(edge.root(), ours(&stored.root(position + 1)), "size {}", position + 1);
    }
    assert_eq!(filled.len(), 2);
    for tile in filled {
        let foreign = Tile::new(8, tile.id.level, tile.id.index, 256, false);
        let bytes: Vec<u8> = tile.nodes.iter().flat_map(|node| *node.as_bytes()).collect();
        assert_eq!(foreign.read_data(&stored).expect("it has the tile"), bytes);
    }
    for (level, width) in [(0, 600 % 256), (1, 2)] {
        let foreign = Tile::new(8, level, if level == 0 { 2 } else { 0 }, width, false);
        let bytes: Vec<u8> = edge.partial(level).iter().flat_map(|node| *node.as_bytes()).collect();
        assert_eq!(
            foreign.read_data(&stored).expect("it has the tile"),
            bytes,
            "level {level}"
        );
    }
}

#[test]
fn a_checkpoint_is_a_note_that_others_verify() {
    let secret = SigningKey::from_bytes(&[7; 32]);
    let key = VerifierKey::new("example.com/audit", KeyType::Ed25519, secret.verifying_key().as_bytes());
    let key = key.expect("a key");
    let root = tlog::hash_leaf(b"one leaf");
    let checkpoint = Checkpoint::sign(1, root, &key, &secret);
    let text = checkpoint.note().to_text();

    let note = ForeignNote::from_bytes(text.as_bytes()).expect("a note");
    let verifier = StandardVerifier::new(&key.to_string()).expect("a verifier key");
    let (known, unknown) = note
        .verify(&VerifierList::new(vec![Box::new(verifier)]))
        .expect("signed");
    assert_eq!((known.len(), unknown.len()), (1, 0));
    let read = tlog_tiles::Checkpoint::from_bytes(note.text()).expect("a checkpoint");
    assert_eq!(
        (read.origin(), read.size(), read.extension()),
        ("example.com/audit", 1, "")
    );
    assert_eq!(ours(read.hash()), root);
    // And back: what they write, we read.
    let written = String::from_utf8(note.to_bytes()).expect("text");
    let back = CheckpointText::parse(&written).expect("a checkpoint");
    back.verify("example.com/audit", std::slice::from_ref(&key))
        .expect("signed");

    let forged = text.replacen("\n1\n", "\n2\n", 1);
    let note = ForeignNote::from_bytes(forged.as_bytes()).expect("a note");
    let verifier = StandardVerifier::new(&key.to_string()).expect("a verifier key");
    assert!(note.verify(&VerifierList::new(vec![Box::new(verifier)])).is_err());
}
