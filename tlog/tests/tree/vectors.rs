//! Notes, checkpoints, cosignatures and proofs that others published, typed in by hand and never regenerated.
//!
//! The checkpoint and the proofs were accepted by an independent implementation (crates `signed_note` and `tlog_tiles`).

use crate::known_answers::{ENTRY_1, LEAVES, ROOT_OF_THREE, node};
use ed25519_dalek::SigningKey;
use sha2::{Digest as _, Sha256};
use tlog::{
    Checkpoint, CheckpointText, Cosignature, KeyType, Line, Note, Policy, ProofText, TileId, TilePath, VerifierKey,
};
use tlog::{Error, hash_leaf, verify_consistency, verify_inclusion};

const LOG: &str = "ledger.example.com/t/acme+d4e94da2+AXRYlGbw1dNh8sCQdb7gFXvFFjI3OH4dxhWVNtGxvrqG";
const WITNESS: &str = "witness.example.net/w1+d236909d+BBSVfBhEslszV+XN/988X4Q/tCNDyQ2KDmtl6q6oipyK";
pub const ORIGIN: &str = "ledger.example.com/t/acme";
pub const CHECKPOINT: &str = concat!(
    "ledger.example.com/t/acme\n3\nuMuL84Ui5Qw+0CJpMxzkso/kgLhX/GLEYxDVbLLrqO4=\n\n",
    "\u{2014} ledger.example.com/t/acme ",
    "1OlNonWhqII3a+tnsKfDR1TzzkALxDQBdl/dVV/ID66gB0I+cK3YkhIzCmE5zm9QE0UI7y7Cyfl0QkJMyLFNbCT15gQ=\n",
    "\u{2014} witness.example.net/w1 ",
    "0jaQnQAAAABqsTuAP4LaQMLHIwR2s/WjpODN+kynDSzwX469mfm9UF7gXGtfoF9TtOT7sixlFH8MP/s5RpwHAJZ42sJnl6udV2vwAQ==\n",
);
const PROOF_HEAD: &str = concat!(
    "c2sp.org/tlog-proof@v1\nindex 1\nG7CJKXiZYvWKExZ15qRaGF8u7R2nRNW48t6zbr3EgjE=\n",
    "TqNtFmcLBWAQ6lqCXCZ7V14XtGnWQQqjxZfWsPzxYdg=\n\n",
);
/// When the witness cosigned.
const TIME: u64 = 1_790_000_000;

pub fn log_key() -> VerifierKey {
    VerifierKey::parse(LOG).unwrap()
}

pub fn witness_key() -> VerifierKey {
    VerifierKey::parse(WITNESS).unwrap()
}

/// The secret half that the vectors' author derived from a label.
pub fn secret(label: &str) -> SigningKey {
    SigningKey::from_bytes(&Sha256::digest(label.as_bytes()).into())
}

#[test]
fn keys_are_the_published_ones() {
    let log = secret("audit-ledger test vector: log key").verifying_key();
    assert_eq!(
        VerifierKey::new(ORIGIN, KeyType::Ed25519, log.as_bytes()).unwrap(),
        log_key()
    );
    let witness = secret("audit-ledger test vector: witness key").verifying_key();
    let witness = VerifierKey::new("witness.example.net/w1", KeyType::Cosignature, witness.as_bytes()).unwrap();
    assert_eq!(witness.to_string(), WITNESS);
    assert_eq!(log_key().to_string(), LOG);
}

#[test]
fn the_published_checkpoint_verifies_and_is_what_we_would_write() {
    let text = CheckpointText::parse(CHECKPOINT).unwrap();
    assert_eq!(text.note().to_text(), CHECKPOINT);
    let checkpoint = text.verify(ORIGIN, &[log_key()]).unwrap();
    assert_eq!((checkpoint.size(), checkpoint.root()), (3, &node(ROOT_OF_THREE)));
    let cosignature = Cosignature::find(checkpoint.note(), &witness_key()).unwrap();
    assert_eq!(cosignature, Some(Cosignature { time: TIME }));

    let ours = secret("audit-ledger test vector: log key");
    let mut own = Checkpoint::sign(3, node(ROOT_OF_THREE), &log_key(), &ours);
    let witness = secret("audit-ledger test vector: witness key");
    let line = Cosignature::sign(own.note(), TIME, &witness_key(), &witness).unwrap();
    own.note_mut().extend([line]);
    assert_eq!(own.note().to_text(), CHECKPOINT, "Ed25519 is deterministic");
}

