//! `sigil verify URL`: a server is watched from one run to the next, and caught when its log forks.

use crate::log::{Log, Ran, event, sigil};
use crate::server::Server;
use crate::verify::copy;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

fn append(log: &Log, actors: &[&str]) {
    for actor in actors {
        let sent = event(actor, "tool.call").to_string();
        log.feed(&["record", "append"], &sent).exits(0);
    }
}

/// One look at the server, with the token that may read everything.
fn look(log: &Log, server: &Server, state: &PathBuf) -> Ran {
    let mut command = sigil();
    command
        .args(["verify", "--json"])
        .arg(format!("http://{}", server.peer))
        .arg("--trust")
        .arg(log.trust_file())
        .arg("--token-file")
        .arg(log.path("token"))
        .arg("--state")
        .arg(state);
    Ran::of(&mut command)
}

/// Looks until all of `records` are covered by a checkpoint, were read, and nothing was wrong.
fn look_until(log: &Log, server: &Server, state: &PathBuf, records: u64) -> Ran {
    let began = Instant::now();
    loop {
        let ran = look(log, server, state);
        let covered = ran.code == Some(0) && ran.json()["records"].as_u64() >= Some(records);
        if covered {
            return ran;
        }
        assert!(ran.code != Some(3) && began.elapsed() < PATIENCE, "{ran:?}");
    }
}

#[test]
fn a_watched_server_that_goes_on_is_verified_and_one_that_forks_is_caught_with_evidence() {
    let log = Log::new();
    append(&log, &["agent:a1", "agent:a2"]);
    let (state, older) = (log.path("seen"), log.path("older"));
    copy(&log.data_dir(), &older);

    let server = Server::start(&log);
    let first = look_until(&log, &server, &log.path("other"), 4);
    assert_eq!(first.json()["outcome"], "verified", "{first:?}");
    server.stop();
    append(&log, &["agent:a3"]);
    let server = Server::start(&log);
    let again = look_until(&log, &server, &log.path("other"), 5);
    let reports = again.json()["reports"].clone();
    let subjects: Vec<&str> = reports
        .as_array()
        .expect("an array")
        .iter()
        .filter_map(|report| report["subject"].as_str())
        .collect();
    assert!(subjects.contains(&"consistency"), "{again:?}");
    assert!(subjects.contains(&"answer"), "{again:?}");
    look_until(&log, &server, &state, 5);
    server.stop();

    // The same keys, the same beginning, another history.
    std::fs::remove_dir_all(log.data_dir()).expect("the directory goes");
    std::fs::rename(&older, log.data_dir()).expect("the older one takes its place");
    append(
        &log,
        &["agent:b1", "agent:b2", "agent:b3", "agent:b4", "agent:b5", "agent:b6"],
    );
    let server = Server::start(&log);
    let began = Instant::now();
    let caught = loop {
        let ran = look(&log, &server, &state);
        if ran.out.contains("\"check\":\"consistency\"") {
            break ran.exits(3);
        }
        // Until it shows as many records as it had shown, nothing can be said; no witness cosigns what it shows.
        assert!(ran.code != Some(0) && began.elapsed() < PATIENCE, "{ran:?}");
    };
    let forked = caught.json()["reports"].to_string();
    assert!(
        forked.contains("does not continue the earlier one") || forked.contains("has forked"),
        "{forked}"
    );
    let evidence = std::fs::read_dir(log.path("")).expect("the folder");
    let names: Vec<String> = evidence
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    for part in ["seen.known-", "seen.shown-"] {
        assert!(names.iter().any(|name| name.starts_with(part)), "{names:?}");
    }
    server.stop();
}
