//! `cargo xtask ci`: everything a change must pass, cheapest first.
//!
//! Invariant: it stops at the first failure and its last line says which step that was. It knows no machine: what the
//! environment must hold, `.ci/run` sets.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::{generated, layers, packages, process, sql, tidy};

type Step = (&'static str, fn() -> Result<()>);

const STEPS: [Step; 9] = [
    ("fmt", || process::run(&mut process::cargo(["fmt", "--all", "--check"]))),
    ("layers", || layers::run(&[])),
    ("tidy", || tidy::run(&[])),
    ("packages", || packages::run(&[])),
    ("clippy", clippy),
    ("schemas --check", || generated::schemas(&["--check".to_owned()])),
    ("fixtures --check", || generated::fixtures(&["--check".to_owned()])),
    ("sql --check", || sql::run(&["--check".to_owned()])),
    ("test (the README's command: cargo xtask test)", || {
        process::run(&mut process::cargo(["xtask", "test"]))
    }),
];

/// The verb.
pub fn run(args: &[String]) -> Result<()> {
    if !args.is_empty() {
        bail!("takes no arguments");
    }
    walk(&STEPS)
}

fn clippy() -> Result<()> {
    let args = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    process::run(&mut process::cargo(args))
}

fn walk(steps: &[Step]) -> Result<()> {
    let begin = Instant::now();
    for (name, step) in steps {
        println!("=== {name}");
        let start = Instant::now();
        match step() {
            Ok(()) => println!("=== {name}: passed in {}", seconds(start.elapsed())),
            Err(error) => bail!("FAILED at {name} after {}: {error:#}", seconds(start.elapsed())),
        }
    }
    println!("=== ci: {} steps passed in {}", steps.len(), seconds(begin.elapsed()));
    Ok(())
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failure_stops_the_walk_and_is_named() {
        let good: Step = ("good", || Ok(()));
        let bad: Step = ("bad", || bail!("it broke"));
        let unreached: Step = ("unreached", || panic!("a step ran after a failure"));
        assert!(walk(&[good, good]).is_ok());
        let error = walk(&[good, bad, unreached]).unwrap_err().to_string();
        assert!(
            error.starts_with("FAILED at bad after ") && error.ends_with(": it broke"),
            "{error}"
        );
    }
}
