//! Backup of a serving ledger, and the ways back: from the backup, from copies, from the stream, or not at all.

use crate::client::Client;
use crate::log::{Log, Ran, event, id, sigil};
use crate::server::Server;
use crate::system::{PATIENCE, System};
use crate::verify::export;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use testbed::Nats;

/// The executable on a directory beside the log, with the log's own key.
fn on(log: &Log, verb: &[&str], dir: &str) -> Command {
    let mut command = sigil();
    command.args(verb);
    if verb[0] == "verify" {
        command.arg(log.path(dir));
    } else {
        command.arg("--data-dir").arg(log.path(dir));
    }
    command.arg("--key-file").arg(log.key_file());
    command
}

fn verified(log: &Log, dir: &str) -> Value {
    checked(log, dir).exits(0).json()
}

fn checked(log: &Log, dir: &str) -> Ran {
    let mut command = on(log, &["verify", "--json"], dir);
    Ran::of(command.arg("--trust").arg(log.trust_file()))
}

/// What `sigil verify` says of one of its checks.
fn verdict<'a>(report: &'a Value, check: &str) -> &'a str {
    report["checks"][check]["verdict"].as_str().expect("a verdict")
}

fn records(log: &Log, dir: &str) -> Vec<Value> {
    let ran = Ran::of(&mut on(log, &["record", "list", "--limit", "1000000"], dir));
    ran.exits(0).lines()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of text")
}

/// Restores the backup `copy` with its scope keys to `dir`.
fn restore(log: &Log, dir: &str, more: &[&str]) -> Ran {
    let (copy, scopes, trust) = (log.path("copy"), log.path("copy.scopes"), log.trust_file());
    let named = [
        "--from",
        text(&copy),
        "--scopes",
        text(&scopes),
        "--trust",
        text(&trust),
    ];
    Ran::of(on(log, &["restore", "--json"], dir).args(named).args(more))
}

/// Backs up to `copy` and `copy.scopes`.
fn back_up(log: &Log) -> Value {
    let (copy, scopes) = (log.path("copy"), log.path("copy.scopes"));
    let args = ["backup", "--json", "--to", text(&copy), "--scopes-to", text(&scopes)];
    log.run(&args).exits(0).json()
}

fn private(number: u64) -> Value {
    let mut record = event("agent:a1", "backup.test");
    record["id"] = id(number).into();
    record["payload"]["private"] = serde_json::json!({"number": number});
    record
}

fn append(log: &Log, numbers: std::ops::Range<u64>) {
    let lines: Vec<String> = numbers.map(|number| private(number).to_string()).collect();
    log.feed(&["record", "append", "--ndjson"], &lines.join("\n")).exits(0);
}

