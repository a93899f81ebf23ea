//! Every verb of the command line: what it prints where, and with which code it ends.

use crate::log::{Log, Ran, event, id, sigil};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

const VERBS: [&[&str]; 31] = [
    &["demo"],
    &["dev"],
    &["init"],
    &["import"],
    &["timeline"],
    &["record"],
    &["record", "append"],
    &["record", "get"],
    &["record", "list"],
    &["record", "tail"],
    &["verify"],
    &["export"],
    &["export", "proof"],
    &["projection"],
    &["projection", "status"],
    &["projection", "rebuild"],
    &["projection", "verify"],
    &["projection", "parked"],
    &["projection", "parked", "list"],
    &["projection", "parked", "retry"],
    &["key"],
    &["key", "rotate"],
    &["stream"],
    &["stream", "status"],
    &["stream", "rebuild"],
    &["gateway"],
    &["gateway", "enroll"],
    &["gateway", "revoke"],
    &["gateway", "list"],
    &["doctor"],
    &["completion"],
];

#[test]
fn every_verb_explains_itself() {
    for verb in VERBS {
        let helped = Ran::of(sigil().args(verb).arg("--help")).exits(0);
        assert!(helped.out.contains("Usage: sigil") && helped.err.is_empty(), "{verb:?}");
    }
    let helped = Ran::of(sigil().arg("--help")).exits(0);
    for verb in VERBS.iter().filter(|verb| verb.len() == 1) {
        assert!(helped.out.contains(&format!("\n  {}", verb[0])), "{verb:?}");
    }
    assert!(helped.out.contains("3 verification failed"));
    assert!(Ran::of(sigil().arg("--version")).exits(0).out.starts_with("sigil "));
}

#[test]
fn wrong_usage_is_2_and_says_what_is_wrong() {
    for (args, word) in [
        (&["unheard"][..], "unheard"),
        (&["timeline", "--unheard"], "--unheard"),
        (&["timeline", "--limit", "many"], "--limit"),
        (&["record", "append", "--data-dir"], "--data-dir"),
        (&["completion", "cobol"], "cobol"),
        (&["import"], "FILES"),
        (&["record", "get", "not-an-id"], "UUIDv7"),
        (&["verify", "--record", "not-an-id"], "UUIDv7"),
        (&["dev", "--listen", "nowhere"], "--listen"),
    ] {
        let log = args.contains(&"--record").then(Log::new);
        let ran = match &log {
            Some(log) => log.run(args),
            None => Ran::of(sigil().args(args)),
        };
        let ran = ran.exits(2);
        assert!(ran.err.contains(word) && ran.out.is_empty(), "{args:?}: {ran:?}");
    }
    let nothing = Ran::of(&mut sigil()).exits(2);
    assert!(nothing.err.contains("Usage: sigil") && nothing.out.is_empty());
}

#[test]
fn completions_are_scripts_that_their_shell_reads() {
    for shell in ["bash", "zsh", "fish"] {
        let script = Ran::of(sigil().args(["completion", shell])).exits(0);
        assert!(script.out.contains("timeline") && script.err.is_empty(), "{shell}");
    }
    let script = Ran::of(sigil().args(["completion", "bash"])).out;
    Ran::fed(std::process::Command::new("bash").arg("-n"), script.as_bytes()).exits(0);
}

#[test]
fn records_are_appended_from_a_file_and_from_standard_input() {
    let log = Log::new();
    let mut record = event("agent:a1", "from.file");
    record["id"] = id(1).into();
    let file = log.write("record.json", record.to_string());
    let file = file.to_str().expect("text");
    let added = log.run(&["--json", "record", "append", file]).exits(0).json();
    assert_eq!(added["id"], json!(id(1)));
    let offset = usize::try_from(added["offset"].as_u64().expect("a number")).expect("a place");
    assert_eq!(log.records()[offset]["id"], added["id"]);
    assert_eq!(
        (&added["state"], &added["replayed"]),
        (&json!("committed"), &json!(false))
    );
    let again = log.run(&["--json", "record", "append", file]).exits(0).json();
    assert_eq!((&again["offset"], &again["replayed"]), (&added["offset"], &json!(true)));
    let other = {
        let mut other = record.clone();
        other["payload"]["action"] = "other".into();
        other.to_string()
    };
    let conflict = log.feed(&["record", "append"], &other).exits(1);
    assert!(conflict.err.contains(&id(1)) && conflict.out.is_empty(), "{conflict:?}");
    let added = log.feed(&["record", "append", "-"], &event("agent:a1", "from.stdin").to_string());
    let last = log.asked().pop().expect("a record");
    assert!(added.exits(0).out.starts_with(&format!("{}  ", last["offset"])));
    let missing = log.run(&["record", "append", "/nowhere/record.json"]).exits(1);
    assert!(missing.err.contains("/nowhere/record.json"), "{missing:?}");
    let hostile = log.feed(
        &["record", "append"],
        "{\"kind\":\"audit.event\",\"kind\":\"audit.event\"}",
    );
    assert!(hostile.exits(1).err.contains("kind"));
    assert_eq!(log.asked().len(), 4);
}

