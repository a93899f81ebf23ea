//! `cargo xtask schemas` and `cargo xtask fixtures`: files that a program of the workspace writes and that are committed.
//!
//! Invariant: with `--check` the committed folder equals, byte for byte, what the program writes now, and nothing on disk
//! changes. Without it (for the frozen logs: with `--accept`) the folder becomes equal: that is the explicit act of
//! accepting. The README.md of a folder is written by people and left alone.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Output;

use anyhow::{Context, Result, bail};

use crate::scratch::Scratch;
use crate::{process, workspace};

/// Files by their path from the folder's root, with forward slashes.
type Tree = BTreeMap<String, Vec<u8>>;

const BY_HAND: &str = "README.md";

/// `schemas [--check]`
pub fn schemas(args: &[String]) -> Result<()> {
    let (check, folder) = (is_check(args)?, workspace::root().join("schemas"));
    let (output, written) = generate("contracts", &["-p", "sigil", "--", "contracts", "--out"])?;
    settle("schemas", &folder, &expect_files("contracts", &output, written)?, check)
}

/// `fixtures --check`, or `fixtures --accept`: they are frozen, so replacing them is asked for by name.
pub fn fixtures(args: &[String]) -> Result<()> {
    let check = match args {
        [flag] if flag == "--check" => true,
        [flag] if flag == "--accept" => false,
        _ => bail!("say --check to compare the frozen logs, or --accept to replace them"),
    };
    let folder = workspace::root().join("replay-fixtures").join("v1");
    let (output, written) = generate("fixtures", &["-p", "projector-sqlite", "--example", "fixtures", "--"])?;
    settle("fixtures", &folder, &expect_files("fixtures", &output, written)?, check)
}

fn is_check(args: &[String]) -> Result<bool> {
    match args {
        [] => Ok(false),
        [flag] if flag == "--check" => Ok(true),
        _ => bail!("takes nothing but --check"),
    }
}

/// Lets a program of the workspace write its files into a fresh folder, its last argument, and reads them back.
fn generate(verb: &str, program: &[&str]) -> Result<(Output, Tree)> {
    let scratch = Scratch::new(verb)?;
    let mut command = process::cargo(["run", "-q"].into_iter().chain(program.iter().copied()));
    let output = process::capture(command.arg(scratch.path()))?;
    let mut tree = Tree::new();
    read_into(&mut tree, scratch.path(), "")?;
    Ok((output, tree))
}

fn expect_files(verb: &str, output: &Output, written: Tree) -> Result<Tree> {
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    if !output.status.success() {
        bail!("the program that writes {verb} failed: {}", output.status);
    }
    if written.is_empty() {
        bail!("the program that writes {verb} wrote no files");
    }
    Ok(written)
}

/// Compares, or makes equal.
fn settle(name: &str, folder: &Path, expected: &Tree, check: bool) -> Result<()> {
    let mut found = Tree::new();
    if folder.exists() {
        read_into(&mut found, folder, "")?;
    }
    found.remove(BY_HAND);
    let differences = compare(expected, &found);
    for (path, difference) in &differences {
        println!("{name}: {path}: {difference}");
        if !check {
            accept(&folder.join(path), expected.get(path))?;
        }
    }
    if check && !differences.is_empty() {
        bail!(
            "{} file(s) differ from the code: look at them, then accept with `cargo xtask {name}{}`",
            differences.len(),
            if name == "fixtures" { " --accept" } else { "" }
        );
    }
    println!(
        "{name}: {} files, {} {}",
        expected.len(),
        differences.len(),
        if check { "differ" } else { "written" }
    );
    Ok(())
}

fn accept(path: &Path, bytes: Option<&Vec<u8>>) -> Result<()> {
    let Some(bytes) = bytes else {
        return fs::remove_file(path).with_context(|| format!("cannot remove {}", path.display()));
    };
    fs::create_dir_all(path.parent().unwrap_or(path))?;
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

/// What is not the same, by path.
fn compare(expected: &Tree, found: &Tree) -> BTreeMap<String, &'static str> {
    let from_code = expected.iter().filter_map(|(path, bytes)| match found.get(path) {
        None => Some((path.clone(), "missing")),
        Some(other) if other != bytes => Some((path.clone(), "different")),
        Some(_) => None,
    });
    let extra = found
        .keys()
        .filter(|path| !expected.contains_key(*path))
        .map(|path| (path.clone(), "extra"));
    from_code.chain(extra).collect()
}

fn read_into(tree: &mut Tree, folder: &Path, prefix: &str) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let entry = entry?;
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            read_into(tree, &entry.path(), &format!("{path}/"))?;
        } else {
            tree.insert(path, fs::read(entry.path())?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> Tree {
        files
            .iter()
            .map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()))
            .collect()
    }

    fn output(command: &str) -> Output {
        process::capture(std::process::Command::new("sh").args(["-c", command])).unwrap()
    }

    #[test]
    fn every_kind_of_difference_is_listed() {
        let expected = tree(&[("same", "1"), ("missing", "2"), ("sub/changed", "3")]);
        let found = tree(&[("same", "1"), ("extra", "2"), ("sub/changed", "4")]);
        let differences: Vec<_> = compare(&expected, &found).into_iter().collect();
        let listed = [("extra", "extra"), ("missing", "missing"), ("sub/changed", "different")];
        assert_eq!(differences, listed.map(|(path, what)| (path.to_owned(), what)));
        assert!(compare(&expected, &expected).is_empty());
    }

    #[test]
    fn checking_fails_and_changes_nothing_while_accepting_makes_equal() {
        let scratch = Scratch::new("settle").unwrap();
        let folder = scratch.path().join("schemas");
        let expected = tree(&[("a.json", "1"), ("sub/b.json", "2")]);
        assert!(settle("schemas", &folder, &expected, true).is_err());
        assert!(!folder.exists());
        settle("schemas", &folder, &expected, false).unwrap();
        fs::write(folder.join("README.md"), "by hand").unwrap();
        settle("schemas", &folder, &expected, true).unwrap();
        fs::write(folder.join("stray.json"), "3").unwrap();
        fs::write(folder.join("a.json"), "4").unwrap();
        assert!(settle("schemas", &folder, &expected, true).is_err());
        settle("schemas", &folder, &expected, false).unwrap();
        settle("schemas", &folder, &expected, true).unwrap();
        assert_eq!(fs::read(folder.join("README.md")).unwrap(), b"by hand");
        assert!(!folder.join("stray.json").exists());
    }

    #[test]
    fn a_generator_that_fails_or_writes_nothing_is_an_error() {
        assert!(expect_files("x", &output("true"), tree(&[("a", "1")])).is_ok());
        assert!(expect_files("x", &output("false"), tree(&[("a", "1")])).is_err());
        assert!(expect_files("x", &output("true"), Tree::new()).is_err());
    }

    #[test]
    fn frozen_logs_are_replaced_by_name_only() {
        for args in [
            &[][..],
            &["--yes".to_owned()],
            &["--check".to_owned(), "--accept".to_owned()],
        ] {
            assert!(fixtures(args).unwrap_err().to_string().contains("--accept"), "{args:?}");
        }
    }
}
