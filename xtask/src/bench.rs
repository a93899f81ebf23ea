//! `cargo xtask bench [names..]`: measure, with a Postgres beside us to compare with where one can be had.
//!
//! Invariant: a bench that needs no server starts none, and a missing Postgres costs its own lines of the table only.
//! What is measured, and how, lives in the example `bench` of the executable; rebuilds beside the bulk paths of the same
//! database, which only the read models' own crates can drive, in their examples `bulk`.

use anyhow::Result;

use crate::process;
use crate::services::{BIN, Postgres, Purpose, nats};

/// Benches known to need no server. Any other name, and no name at all, gets one.
const ALONE: [&str; 14] = [
    "append", "ndjson", "rebuild", "timeline", "verify", "open", "memory", "scale", "limits", "feed", "separate",
    "sse", "proofs", "receipts",
];
/// The variable by which the rebuild into Postgres finds its server.
const BULK_URL: &str = "SIGIL_BENCH_POSTGRES_URL";
/// Benches that start a broker of their own, and mostly a Postgres as well.
const DISTRIBUTED: [&str; 2] = ["feed", "separate"];

/// The verb.
pub fn run(names: &[String]) -> Result<()> {
    let (rebuild, rest): (Vec<_>, Vec<_>) = names.iter().cloned().partition(|name| name == "rebuild");
    if !rest.is_empty() || rebuild.is_empty() {
        executable(&rest)?;
    }
    if !rebuild.is_empty() || names.is_empty() {
        bulk("projector-sqlite", &[])?;
        if let Some(postgres) = find_postgres() {
            bulk("projector-postgres", &[(BULK_URL, postgres.url())])?;
        }
    }
    Ok(())
}

/// The rebuild of a read model beside the fastest ways to load the same rows, which only its own crate can drive.
fn bulk(package: &str, environment: &[(&str, String)]) -> Result<()> {
    let run = [
        "run",
        "--release",
        "-q",
        "-p",
        package,
        "--example",
        "bulk",
        "--",
        "100000",
    ];
    process::run(process::cargo(run).envs(environment.iter().cloned()))
}

fn executable(names: &[String]) -> Result<()> {
    let mut command = process::cargo(["run", "--release", "-q", "-p", "sigil", "--example", "bench", "--"]);
    command.args(names);
    let postgres = if needs_postgres(names) { find_postgres() } else { None };
    if let Some(postgres) = &postgres {
        command.envs(postgres.bench_environment());
    }
    if names.is_empty() || names.iter().any(|name| DISTRIBUTED.contains(&name.as_str())) {
        command.env(nats::VARIABLE, nats::find()?);
        command.env(BIN, Postgres::programs()?);
    }
    process::run(&mut command)
}

fn find_postgres() -> Option<Postgres> {
    match Postgres::start(Purpose::Bench) {
        Ok(postgres) => Some(postgres),
        Err(error) => {
            println!("bench: going on without Postgres, so without the lines that compare with it: {error:#}");
            None
        }
    }
}

fn needs_postgres(names: &[String]) -> bool {
    let mut benches = names.iter().filter(|name| !name.starts_with('-')).peekable();
    benches.peek().is_none() || benches.any(|name| !ALONE.contains(&name.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_started_unless_every_named_bench_does_without() {
        let needs = |names: &[&str]| needs_postgres(&names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>());
        assert!(needs(&[]));
        assert!(needs(&["--quick"]));
        assert!(needs(&["http"]));
        assert!(needs(&["append", "http"]));
        assert!(!needs(&["append", "verify"]));
        assert!(!needs(&["append", "--quick"]));
    }
}
