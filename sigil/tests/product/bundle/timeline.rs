//! A stretch of a timeline, changed in every way that a bundle can be.

use super::{Bundle, Change, Verifier, other_node};
use crate::log::Log;
use serde_json::json;

/// What is done to a stretch of a timeline, and which checks fail then.
const OF_A_TIMELINE: [(&str, Change, &[&str]); 28] = [
    (
        "a value",
        |b| b.change(3, |r| r["payload"]["outcome"] = "denied".into()),
        &["hash"],
    ),
    (
        "a hash",
        |b| b.change(3, |r| r["hash"] = "00".repeat(32).into()),
        &["hash", "signature", "completeness"],
    ),
    (
        "a time",
        |b| b.change(3, |r| r["ts"] = "2020-01-01T00:00:00.000000Z".into()),
        &["hash", "chain"],
    ),
    (
        "a signature",
        |b| {
            let sig = b.record(2)["sig"].clone();
            b.change(3, |r| r["sig"] = sig)
        },
        &["signature"],
    ),
    (
        "a key",
        |b| {
            let key = b.head["keys"]["genesis"]["payload"]["root_key"].clone();
            b.change(3, |r| r["pub_key"] = key)
        },
        &["key"],
    ),
    (
        "a link",
        |b| b.change(3, |r| r["links"][0]["target"] = "agent:a2".into()),
        &["hash", "completeness"],
    ),
    (
        "a witness",
        |b| b.change(3, |r| r["witnesses"] = json!([{"witness_id": "w"}])),
        &["hash"],
    ),
    (
        "the tenant",
        |b| b.change(3, |r| r["tenant"] = "other".into()),
        &["hash", "completeness"],
    ),
    (
        "the log",
        |b| b.change(3, |r| r["log"] = "example.com/other".into()),
        &["hash", "key"],
    ),
    (
        "the chain",
        |b| b.change(3, |r| r["prev"] = "00".repeat(32).into()),
        &["hash"],
    ),
    (
        "the place",
        |b| b.change(3, |r| r["seq"] = 1.into()),
        &["hash", "chain"],
    ),
    (
        "a spelling",
        |b| b.lines[3] = b.lines[3].replacen(":", ": ", 1),
        &["canonical", "completeness"],
    ),
    (
        "dropped",
        |b| {
            b.lines.remove(3);
        },
        &["completeness"],
    ),
    (
        "dropped and said so",
        |b| {
            b.lines.remove(3);
            b.head["records"] = 6.into()
        },
        &["completeness"],
    ),
    (
        "dropped with its place",
        |b| {
            b.lines.pop();
            b.head["records"] = 6.into();
            b.head["scope"]["proof"]["range"]["until"] = 8.into()
        },
        &["completeness"],
    ),
    (
        "duplicated",
        |b| {
            let twice = b.lines[3].clone();
            b.lines.insert(3, twice)
        },
        &["completeness", "chain"],
    ),
    ("swapped", |b| b.lines.swap(3, 4), &["completeness", "chain"]),
    (
        "replaced by another",
        |b| b.lines[3] = b.lines[2].clone(),
        &["completeness", "chain"],
    ),
    (
        "a range node",
        |b| other_node(&mut b.head["scope"]["proof"]["range"]["nodes"][0]),
        &["completeness"],
    ),
    (
        "a map node",
        |b| other_node(&mut b.head["scope"]["proof"]["map"]["siblings"][0]),
        &["completeness"],
    ),
    (
        "a top node",
        |b| other_node(&mut b.head["scope"]["proof"]["top"]["siblings"][0]),
        &["completeness"],
    ),
    (
        "a count",
        |b| b.head["scope"]["proof"]["map"]["end"]["count"] = 14.into(),
        &["completeness"],
    ),
    (
        "another page",
        |b| {
            b.head["scope"]["proof"]["range"]["from"] = 3.into();
            b.head["scope"]["proof"]["range"]["until"] = 10.into()
        },
        &["completeness"],
    ),
    (
        "another target",
        |b| b.head["scope"]["proof"]["target"] = "agent:a2".into(),
        &["completeness"],
    ),
    (
        "denied to exist",
        |b| {
            b.lines.clear();
            b.head["records"] = 0.into();
            b.head["scope"]["proof"]["map"] = json!({"siblings": []});
            b.head["scope"]["proof"]
                .as_object_mut()
                .expect("a proof")
                .remove("range");
        },
        &["completeness"],
    ),
    (
        "a rotation left out",
        |b| {
            b.head["keys"]["rotations"] = json!([]);
        },
        &["key", "signature", "checkpoint"],
    ),
    (
        "the root of the map",
        |b| b.head["map_record"]["payload"]["root"] = "00".repeat(32).into(),
        &["checkpoint", "key", "completeness"],
    ),
    (
        "a node below the map's record",
        |b| other_node(&mut b.head["map_path"][0]),
        &["checkpoint"],
    ),
];

pub fn tampered_timelines(log: &Log, verifier: &Verifier<'_>) {
    let args = ["--actor", "agent:a1", "--from-position", "2", "--until-position", "9"];
    let whole = Bundle::of(log, &args);
    let stranger = Bundle::of(log, &["--actor", "agent:a2"]).lines[5].clone();
    let trust = log.trust_file();
    for (what, change, checks) in OF_A_TIMELINE {
        let mut changed = whole.clone();
        change(&mut changed);
        verifier.refuses(what, &changed.bytes(), &trust, &[], checks);
    }
    let mut inserted = whole.clone();
    inserted.lines.insert(3, stranger);
    verifier.refuses("inserted", &inserted.bytes(), &trust, &[], &["completeness", "chain"]);
    let mut bytes = whole.bytes();
    bytes.pop();
    verifier.refuses("cut", &bytes, &trust, &[], &["canonical", "completeness"]);
    verifier.refuses("no bundle", b"{}\n", &trust, &[], &["form"]);
}
