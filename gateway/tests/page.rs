//! The page's own tests, run with node where it is installed.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use verifier::{KeyType, Outcome, ProofOptions, Trust, VerifierKey, verify_answer};

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("page")
}

/// The records that the page's tests use must be real ones.
#[test]
fn the_fixture_holds_sound_records_of_one_log() {
    let text = std::fs::read_to_string(page().join("fixture.json")).unwrap();
    let texts: Vec<String> = serde_json::from_str(&text).unwrap();
    assert!(texts.len() >= 4);
    for text in texts {
        let record = record::Record::parse(text.into_bytes()).unwrap();
        record.verify_signature(&record.pub_key).unwrap();
    }
}

/// The answers that the page's tests use must be proven ones: whatever the page accepts, the verifier accepts too.
#[test]
fn the_fixture_holds_answers_that_the_verifier_accepts() {
    let text = std::fs::read_to_string(page().join("proof.fixture.json")).unwrap();
    let fixture: Value = serde_json::from_str(&text).unwrap();
    let key = record::PublicKey::from_base64(fixture["key"].as_str().unwrap()).unwrap();
    let key = VerifierKey::new("example.com/audit", KeyType::Ed25519, key.as_bytes()).unwrap();
    let trust = Trust {
        origin: record::Origin::parse("example.com/audit").unwrap(),
        genesis_hash: record::Hash::of(b"not asked for"),
        root_key: record::PublicKey::from_base64(fixture["key"].as_str().unwrap()).unwrap(),
        checkpoint_keys: vec![key],
        policy: None,
    };
    let options = ProofOptions {
        trust: Some(&trust),
        ..ProofOptions::default()
    };
    let answers = fixture["answers"].as_array().unwrap();
    assert!(answers.len() >= 10);
    for answer in answers {
        let report = verify_answer(answer["text"].as_str().unwrap().as_bytes(), &options);
        let expected = if answer["name"] == "not provable" {
            Outcome::Unchecked
        } else {
            Outcome::Verified
        };
        assert_eq!(report.outcome(), expected, "{}: {:#?}", answer["name"], report.lines());
    }
}

/// What the page follows must be what the library proves: the same verdicts on the same notes.
#[test]
fn the_fixture_holds_checkpoints_that_continue_each_other_and_are_cosigned() {
    let text = std::fs::read_to_string(page().join("follow.fixture.json")).unwrap();
    let fixture: Value = serde_json::from_str(&text).unwrap();
    let policy = tlog::Policy::parse(fixture["policy"].as_str().unwrap()).unwrap();
    let notes: Vec<tlog::CheckpointText> = fixture["notes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|note| tlog::CheckpointText::parse(note.as_str().unwrap()).unwrap())
        .collect();
    for note in &notes {
        let judged = policy.judge(note.note()).unwrap();
        assert_eq!((judged.is_met, judged.seen.len()), (true, 2));
    }
    let proof: Value = serde_json::from_str(fixture["consistency"].as_str().unwrap()).unwrap();
    let nodes = proof["nodes"].as_array().unwrap().iter().map(|node| {
        let bytes = record::key::decode_base64::<32>(node.as_str().unwrap()).unwrap();
        tlog::Node::from(bytes)
    });
    let nodes: Vec<tlog::Node> = nodes.collect();
    let [older, newer] = [&notes[0], &notes[1]];
    tlog::verify_consistency(older.size(), older.root(), newer.size(), newer.root(), &nodes).unwrap();
}

#[test]
fn hash_and_verification_in_javascript() {
    let version = Command::new("node").arg("--version").output();
    let Ok(version) = version else {
        eprintln!("SKIPPED: node is not in PATH, the page's scripts were not tested");
        return;
    };
    assert!(version.status.success());
    let files = [
        "blake3.test.mjs",
        "record.test.mjs",
        "proof.test.mjs",
        "follow.test.mjs",
    ]
    .map(|file| page().join(file));
    let run = Command::new("node").arg("--test").args(files).output().unwrap();
    let report = String::from_utf8_lossy(&run.stdout);
    assert!(
        run.status.success() && report.contains("# fail 0") && report.contains("# pass 24"),
        "{report}"
    );
}
