//! Proof bundles: `sigil export proof` writes them, and the verifier of `docs/examples/verify`, which shares no code with
//! us, takes what is whole and names what is not.

mod signers;
mod stretch;
mod timeline;

use crate::log::{Log, Ran, event};
use crate::python::{example, python};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

const ORIGIN: &str = "localhost/audit";

/// A log whose keys were replaced while it grew, with two tenants.
fn grown() -> Log {
    let log = Log::new();
    let events = |from: usize, until: usize| -> String {
        let one = |n| {
            format!(
                "{}\n",
                event(&format!("agent:a{}", n % 3), &format!("step.{n} é\u{2028}\""))
            )
        };
        (from..until).map(one).collect()
    };
    log.feed(&["record", "append", "--ndjson"], &events(0, 20)).exits(0);
    log.run(&["key", "rotate"]).exits(0);
    let foreign = "{\"fraction\":0.000015,\"small\":1.5e-7,\"minus\":-0.25}\n{\"b\":2}\n";
    log.feed(&["import", "--format", "jsonl", "--tenant", "other", "-"], foreign)
        .exits(0);
    log.run(&["key", "rotate", "--role", "checkpoint"]).exits(0);
    // The first checkpoint that covers the rotation is signed by both keys, the next one by the new key alone.
    let both = Bundle::of(&log, &["--log"]);
    assert_eq!(both.head["checkpoint"].as_str().expect("a note").lines().count(), 6);
    log.feed(&["record", "append", "--ndjson"], &events(20, 40)).exits(0);
    log
}

/// A bundle that can be changed.
#[derive(Clone)]
struct Bundle {
    head: Value,
    lines: Vec<String>,
}

impl Bundle {
    /// What the executable exports.
    fn of(log: &Log, args: &[&str]) -> Self {
        let exported = log.run(&[&["export", "proof"], args].concat()).exits(0);
        Self::read(&exported.out)
    }

    fn read(text: &str) -> Self {
        let mut lines = text.lines().map(str::to_owned);
        let head = lines.next().expect("a bundle has a head");
        Self {
            head: serde_json::from_str(&head).expect("a head is JSON"),
            lines: lines.collect(),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = record::canonical::to_vec(&self.head);
        bytes.push(b'\n');
        for line in &self.lines {
            bytes.extend_from_slice(line.as_bytes());
            bytes.push(b'\n');
        }
        bytes
    }

    /// The record in this line.
    fn record(&self, at: usize) -> Value {
        serde_json::from_str(&self.lines[at]).expect("a record")
    }

    /// Changes the record in this line, which stays canonical.
    fn change(&mut self, at: usize, change: impl FnOnce(&mut Value)) {
        let mut record = self.record(at);
        change(&mut record);
        self.lines[at] = String::from_utf8(record::canonical::to_vec(&record)).expect("text");
    }

    /// Another line of its signed note, such as a cosignature.
    fn add_lines(&mut self, lines: &[String]) {
        let note = self.head["checkpoint"].as_str().expect("a note").to_owned();
        self.head["checkpoint"] = format!("{note}{}", lines.concat()).into();
    }
}

/// The verifier, and what it says.
struct Verifier<'a> {
    python: PathBuf,
    log: &'a Log,
}

impl Verifier<'_> {
    fn run(&self, bundle: &[u8], trust: &Path, more: &[&str]) -> Ran {
        let file = self.log.write("bundle.sigil-proof", bundle);
        let mut command = Command::new(&self.python);
        command.arg("-B").arg(example("verify/verify.py")).arg(file);
        Ran::of(command.arg("--trust").arg(trust).args(more))
    }

    #[track_caller]
    fn accepts(&self, bundle: &Bundle, trust: &Path, says: &str) {
        let ran = self.run(&bundle.bytes(), trust, &[]).exits(0);
        assert!(ran.out.contains(says) && !ran.out.contains("FAILED"), "{}", ran.out);
    }

    /// That exactly these checks fail.
    #[track_caller]
    fn refuses(&self, what: &str, bundle: &[u8], trust: &Path, more: &[&str], checks: &[&str]) {
        let ran = self.run(bundle, trust, more);
        let failed = ran.out.lines().filter_map(|line| line.strip_prefix("FAILED"));
        let failed: BTreeSet<&str> = failed.map(str::trim).collect();
        let expected: BTreeSet<&str> = checks.iter().copied().collect();
        assert_eq!(failed, expected, "{what}: {ran:#?}");
        assert_eq!(ran.code, Some(3), "{what}: {ran:#?}");
    }
}

#[test]
fn an_independent_verifier_takes_what_is_exported_and_names_what_was_changed() {
    let python = match python("verify", "bundle", "blake3, cryptography") {
        Ok(python) => python,
        Err(reason) => return eprintln!("NOT CHECKED: no Python with the example's packages: {reason}"),
    };
    let log = grown();
    let verifier = Verifier { python, log: &log };
    accepted(&log, &verifier);
    timeline::tampered_timelines(&log, &verifier);
    stretch::tampered_stretches_of_the_log(&log, &verifier);
    signers::witnesses_count(&log, &verifier);
    signers::another_log(&log, &verifier);
}

