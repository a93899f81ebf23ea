//! `cargo xtask tidy`: rules over the text of source and documents that no compiler or lint checks.
//!
//! Invariant: each rule is a pure function over a path and a text, and each was seen to fail on a planted fault.
//! What git ignores is not looked at.

mod documents;
mod leaks;
mod rust;
mod sleeps;
mod whitespace;

use anyhow::{Result, bail};

use crate::finding::{Finding, report};
use crate::workspace::{self, TextFile};

/// The verb.
pub fn run(args: &[String]) -> Result<()> {
    if !args.is_empty() {
        bail!("takes no arguments");
    }
    let root = workspace::root();
    let files = workspace::text_files()?;
    let findings = files
        .iter()
        .flat_map(|file| check(file, &|path| root.join(path).exists()))
        .collect();
    report(findings, &format!("{} text files", files.len()))
}

/// Every rule that concerns this file. `exists` says whether a path from the root leads to something.
fn check(file: &TextFile, exists: &dyn Fn(&str) -> bool) -> Vec<Finding> {
    let TextFile { path, text } = file;
    let mut findings = whitespace::check(path, text);
    findings.extend(leaks::check(path, text));
    if path.ends_with(".rs") {
        findings.extend(rust::check(path, text));
        findings.extend(sleeps::check(path, text));
    }
    if path.ends_with(".md") {
        findings.extend(documents::check(path, text, exists));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_reached_through_the_verb() {
        let planted = [
            ("a.rs", "fn a() {}\n"),
            (
                "a.rs",
                "//! a\nfn a() { sleep(); } #[cfg(test)] mod tests { fn a() { sleep(b); } }\n",
            ),
            ("a.toml", "a = 1"),
            ("README.md", "[a](b)\n"),
            ("a.txt", concat!("/ro", "ot/x")),
        ];
        for (path, text) in planted {
            let file = TextFile {
                path: path.to_owned(),
                text: text.to_owned(),
            };
            assert!(!check(&file, &|_| false).is_empty(), "{path}: {text}");
        }
        let file = TextFile {
            path: "a.rs".to_owned(),
            text: "//! a\nfn a() {}\n".to_owned(),
        };
        assert!(check(&file, &|_| false).is_empty());
    }
}
