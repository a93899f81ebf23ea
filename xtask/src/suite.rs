//! `cargo xtask test`: every test of the workspace, with what it needs, on a machine that has only Rust.
//!
//! Tests start their own nats-server, whose program they find by a variable; a Postgres that they share runs as long as
//! they do. Invariant: a failing test, or a server that cannot be had, does not keep the other tests from running; the
//! runner's own summary comes last but for what failed.

use anyhow::{Result, bail};

use crate::services::{Postgres, Purpose, nats, tools};
use crate::{matrix, process};

/// The verb. Arguments go to the runner as they are, and then the documentation's examples stay out. With `--matrix`
/// first, only the tests that talk to servers run, against several versions of them.
pub fn run(args: &[String]) -> Result<()> {
    if let Some((first, rest)) = args.split_first()
        && first == "--matrix"
    {
        return matrix::run(rest);
    }
    let mut failed = vec![];
    let mut environment = vec![];
    match nats::find() {
        Ok(program) => environment.push((nats::VARIABLE, program.display().to_string())),
        Err(error) => failed.push(format!("{error:#}")),
    }
    tools::install();
    // Kept until the tests are done.
    let postgres = Postgres::start(Purpose::Tests);
    match &postgres {
        Ok(postgres) => environment.extend(postgres.test_environment()),
        Err(error) => failed.push(format!("{error:#}")),
    }
    let has_nextest = process::answers(&mut process::cargo(["nextest", "--version"]));
    let tests = plan(has_nextest, args)
        .into_iter()
        .filter_map(|step| process::run(process::cargo(step).envs(environment.clone())).err())
        .map(|error| error.to_string());
    failed.extend(tests);
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
