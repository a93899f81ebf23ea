//! `docs/PROOFS.md`: the commands by which it says that every promise is checked by hand are run as they stand there.

use crate::log::{Log, Ran, event, sigil};
use crate::python::python;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

const DOCUMENT: &str = include_str!("../../../docs/PROOFS.md");

/// The blocks of the document that are meant to be run, in order.
fn blocks() -> Vec<&'static str> {
    DOCUMENT
        .split("\n```")
        .filter_map(|block| block.strip_prefix("sh\n"))
        .collect()
}

/// The one block that has this in it.
fn block(mark: &str) -> &'static str {
    let found: Vec<&str> = blocks().into_iter().filter(|block| block.contains(mark)).collect();
    assert_eq!(found.len(), 1, "{mark}");
    found[0]
}

/// The first of these programs that is not there.
fn missing(programs: &[&'static str]) -> Option<&'static str> {
    let is_there = |program: &&str| Command::new(program).arg("--version").output().is_ok();
    programs.iter().copied().find(|program| !is_there(program))
}

/// `b3sum` as the document says it in one line of Python, for where the program is not there.
fn b3sum_of_python(dir: &Path) -> Result<(), String> {
    let python = python("verify", "proofs", "blake3, cryptography")?;
    let line = DOCUMENT
        .lines()
        .find_map(|line| line.strip_prefix("b3sum() { python3 "));
    let line = line
        .and_then(|line| line.strip_suffix("; }"))
        .expect("the document's own replacement");
    let program = dir.join("b3sum");
    std::fs::write(&program, format!("#!/bin/sh\nexec '{}' {line}\n", python.display())).expect("a file");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("it is ours");
    Ok(())
}

#[test]
fn every_promise_is_checked_by_hand_as_the_document_says() {
    if let Some(program) = missing(&["bash", "jq", "openssl", "sha256sum"]) {
        return eprintln!("NOT CHECKED: there is no {program} to check proofs by hand with");
    }
    let (programs, place) = (
        tempfile::tempdir().expect("a directory"),
        tempfile::tempdir().expect("a directory"),
    );
    if missing(&["b3sum"]).is_some()
        && let Err(reason) = b3sum_of_python(programs.path())
    {
        return eprintln!("NOT CHECKED: no b3sum, and no Python with blake3: {reason}");
    }
    let own = Path::new(env!("CARGO_BIN_EXE_sigil"))
        .parent()
        .expect("it lies in a directory");
    let path = std::env::var("PATH").expect("there is a path");
    let path = format!("{}:{}:{path}", programs.path().display(), own.display());
    let run = |blocks: &[&str]| {
        let mut bash = bash();
        bash.args(["-euo", "pipefail", "-c", &blocks.join("\n")]);
        Ran::of(bash.current_dir(place.path()).env("PATH", &path))
    };
    assert!(blocks().len() > 10);
    run(&blocks()).exits(0);
    // What decides are the checks: on records that were tampered with, they fail.
    let tools = [block("unhex()"), block("record_key=$")];
    let (authentic, ordered) = (block("'sigil/record/v1"), block("group_by(.tenant)"));
    run(&[tools[0], tools[1], authentic, ordered]).exits(0);
    for (tamper, check) in [
        ("sed -i 's/step.3/step.4/' records", authentic),
        ("sed -i 5d records", ordered),
    ] {
        let restore = "cp records whole";
        let ran = run(&[restore, tamper, tools[0], tools[1], check]);
        assert_eq!(ran.code, Some(1), "{tamper}: {ran:?}");
        run(&["cp whole records"]).exits(0);
    }
}

/// Bash without the settings of whoever runs the tests.
fn bash() -> Command {
    let mut bash = Command::new("bash");
    for (name, value) in sigil().get_envs() {
        match value {
            Some(value) => bash.env(name, value),
            None => bash.env_remove(name),
        };
    }
    bash
}

#[test]
fn what_a_stream_does_not_hold_yet_is_neither_signed_nor_exported() {
    let log = Log::new();
    let append = |action: &str| {
        let sent = event("agent:a1", action).to_string();
        log.feed(&["record", "append"], &sent).exits(0);
    };
    let newest = || log.run(&["record", "tail", "-n", "1"]).exits(0).json()["kind"].clone();
    append("before");
    assert_eq!(newest(), "ledger.map_root");
    let bundle = log.path("log.sigil-proof");
    let export = || {
        let out = bundle.to_str().expect("a path of text");
        let ran = log.run(&["export", "proof", "--log", "--json", "--out", out]);
        ran.exits(0).json()["as_of"].clone()
    };
    let as_of = export();
    // What the feed leaves there when it publishes for the first time.
    let slug = record::Slug::parse("audit").expect("a slug");
    let name = record::wire::stream_name(&slug, 0);
    std::fs::write(log.data_dir().join("stream"), format!("{name}\n")).expect("a file");
    append("after");
    assert_eq!((newest(), export()), ("audit.event".into(), as_of));
    let mut verify = sigil();
    verify.arg("verify").arg(&bundle).arg("--trust").arg(log.trust_file());
    Ran::of(&mut verify).exits(0);
}
