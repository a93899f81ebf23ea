//! What is served of proofs, from a real log: pages, single records, checkpoints and tiles, each held against the trust
//! file that `sigil init` wrote.

use crate::client::{Answer, Client};
use crate::log::{Log, Ran, event, id, sigil};
use crate::server::Server;
use serde_json::Value;
use std::time::{Duration, Instant};
use tlog::{CheckpointText, Frontier, Node, ProofText, hash_leaf, log_entry, verify_consistency};
use verifier::{Check, Outcome, ProofOptions, Trust, Verdict, verify_answer};

/// How long a checkpoint may take.
const PATIENCE: Duration = Duration::from_secs(60);

pub fn trust(log: &Log) -> Trust {
    Trust::parse(&std::fs::read(log.trust_file()).expect("init wrote it")).expect("a trust file")
}

/// The same without its policy: a page may be asked for before witnesses have cosigned its checkpoint.
fn trust_without_witnesses(log: &Log) -> Trust {
    Trust {
        policy: None,
        ..trust(log)
    }
}

/// Asks until the answer is proven in all its rows.
pub fn proven(client: &mut Client, path: &str) -> Answer {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = client.get(path).is(200);
        let body = answer.json();
        if body["completeness"] != "not_provable" && body["unproven"] == serde_json::json!([]) {
            return answer;
        }
        assert!(Instant::now() < deadline, "{path}: {}", body["reason"]);
        std::thread::sleep(Duration::from_millis(50)); // waits for: a checkpoint that covers the page
    }
}

fn fill(client: &mut Client, count: u64) {
    let record = |number: u64| {
        let mut record = event(if number.is_multiple_of(3) { "agent:a" } else { "agent:b" }, "walk");
        record["id"] = id(number).into();
        record.to_string()
    };
    let lines: Vec<String> = (0..count).map(record).collect();
    let ndjson = [("Content-Type", "application/x-ndjson"), ("Prefer", "wait=25")];
    let answer = client.ask("POST /v1/records?until=included", &ndjson, lines.join("\n").as_bytes());
    let answer = answer.expect("the server answers").is(200);
    for line in std::str::from_utf8(&answer.body).expect("text").lines() {
        let line: Value = serde_json::from_str(line).expect("a JSON line");
        assert!(
            ["included", "witnessed"].contains(&line["state"].as_str().unwrap_or_default()),
            "{line}"
        );
    }
}

/// What the verifier says to the answer without its row number `at`, and with that row among those not asked for.
fn tampered(answer: &Answer, at: usize) -> [Value; 2] {
    let mut less = answer.json();
    let row = less["data"].as_array_mut().expect("rows").remove(at);
    let mut hidden = less.clone();
    let others = hidden["others"].as_array_mut().expect("others");
    others.push(row);
    others.sort_by_key(|row| std::cmp::Reverse(row["offset"].as_u64()));
    [less, hidden]
}

#[test]
fn two_conditions_are_proven_by_one_timeline_and_a_row_that_is_hidden_is_missed() {
    let log = Log::new();
    let server = Server::start(&log);
    let mut client = server.client();
    fill(&mut client, 60);
    let trust = trust_without_witnesses(&log);
    let options = ProofOptions {
        trust: Some(&trust),
        ..ProofOptions::default()
    };
    let verified = |answer: &Answer| {
        let report = verify_answer(&answer.body, &options);
        assert_eq!(report.outcome(), Outcome::Verified, "{:#?}", report.lines());
        answer.json()["next_cursor"].as_str().map(str::to_owned)
    };
    // 20 records of the actor, 60 of the kind.
    let question = "/v1/audit/timeline?kind=audit.event&q=actor:agent:a&limit=6&proof=true";
    let mut path = question.to_owned();
    let mut rows = 0;
    loop {
        let answer = proven(&mut client, &path);
        assert_eq!(answer.header("sigil-completeness"), "superset");
        assert_eq!(answer.json()["query"]["label"], "actor", "the smaller one");
        rows += answer.json()["data"].as_array().expect("rows").len();
        let Some(next) = verified(&answer) else { break };
        path = format!("{question}&cursor={next}");
    }
    assert_eq!(rows, 20);
    // In the smaller one stands what the other actor did.
    let question = "/v1/audit/timeline?q=actor:agent:a+resource:doc:1&proof=true";
    for at in 0..12_u64 {
        let mut record = event(if at.is_multiple_of(2) { "agent:a" } else { "agent:b" }, "walk");
        let links = record["links"].as_array_mut().expect("links");
        links.push(serde_json::json!({"label": "resource", "target": "doc:1"}));
        client.post(&record).expect("an answer").is(201);
    }
    let answer = proven(&mut client, question);
    verified(&answer);
    let body = answer.json();
    let count = |name: &str| body[name].as_array().map(Vec::len);
    assert_eq!((count("data"), count("others")), (Some(6), Some(6)));
    for at in 0..6 {
        for tampered in tampered(&answer, at) {
            let report = verify_answer(tampered.to_string().as_bytes(), &options);
            assert_eq!(report.outcome(), Outcome::Failed, "row {at}");
            let missed = matches!(report.verdict(Check::Completeness), Some(Verdict::Failed(_)));
            assert!(missed, "{:#?}", report.lines());
        }
    }
    server.stop();
}

