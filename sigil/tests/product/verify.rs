//! `sigil verify`: what a file is, its content says; a directory that was put back is found by a checkpoint known from
//! elsewhere.

use crate::log::{Log, Ran, event, sigil};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Appends an event of each of these actors.
fn append(log: &Log, actors: &[&str]) {
    for actor in actors {
        let sent = event(actor, "tool.call").to_string();
        log.feed(&["record", "append"], &sent).exits(0);
    }
}

/// Exports the tenant's chain; the bundle's file and its checkpoint.
pub fn export(log: &Log, name: &str) -> (PathBuf, String) {
    let path = log.path(name);
    let out = path.to_str().expect("a path of text");
    log.run(&["export", "proof", "--out", out]).exits(0);
    let text = std::fs::read_to_string(&path).expect("the bundle");
    let head: Value = serde_json::from_str(text.lines().next().expect("a head")).expect("JSON");
    let note = head["checkpoint"].as_str().expect("a note").to_owned();
    (path, note)
}

fn verify(log: &Log, what: &Path, more: &[&str]) -> Ran {
    let mut command = sigil();
    command.args(["verify", "--json"]).arg(what);
    Ran::of(command.arg("--trust").arg(log.trust_file()).args(more))
}

pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("a directory") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).expect("a copy");
        }
    }
}

#[test]
fn a_directory_put_back_to_an_older_copy_is_3_when_a_newer_checkpoint_is_known() {
    let log = Log::new();
    append(&log, &["agent:a1", "agent:a2"]);
    export(&log, "first.sigil-proof");
    let older = log.path("older");
    copy(&log.data_dir(), &older);
    append(&log, &["agent:a3"]);
    let (_, note) = export(&log, "second.sigil-proof");
    let known = log.write("known.note", &note);
    let known = ["--checkpoint", known.to_str().expect("a path of text")];
    let ran = verify(&log, &log.data_dir(), &known).exits(0);
    assert_eq!(ran.json()["checks"]["checkpoints"]["verdict"], "passed", "{ran:?}");
    assert_eq!(ran.json()["checks"]["maps"]["verdict"], "passed", "{ran:?}");
    std::fs::remove_dir_all(log.data_dir()).expect("the directory goes");
    std::fs::rename(&older, log.data_dir()).expect("the older one takes its place");
    verify(&log, &log.data_dir(), &[]).exits(0);
    let ran = verify(&log, &log.data_dir(), &known).exits(3);
    assert_eq!(ran.json()["checks"]["checkpoints"]["verdict"], "failed", "{ran:?}");
    assert_eq!(ran.json()["findings"][0]["check"], "checkpoints", "{ran:?}");
}

#[test]
fn what_a_file_is_its_content_says() {
    let log = Log::new();
    append(&log, &["agent:a1", "agent:a2"]);
    let (bundle, note) = export(&log, "chain");
    assert_eq!(verify(&log, &bundle, &[]).exits(0).json()["subject"], "bundle");

    let file = log.write("checkpoint", &note);
    let ran = verify(&log, &file, &[]).exits(0);
    assert_eq!(ran.json()["subject"], "checkpoint", "{ran:?}");
    let without = Ran::of(sigil().args(["verify", "--json"]).arg(&file)).exits(5);
    assert_eq!(
        without.json()["checks"]["trust"]["verdict"],
        "not_checked",
        "{without:?}"
    );
    // Nothing dates it: it is not called young.
    let ran = verify(&log, &file, &["--max-age", "1h"]).exits(5);
    assert_eq!(ran.json()["checks"]["freshness"]["verdict"], "not_checked", "{ran:?}");
    let forged = log.write("forged", note.replacen("/audit\n", "/audit\n1", 1));
    let ran = verify(&log, &forged, &[]).exits(3);
    assert_eq!(ran.json()["findings"][0]["check"], "checkpoints", "{ran:?}");

    let record = log.records().pop().expect("a record").to_string();
    let record = log.write("record", record);
    let ran = verify(&log, &record, &[]).exits(5);
    assert_eq!(ran.json()["subject"], "record", "{ran:?}");
    assert_eq!(ran.json()["checks"]["signature"]["verdict"], "not_checked", "{ran:?}");

    let proof = log.write("proof", format!("c2sp.org/tlog-proof@v1\nindex 0\n\n{note}"));
    let ran = verify(&log, &proof, &[]).exits(5);
    assert!(ran.err.contains("--record"), "{ran:?}");
    let with = ["--record", record.to_str().expect("a path of text")];
    let ran = verify(&log, &proof, &with).exits(3);
    assert_eq!(ran.json()["findings"][0]["check"], "inclusion", "{ran:?}");

    for (name, content) in [("text", "hello\n"), ("json", "{\"a\":1}"), ("empty", "")] {
        let ran = verify(&log, &log.write(name, content), &[]).exits(5);
        assert!(ran.err.contains("neither a record"), "{name}: {ran:?}");
    }
}

#[test]
fn a_flag_that_says_nothing_about_what_is_checked_is_refused() {
    let log = Log::new();
    append(&log, &["agent:a1"]);
    let (bundle, note) = export(&log, "chain");
    let file = log.write("checkpoint", &note);
    let name = file.to_str().expect("a path of text");
    let (dir, url) = (log.data_dir(), PathBuf::from("http://127.0.0.1:9"));
    for (what, flags, word) in [
        (&dir, &["--max-age", "1h"][..], "--max-age"),
        (&dir, &["--proof", name], "--proof"),
        (&dir, &["--disclosures", name], "--disclosures"),
        (&dir, &["--state", name], "--state"),
        (
            &dir,
            &["--record", "01900000-0000-7000-8000-00000000000f", "--checkpoint", name],
            "--checkpoint",
        ),
        (&file, &["--checkpoint", name], "--checkpoint"),
        (&file, &["--proof", name], "--continues"),
        (&file, &["--record", name], "--record"),
        (&bundle, &["--disclosures", name], "--disclosures"),
        (&bundle, &["--proof", name, "--continues", name], "--proof"),
        (&bundle, &["--follow"], "--follow"),
        (&url, &["--checkpoint", name], "--checkpoint"),
        (&url, &["--disclosures", name], "--disclosures"),
    ] {
        let ran = verify(&log, what, flags).exits(2);
        assert!(ran.err.contains(word) && ran.out.is_empty(), "{flags:?}: {ran:?}");
    }
}
