//! Two public logs imported whole, when `SIGIL_SAMPLE_LOGS` names the folder that holds them. What is expected of
//! actors and counts is computed here from the raw lines, by the documented rule and without the mapper.

use crate::properties::assert_admissible;
use crate::{mapper, member, targets};
use import::{Events, Format, Mapped};
use serde_json::Value;
use std::collections::{BTreeMap, HashSet};
use std::io::Read as _;
use std::path::PathBuf;
use std::time::Instant;

const WINDOWS: &str = "purplesharp_ad_playbook_I.zip";
const CLOUDTRAIL: &str = "ec2_proxy_s3_exfiltration_2020-09-14011940.json";

type Counts = BTreeMap<String, usize>;

fn sample(name: &str) -> Option<Vec<u8>> {
    let Some(folder) = std::env::var_os("SIGIL_SAMPLE_LOGS") else {
        eprintln!("skipped: SIGIL_SAMPLE_LOGS does not name the folder that holds {name}");
        return None;
    };
    let path = PathBuf::from(folder).join(name);
    let bytes = std::fs::read(&path).expect("SIGIL_SAMPLE_LOGS names a folder with the logs");
    if !name.ends_with(".zip") {
        return Some(bytes);
    }
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).expect("a zip archive");
    let mut file = archive.by_index(0).expect("an archive of one file");
    let mut log = Vec::new();
    file.read_to_end(&mut log).expect("the archive is whole");
    Some(log)
}

/// Imports a whole log twice: nothing is refused, every record is admissible, and the ids are unique and the same.
fn import(format: Format, log: &[u8]) -> Vec<Mapped> {
    assert_eq!(Format::detect(log), Some(format));
    let started = Instant::now();
    let run = || {
        let mut mapper = mapper(format);
        let mapped = Events::new(format, log).map(move |event| mapper.map(event.number, event.bytes));
        mapped.collect::<Result<Vec<_>, _>>().expect("nothing is refused")
    };
    let first = run();
    eprintln!("{format}: {} events in {:?}", first.len(), started.elapsed());
    let ids = |mapped: &[Mapped]| mapped.iter().map(|mapped| mapped.record.id).collect::<Vec<_>>();
    assert_eq!(ids(&first), ids(&run()));
    assert_eq!(ids(&first).into_iter().collect::<HashSet<_>>().len(), first.len());
    first.iter().for_each(assert_admissible);
    first
}

fn mapped_actors(mapped: &[Mapped]) -> Counts {
    let actors = mapped.iter().map(|mapped| targets(&mapped.record, "actor").join(" "));
    count(actors.filter(|actor| !actor.is_empty()))
}

fn count(names: impl Iterator<Item = String>) -> Counts {
    names.fold(Counts::new(), |mut counts, name| {
        *counts.entry(name).or_default() += 1;
        counts
    })
}

fn raw_events(log: &[u8]) -> Vec<Value> {
    let lines = log.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines
        .map(|line| serde_json::from_slice(line).expect("a JSON line"))
        .collect()
}

#[test]
fn a_windows_log_goes_in_whole() {
    let Some(log) = sample(WINDOWS) else { return };
    let mapped = import(Format::Windows, &log);
    assert_eq!(mapped.len(), 25_993);
    assert_eq!(
        mapped.iter().map(|mapped| mapped.integers_as_strings).sum::<u64>(),
        25_246
    );
    assert_eq!(mapped.iter().map(|mapped| mapped.decimals_as_strings).sum::<u64>(), 0);

    let actor = |event: &Value| {
        let known = |name: &str| event[name].as_str().filter(|text| !["", "-"].contains(text));
        let pair = |domain, name| Some(format!("{}\\{}", known(domain)?, known(name)?));
        let subject = pair("SubjectDomainName", "SubjectUserName");
        subject
            .or_else(|| known("User").map(str::to_owned))
            .or_else(|| pair("Domain", "AccountName"))
    };
    let expected = count(
        raw_events(&log)
            .iter()
            .filter_map(actor)
            .map(|name| format!("windows-user:{name}")),
    );
    let found = mapped_actors(&mapped);
    for (name, events) in &expected {
        eprintln!(
            "{events:6} by the rule, {:6} mapped: {name}",
            found.get(name).unwrap_or(&0)
        );
    }
    assert_eq!(found, expected);
    assert_eq!(found.values().sum::<usize>(), 25_172);
}