#[test]
fn pages_are_proven_complete_and_a_row_less_is_not() {
    let log = Log::new();
    let server = Server::start(&log);
    let mut client = server.client();
    fill(&mut client, 180);
    let trust = trust_without_witnesses(&log);
    let options = ProofOptions {
        trust: Some(&trust),
        ..ProofOptions::default()
    };
    for question in [
        "actor=agent:a",
        "kind=audit.event&order=asc",
        "recorded_from=2026-01-01&order=asc",
        "actor=agent:none",
    ] {
        let mut path = format!("/v1/audit/timeline?{question}&limit=50&proof=true");
        loop {
            let answer = proven(&mut client, &path);
            assert_eq!(answer.header("sigil-completeness"), "proven");
            let report = verify_answer(&answer.body, &options);
            assert_eq!(report.outcome(), Outcome::Verified, "{path}: {:#?}", report.lines());
            let plain = client.get(&path.replace("proof=true", "proof=false")).is(200);
            let more = answer.body.len().saturating_sub(plain.body.len());
            assert!(more <= 6 * 1024, "{path}: {more} bytes more");
            let mut less = answer.json();
            if less["data"].as_array_mut().is_some_and(|rows| rows.pop().is_some()) {
                let report = verify_answer(less.to_string().as_bytes(), &options);
                assert_eq!(report.outcome(), Outcome::Failed, "{path}");
            }
            let link = answer.header("link").strip_prefix('<').map(str::to_owned);
            let Some((next, _)) = link.as_deref().and_then(|link| link.split_once('>')) else {
                break;
            };
            path = next.to_owned();
        }
    }
    server.stop();
}

#[test]
fn a_record_its_checkpoint_and_the_tiles_lead_to_one_root() {
    let log = Log::new();
    let server = Server::start(&log);
    let mut client = server.client();
    fill(&mut client, 20);
    let first = note(&mut client);
    let waits = [("Content-Type", "application/json"), ("Prefer", "wait=25")];
    let sent = event("agent:c", "last").to_string();
    let written = client.ask("POST /v1/records?until=included", &waits, sent.as_bytes());
    let written = written.expect("the server answers").is(201);
    assert_ne!(written.json()["state"], "committed");
    let proven = format!("GET {}/proof?until=witnessed", written.header("location"));
    let proven = client.ask(&proven, &[("Accept", "application/json"), ("Prefer", "wait=25")], b"");
    let proven = proven.expect("the server answers").is(200).body;
    let verify = |bytes: &[u8]| {
        let file = log.write("proven.json", bytes);
        let mut command = sigil();
        Ran::of(command.arg("verify").arg(file).arg("--trust").arg(log.trust_file()))
    };
    let said = verify(&proven).exits(0);
    assert!(said.out.contains("inclusion"), "{said:?}");
    let changed = String::from_utf8(proven)
        .expect("text")
        .replacen("agent:c", "agent:d", 1);
    verify(changed.as_bytes()).exits(3);
    let proof = client.get(&format!("{}/proof", written.header("location"))).is(200);
    let proof = ProofText::parse(std::str::from_utf8(&proof.body).expect("text")).expect("a proof");
    let record = client.get(written.header("location")).is(200).body;
    let record = record::Record::parse(record).expect("a record");
    let leaf = hash_leaf(&log_entry(record.offset, record.hash.as_bytes(), record.bytes()));
    let trust = trust(&log);
    let checkpoint = proof
        .verify(&leaf, trust.origin.as_str(), &trust.checkpoint_keys)
        .expect("it holds");
    let query = format!("from={}&to={}", first.size(), checkpoint.size());
    let path = client
        .get(&format!("/v1/checkpoints/consistency?{query}"))
        .is(200)
        .json();
    let nodes: Vec<Node> = path["nodes"].as_array().expect("nodes").iter().map(node).collect();
    verify_consistency(first.size(), first.root(), checkpoint.size(), checkpoint.root(), &nodes).expect("it holds");
    let tile = client.get(&format!("/tlog/tile/0/000.p/{}", checkpoint.size())).is(200);
    assert!(tile.header("cache-control").contains("immutable"));
    let mut tree = Frontier::new();
    for node in tile.body.chunks(32) {
        tree.append(Node::from(<[u8; 32]>::try_from(node).expect("32 bytes")), |_| ());
    }
    assert_eq!(tree.root(), *checkpoint.root());
    assert_eq!(client.get("/tlog/tile/0/000").is(404).problem(), "NOT_FOUND");
    server.stop();
}

fn note(client: &mut Client) -> CheckpointText {
    let answer = client.get("/tlog/checkpoint").is(200);
    CheckpointText::parse(std::str::from_utf8(&answer.body).expect("text")).expect("a checkpoint")
}

fn node(text: &Value) -> Node {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD.decode(text.as_str().expect("text"));
    Node::from(<[u8; 32]>::try_from(bytes.expect("base64")).expect("32 bytes"))
}
