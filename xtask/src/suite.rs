//! `cargo xtask test`: every test of the workspace, with what it needs, on a machine that has only Rust.
//!
//! Invariant: nothing is installed that no test uses; today none needs a server. A failing test does not keep the
//! others from running, and the runner's own summary comes last.

use anyhow::{Result, bail};

use crate::process;

/// The verb. Arguments go to the runner as they are, and then the documentation's examples stay out.
pub fn run(args: &[String]) -> Result<()> {
    let has_nextest = process::answers(&mut process::cargo(["nextest", "--version"]));
    let failed: Vec<String> = plan(has_nextest, args)
        .into_iter()
        .filter_map(|step| process::run(&mut process::cargo(step)).err())
        .map(|error| error.to_string())
        .collect();
    if !failed.is_empty() {
        bail!("{}", failed.join("; "));
    }
    Ok(())
}

/// The cargo commands that run the tests. nextest does not know the examples in documentation.
fn plan(has_nextest: bool, args: &[String]) -> Vec<Vec<&str>> {
    let own: Vec<&str> = args.iter().map(String::as_str).collect();
    let runner: &[&str] = if has_nextest {
        &["nextest", "run", "--workspace"]
    } else {
        &["test", "--workspace"]
    };
    match (has_nextest, own.is_empty()) {
        (_, false) => vec![[runner, &own].concat()],
        (true, true) => vec![
            vec!["test", "--doc", "--workspace"],
            [runner, &["--no-fail-fast"]].concat(),
        ],
        (false, true) => vec![[runner, &["--no-fail-fast"]].concat()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(has_nextest: bool, args: &[&str]) -> Vec<String> {
        let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
        plan(has_nextest, &args)
            .into_iter()
            .map(|step| step.join(" "))
            .collect()
    }

    #[test]
    fn everything_runs_with_and_without_nextest() {
        assert_eq!(planned(false, &[]), ["test --workspace --no-fail-fast"]);
        let both = ["test --doc --workspace", "nextest run --workspace --no-fail-fast"];
        assert_eq!(planned(true, &[]), both);
    }

    #[test]
    fn arguments_reach_the_runner() {
        assert_eq!(planned(false, &["crash"]), ["test --workspace crash"]);
        assert_eq!(
            planned(true, &["-E", "test(x)"]),
            ["nextest run --workspace -E test(x)"]
        );
    }
}