#[test]
fn the_published_proof_verifies_and_is_what_we_would_write() {
    let text = format!("{PROOF_HEAD}{CHECKPOINT}");
    let proof = ProofText::parse(&text).unwrap();
    assert_eq!(proof.to_text(), text);
    let (leaf, key) = (hash_leaf(ENTRY_1.as_bytes()), [log_key()]);
    assert_eq!(proof.clone().verify(&leaf, ORIGIN, &key).unwrap().size(), 3);
    assert_eq!(
        proof.clone().verify(&node(LEAVES[0]), ORIGIN, &key),
        Err(Error::RootMismatch)
    );
    let foreign = proof.verify(&leaf, "example.com/other", &key);
    assert!(matches!(foreign, Err(Error::ForeignLog { .. })), "{foreign:?}");
    let with_extra = text.replacen("index", "extra aGVsbG8=\nindex", 1);
    let proof = ProofText::parse(&with_extra).unwrap();
    assert_eq!(proof.extra.as_deref(), Some(b"hello".as_slice()));
    assert_eq!(proof.to_text(), with_extra);
}

#[test]
fn the_published_paths_lead_from_leaf_and_old_root_to_the_root() {
    let root = node(ROOT_OF_THREE);
    verify_inclusion(&node(LEAVES[1]), 1, 3, &root, &[node(LEAVES[0]), node(LEAVES[2])]).unwrap();
    verify_consistency(1, &node(LEAVES[0]), 3, &root, &[node(LEAVES[1]), node(LEAVES[2])]).unwrap();
}

#[test]
fn the_text_of_a_note_ends_at_its_last_blank_line() {
    let ours = VerifierKey::new(
        "example.com/foo",
        KeyType::Ed25519,
        secret("x").verifying_key().as_bytes(),
    )
    .unwrap();
    let text = "This is an example message.\n\nIt has a blank line of its own.\n";
    let note = format!("{text}\n{}", Line::sign(text, &ours, &secret("x")).to_text());
    let note = Note::parse(&note).unwrap();
    assert_eq!(note.text(), text);
    assert_eq!(note.is_signed_by(&ours), Ok(true));
}

#[test]
fn published_tile_paths_parse_and_print() {
    let id = TileId {
        level: 0,
        index: 1_234_067,
    };
    assert_eq!(
        TilePath::parse("tile/0/x001/x234/067"),
        Ok(TilePath::Tile { id, width: None })
    );
    let partial = TilePath::parse("tile/0/x001/x234/067.p/112");
    assert_eq!(partial, Ok(TilePath::Tile { id, width: Some(112) }));
    let entries = TilePath::Entries {
        index: 0,
        width: Some(3),
    };
    assert_eq!(TilePath::parse("tile/entries/000.p/3"), Ok(entries));
    assert_eq!(entries.to_string(), "tile/entries/000.p/3");
    for wrong in [
        "",
        "tile",
        "tile/0",
        "tile/0/",
        "tile/0/1",
        "tile/0/0001",
        "tile/00/001",
        "tile/64/000",
        "tile/-1/000",
        "tile/0/x000/001",
        "tile/0/001/002",
        "tile/0/x001",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/",
        "tile/0/000/",
        "/tile/0/000",
        "tile/0/+01",
        "tile/entry/000",
        "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
    ] {
        assert!(TilePath::parse(wrong).is_err(), "{wrong}");
    }
    for index in [0, 1, 999, 1_000, 1_001, 999_999, 1_000_000, u64::MAX] {
        let path = TilePath::Tile {
            id: TileId { level: 3, index },
            width: None,
        };
        assert_eq!(TilePath::parse(&path.to_string()), Ok(path));
    }
}

#[test]
fn a_quorum_counts_witnesses_by_key() {
    let other = secret("another witness").verifying_key();
    let other = VerifierKey::new("w2.example", KeyType::Cosignature, other.as_bytes()).unwrap();
    let lines = |quorum: &str| {
        format!(
            "# ours\n\nlog {LOG}\nwitness A {WITNESS} https://w1.example/\nwitness B {other}\ngroup two all A B\ngroup one any two\nquorum {quorum}\n"
        )
    };
    // `A` and `B` are members of `two`, which is a member of `one`.
    let note = CheckpointText::parse(CHECKPOINT).unwrap().note().clone();
    for (quorum, met) in [
        ("none", true),
        ("A", true),
        ("B", false),
        ("two", false),
        ("one", false),
    ] {
        let policy = Policy::parse(&lines(quorum)).unwrap();
        let judgement = policy.judge(&note).unwrap();
        assert_eq!(judgement.is_met, met, "{quorum}");
        assert_eq!(judgement.seen, [("A".to_owned(), Cosignature { time: TIME })]);
        assert_eq!(judgement.missing, ["B"]);
        // Written for readers it judges the same, and tells no address and no comment.
        let text = policy.to_text();
        assert!(!text.contains("https") && !text.contains('#'), "{text}");
        let written = Policy::parse(&text).unwrap();
        assert_eq!((written.judge(&note).unwrap(), written.to_text()), (judgement, text));
    }
    let mut both = note;
    let line = Cosignature::sign(&both, TIME + 1, &other, &secret("another witness")).unwrap();
    both.extend([line]);
    assert!(Policy::parse(&lines("one")).unwrap().judge(&both).unwrap().is_met);
}
