//! Anchors through the real program: a directory that outlives the log, an older copy that is not opened and named by
//! `sigil verify`, a log written anew, and addresses that are refused.

use crate::client::TOKEN;
use crate::log::{Log, Ran, event, sigil};
use crate::server::Server;
use crate::system::{eventually, metric, probe};
use crate::verify::copy;
use serde_json::Value;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

fn serve(log: &Log, set: &[String]) -> Server {
    let token = log.write("token", format!("{TOKEN}\n")).display().to_string();
    let mut args = vec!["--role", "embedded", "--listen", "127.0.0.1:0", "--token-file", &token];
    args.extend(["--ops-listen", "127.0.0.1:0"]);
    args.extend([
        "--set",
        "log.checkpoint_interval_ms=20",
        "--set",
        "anchors.interval_s=1",
    ]);
    set.iter().for_each(|set| args.extend(["--set", set]));
    Server::run(log, "serve", &args)
}

/// A service that must not start: it ends by itself, or the test ends it.
fn refused(log: &Log, set: &[String]) -> Ran {
    let token = log.write("token", format!("{TOKEN}\n")).display().to_string();
    let mut command = log.command(&["serve", "--listen", "127.0.0.1:0", "--token-file", &token]);
    set.iter().for_each(|set| {
        command.args(["--set", set]);
    });
    let told = log.path("refused.stderr");
    let errors = File::create(&told).expect("a file beside the log");
    let mut child = command.stdout(Stdio::null()).stderr(errors).spawn().expect("it starts");
    let deadline = Instant::now() + Duration::from_secs(60);
    let status = loop {
        match child.try_wait().expect("it is a child") {
            Some(status) => break status,
            None if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(5)), // waits for: its end
            None => {
                child.kill().expect("it runs");
                panic!("it serves with {set:?}");
            }
        }
    };
    Ran {
        code: status.code(),
        out: String::new(),
        err: std::fs::read_to_string(told).expect("text"),
    }
}

fn write(server: &Server, name: &str) {
    server
        .client()
        .post(&event("agent:a", name))
        .expect("an answer")
        .is(201);
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).expect("a directory");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

fn verify(log: &Log, anchors: &[&Path]) -> Ran {
    let mut command = log.command(&["verify", "--json"]);
    command.arg("--trust").arg(log.trust_file());
    for anchor in anchors {
        command.arg("--anchor").arg(anchor);
    }
    Ran::of(&mut command)
}

/// A log with a directory for its anchors.
fn anchored() -> (Log, PathBuf, Vec<String>) {
    let log = Log::new();
    let dir = log.path("anchors");
    std::fs::create_dir(&dir).expect("a directory");
    let set = vec![format!("anchors.dir={}", dir.display())];
    (log, dir, set)
}

#[test]
fn a_service_anchors_what_it_wrote_and_an_idle_one_nothing_more() {
    let (log, dir, set) = anchored();
    let server = serve(&log, &set);
    write(&server, "one");
    let success = "anchors_total{anchor=\"dir\",result=\"anchored\"}";
    eventually(
        || metric(&server, success).filter(|count| *count >= 1.0),
        || probe(&server, "/metrics").1,
    );
    let (_, health) = probe(&server, "/healthz");
    let health: Value = serde_json::from_str(&health).expect("JSON");
    assert_eq!(health["parts"]["anchor_dir"]["status"], "ok", "{health}");
    write(&server, "two");
    server.stop();
    // The end of the log is anchored when it is closed; an idle start and end add nothing.
    let kept = files(&dir);
    serve(&log, &set).stop();
    assert_eq!(files(&dir), kept);
    let anchored: Vec<Value> = records_of(&log, "checkpoint.anchored");
    assert_eq!(anchored.len(), kept.len());
    let newest = std::fs::read_to_string(kept.last().expect("a file")).expect("reads");
    let last = anchored.last().expect("a record");
    assert_eq!(last["payload"]["note"], newest);
    assert_eq!(last["tenant"], "sigil-ledger");
    let report = verify(&log, &[&dir]).exits(0).json();
    assert_eq!(report["checks"]["anchors"]["verdict"], "passed", "{report}");
    assert_eq!(report["anchors"]["verified"], kept.len(), "{report}");
    // One file by its name does as well, and without any the log's own word is told.
    verify(&log, &[kept.last().expect("a file")]).exits(0);
    let report = verify(&log, &[]).exits(0).json();
    assert_eq!(report["checks"]["anchors"]["verdict"], "not_asked", "{report}");
    let reason = report["checks"]["anchors"]["reason"].as_str().expect("a reason");
    assert!(reason.contains("the log says that its first"), "{reason}");
    let mut words = log.command(&["verify"]);
    words.arg("--anchor").arg(&dir).arg("--trust").arg(log.trust_file());
    let words = Ran::of(&mut words).exits(0);
    assert!(words.out.contains("records existed by 2"), "{words:?}");
}

