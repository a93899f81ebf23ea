//! The page's own tests, run with node where it is installed.

use std::path::{Path, PathBuf};
use std::process::Command;

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

#[test]
fn hash_and_verification_in_javascript() {
    let version = Command::new("node").arg("--version").output();
    let Ok(version) = version else {
        eprintln!("SKIPPED: node is not in PATH, the page's scripts were not tested");
        return;
    };
    assert!(version.status.success());
    let files = ["blake3.test.mjs", "record.test.mjs"].map(|file| page().join(file));
    let run = Command::new("node").arg("--test").args(files).output().unwrap();
    let report = String::from_utf8_lossy(&run.stdout);
    assert!(
        run.status.success() && report.contains("# fail 0") && report.contains("# pass 7"),
        "{report}"
    );
}
