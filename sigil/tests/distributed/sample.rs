//! Two public logs as the bodies of requests, when `SIGIL_SAMPLE_LOGS` names the folder that holds them.

use import::{Events, Format, Mapper};
use record::{Auth, Author, NewRecord, Tenant};
use serde_json::{Value, json};
use std::io::Read as _;
use std::path::PathBuf;

const WINDOWS: &str = "purplesharp_ad_playbook_I.zip";
const CLOUDTRAIL: &str = "ec2_proxy_s3_exfiltration_2020-09-14011940.json";
/// What the two files hold.
pub const EVENTS: usize = 25_993 + 103;

/// Every event of both logs, mapped as `sigil import` maps them; nothing when they are not there.
pub fn records() -> Vec<String> {
    let Some(folder) = std::env::var_os("SIGIL_SAMPLE_LOGS").map(PathBuf::from) else {
        eprintln!(
            "without the real logs: SIGIL_SAMPLE_LOGS does not name the folder that holds {WINDOWS} and {CLOUDTRAIL}"
        );
        return Vec::new();
    };
    let windows = std::fs::read(folder.join(WINDOWS)).expect("the log is there");
    let cloudtrail = std::fs::read(folder.join(CLOUDTRAIL)).expect("the log is there");
    let mut records = mapped(Format::Windows, &unzipped(windows));
    records.extend(mapped(Format::CloudTrail, &cloudtrail));
    assert_eq!(records.len(), EVENTS);
    records
}

fn mapped(format: Format, bytes: &[u8]) -> Vec<String> {
    let tenant = Tenant::parse("default").expect("a tenant");
    let author = Author::new("local:operator", Auth::Local);
    let mut mapper = Mapper::new(format, [7; 32], tenant, author);
    let events = Events::new(format, bytes);
    let body = |line: import::Line<'_>| {
        let mapped = mapper.map(line.number, line.bytes).expect("every event can be mapped");
        body(&mapped.record)
    };
    events.map(body).collect()
}

/// The record as a client sends it.
fn body(record: &NewRecord) -> String {
    let link = |link: &record::Link| json!({"label": link.label(), "target": link.target()});
    let links: Vec<Value> = record.links.iter().map(link).collect();
    json!({
        "id": record.id.to_string(),
        "kind": record.kind.as_str(),
        "schema_version": record.schema_version,
        "payload": record.payload,
        "links": links,
    })
    .to_string()
}

fn unzipped(bytes: Vec<u8>) -> Vec<u8> {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).expect("a zip archive");
    let mut log = Vec::new();
    let mut file = archive.by_index(0).expect("an archive of one file");
    file.read_to_end(&mut log).expect("the archive is whole");
    log
}
