//! `cargo xtask packages`: how many packages the release build of the executable compiles.
//!
//! It counts; the judgement on what is worth having is made in review.

use anyhow::{Result, bail};

use crate::process;

/// The verb.
pub fn run(args: &[String]) -> Result<()> {
    if !args.is_empty() {
        bail!("takes no arguments");
    }
    let args = ["tree", "-p", "sigil", "-e", "normal,build", "--prefix", "none"];
    println!(
        "packages in the release build of sigil: {}",
        count(&process::read(&mut process::cargo(args))?)
    );
    Ok(())
}

/// Counts distinct names and versions in the answer of `cargo tree --prefix none`.
fn count(tree: &str) -> usize {
    let packages = tree.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        Some((words.next()?, words.next()?))
    });
    packages.collect::<std::collections::BTreeSet<_>>().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_counts_once_per_version() {
        let tree = "sigil v0.1.0 (/a/b)\nserde v1.0.1\nserde v1.0.1 (*)\nsyn v2.0.0\nsyn v3.0.0 (proc-macro)\n\n";
        assert_eq!(count(tree), 4);
        assert_eq!(count(""), 0);
    }
}
