//! The projection as an operator sees it: compared, rebuilt and looked at, by command and over HTTP.

use crate::client::Client;
use crate::log::{Log, event};
use crate::server::Server;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

/// A log with a few records in its read model.
fn filled() -> Log {
    let log = Log::new();
    let lines: Vec<String> = (0..20)
        .map(|at| event("agent:a", &format!("tool.call{at}")).to_string())
        .collect();
    log.feed(&["record", "append", "--ndjson"], &lines.join("\n")).exits(0);
    log.run(&["timeline"]).exits(0);
    log
}

/// Changes a text of the same length wherever it stands in the read model's file.
fn damage(log: &Log, from: &str, to: &str) {
    assert_eq!(from.len(), to.len());
    let dir = log.data_dir().join("read-model");
    let current = std::fs::read_to_string(dir.join("CURRENT")).expect("the current one is named");
    let file = dir.join(format!(
        "{:08}.sqlite",
        current.trim().parse::<u64>().expect("a number")
    ));
    let mut bytes = std::fs::read(&file).expect("the database is there");
    let mut found = 0;
    for at in 0..bytes.len() - from.len() {
        if bytes[at..].starts_with(from.as_bytes()) {
            bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
            found += 1;
        }
    }
    assert!(found > 0, "{from} is not in the read model");
    std::fs::write(file, bytes).expect("it can be written");
}

#[test]
fn a_comparison_is_appended_to_the_log_and_the_log_still_verifies() {
    let log = filled();
    let before = log.records().len();
    let found = log.run(&["projection", "verify", "--json"]).exits(0).json();
    assert_eq!((&found["equal"], &found["position"]), (&json!(true), &json!(before)));
    assert_eq!(found["reported"], json!(before));
    let last = log.asked().pop().unwrap();
    assert_eq!(
        (&last["kind"], &last["tenant"]),
        (&json!("projection.verified"), &json!("sigil-ledger"))
    );
    assert_eq!(last["payload"]["digest"], found["digest"]);
    assert_eq!(
        (&last["payload"]["equal"], &last["payload"]["position"]),
        (&json!(true), &json!(before))
    );
    // Behind it comes the root of the maps that its own checkpoint needed.
    assert_eq!(log.verify(&log.trust_file()).exits(0).json()["size"], before + 2);
    // Once more: the record of the first comparison is part of the second.
    log.run(&["projection", "verify"]).exits(0);
}

#[test]
fn damaged_rows_are_named_and_a_rebuild_puts_them_right() {
    let log = filled();
    damage(&log, "tool.call7", "tool.callX");
    let ran = log.run(&["projection", "verify", "--json"]).exits(3);
    let found = ran.json();
    let rows: Vec<String> = found["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["table"].to_string())
        .collect();
    assert!(
        rows.contains(&"\"records\"".to_owned()) && rows.contains(&"\"timeline\"".to_owned()),
        "{found}"
    );
    assert_eq!((&found["equal"], &found["complete"]), (&json!(false), &json!(true)));
    let last = log.asked().pop().unwrap();
    assert_eq!(
        (&last["payload"]["equal"], &last["kind"]),
        (&json!(false), &json!("projection.verified"))
    );
    let said = log.verify(&log.trust_file()).exits(3);
    assert!(
        said.out.contains("records [") && said.out.contains("changed"),
        "{said:?}"
    );
    log.run(&["projection", "rebuild"]).exits(0);
    log.run(&["projection", "verify"]).exits(0);
    log.verify(&log.trust_file()).exits(0);
}

#[test]
fn nothing_is_parked_by_a_build_that_knows_every_kind() {
    let log = filled();
    let listed = log.run(&["projection", "parked", "list"]).exits(0);
    assert_eq!((listed.out.as_str(), listed.err.as_str()), ("", "0 parked\n"));
    let retried = log.run(&["projection", "parked", "retry", "--json"]).exits(0).json();
    assert_eq!(retried, json!({"projected": 0, "left": 0}));
    assert_eq!(
        log.run(&["projection", "status", "--json"]).exits(0).json()["parked"],
        0
    );
    // There is no broker here.
    log.run(&["projection", "rebuild", "--from", "stream"]).exits(2);
}

/// The projection, once `done` says so.
fn wait(client: &mut Client, done: impl Fn(&Value) -> bool) -> Value {
    let until = Instant::now() + PATIENCE;
    loop {
        let entry = client.get("/admin/projections").is(200).json()["data"][0].clone();
        if done(&entry) {
            return entry;
        }
        assert!(Instant::now() < until, "{entry}");
        std::thread::yield_now();
    }
}

fn post(client: &mut Client, path: &str) -> crate::client::Answer {
    client
        .ask(&format!("POST /admin/projections/{path}"), &[], b"")
        .expect("the server answers")
}

#[test]
fn an_operator_compares_and_rebuilds_while_the_log_goes_on() {
    let log = filled();
    let server = Server::start(&log);
    let mut client = server.client();
    let live = wait(&mut client, |entry| entry["lag"] == 0);
    assert_eq!(
        (&live["state"], &live["engine"], &live["parked"]),
        (&json!("live"), &json!("sqlite"), &json!(0))
    );
    for (work, verified) in [("verify", true), ("rebuild", false), ("verify", true)] {
        post(&mut client, work).is(202);
        client.post(&event("agent:a", "meanwhile")).unwrap().is(201);
        let entry = wait(&mut client, |entry| {
            entry["work"].is_null() && entry["last"]["what"] == work
        });
        assert_eq!(entry["last"]["outcome"], "done", "{entry}");
        assert_eq!(entry["last"]["verification"]["equal"] == true, verified, "{entry}");
        assert_eq!(entry["last"]["reported"].is_u64(), verified, "{entry}");
    }
    assert_eq!(client.get("/admin/projections/parked").is(200).json()["total"], 0);
    post(&mut client, "cancel").is(404);
    post(&mut client, "rebuild?from=stream").is(400);
    server.kill();
    let kinds: Vec<Value> = log.records().into_iter().map(|record| record["kind"].clone()).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "projection.verified").count(), 2);
    // The witnesses that come with the server had no time to cosign the last records before it was killed.
    Server::start(&log).stop();
    log.verify(&log.trust_file()).exits(0);
}
