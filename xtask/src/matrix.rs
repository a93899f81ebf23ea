//! `cargo xtask test --matrix`: the tests that talk to servers, against the oldest servers and the current ones.
//!
//! Invariant: a set of servers that cannot be had, or is not what it claims to be, is a failure and never left out; and
//! the last lines say which versions ran with which outcome. A test talks to servers when its source names `testbed`,
//! so that no list has to be kept.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::process;
use crate::services::{Current, Postgres, Purpose, nats, postgres_version};
use crate::workspace::{self, Package, TextFile};

/// The oldest servers that are supported: what Debian 12 has.
const OLDEST_NATS: &str = "2.9.";
const OLDEST_POSTGRES: &str = "15.";
const OLDEST_NATS_VARIABLE: &str = "SIGIL_TEST_OLDEST_NATS_SERVER";
const OLDEST_POSTGRES_VARIABLE: &str = "SIGIL_TEST_OLDEST_POSTGRES_BIN";

/// A test target: of a crate, its library's own tests when there is no name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Target {
    package: String,
    test: Option<String>,
}

/// The programs of one pair of servers.
struct Servers {
    nats_server: PathBuf,
    postgres_bin: PathBuf,
}

/// The versions that ran with what came of it, or why none did.
type Outcome = Result<(String, Result<()>)>;

/// Runs them. Arguments go to the runner.
pub fn run(args: &[String]) -> Result<()> {
    let targets = targets(&workspace::text_files()?, &workspace::packages()?);
    ensure!(!targets.is_empty(), "no test talks to a server");
    let mut outcomes = vec![];
    let oldest = oldest().and_then(|servers| against(&servers, &targets, args));
    outcomes.push(("oldest", oldest));
    // Kept until its servers are gone: it may own a copy of their programs.
    let current = Current::install();
    outcomes.push((
        "current",
        match &current {
            Ok(current) => {
                let servers = Servers {
                    nats_server: current.nats_server.clone(),
                    postgres_bin: current.postgres_bin.clone(),
                };
                against(&servers, &targets, args)
            }
            Err(error) => Err(anyhow::anyhow!("{error:#}")),
        },
    ));
    summary(&outcomes)
}

fn summary(outcomes: &[(&str, Outcome)]) -> Result<()> {
    let mut is_good = true;
    for (name, outcome) in outcomes {
        let line = match outcome {
            Ok((versions, Ok(()))) => format!("{versions}: passed"),
            Ok((versions, Err(error))) => format!("{versions}: FAILED: {error:#}"),
            Err(error) => format!("NOT RUN: {error:#}"),
        };
        is_good &= matches!(outcome, Ok((_, Ok(()))));
        println!("{name} servers: {line}");
    }
    if !is_good {
        bail!("not every pair of servers passed");
    }
    Ok(())
}

/// What the variables name, else what this system has; and only when it really is the oldest.
fn oldest() -> Result<Servers> {
    let nats_server = match std::env::var_os(OLDEST_NATS_VARIABLE) {
        Some(named) => PathBuf::from(named),
        None => nats::installed()?,
    };
    let version = nats::version(&nats_server)?;
    ensure!(
        version.starts_with(OLDEST_NATS),
        "the oldest nats-server that is supported is {OLDEST_NATS}x, and this system has {version}: set \
         {OLDEST_NATS_VARIABLE} to the program"
    );
    let debian = PathBuf::from("/usr/lib/postgresql/15/bin");
    let named = std::env::var_os(OLDEST_POSTGRES_VARIABLE).map(PathBuf::from);
    let postgres_bin = match named {
        Some(named) => named,
        None if debian.join("postgres").is_file() => debian,
        None => Postgres::install()?,
    };
    let version = postgres_version(&postgres_bin).context("the oldest Postgres does not run")?;
    ensure!(
        version.starts_with(OLDEST_POSTGRES),
        "the oldest Postgres that is supported is {OLDEST_POSTGRES}x, and this system has {version}: set \
         {OLDEST_POSTGRES_VARIABLE} to the folder of its programs"
    );
    Ok(Servers {
        nats_server,
        postgres_bin,
    })
}

/// Says which versions ran, and what came of it.
fn against(servers: &Servers, targets: &BTreeSet<Target>, args: &[String]) -> Outcome {
    let postgres = Postgres::start_from(&servers.postgres_bin, Purpose::Tests)?;
    let versions = format!(
        "nats-server {} and Postgres {}",
        nats::version(&servers.nats_server)?,
        postgres.version()?
    );
    println!("=== {versions}");
    let mut environment = postgres.test_environment();
    environment.push((nats::VARIABLE, servers.nats_server.display().to_string()));
    let has_nextest = process::answers(&mut process::cargo(["nextest", "--version"]));
    let failed: Vec<String> = plan(has_nextest, targets, args)
        .into_iter()
        .filter_map(|step| process::run(process::cargo(step).envs(environment.clone())).err())
        .map(|error| error.to_string())
        .collect();
    let outcome = if failed.is_empty() {
        Ok(())
    } else {
        Err(anyhow::anyhow!(failed.join("; ")))
    };
    Ok((versions, outcome))
}

