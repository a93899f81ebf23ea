//! `cargo xtask layers`: who may depend on whom, and what a crate, a file or a module may not be called.
//!
//! Invariant: the tables here and in docs/ARCHITECTURE.md say the same. Only what a manifest declares is judged:
//! a crate that arrives through another one is that one's business.

mod arrows;
mod names;

use anyhow::{Result, bail};

use crate::finding::{Finding, report};
use crate::workspace::{self, TextFile};

/// The verb.
pub fn run(args: &[String]) -> Result<()> {
    if !args.is_empty() {
        bail!("takes no arguments");
    }
    let packages = workspace::packages()?;
    let files = workspace::text_files()?;
    let rust: Vec<&TextFile> = files.iter().filter(|file| file.path.ends_with(".rs")).collect();
    let mut findings: Vec<Finding> = packages
        .iter()
        .flat_map(|package| arrows::check(package, &packages))
        .collect();
    findings.extend(packages.iter().flat_map(|package| names::check_crate(&package.name)));
    findings.extend(rust.iter().flat_map(|file| names::check_file(&file.path, &file.text)));
    report(
        findings,
        &format!("{} crates and {} source files", packages.len(), rust.len()),
    )
}
