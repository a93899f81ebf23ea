//! Two public logs through the executable, when `SIGIL_SAMPLE_LOGS` names the folder that holds them: everything goes in
//! once, timelines count what the files say, the read model comes back the same, and the whole verifies.
//!
//! What is expected of actors is computed here from the raw lines, by the documented rule and without the mapper.

use crate::log::Log;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::PathBuf;
use std::time::Instant;

const WINDOWS: &str = "purplesharp_ad_playbook_I.zip";
const CLOUDTRAIL: &str = "ec2_proxy_s3_exfiltration_2020-09-14011940.json";
/// Actors whose timelines are counted, of each log.
const MOST: usize = 3;

fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("SIGIL_SAMPLE_LOGS");
    if folder.is_none() {
        eprintln!("skipped: SIGIL_SAMPLE_LOGS does not name the folder that holds {WINDOWS} and {CLOUDTRAIL}");
    }
    folder.map(PathBuf::from)
}

fn events(bytes: &[u8]) -> Vec<Value> {
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines
        .map(|line| serde_json::from_slice(line).expect("a JSON line"))
        .collect()
}

fn unzipped(bytes: Vec<u8>) -> Vec<u8> {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).expect("a zip archive");
    let mut log = Vec::new();
    let mut file = archive.by_index(0).expect("an archive of one file");
    file.read_to_end(&mut log).expect("the archive is whole");
    log
}

/// First present of `SubjectDomainName\SubjectUserName`, `User`, `Domain\AccountName`; `-` is absent.
fn windows_actor(event: &Value) -> Option<String> {
    let known = |name: &str| event[name].as_str().filter(|text| !["", "-"].contains(text));
    let pair = |domain, name| Some(format!("{}\\{}", known(domain)?, known(name)?));
    let name = pair("SubjectDomainName", "SubjectUserName")
        .or_else(|| known("User").map(str::to_owned))
        .or_else(|| pair("Domain", "AccountName"));
    name.map(|name| format!("windows-user:{name}"))
}

/// `userIdentity.arn`, else the service that acted.
fn cloudtrail_actor(event: &Value) -> Option<String> {
    let identity = |name: &str| event["userIdentity"][name].as_str();
    let service = || identity("invokedBy").map(|service| format!("aws-service:{service}"));
    identity("arn").map(str::to_owned).or_else(service)
}

/// The most frequent actors with the number of their events.
fn most_frequent(actors: impl Iterator<Item = String>) -> Vec<(String, u64)> {
    let mut counts = BTreeMap::new();
    actors.for_each(|actor| *counts.entry(actor).or_insert(0) += 1);
    let mut counts: Vec<(String, u64)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts.truncate(MOST);
    counts
}

fn count(log: &Log, filter: &[&str]) -> u64 {
    let counted = log.run(&[&["timeline", "--count"], filter].concat()).exits(0);
    counted.out.trim_end().parse().expect("a number")
}

#[test]
fn both_sample_logs_go_in_whole_and_are_found_again() {
    let Some(folder) = folder() else { return };
    let (windows, cloudtrail) = (folder.join(WINDOWS), folder.join(CLOUDTRAIL));
    let files = [windows.to_str().expect("text"), cloudtrail.to_str().expect("text")];
    let (log, began) = (Log::new(), Instant::now());
    let tallies = log.run(&["import", "--json", files[0], files[1]]).exits(0).lines();
    eprintln!("imported in {:?}: {tallies:?}", began.elapsed());
    let tally = |at: usize, name: &str| tallies[at][name].as_u64().expect("a number");
    assert_eq!(
        ["windows", "cloudtrail"],
        [0, 1].map(|at| tallies[at]["format"].as_str().unwrap_or_default())
    );
    assert_eq!([25_993, 103], [0, 1].map(|at| tally(at, "added")));
    assert_eq!([0, 0], [0, 1].map(|at| tally(at, "refused")));
    assert_eq!(tally(0, "integers_as_strings"), 25_246);
    let again = log.run(&["import", "--json", files[0], files[1]]).exits(0).lines();
    eprintln!("imported again, {:?} in all", began.elapsed());
    assert_eq!([0, 0], [0, 1].map(|at| again[at]["added"].as_u64().expect("a number")));
    assert_eq!(
        [25_993, 103],
        [0, 1].map(|at| again[at]["already_there"].as_u64().expect("a number"))
    );

    let raw_windows = events(&unzipped(std::fs::read(&windows).expect("the log is there")));
    let raw_cloudtrail = events(&std::fs::read(&cloudtrail).expect("the log is there"));
    let by_rule = most_frequent(raw_windows.iter().filter_map(windows_actor))
        .into_iter()
        .chain(most_frequent(raw_cloudtrail.iter().filter_map(cloudtrail_actor)));
    for (actor, expected) in by_rule {
        // A target without a scheme gets one by the mapper's documented rule; ARNs are their own scheme.
        let found = count(&log, &["--actor", &actor]);
        eprintln!("{expected:6} in the file, {found:6} in the timeline: {actor}");
        assert_eq!(found, expected, "{actor}");
    }
    assert_eq!(count(&log, &["--from", "2020-10-22", "--to", "2020-10-22"]), 25_993);
    assert_eq!(count(&log, &["--from", "2020-09-01", "--to", "2020-09-30"]), 103);
    assert_eq!(
        count(
            &log,
            &["--from", "2020-10-22T08:00:00Z", "--to", "2020-10-22T08:00:00Z"]
        ),
        0
    );
    checked(&log, began);
}

/// The read model comes back the same, and the log verifies with its own trust file alone.
fn checked(log: &Log, began: Instant) {
    let before = log.run(&["projection", "status", "--json"]).exits(0).json();
    let rebuilt = log.run(&["projection", "rebuild", "--json"]).exits(0).json();
    assert_eq!(rebuilt, before);
    let size = json!(log.records().len());
    assert_eq!(before["position"], size);
    assert_eq!(log.asked().len(), 26_098);
    eprintln!("rebuilt, {:?} in all", began.elapsed());
    let verified = log.verify(&log.trust_file()).exits(0).json();
    assert_eq!((&verified["size"], &verified["store_findings"]), (&size, &json!([])));
    eprintln!("verified, {:?} in all", began.elapsed());
    log.run(&["verify", "--log-only"]).exits(5);
    let other = Log::new();
    let other = other.trust_file();
    log.run(&["verify", "--log-only", "--trust", other.to_str().expect("text")])
        .exits(3);
    eprintln!("done in {:?}", began.elapsed());
}