#[test]
fn a_bad_line_stops_no_other_line() {
    let log = Log::new();
    let mut unfit = event("agent:a1", "x");
    unfit["payload"]["outcome"] = "perhaps".into();
    let (first, last) = (event("agent:a1", "first"), event("agent:a1", "last"));
    let input = format!("{first}\n{{\"kind\":\n\n{unfit}\n{last}\n");
    let ran = log.feed(&["record", "append", "--ndjson", "--json"], &input).exits(1);
    let offsets: Vec<Value> = ran.lines().iter().map(|line| line["offset"].clone()).collect();
    let stored = log.asked().split_off(2);
    let expected: Vec<Value> = stored.iter().map(|record| record["offset"].clone()).collect();
    assert_eq!(offsets, expected);
    assert!(ran.err.contains("line 2:") && ran.err.contains("line 4:"), "{ran:?}");
    assert!(ran.err.contains("/payload/outcome"), "{ran:?}");
    let actions: Vec<Value> = stored
        .iter()
        .map(|record| record["payload"]["action"].clone())
        .collect();
    assert_eq!(actions, ["first", "last"]);
}

/// A log with events 0 to 9: the even ones of agent:a, the third of each denied, an hour between them.
fn history() -> Log {
    let log = Log::new();
    let lines: Vec<String> = (0..10)
        .map(|number| {
            let mut record = event(if number % 2 == 0 { "agent:a" } else { "agent:b" }, "tool.call");
            record["id"] = id(number).into();
            record["payload"]["occurred_at"] = format!("2026-03-0{}T10:00:00.000000Z", number / 2 + 1).into();
            if number % 3 == 0 {
                record["payload"]["outcome"] = "denied".into();
            }
            record.to_string()
        })
        .collect();
    log.feed(&["record", "append", "--ndjson"], &lines.join("\n")).exits(0);
    log
}

#[test]
fn records_are_got_listed_and_tailed_as_they_were_signed() {
    let log = history();
    let all = log.records();
    assert_eq!(log.asked().len(), 12);
    let at = all
        .iter()
        .position(|record| record["id"] == id(3))
        .expect("it is there");
    let got = log.run(&["record", "get", &id(3)]).exits(0);
    assert_eq!(got.json(), all[at]);
    let parsed = record::Record::parse(got.out.trim_end().as_bytes().to_vec()).expect("canonical bytes");
    assert_eq!(parsed.offset, at as u64);
    assert_eq!(
        log.run(&["record", "list", "--from", "4", "--limit", "3"]).lines(),
        all[4..7]
    );
    assert_eq!(log.run(&["record", "list", "--from", "99"]).exits(0).out, "");
    assert_eq!(log.run(&["record", "tail", "-n", "2"]).lines(), all[all.len() - 2..]);
    assert_eq!(log.run(&["record", "tail"]).lines(), all[all.len() - 10..]);
    for absent in [
        &["record", "get", &id(77)][..],
        &["record", "get", &id(3), "--tenant", "other"],
    ] {
        let absent = log.run(absent).exits(1);
        assert!(
            absent.err.contains("has no record") && absent.out.is_empty(),
            "{absent:?}"
        );
    }
}