#[test]
fn a_backup_of_a_serving_ledger_is_a_prefix_that_verifies() {
    let log = Log::new();
    let server = Server::start(&log);
    let (next, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let load = |mut client: Client| {
        while !stop.load(Ordering::Relaxed) {
            let number = next.fetch_add(1, Ordering::Relaxed);
            client.post(&private(number)).expect("the server answers").is(201);
        }
    };
    let written = std::thread::scope(|scope| {
        for client in [server.client(), server.client()] {
            scope.spawn(|| load(client));
        }
        let deadline = Instant::now() + PATIENCE;
        while next.load(Ordering::Relaxed) < 100 {
            assert!(Instant::now() < deadline, "the server takes records");
            std::thread::sleep(Duration::from_millis(2)); // waits for: a load that is under way
        }
        let written = std::panic::catch_unwind(|| back_up(&log));
        // Whatever became of it, the load has to end.
        let written = written.unwrap_or_else(|panic| {
            stop.store(true, Ordering::Relaxed);
            std::panic::resume_unwind(panic)
        });
        let size = written["size"].as_u64().expect("a number");
        let ahead = format!("/v1/head?min_position={}&timeout=30s", size + 1);
        let answer = server.client().get(&ahead);
        stop.store(true, Ordering::Relaxed);
        answer.is(200);
        written
    });
    server.stop();
    let restored = restore(&log, "restored", &[]).exits(0).json();
    for member in ["size", "hash", "root"] {
        assert_eq!(restored[member], written[member], "{member}");
    }
    assert_eq!(restored["disclosures_lost"], 0);
    // The server's witnesses may not have cosigned the last records by then; nothing else is open.
    let report = checked(&log, "restored").json();
    assert_eq!(
        (&report["size"], &report["findings"]),
        (&written["size"], &serde_json::json!([]))
    );
    assert_eq!(verdict(&report, "checkpoints"), "passed", "{report}");
    for (check, verdict) in report["checks"].as_object().expect("checks") {
        assert!(verdict["verdict"] != "not_checked" || check == "witnesses", "{report}");
    }
    let (original, back) = (log.records(), records(&log, "restored"));
    assert!(back.len() > 90 && back.len() <= original.len());
    assert_eq!(back[..], original[..back.len()]);
    // What the lost log's read model has seen is no proof, and worth an alarm.
    let lost = log.data_dir();
    let behind = restore(&log, "behind", &["--lost", text(&lost)]).exits(3);
    assert!(
        behind.err.contains("ALARM: the read model") && behind.err.contains("LOG_BEHIND"),
        "{}",
        behind.err
    );
    // A second backup needs a place of its own, and the log itself is not restored over.
    let (copy, scopes) = (log.path("copy"), log.path("other.scopes"));
    let again = ["backup", "--to", text(&copy), "--scopes-to", text(&scopes)];
    assert!(log.run(&again).exits(1).err.contains("exists already"));
    assert!(restore(&log, "d", &[]).exits(1).err.contains("exists already"));
}

#[test]
fn a_backup_behind_the_lost_log_is_refused_and_copies_bring_the_rest() {
    let log = Log::new();
    append(&log, 0..20);
    let written = back_up(&log);
    append(&log, 20..30);
    let lost = log.data_dir();
    let refused = restore(&log, "behind", &["--lost", text(&lost)]).exits(3);
    assert!(
        refused.err.contains("LOG_BEHIND") && refused.err.contains("--from-stream"),
        "{}",
        refused.err
    );
    let unfinished = Ran::of(&mut on(&log, &["record", "list"], "behind")).exits(1);
    assert!(unfinished.err.contains("unfinished restore"), "{}", unfinished.err);
    let known = log.write("known", log.run(&["record", "tail", "-n", "1"]).exits(0).out);
    let refused = restore(&log, "behind", &["--known", text(&known)]).exits(3);
    assert!(refused.err.contains("LOG_BEHIND"), "{}", refused.err);
    let copies = log.write("copies", log.run(&["record", "list", "--limit", "1000"]).exits(0).out);
    let more = ["--copies", text(&copies), "--lost", text(&lost)];
    let restored = restore(&log, "behind", &more).exits(0).json();
    assert_eq!(
        (&restored["size"], &restored["from_backup"]),
        (&log.records().len().into(), &written["size"])
    );
    assert_eq!(restored["disclosures_lost"], 10);
    let last = records(&log, "behind").pop().expect("a record");
    assert_eq!(last["kind"], "ledger.recovered");
    assert_eq!(
        last["payload"],
        serde_json::json!({"from": written["size"], "to": restored["size"], "disclosures_lost": 10})
    );
    // The log itself says what was lost, so nothing else is wrong with it.
    assert_eq!(
        verified(&log, "behind")["size"],
        last["offset"].as_u64().expect("a number") + 1
    );
}

#[test]
fn kill_9_in_the_middle_of_a_restore_leaves_what_is_no_log() {
    let log = Log::new();
    append(&log, 0..20);
    let written = back_up(&log);
    let pipe = log.path("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().expect("mkfifo");
    assert!(made.success());
    let scopes = log.path("copy.scopes");
    let copy = log.path("copy");
    let args = [
        "--from",
        text(&copy),
        "--scopes",
        text(&scopes),
        "--copies",
        text(&pipe),
    ];
    let mut command = on(&log, &["restore"], "killed");
    let mut child = command.args(args).spawn().expect("starts");
    // It waits at the pipe with the backup restored: the writer's side opens only when somebody reads.
    let held = std::fs::OpenOptions::new().write(true).open(&pipe).expect("is read");
    child.kill().expect("runs");
    child.wait().expect("ends");
    drop(held);
    for verb in [&["record", "list"][..], &["verify"], &["backup", "--to", "nowhere"]] {
        let ran = Ran::of(&mut on(&log, verb, "killed"));
        assert_ne!(ran.code, Some(0), "{verb:?}");
        assert!(ran.err.contains("unfinished restore"), "{}", ran.err);
    }
    restore(&log, "killed", &[]).exits(0);
    assert_eq!(verified(&log, "killed")["size"], written["size"]);
}

#[test]
fn a_log_that_cannot_go_on_is_closed_and_continued_by_another() {
    let log = Log::new();
    append(&log, 0..20);
    let written = back_up(&log);
    append(&log, 20..30);
    let lost = log.data_dir();
    let closed = restore(&log, "kept", &["--lost", text(&lost), "--close"])
        .exits(0)
        .json();
    assert_eq!((&closed["closed"], &closed["size"]), (&true.into(), &written["size"]));
    assert_eq!(verified(&log, "kept")["size"], written["size"]);
    let mut command = on(&log, &["record", "append"], "kept");
    let refused = Ran::fed(&mut command, private(99).to_string().as_bytes()).exits(1);
    assert!(refused.err.contains("closed"), "{}", refused.err);
    let init = |predecessor: &str, origin: &str| {
        let mut command = sigil();
        command
            .args(["init", "--json", "--log", origin, "--data-dir"])
            .arg(log.path("next"));
        command.arg("--predecessor").arg(log.path(predecessor));
        Ran::of(command.arg("--predecessor-key-file").arg(log.key_file()))
    };
    assert!(init("d", "example.com/next").exits(2).err.contains("goes on"));
    assert!(init("kept", "localhost/audit").exits(2).err.contains("own origin"));
    init("kept", "example.com/next").exits(0);
    let list = ["record", "list", "--limit", "1", "--data-dir", text(&log.path("next"))].map(str::to_owned);
    let genesis = Ran::of(sigil().args(list)).exits(0).json();
    let expected = serde_json::json!({
        "log": "localhost/audit", "size": written["size"], "hash": closed["hash"], "root": closed["root"],
    });
    assert_eq!(genesis["payload"]["predecessor"], expected);
}

/// Runs the role ledger until the stream holds every record of the log.
fn publish(system: &System, nats: &Nats, size: u64) {
    let ledger = system.start("ledger");
    let url = nats.url();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let status = ["stream", "status", "--json", "--nats", &url, "--slug", "audit"];
        let ran = system.log.run(&status);
        let next = ran
            .out
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        if next.filter_map(|stream| stream["next_offset"].as_u64()).max() == Some(size) {
            break;
        }
        assert!(Instant::now() < deadline, "{ran:?}");
    }
    ledger.kill();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_directory_comes_back_from_the_stream() {
    let nats = Nats::start().await;
    let system = System::new(&nats.url(), "postgres://127.0.0.1:1/none", None);
    let log = &system.log;
    append(log, 0..20);
    back_up(log);
    append(log, 20..30);
    let size = log.records().len() as u64;
    publish(&system, &nats, size);
    let lost: PathBuf = log.data_dir();
    std::fs::remove_dir_all(lost.join("fjall")).expect("is lost");
    let url = nats.url();
    let stream = ["--from-stream", "--nats", &url];
    let restored = restore(log, "back", &[&stream[..], &["--lost", text(&lost)]].concat());
    let restored = restored.exits(0).json();
    assert_eq!(restored["size"], size);
    assert_eq!(restored["disclosures_lost"], 10);
    assert_eq!(verified(log, "back")["size"], size + 1);
    // The backup alone may be restored where nothing is known; the stream stops it before it takes a record.
    restore(log, "old", &[]).exits(0);
    let serve = [
        "serve",
        "--role",
        "ledger",
        "--ops-listen",
        "127.0.0.1:0",
        "--nats",
        &url,
    ];
    let behind = Ran::of(&mut on(log, &serve, "old")).exits(3);
    assert!(behind.err.contains("LOG_BEHIND"), "{}", behind.err);
    // Nothing shows that the stream had everything: the log is kept and not continued.
    let refused = restore(log, "unsure", &stream).exits(3);
    assert!(refused.err.contains("no HEAD survived"), "{}", refused.err);
    let closed = restore(log, "unsure", &[&stream[..], &["--close"]].concat())
        .exits(0)
        .json();
    assert_eq!((&closed["closed"], &closed["size"]), (&true.into(), &size.into()));
    // HEAD knows of more than the stream has.
    let mut wiped = nats;
    wiped.wipe().await;
    let refused = restore(log, "wiped", &[&stream[..], &["--lost", text(&lost)]].concat()).exits(3);
    assert!(refused.err.contains("LOG_BEHIND"), "{}", refused.err);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_alone_gives_the_records_and_the_keyring_the_signature() {
    let nats = Nats::start().await;
    let system = System::new(&nats.url(), "postgres://127.0.0.1:1/none", None);
    let log = &system.log;
    append(log, 0..5);
    let (_, note) = export(log, "chain");
    let known = log.write("known.note", note);
    let size = log.records().len() as u64;
    publish(&system, &nats, size);
    let (lost, url) = (log.data_dir(), nats.url());
    std::fs::remove_dir_all(lost.join("fjall")).expect("is lost");
    let stream = ["restore", "--json", "--from-stream", "--nats", &url, "--slug", "audit"];
    let mut command = on(log, &stream, "back");
    let restored = Ran::of(command.arg("--lost").arg(&lost)).exits(0).json();
    assert_eq!((&restored["size"], &restored["from_backup"]), (&size.into(), &0.into()));
    assert_eq!(restored["disclosures_lost"], 5);
    // A stream holds no checkpoints: the roots of the maps are there, and what was signed over them is not.
    let report = checked(log, "back").exits(5).json();
    assert_eq!(
        (&report["size"], verdict(&report, "checkpoints")),
        (&(size + 1).into(), "not_checked")
    );
    // One that somebody has kept is taken instead, and the log signs a new one as soon as it goes on.
    let mut command = on(log, &["verify", "--json", "--checkpoint", text(&known)], "back");
    let report = Ran::of(command.arg("--trust").arg(log.trust_file())).exits(0).json();
    assert_eq!(verdict(&report, "checkpoints"), "passed");
    Ran::fed(
        &mut on(log, &["record", "append"], "back"),
        private(50).to_string().as_bytes(),
    )
    .exits(0);
    verified(log, "back");
    std::fs::remove_file(lost.join("keyring")).expect("is lost");
    let mut command = on(log, &stream, "kept");
    let refused = Ran::of(command.arg("--lost").arg(&lost).args(["--log", "localhost/audit"])).exits(3);
    assert!(refused.err.contains("no keyring"), "{}", refused.err);
    let mut command = on(log, &stream, "kept");
    let kept = Ran::of(
        command
            .arg("--lost")
            .arg(&lost)
            .args(["--log", "localhost/audit", "--close"]),
    );
    assert_eq!(kept.exits(0).json()["size"], size);
    assert_eq!(verified_kept(log), size);
}

/// Every sealed value of a log without keys is lost, and no record of its own can say so.
fn verified_kept(log: &Log) -> u64 {
    let mut command = on(log, &["verify", "--json"], "kept");
    let report = Ran::of(command.arg("--trust").arg(log.trust_file())).exits(3).json();
    let findings = report["store_findings"].as_array().expect("a list");
    assert!(
        findings
            .iter()
            .all(|finding| finding.to_string().contains("SCOPE_KEY_LOST")),
        "{findings:?}"
    );
    report["size"].as_u64().expect("a number")
}
