//! The workspace as it lies on disk: its root, the files that belong to it, its crates and what they declare.
//!
//! Invariant: what git ignores is not looked at; what is merely not yet added is. It resolves no dependencies.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::process;

/// The folder that holds the workspace manifest.
pub fn root() -> PathBuf {
    let manifest_dir = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&manifest_dir)
        .parent()
        .expect("xtask lies in a folder of the workspace")
        .to_path_buf()
}

/// One text file: its path from the root with forward slashes, and what it says.
pub struct TextFile {
    pub path: String,
    pub text: String,
}

/// Every file that is tracked, or untracked and not ignored, and is text. Sorted by path.
pub fn text_files() -> Result<Vec<TextFile>> {
    let root = root();
    let args = ["ls-files", "--cached", "--others", "--exclude-standard", "-z"];
    let listed = process::read(Command::new("git").current_dir(&root).args(args))?;
    let mut paths: Vec<&str> = listed.split_terminator('\0').collect();
    paths.sort_unstable();
    paths.dedup();
    // A tracked file may be deleted in the work tree, and a listed one may be a link to a folder: neither has text.
    let present = paths.into_iter().filter(|path| root.join(path).is_file());
    let read = present.map(|path| {
        let bytes = std::fs::read(root.join(path)).with_context(|| format!("cannot read {path}"))?;
        let text = String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'));
        Ok(text.map(|text| TextFile {
            path: path.to_owned(),
            text,
        }))
    });
    read.filter_map(Result::transpose).collect()
}

/// What a declared dependency is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Normal,
    Dev,
    Build,
}

/// A dependency as a manifest declares it, under the name of its package even when renamed.
#[derive(Clone, Debug)]
pub struct Dependency {
    pub name: String,
    pub purpose: Purpose,
}

/// A crate of the workspace. `folder` is its path from the root; `tests` are its integration test targets.
#[derive(Clone, Debug)]
pub struct Package {
    pub name: String,
    pub folder: String,
    pub dependencies: Vec<Dependency>,
    pub tests: Vec<String>,
}

/// The crates of this workspace.
pub fn packages() -> Result<Vec<Package>> {
    let text = process::read(&mut process::cargo(["metadata", "--format-version", "1", "--no-deps"]))?;
    parse_metadata(&text)
}

/// Reads the answer of `cargo metadata --no-deps`.
pub fn parse_metadata(text: &str) -> Result<Vec<Package>> {
    let metadata: Value = serde_json::from_str(text).context("cargo metadata did not print JSON")?;
    list(&metadata, "packages")?.iter().map(package).collect()
}

fn package(value: &Value) -> Result<Package> {
    let is_test = |target: &&Value| {
        target["kind"]
            .as_array()
            .is_some_and(|kinds| kinds.iter().any(|k| k == "test"))
    };
    let manifest = Path::new(
        value["manifest_path"]
            .as_str()
            .context("cargo metadata: a crate lies nowhere")?,
    );
    let folder = manifest.parent().unwrap_or(manifest);
    Ok(Package {
        name: name(value)?,
        folder: folder.strip_prefix(root()).unwrap_or(folder).display().to_string(),
        dependencies: list(value, "dependencies")?
            .iter()
            .map(dependency)
            .collect::<Result<_>>()?,
        tests: list(value, "targets")?
            .iter()
            .filter(is_test)
            .map(name)
            .collect::<Result<_>>()?,
    })
}

fn dependency(value: &Value) -> Result<Dependency> {
    let purpose = match value["kind"].as_str() {
        None => Purpose::Normal,
        Some("dev") => Purpose::Dev,
        Some("build") => Purpose::Build,
        Some(other) => anyhow::bail!("cargo metadata names an unknown kind of dependency: {other}"),
    };
    Ok(Dependency {
        name: name(value)?,
        purpose,
    })
}

fn name(value: &Value) -> Result<String> {
    Ok(value["name"]
        .as_str()
        .context("cargo metadata: something has no name")?
        .to_owned())
}

fn list<'a>(value: &'a Value, key: &str) -> Result<&'a Vec<Value>> {
    value[key]
        .as_array()
        .with_context(|| format!("cargo metadata has no list \"{key}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_gives_crates_with_purposes_and_test_targets() {
        let text = r#"{"packages": [{"name": "ledger", "manifest_path": "/elsewhere/ledger/Cargo.toml",
            "dependencies": [{"name": "record", "kind": null, "rename": "rec"}, {"name": "tempfile", "kind": "dev"},
                             {"name": "cc", "kind": "build"}],
            "targets": [{"name": "ledger", "kind": ["lib"]}, {"name": "crash", "kind": ["test"]}]}]}"#;
        let packages = parse_metadata(text).unwrap();
        assert_eq!(
            (packages[0].name.as_str(), packages[0].folder.as_str()),
            ("ledger", "/elsewhere/ledger")
        );
        assert!(
            super::packages()
                .unwrap()
                .iter()
                .any(|package| package.folder == "xtask")
        );
        let purposes: Vec<_> = packages[0]
            .dependencies
            .iter()
            .map(|d| (d.name.as_str(), d.purpose))
            .collect();
        assert_eq!(
            purposes,
            [
                ("record", Purpose::Normal),
                ("tempfile", Purpose::Dev),
                ("cc", Purpose::Build)
            ]
        );
        assert_eq!(packages[0].tests, ["crash"]);
    }

    #[test]
    fn metadata_that_is_not_understood_is_an_error() {
        assert!(parse_metadata("{}").is_err());
        let odd = r#"{"packages": [{"name": "a", "manifest_path": "/a/Cargo.toml", "targets": [], "dependencies": [{"name": "b", "kind": "new"}]}]}"#;
        assert!(parse_metadata(odd).is_err());
    }

    #[test]
    fn the_root_holds_the_workspace_manifest() {
        let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
        assert!(manifest.contains("[workspace]"));
    }
}
