//! A stretch of the log, changed in every way that a bundle can be.

use super::{Bundle, Change, Verifier, other_node};
use crate::log::Log;

/// What is done to a stretch of the log, and which checks fail then.
const OF_THE_LOG: [(&str, Change, &[&str]); 13] = [
    (
        "a value",
        |b| b.change(3, |r| r["payload"]["outcome"] = "denied".into()),
        &["hash", "inclusion"],
    ),
    (
        "a signature",
        |b| {
            let sig = b.record(2)["sig"].clone();
            b.change(3, |r| r["sig"] = sig)
        },
        &["signature", "inclusion"],
    ),
    (
        "dropped",
        |b| {
            b.lines.remove(3);
        },
        &["inclusion", "chain"],
    ),
    (
        "dropped and said so",
        |b| {
            b.lines.remove(3);
            b.head["records"] = 26.into();
            b.head["scope"]["until"] = 29.into()
        },
        &["inclusion", "chain"],
    ),
    (
        "duplicated",
        |b| {
            let twice = b.lines[3].clone();
            b.lines.insert(3, twice)
        },
        &["inclusion", "chain"],
    ),
    ("swapped", |b| b.lines.swap(3, 4), &["inclusion", "chain"]),
    (
        "the tail cut",
        |b| {
            b.lines.pop();
            b.head["records"] = 26.into()
        },
        &["inclusion"],
    ),
    (
        "a node",
        |b| other_node(&mut b.head["scope"]["nodes"][0]),
        &["inclusion"],
    ),
    (
        "another place",
        |b| {
            b.head["scope"]["from"] = 4.into();
            b.head["scope"]["until"] = 31.into()
        },
        &["inclusion"],
    ),
    (
        "genesis moved",
        |b| other_node(&mut b.head["keys"]["genesis_path"][0]),
        &["key"],
    ),
    (
        "a rotation's proof",
        |b| {
            let pop = b.head["keys"]["rotations"][0]["payload"]["pop"].clone();
            b.head["keys"]["rotations"][0]["payload"]["root_sig"] = pop
        },
        &["hash", "key"],
    ),
    (
        "the checkpoint's size",
        |b| {
            let note = b.head["checkpoint"].as_str().expect("a note").replacen('\n', "\n1", 1);
            b.head["checkpoint"] = note.into()
        },
        &["checkpoint", "key", "inclusion"],
    ),
    (
        "the checkpoint's signature",
        |b| {
            let note = b.head["checkpoint"].as_str().expect("a note");
            let (text, _) = note.rsplit_once(' ').expect("a line");
            b.head["checkpoint"] = format!("{text} {}\n", "A".repeat(88) + "AAA=").into()
        },
        &["checkpoint"],
    ),
];

pub fn tampered_stretches_of_the_log(log: &Log, verifier: &Verifier<'_>) {
    let whole = Bundle::of(log, &["--log", "--from", "3", "--until", "30"]);
    for (what, change, checks) in OF_THE_LOG {
        let mut changed = whole.clone();
        change(&mut changed);
        verifier.refuses(what, &changed.bytes(), &log.trust_file(), &[], checks);
    }
}