/// The cargo commands. The whole workspace is named with nextest, so that nothing is built with other features than
/// in the ordinary run.
fn plan(has_nextest: bool, targets: &BTreeSet<Target>, args: &[String]) -> Vec<Vec<String>> {
    let own = |line: &[&str]| line.iter().map(|&word| word.to_owned()).collect::<Vec<String>>();
    if has_nextest {
        let binaries: Vec<String> = targets
            .iter()
            .map(|Target { package, test }| match test {
                Some(test) => format!("binary_id({package}::{test})"),
                None => format!("binary_id({package})"),
            })
            .collect();
        let mut line = own(&["nextest", "run", "--workspace", "--no-fail-fast", "-E"]);
        line.push(binaries.join(" | "));
        return vec![[line, args.to_vec()].concat()];
    }
    let line = |Target { package, test }: &Target| {
        let target = match test {
            Some(test) => own(&["test", "--no-fail-fast", "-p", package, "--test", test]),
            None => own(&["test", "--no-fail-fast", "-p", package, "--lib"]),
        };
        [target, args.to_vec()].concat()
    };
    targets.iter().map(line).collect()
}

/// The test targets whose source names `testbed`.
fn targets(files: &[TextFile], packages: &[Package]) -> BTreeSet<Target> {
    let talks = files
        .iter()
        .filter(|file| file.path.ends_with(".rs") && file.text.contains("testbed::"));
    talks.filter_map(|file| target(&file.path, packages)).collect()
}

fn target(path: &str, packages: &[Package]) -> Option<Target> {
    // The innermost crate: `ledger/client/tests/x.rs` is not a file of `ledger`.
    let package = packages
        .iter()
        .filter(|package| Path::new(path).starts_with(&package.folder))
        .max_by_key(|package| package.folder.len())?;
    let inside = path.get(package.folder.len()..)?.trim_start_matches('/');
    let (place, rest) = inside.split_once('/')?;
    let test = match place {
        // The crate itself names itself in what it documents, and we do so here.
        "src" if !["testbed", "xtask"].contains(&package.name.as_str()) => None,
        "tests" => Some(
            rest.split_once('/')
                .map_or(rest.trim_end_matches(".rs"), |(test, _)| test)
                .to_owned(),
        ),
        _ => return None,
    };
    // A folder that holds no target of its own is a part of those that name it.
    let is_target = test.as_ref().is_none_or(|test| package.tests.contains(test));
    is_target.then(|| Target {
        package: package.name.clone(),
        test,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, folder: &str) -> Package {
        Package {
            name: name.to_owned(),
            folder: folder.to_owned(),
            dependencies: vec![],
            tests: ["feed", "rpc", "x"].map(str::to_owned).to_vec(),
        }
    }

    fn found(paths: &[&str]) -> Vec<String> {
        let packages = [
            package("ledger", "ledger"),
            package("ledger-client", "ledger/client"),
            package("testbed", "testbed"),
        ];
        let file = |&path: &&str| TextFile {
            path: path.to_owned(),
            text: "let nats = testbed::Nats::start().await;".to_owned(),
        };
        let files: Vec<TextFile> = paths.iter().map(file).collect();
        let plan = plan(true, &targets(&files, &packages), &[]);
        plan[0].last().unwrap().split(" | ").map(str::to_owned).collect()
    }

    #[test]
    fn a_target_is_found_by_what_its_files_name() {
        assert_eq!(
            found(&[
                "ledger/tests/feed.rs",
                "ledger/tests/feed/more.rs",
                "ledger/tests/rpc/main.rs"
            ]),
            ["binary_id(ledger::feed)", "binary_id(ledger::rpc)"]
        );
        assert_eq!(
            found(&[
                "ledger/client/tests/x.rs",
                "ledger/client/src/nats.rs",
                "ledger/examples/x.rs",
                "testbed/src/lib.rs"
            ]),
            ["binary_id(ledger-client)", "binary_id(ledger-client::x)"]
        );
    }

    #[test]
    fn without_nextest_every_target_is_a_command() {
        let target = |test: Option<&str>| Target {
            package: "ledger".to_owned(),
            test: test.map(str::to_owned),
        };
        let lines = plan(false, &[target(None), target(Some("feed"))].into(), &["-x".to_owned()]);
        let lines: Vec<String> = lines.into_iter().map(|line| line.join(" ")).collect();
        assert_eq!(
            lines,
            [
                "test --no-fail-fast -p ledger --lib -x",
                "test --no-fail-fast -p ledger --test feed -x"
            ]
        );
    }

    #[test]
    fn a_pair_that_did_not_run_or_failed_is_a_failure() {
        let passed = || Ok(("v".to_owned(), Ok(())));
        assert!(summary(&[("a", passed()), ("b", passed())]).is_ok());
        assert!(summary(&[("a", passed()), ("b", Ok(("v".to_owned(), Err(anyhow::anyhow!("x")))))]).is_err());
        assert!(summary(&[("a", Err(anyhow::anyhow!("none"))), ("b", passed())]).is_err());
    }
}