fn records_of(log: &Log, kind: &str) -> Vec<Value> {
    let mut records = log.records();
    records.retain(|record| record["kind"] == kind);
    records
}

#[test]
fn a_directory_put_back_is_not_opened_and_verify_says_rolled_back() {
    let (log, dir, set) = anchored();
    let server = serve(&log, &set);
    write(&server, "one");
    server.stop();
    let older = log.path("older");
    copy(&log.data_dir(), &older);
    let server = serve(&log, &set);
    write(&server, "two");
    server.stop();
    verify(&log, &[&dir]).exits(0);
    std::fs::remove_dir_all(log.data_dir()).expect("the log");
    std::fs::rename(&older, log.data_dir()).expect("the older copy");
    // Whole in itself: nothing in it says what is missing.
    verify(&log, &[]).exits(0);
    let ran = refused(&log, &set).exits(3);
    assert!(
        ran.err.contains("LOG_BEHIND") && ran.err.contains("sigil restore"),
        "{}",
        ran.err
    );
    let ran = verify(&log, &[&dir]).exits(3);
    let report = ran.json();
    let first = &report["findings"][0];
    assert_eq!(report["checks"]["anchors"]["verdict"], "failed", "{report}");
    assert_eq!(first["check"], "anchors", "{report}");
    assert!(
        first["detail"].as_str().expect("text").contains("rolled back"),
        "{report}"
    );
    assert_eq!(first["found"], format!("{} records", report["size"]), "{report}");
    assert_eq!(report["checks"]["checkpoints"]["verdict"], "passed", "{report}");
    // What came instead of the lost records is another history.
    let server = serve(&log, &[]);
    (0..6).for_each(|number| write(&server, &format!("instead {number}")));
    server.stop();
    let ran = refused(&log, &set).exits(3);
    assert!(ran.err.contains("not those of the checkpoint"), "{}", ran.err);
    let report = verify(&log, &[&dir]).exits(3).json();
    let details = report["findings"].to_string();
    assert!(
        details.contains("another history") && !details.contains("rolled back"),
        "{report}"
    );
}

#[test]
fn what_cannot_be_anchored_is_shown_and_writes_go_on() {
    let (log, dir, set) = anchored();
    let server = serve(&log, &set);
    std::fs::remove_dir_all(&dir).expect("it goes");
    write(&server, "one");
    let failed = "anchors_total{anchor=\"dir\",result=\"failed\"}";
    eventually(
        || metric(&server, failed).filter(|count| *count >= 1.0),
        || probe(&server, "/metrics").1,
    );
    let (_, health) = probe(&server, "/healthz");
    let health: Value = serde_json::from_str(&health).expect("JSON");
    let part = &health["parts"]["anchor_dir"];
    assert_eq!(part["status"], "degraded", "{health}");
    assert!(
        part["detail"].as_str().expect("text").starts_with("ANCHOR_FAILED: "),
        "{health}"
    );
    assert_eq!(probe(&server, "/readyz").0, 200);
    write(&server, "two");
    server.stop();
    let said = records_of(&log, "checkpoint.anchor_failed");
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!(said[0]["payload"]["error_class"], "storage");
    // Without the directory nobody would see an older copy: it is not opened, and says how.
    let ran = refused(&log, &set).exits(2);
    assert!(
        ran.err.contains("anchors.dir") && ran.err.contains("older copy"),
        "{}",
        ran.err
    );
}

#[test]
fn addresses_and_places_that_do_not_fit_are_refused_at_once() {
    let (log, dir, set) = anchored();
    for url in [
        "http://anchor.example.com",
        "https://169.254.169.254/latest",
        "https://localhost/x",
        "file:///tmp/x",
        "https://u:pa55word@anchor.example.com",
    ] {
        let ran = refused(&log, &[format!("anchors.https_url={url}")]).exits(2);
        assert!(
            ran.err.contains("anchors.https_url: ANCHOR_URL_REJECTED: "),
            "{url}: {}",
            ran.err
        );
        assert!(!ran.err.contains("pa55word"), "{}", ran.err);
    }
    let inside = format!("anchors.dir={}", log.data_dir().join("anchors").display());
    let ran = refused(&log, &[inside]).exits(2);
    assert!(ran.err.contains("rolled back together"), "{}", ran.err);
    let off = [&set[..], &["log.checkpoint_interval_ms=0".to_owned()]].concat();
    let ran = refused(&log, &off).exits(2);
    assert!(ran.err.contains("checkpoints are what is anchored"), "{}", ran.err);
    // An empty directory is no proof of anything, and neither is a file of something else.
    let ran = verify(&log, &[&dir]).exits(5);
    assert!(ran.err.contains("no checkpoint of"), "{}", ran.err);
    let other = log.write("other", "hello\n");
    verify(&log, &[&other]).exits(3);
    let ran = Ran::of(sigil().args(["verify", "--anchor"]).arg(&dir).arg(&other)).exits(2);
    assert!(ran.err.contains("--anchor"), "{}", ran.err);
}
