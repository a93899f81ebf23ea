//! Proof bundles: `sigil export proof` writes them, and the verifier of `docs/examples/verify`, which shares no code with
//! us, takes what is whole and names what is not.

use crate::log::{Log, Ran, event};
use crate::python::{example, python};
use ed25519_dalek::SigningKey;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use tlog::{CheckpointText, Cosignature, KeyType, VerifierKey};

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

/// A witness that cosigns whatever it is shown.
struct Witness {
    name: String,
    key: VerifierKey,
    secret: SigningKey,
}

impl Witness {
    fn new(number: u8) -> Self {
        let (name, secret) = (format!("w{number}.example"), SigningKey::from_bytes(&[number; 32]));
        let key = VerifierKey::new(&name, KeyType::Cosignature, secret.verifying_key().as_bytes()).expect("a key");
        Self { name, key, secret }
    }

    fn line(&self, bundle: &Bundle) -> String {
        let note = bundle.head["checkpoint"].as_str().expect("a note");
        let note = CheckpointText::parse(note).expect("a checkpoint");
        let time = ledger::Clock::read(&ledger::SystemClock).wall.micros() / 1_000_000;
        let time = u64::try_from(time).expect("the clock is right");
        let line = Cosignature::sign(note.note(), time, &self.key, &self.secret).expect("it cosigns");
        line.to_text()
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

/// The log's trust file with this policy.
fn trust_with(log: &Log, policy: &str) -> PathBuf {
    let text = std::fs::read(log.trust_file()).expect("a trust file");
    let mut trust: Value = serde_json::from_slice(&text).expect("JSON");
    trust["policy"] = policy.into();
    log.write("witnessed.trust", trust.to_string())
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
    tampered_timelines(&log, &verifier);
    tampered_stretches_of_the_log(&log, &verifier);
    witnesses_count(&log, &verifier);
    another_log(&log, &verifier);
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

fn tampered_timelines(log: &Log, verifier: &Verifier<'_>) {
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

fn tampered_stretches_of_the_log(log: &Log, verifier: &Verifier<'_>) {
    let whole = Bundle::of(log, &["--log", "--from", "3", "--until", "30"]);
    for (what, change, checks) in OF_THE_LOG {
        let mut changed = whole.clone();
        change(&mut changed);
        verifier.refuses(what, &changed.bytes(), &log.trust_file(), &[], checks);
    }
}

fn witnesses_count(log: &Log, verifier: &Verifier<'_>) {
    let witnesses = [1, 2, 3].map(Witness::new);
    let lines = witnesses
        .iter()
        .map(|one| format!("witness {} {}\n", one.name, one.key));
    let group = "group two 2 w1.example w2.example w3.example\nquorum two\n";
    let policy = format!("# two of three\n{}{group}", lines.collect::<String>());
    let trust = trust_with(log, &policy);
    let whole = Bundle::of(log, &["--actor", "agent:a1"]);
    let lines: Vec<String> = witnesses.iter().map(|witness| witness.line(&whole)).collect();

    let mut cosigned = whole.clone();
    cosigned.add_lines(&lines[..2]);
    verifier.accepts(&cosigned, &trust, "2 of 3 witnesses");
    cosigned.head["policy"] = policy.as_str().into();
    verifier.accepts(&cosigned, &trust, "2 of 3 witnesses");
    cosigned.head["policy"] = "quorum none\n".into();
    verifier.accepts(&cosigned, &trust, "the bundle's own policy is ignored");

    let mut alone = whole.clone();
    alone.add_lines(&lines[..1]);
    alone.head["policy"] = "quorum none\n".into();
    verifier.refuses("one of three", &alone.bytes(), &trust, &[], &["witnesses"]);
    let mut twice = alone.clone();
    twice.add_lines(&lines[..1]);
    verifier.refuses("one of three, twice", &twice.bytes(), &trust, &[], &["witnesses"]);
    let mut foreign = whole.clone();
    log.feed(&["record", "append"], &event("agent:a2", "later").to_string())
        .exits(0);
    let later = Bundle::of(log, &["--actor", "agent:a1"]);
    foreign.add_lines(&[witnesses[0].line(&later), lines[1].clone()]);
    verifier.refuses(
        "a cosignature of another checkpoint",
        &foreign.bytes(),
        &trust,
        &[],
        &["witnesses"],
    );
}

/// A log with the same name and the same records, made with other keys: in itself it is without fault.
fn another_log(log: &Log, verifier: &Verifier<'_>) {
    let other = grown();
    let bundle = Bundle::of(&other, &["--actor", "agent:a1"]);
    assert_eq!(bundle.head["log"], ORIGIN);
    verifier.accepts(&bundle, &other.trust_file(), "0 to before 13 of 13");
    verifier.refuses("signed anew", &bundle.bytes(), &log.trust_file(), &[], &["trust"]);
    let mut mixed = Bundle::of(log, &["--actor", "agent:a1"]);
    mixed.head["scope"] = bundle.head["scope"].clone();
    verifier.refuses(
        "another log's proof",
        &mixed.bytes(),
        &log.trust_file(),
        &[],
        &["completeness"],
    );
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