fn accepted(log: &Log, verifier: &Verifier<'_>) {
    let trust = log.trust_file();
    for (args, says) in [
        (&[][..], "default  : 0 to before 41 of 41"),
        (&["--actor", "agent:a1"], "default actor agent:a1: 0 to before 13 of 13"),
        (
            &["--actor", "agent:a1", "--from-position", "3", "--until-position", "9"],
            "3 to before 9 of 13",
        ),
        (
            &["--kind", "audit.event", "--from-position", "39"],
            "39 to before 40 of 40",
        ),
        (&["--tenant", "other"], "other  : 0 to before 3 of 3"),
        (&["--actor", "agent:nobody"], "agent:nobody: 0 to before 0 of 0"),
        (&["--log"], "log: 0 to before "),
        (&["--log", "--from", "5", "--until", "30"], "log: 5 to before 30 of "),
    ] {
        let bundle = Bundle::of(log, args);
        verifier.accepts(&bundle, &trust, says);
        assert_eq!(bundle.head["records"], bundle.lines.len(), "{args:?}");
        assert!(record::canonical::to_vec(&bundle.head).len() < 8_192, "{args:?}");
    }
    let part = Bundle::of(log, &["--actor", "agent:a1", "--until-position", "12"]).bytes();
    verifier.refuses("a head left out", &part, &trust, &["--whole"], &["completeness"]);
    let stale = Bundle::of(log, &[]);
    verifier.refuses("stale", &stale.bytes(), &trust, &["--max-age", "-1000"], &["freshness"]);
    let ran = verifier.run(&stale.bytes(), Path::new("/nowhere"), &[]);
    assert_eq!(ran.code, Some(5), "{ran:?}");
}

type Change = fn(&mut Bundle);

fn other_node(node: &mut Value) {
    *node = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".into();
}

#[test]
fn an_export_says_what_it_cannot_do() {
    let log = grown();
    for (args, code, word) in [
        (&["--actor", "a:b", "--kind", "x.y"][..], 2, "--kind"),
        (&["--log", "--actor", "a:b"], 2, "--actor"),
        (&["--from", "3"], 2, "--log"),
        (&["--from-position", "3", "--until-position", "3"], 2, "no records"),
        (&["--until-position", "42"], 1, "has 41 records"),
        (&["--log", "--until", "1000"], 1, "the log has"),
        (&["--tenant", "nobody"], 1, "tenant"),
        (&["--policy", "/nowhere"], 1, "/nowhere"),
    ] {
        let ran = log.run(&[&["export", "proof"], args].concat()).exits(code);
        assert!(ran.err.contains(word) && ran.out.is_empty(), "{args:?}: {ran:?}");
    }
    // A file is whole or not there, and nothing of a sealed value is in it.
    let sealed = json!({
        "kind": "audit.event", "links": [],
        "payload": {"action": "x", "outcome": "success", "source": "t", "private": {"card": "4111-2222"}},
    });
    log.feed(&["record", "append"], &sealed.to_string()).exits(0);
    let out = log.path("chain.sigil-proof");
    let said = log
        .run(&["--json", "export", "proof", "--out", out.to_str().expect("text")])
        .exits(0)
        .json();
    let bundle = Bundle::read(&std::fs::read_to_string(&out).expect("a bundle"));
    assert_eq!((&said["records"], bundle.lines.len()), (&json!(42), 42));
    let last = bundle.record(41);
    assert!(last["payload"]["private"]["$sealed"].is_string(), "{last}");
    assert!(!bundle.lines[41].contains("4111"));
    let unwritten = log.run(&["export", "proof", "--out", "/nowhere/x"]).exits(1);
    assert!(unwritten.err.contains("/nowhere/x"), "{unwritten:?}");
}

#[test]
fn what_is_there_and_no_file_is_written_to_and_stays_what_it_is() {
    let log = Log::new();
    log.feed(&["record", "append"], &event("agent:a1", "x").to_string())
        .exits(0);
    let pipe = log.path("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs");
    assert!(made.success());
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || std::fs::read_to_string(pipe).expect("text")
    });
    let out = pipe.to_str().expect("a path of text");
    log.run(&["export", "proof", "--actor", "agent:a1", "--out", out])
        .exits(0);
    let bundle = Bundle::read(&reader.join().expect("it was read"));
    assert_eq!((&bundle.head["records"], bundle.lines.len()), (&json!(1), 1));
    let kind = std::fs::symlink_metadata(&pipe).expect("it is there").file_type();
    assert!(std::os::unix::fs::FileTypeExt::is_fifo(&kind), "{kind:?}");
}
