//! `cargo xtask sql`: every SQL statement is prepared against a freshly migrated database of its kind.
//!
//! Invariant: a target that is missing, or that holds no test, fails. There is nothing to write yet, so that with and
//! without `--check` it does the same.

use anyhow::{Context, Result, bail};

use crate::services::{Postgres, Purpose};
use crate::workspace::Package;
use crate::{process, workspace};

const CRATES: [&str; 2] = ["projector-sqlite", "projector-postgres"];
const TARGET: &str = "statements";

/// The verb.
pub fn run(args: &[String]) -> Result<()> {
    if !args.iter().all(|arg| arg == "--check") {
        bail!("takes nothing but --check");
    }
    let packages = workspace::packages()?;
    CRATES.iter().try_for_each(|name| find_target(&packages, name))?;
    // Kept until the statements are prepared.
    let postgres = Postgres::start(Purpose::Tests)?;
    // The whole workspace, so that what `test` builds is built once: cargo chooses features by what is named here.
    let mut command = process::cargo(["test", "-q", "--workspace", "--test", TARGET]);
    let output = process::capture(command.envs(postgres.test_environment()))?;
    let printed = String::from_utf8_lossy(&output.stdout);
    print!("{printed}");
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    judge(output.status.success(), &printed)
}

fn judge(passed: bool, printed: &str) -> Result<()> {
    if !passed {
        bail!("a statement does not fit the migrations: see above");
    }
    if fewest_run(printed).is_none_or(|ran| ran == 0) {
        bail!("a test target {TARGET} holds no test");
    }
    Ok(())
}

fn find_target(packages: &[Package], name: &str) -> Result<()> {
    let package = packages
        .iter()
        .find(|package| package.name == name)
        .context(format!("no crate {name}"))?;
    if !package.tests.iter().any(|test| test == TARGET) {
        bail!("{name} has no test target {TARGET}: it prepares every statement against a migrated database");
    }
    Ok(())
}

/// The smallest N of every `running N tests` in the output of the test runner.
fn fewest_run(printed: &str) -> Option<usize> {
    let counts = printed
        .lines()
        .filter_map(|line| line.strip_prefix("running ")?.split(' ').next()?.parse().ok());
    counts.min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_target_is_an_error() {
        let package = |tests: &[&str]| Package {
            name: "sql".to_owned(),
            folder: String::new(),
            dependencies: vec![],
            tests: tests.iter().map(|&test| test.to_owned()).collect(),
        };
        assert!(find_target(&[package(&["statements"])], "sql").is_ok());
        assert!(find_target(&[package(&["other"])], "sql").is_err());
        assert!(find_target(&[], "sql").is_err());
    }

    #[test]
    fn an_empty_target_is_told_apart() {
        assert_eq!(fewest_run("\nrunning 0 tests\n\n"), Some(0));
        assert_eq!(fewest_run("\nrunning 1 test\n.\n"), Some(1));
        assert_eq!(fewest_run("\nrunning 3 tests\n...\n\nrunning 0 tests\n"), Some(0));
        assert_eq!(fewest_run("nothing"), None);
    }

    #[test]
    fn a_failed_or_empty_run_is_an_error() {
        assert!(judge(true, "running 3 tests\n").is_ok());
        assert!(judge(false, "running 3 tests\n").is_err());
        assert!(judge(true, "running 0 tests\n").is_err());
        assert!(judge(true, "").is_err());
    }
}
