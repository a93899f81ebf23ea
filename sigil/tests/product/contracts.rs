//! Generated contracts equal the committed ones. `SIGIL_ACCEPT=1` rewrites the pages of `docs/errors/`;
//! `cargo xtask schemas` does the same for `schemas/`.

use crate::log::{Ran, sigil};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Written by people, whatever folder it is in.
const BY_HAND: &str = "README.md";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn tree(dir: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(next) = dirs.pop() {
        for entry in std::fs::read_dir(&next).unwrap_or_else(|error| panic!("{}: {error}", next.display())) {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                dirs.push(path);
            } else {
                let name = path.strip_prefix(dir).expect("it is below").to_owned();
                found.insert(name, std::fs::read_to_string(&path).expect("text"));
            }
        }
    }
    found
}

/// Compares file by file, so that a failure names one file and not all of them.
#[track_caller]
fn assert_equal(written: &BTreeMap<PathBuf, String>, committed: &BTreeMap<PathBuf, String>, accept: &str) {
    let names = |tree: &BTreeMap<PathBuf, String>| tree.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(written), names(committed), "accept with {accept}");
    for (name, text) in written {
        assert!(
            committed[name] == *text,
            "{} is another now: accept with {accept}",
            name.display()
        );
    }
}

#[test]
fn schemas_are_what_the_code_says() {
    let out = tempfile::tempdir().expect("a temporary directory");
    Ran::of(sigil().args(["contracts", "--out"]).arg(out.path())).exits(0);
    let written = tree(out.path());
    assert!(written.len() > 10, "kinds, routes and errors");
    let mut committed = tree(&root().join("schemas"));
    committed.remove(Path::new(BY_HAND));
    assert_equal(&written, &committed, "cargo xtask schemas");
}

#[test]
fn pages_of_errors_are_what_the_table_says() {
    let dir = root().join("docs/errors");
    let written: BTreeMap<PathBuf, String> = gateway::catalogue_pages()
        .into_iter()
        .map(|(name, text)| (name.into(), text))
        .collect();
    if std::env::var_os("SIGIL_ACCEPT").is_some_and(|value| value == "1") {
        // A folder that is not there yet is no fault.
        let _absent = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).expect("a folder of the project");
        for (name, text) in &written {
            std::fs::write(dir.join(name), text).expect("a file of the project");
        }
    }
    assert_equal(&written, &tree(&dir), "SIGIL_ACCEPT=1");
}