#[test]
fn windows_events_are_dated_when_they_happened() {
    let Some(log) = sample(WINDOWS) else { return };
    let mapped = import(Format::Windows, &log);
    let mut seconds_late: Vec<i64> = Vec::new();
    for (mapped, raw) in mapped.iter().zip(raw_events(&log)) {
        let happened = member(&mapped.record, "occurred_at");
        assert!(happened.starts_with("2020-10-22T08:"), "{happened}");
        let happened = record::Timestamp::parse(happened).expect("a time");
        let shipped: jiff::Timestamp = raw["@timestamp"].as_str().expect("a text").parse().expect("a time");
        seconds_late.push((shipped.as_microsecond() - happened.micros()) / 1_000_000);
        assert_eq!(mapped.record.id.unix_ms(), happened.micros() as u64 / 1_000);
    }
    let most = seconds_late.iter().max().expect("there are events");
    eprintln!("shipped up to {most} s after they happened");
    assert!(seconds_late.iter().all(|late| (0..120).contains(late)), "{most}");
}

/// Sysmon writes its own time in UTC: the zone found for `EventTime` must lead to the same second, or the next few.
#[test]
fn the_zone_found_for_local_times_agrees_with_the_times_that_sysmon_writes_in_utc() {
    let Some(log) = sample(WINDOWS) else { return };
    let mut mapper = mapper(Format::Windows);
    let mut compared = 0;
    for mut event in raw_events(&log) {
        let Some(utc) = event.as_object_mut().and_then(|members| members.remove("UtcTime")) else {
            continue;
        };
        let mapped = mapper.map(1, event.to_string().as_bytes()).expect("an event");
        let found = record::Timestamp::parse(member(&mapped.record, "occurred_at")).expect("a time");
        let utc: jiff::Timestamp = format!("{}Z", utc.as_str().expect("a text")).parse().expect("a time");
        let written_late = found.micros() - utc.as_microsecond();
        assert!((-1_000_000..4_000_000).contains(&written_late), "{event}");
        compared += 1;
    }
    assert_eq!(compared, 22_054);
}

#[test]
fn a_cloudtrail_log_goes_in_whole() {
    let Some(log) = sample(CLOUDTRAIL) else { return };
    let mapped = import(Format::CloudTrail, &log);
    assert_eq!(mapped.len(), 103);
    let actor = |event: &Value| {
        let identity = |name: &str| event["userIdentity"][name].as_str().map(str::to_owned);
        identity("arn").or_else(|| identity("invokedBy").map(|service| format!("aws-service:{service}")))
    };
    let events = raw_events(&log);
    let expected = count(events.iter().filter_map(actor));
    eprintln!("{expected:#?}");
    assert_eq!(mapped_actors(&mapped), expected);
    assert_eq!(expected.values().sum::<usize>(), 103);

    let keys = events
        .iter()
        .filter_map(|event| event["userIdentity"]["accessKeyId"].as_str());
    let sessions = mapped
        .iter()
        .flat_map(|mapped| targets(&mapped.record, "session"))
        .map(str::to_owned);
    assert_eq!(count(sessions), count(keys.map(|key| format!("aws-key:{key}"))));
    let dated = |mapped: &&Mapped| member(&mapped.record, "occurred_at").starts_with("2020-09-1");
    assert_eq!(mapped.iter().filter(dated).count(), 103);
}

#[test]
fn a_cloudtrail_document_gives_the_records_that_its_lines_give() {
    let Some(log) = sample(CLOUDTRAIL) else { return };
    let lines: Vec<&[u8]> = log
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .collect();
    let document = [b"{\"Records\":[", lines.join(&b",\n"[..]).as_slice(), b"]}"].concat();
    assert_eq!(import(Format::CloudTrail, &document), import(Format::CloudTrail, &log));
}