#[test]
fn timelines_are_filtered_counted_and_ordered() {
    let log = history();
    let count = |args: &[&str]| {
        let ran = log.run(&[&["timeline", "--count"], args].concat()).exits(0);
        ran.out.trim_end().parse::<u64>().expect("a number")
    };
    // Ten events and the creation of the tenant.
    assert_eq!(count(&[]), 11);
    assert_eq!(count(&["--actor", "agent:a"]), 5);
    assert_eq!(count(&["--actor", "agent:nobody"]), 0);
    assert_eq!(count(&["--outcome", "denied"]), 4);
    assert_eq!(count(&["--actor", "agent:a", "--outcome", "denied"]), 2);
    assert_eq!(count(&["--kind", "audit.event", "--action", "tool.call"]), 10);
    assert_eq!(count(&["--from", "2026-03-02", "--to", "2026-03-02"]), 2);
    assert_eq!(
        count(&["--from", "2026-03-02T10:00:00Z", "--to", "2026-03-03T10:00:00Z"]),
        2
    );
    assert_eq!(count(&["-q", "actor:agent:a -outcome:denied"]), 3);
    assert_eq!(count(&["--limit", "2"]), 11, "a count is of all pages");
    assert_eq!(count(&["--tenant", "other"]), 0);
    let rows = |args: &[&str]| {
        let ran = log.run(&[&["timeline", "--json"], args].concat()).exits(0);
        ran.lines().iter().map(|row| row["id"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(rows(&["--actor", "agent:b", "--order", "asc"]), [1, 3, 5, 7, 9].map(id));
    assert_eq!(rows(&["--actor", "agent:b", "--limit", "2"]), [9, 7].map(id));
    assert_eq!(
        rows(&["--from", "2026-03-05", "--to", "2026-03-05", "--order", "occurred_asc"]),
        [8, 9].map(id)
    );
    let counted = log.run(&["timeline", "--json", "--count"]).json();
    assert_eq!(counted, json!({"count": 11}));
    let shown = log
        .run(&["timeline", "--actor", "agent:a", "--outcome", "denied"])
        .exits(0);
    assert_eq!(shown.out.lines().count(), 2);
    assert!(
        shown.out.contains("2026-03-01T10:00:00.000Z") && shown.out.contains("denied"),
        "{shown:?}"
    );
}

#[test]
fn a_question_that_cannot_be_read_names_its_parameter() {
    let log = Log::new();
    for (flag, value, word) in [
        ("--from", "yesterday", "from"),
        ("--to", "2026-02-30", "to"),
        ("--outcome", "perhaps", "outcome"),
        ("--order", "random", "order"),
        ("-q", "actor:", "character 1"),
        ("--tenant", "Not A Tenant", "--tenant"),
    ] {
        let refused = log.run(&["timeline", flag, value]).exits(2);
        assert!(
            refused.err.contains(word) && refused.out.is_empty(),
            "{flag}: {refused:?}"
        );
    }
}

#[test]
fn one_record_is_verified_by_itself() {
    let log = history();
    let trust = log.trust_file();
    let trust = trust.to_str().expect("text");
    let checked = log.run(&["verify", "--record", &id(3), "--trust", trust]).exits(0);
    assert!(checked.out.contains("the record is genuine"), "{checked:?}");
    log.run(&["verify", "--record", &id(3)]).exits(5);
    log.run(&["verify", "--record", &id(77), "--trust", trust]).exits(1);
    let other = Log::new();
    let other = other.trust_file();
    log.run(&["verify", "--record", &id(3), "--trust", other.to_str().expect("text")])
        .exits(3);
}

#[test]
fn a_log_is_verified_against_its_trust_file_only() {
    let log = history();
    let size = json!(log.records().len());
    let verified = log.verify(&log.trust_file()).exits(0).json();
    assert_eq!((&verified["size"], &verified["store_findings"]), (&size, &json!([])));
    let unchecked = log.run(&["verify"]).exits(5);
    assert!(unchecked.out.contains("could not be checked") && unchecked.out.contains("genesis hash"));
    assert_eq!(log.verify(&Log::new().trust_file()).exits(3).json()["size"], size);
    assert!(log.verify(&log.path("missing")).exits(5).err.contains("missing"));
    let broken = log.write("broken.trust", "no trust file\n");
    assert!(log.verify(&broken).exits(5).err.contains("broken.trust"));
    let before = files(&log);
    log.verify(&log.trust_file()).exits(0);
    assert_eq!(files(&log), before, "checking leaves nothing behind");
}

fn files(log: &Log) -> Vec<String> {
    let entries = std::fs::read_dir(log.path(".")).expect("the directory of the log");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn the_read_model_is_rebuilt_to_the_same_digest() {
    let log = history();
    log.run(&["timeline"]).exits(0);
    let size = json!(log.records().len());
    let before = log.run(&["projection", "status", "--json"]).exits(0).json();
    assert_eq!((&before["position"], &before["head"]), (&size, &size));
    assert_eq!(log.run(&["projection", "rebuild", "--json"]).exits(0).json(), before);
    let verified = log.run(&["projection", "verify", "--json"]).exits(0).json();
    assert_eq!(
        (&verified["equal"], &verified["digest"]),
        (&json!(true), &before["digest"])
    );
}

#[test]
fn the_key_is_rotated_with_the_root_key_only() {
    let log = history();
    let rotated = log.run(&["key", "rotate", "--json"]).exits(0).json();
    let last = log.asked().pop().expect("a record");
    assert_eq!(
        (&rotated["offset"], &last["kind"]),
        (&last["offset"], &json!("key.rotated"))
    );
    log.feed(&["record", "append"], &event("agent:a", "after").to_string())
        .exits(0);
    let records = log.asked();
    assert_ne!(records[13]["pub_key"], records[11]["pub_key"]);
    let size = log.records().len();
    assert_eq!(log.verify(&log.trust_file()).exits(0).json()["size"], size);
    let other = Log::new();
    let root = other.path("d.root");
    let refused = log
        .run(&["key", "rotate", "--root-key-file", root.to_str().expect("text")])
        .exits(1);
    assert!(!refused.err.is_empty() && refused.out.is_empty(), "{refused:?}");
    assert_eq!(log.records().len(), size);
}

#[test]
fn the_checkpoint_key_is_rotated_beside_the_record_key() {
    let log = history();
    let rotated = log
        .run(&["key", "rotate", "--role", "checkpoint", "--json"])
        .exits(0)
        .json();
    assert_eq!(rotated["role"], "checkpoint");
    let key = rotated["verifier_key"].as_str().expect("a text");
    assert!(tlog::VerifierKey::parse(key).is_ok(), "{key}");
    log.feed(&["record", "append"], &event("agent:a", "after").to_string())
        .exits(0);
    let records = log.asked();
    assert_eq!(records[12]["offset"], rotated["offset"]);
    assert_eq!(records[12]["payload"]["role"], "checkpoint");
    assert_eq!(records[13]["pub_key"], records[11]["pub_key"]);
    let size = log.records().len();
    assert_eq!(log.verify(&log.trust_file()).exits(0).json()["size"], size);
    log.run(&["key", "rotate", "--role", "root"]).exits(2);
}

#[test]
fn the_doctor_finds_and_repairs() {
    let log = Log::new();
    let healthy = log.run(&["doctor", "--json"]).exits(0);
    assert!(
        healthy.lines().iter().all(|finding| finding["state"] != "wrong"),
        "{healthy:?}"
    );
    let key = log.key_file();
    let mode = |mode| std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).expect("own file");
    mode(0o644);
    let leftover = log.path("d.verify-1");
    std::fs::create_dir(&leftover).unwrap();
    let ill = log.run(&["doctor"]).exits(1);
    assert!(
        ill.out.contains("chmod 600") && ill.out.contains("d.verify-1"),
        "{ill:?}"
    );
    assert!(leftover.exists(), "looking changes nothing");
    let fixed = log.run(&["doctor", "--fix"]).exits(0);
    assert!(fixed.out.contains("fixed"), "{fixed:?}");
    assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!leftover.exists());
    std::fs::remove_file(&key).unwrap();
    let ill = log.run(&["doctor", "--json"]).exits(1).lines();
    assert!(
        ill.iter()
            .any(|finding| finding["subject"] == "key" && finding["state"] == "wrong"),
        "{ill:?}"
    );
}

#[test]
fn the_demo_tells_its_story_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let told = Ran::of(sigil().args(["demo", "--exit"]).env("TMPDIR", dir.path())).exits(0);
    for word in [
        "1. ",
        "2. ",
        "3. ",
        "4. ",
        "5. ",
        "6. ",
        "7. ",
        "2 are enough",
        "FAILED       completeness",
        "rows are left out",
        "ok           witnesses",
        "denied",
        "verified",
        "Done.",
    ] {
        assert!(told.out.contains(word), "{word}: {}", told.out);
    }
    assert!(!told.out.contains('\u{1b}') && !told.err.contains('\u{1b}'));
    let data = Ran::of(sigil().args(["demo", "--exit", "--json"]).env("TMPDIR", dir.path())).exits(0);
    let lines = data.lines();
    assert!(lines.iter().all(Value::is_object) && lines.len() > 3, "{data:?}");
    assert_eq!(
        std::fs::read_dir(dir.path()).unwrap().count(),
        0,
        "the demo leaves nothing behind"
    );
    let kept = dir.path().join("kept");
    Ran::of(sigil().args(["demo", "--exit", "--data-dir"]).arg(&kept)).exits(0);
    assert!(kept.is_dir());
    let taken = Ran::of(sigil().args(["demo", "--exit", "--data-dir"]).arg(&kept)).exits(1);
    assert!(taken.err.contains("exists already"), "{taken:?}");
}

#[test]
fn a_reader_who_leaves_early_is_no_failure() {
    let log = history();
    // Enough to fill the pipe, so that the writer notices.
    let payload = "x".repeat(1_000);
    let lines: Vec<String> = (100..400)
        .map(|number| {
            let mut record = event("agent:a", "large");
            record["id"] = id(number).into();
            record["payload"]["data"] = json!({"text": payload});
            record.to_string()
        })
        .collect();
    log.feed(&["record", "append", "--ndjson"], &lines.join("\n")).exits(0);
    for args in [
        &["record", "list", "--limit", "1000"][..],
        &["timeline", "--json", "--limit", "0"],
    ] {
        let mut child = log
            .command(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{args:?}");
    }
}

#[test]
fn what_is_no_data_goes_to_standard_error_without_colours() {
    let log = history();
    for args in [
        &["timeline"][..],
        &["verify"],
        &["projection", "rebuild"],
        &["doctor"],
        &["timeline", "-vv"],
    ] {
        for no_color in [None, Some("1")] {
            let mut command = log.command(args);
            command.envs(no_color.map(|value| ("NO_COLOR", value)));
            let ran = Ran::of(&mut command);
            assert!(
                !ran.out.contains('\u{1b}') && !ran.err.contains('\u{1b}'),
                "{args:?}: {ran:?}"
            );
        }
    }
    assert_eq!(
        log.run(&["timeline"]).err,
        "",
        "a command that did its work says nothing else"
    );
    let failed = log.run(&["--json", "record", "get", &id(77)]).exits(1);
    assert_eq!(failed.out, "");
    let said: Value = serde_json::from_str(&failed.err).expect("failures are JSON as well");
    assert_eq!(said["exit"], 1);
    let verbose = log.run(&["timeline", "--json", "-vv"]).exits(0);
    assert_eq!(verbose.lines().len(), 11, "diagnostics are not data");
}

#[test]
fn imports_report_what_they_refuse_and_go_on() {
    let log = Log::new();
    let lines = "{\"a\":1}\nnot json\n{\"big\":18446744073709551615}\n";
    let file = log.write("lines.jsonl", lines);
    let file = file.to_str().expect("text");
    let ran = log.run(&["import", "--json", "--format", "jsonl", file]).exits(1);
    let tally = ran.json();
    assert_eq!((&tally["added"], &tally["refused"]), (&json!(2), &json!(1)));
    assert_eq!(tally["integers_as_strings"], 1);
    assert!(ran.err.contains("refused event 2: MALFORMED_JSON"), "{ran:?}");
    let again = log
        .feed(
            &["import", "--json", "--format", "jsonl", "--tenant", "fresh", "-"],
            lines,
        )
        .exits(1);
    assert_eq!(again.json()["added"], 2, "a tenant is made when it is named");
    let again = log
        .feed(&["import", "--json", "--format", "jsonl", "-"], "{\"a\":1}\n")
        .exits(0);
    assert_eq!(
        (&again.json()["added"], &again.json()["already_there"]),
        (&json!(0), &json!(1))
    );
    let unknown = log.run(&["import", "--format", "papyrus", file]).exits(2);
    assert!(unknown.err.contains("windows, cloudtrail"), "{unknown:?}");
    let empty = log.feed(&["import", "-"], "not json at all").exits(2);
    assert!(empty.err.contains("--format"), "{empty:?}");
    let broken = log.write("broken.zip", b"PK\x03\x04broken");
    let broken = log.run(&["import", broken.to_str().expect("text")]).exits(1);
    assert!(broken.err.contains("broken.zip"), "{broken:?}");
}
