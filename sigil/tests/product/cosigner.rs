//! `sigil cosigner`: a key for its owner only, a witness over HTTP with a memory, and what the command line refuses.

use crate::client::Client;
use crate::log::{Log, Ran, sigil};
use crate::server::Server;
use ed25519_dalek::SigningKey;
use std::os::unix::fs::PermissionsExt as _;
use tlog::{AddCheckpoint, Checkpoint, Cosignature, KeyType, Line, VerifierKey, hash_leaf};

const ORIGIN: &str = "log.example.com/audit";

fn foreign_log() -> (VerifierKey, SigningKey) {
    let secret = SigningKey::from_bytes(&[5; 32]);
    let key = VerifierKey::new(ORIGIN, KeyType::Ed25519, secret.verifying_key().as_bytes());
    (key.expect("a key"), secret)
}

/// Makes the key of a witness beside `log`, and gives its verifier key.
pub fn init(log: &Log, name: &str) -> VerifierKey {
    let file = log.path(&format!("{name}.cosigner-key"));
    let mut command = sigil();
    command
        .args(["cosigner", "init", "--json", "--name", name, "--key-file"])
        .arg(&file);
    let said = Ran::of(&mut command).exits(0).json();
    assert_eq!(
        std::fs::metadata(&file).expect("the key file").permissions().mode() & 0o777,
        0o600
    );
    VerifierKey::parse(said["key"].as_str().expect("a text")).expect("a verifier key")
}

/// Serves the witness that [`init`] made, for these logs.
pub fn serve(log: &Log, name: &str, logs: &[&str]) -> Server {
    let key_file = log.path(&format!("{name}.cosigner-key")).display().to_string();
    let state_dir = log.path(&format!("{name}.state")).display().to_string();
    let listen = if logs.contains(&"--listen") {
        vec![]
    } else {
        vec!["--listen", "127.0.0.1:0"]
    };
    let usual = ["serve", "--key-file", &key_file, "--state-dir", &state_dir];
    Server::apart(log, "cosigner", &[&usual[..], &listen, logs].concat())
}

fn request(leaf: &str) -> (Checkpoint, String) {
    let (key, secret) = foreign_log();
    let checkpoint = Checkpoint::sign(1, hash_leaf(leaf.as_bytes()), &key, &secret);
    let body = AddCheckpoint::text(0, &[], checkpoint.note());
    (checkpoint, body)
}

#[test]
fn a_witness_cosigns_remembers_and_ends_in_order() {
    let log = Log::new();
    let key = init(&log, "w.example.com");
    let vkey = foreign_log().0.to_string();
    let server = serve(&log, "w.example.com", &["--log", &vkey]);
    assert_eq!(server.said["logs"], serde_json::json!([ORIGIN]));
    assert_eq!(server.said["key"], key.to_string());
    let post = |client: &mut Client, body: &str| client.send("POST /add-checkpoint", &[], body.as_bytes());
    let (mut checkpoint, body) = request("a");
    let answer = post(&mut server.client(), &body).expect("an answer").is(200);
    let lines = Line::parse_all(&String::from_utf8(answer.body).expect("text")).expect("lines");
    checkpoint.note_mut().extend(lines);
    assert!(
        Cosignature::find(checkpoint.note(), &key)
            .expect("it verifies")
            .is_some()
    );
    let path = format!("GET /{}/checkpoint", witness::origin_hash(ORIGIN));
    let shown = server.client().send(&path, &[], b"").expect("an answer").is(200).body;
    assert_eq!(shown, checkpoint.note().to_text().into_bytes());
    server.stop();
    // The next process remembers, and so does one after a kill.
    let server = serve(&log, "w.example.com", &["--log", &vkey]);
    let answer = post(&mut server.client(), &request("b").1).expect("an answer").is(409);
    assert_eq!(answer.header("content-type"), "text/x.tlog.size");
    server.kill();
    let server = serve(&log, "w.example.com", &["--log", &vkey]);
    let fork = body_with_old(&request("b").1, 1);
    assert_eq!(post(&mut server.client(), &fork).expect("an answer").status, 422);
    server.stop();
}

fn body_with_old(body: &str, old: u64) -> String {
    body.replacen("old 0\n", &format!("old {old}\n"), 1)
}

#[test]
fn logs_are_named_by_key_policy_or_trust_file() {
    let log = Log::new();
    init(&log, "w.example.com");
    let vkey = foreign_log().0.to_string();
    let policy = log.write("policy", format!("log {vkey}\nquorum none\n"));
    let (policy, trust) = (policy.display().to_string(), log.trust_file().display().to_string());
    let server = serve(&log, "w.example.com", &["--policy", &policy, "--trust", &trust]);
    assert_eq!(server.said["logs"], serde_json::json!(["localhost/audit", ORIGIN]));
    // One process for one state.
    let refused = Ran::of(&mut command(&log, &["--log", &vkey])).exits(6);
    assert!(refused.err.contains("in use"), "{}", refused.err);
    server.stop();
}

fn command(log: &Log, args: &[&str]) -> std::process::Command {
    let mut command = sigil();
    command.args(["cosigner", "serve", "--listen", "127.0.0.1:0", "--key-file"]);
    command.arg(log.path("w.example.com.cosigner-key"));
    command.arg("--state-dir").arg(log.path("w.example.com.state"));
    command.args(args);
    command
}

#[test]
fn what_is_wrong_on_the_command_line_is_said_before_anything_runs() {
    let log = Log::new();
    init(&log, "w.example.com");
    let vkey = foreign_log().0.to_string();
    let broken = log.write("broken", "log x\n").display().to_string();
    let state = log.path("w.example.com.state");
    for (args, part) in [
        (vec![], "--log"),
        (vec!["--log", "nonsense"], "verifier key"),
        (vec!["--policy", &broken], "broken"),
        (vec!["--trust", &broken], "broken"),
        (vec!["--log", &vkey, "--listen", "0.0.0.0:0"], "--listen"),
        (vec!["--log", &vkey, "--tls-cert-file", &broken], "--tls-key-file"),
        (vec!["--log", &vkey, "--listen", "everywhere"], "--listen"),
    ] {
        let mut command = command(&log, &[]);
        if args.contains(&"--listen") {
            command = sigil();
            command.args(["cosigner", "serve", "--key-file"]);
            command
                .arg(log.path("w.example.com.cosigner-key"))
                .arg("--state-dir")
                .arg(&state);
        }
        let ran = Ran::of(command.args(&args)).exits(2);
        assert!(ran.err.contains(part), "{args:?}: {}", ran.err);
    }
    let key_file = log.path("w.example.com.cosigner-key");
    let secret = std::fs::read_to_string(&key_file).expect("the key");
    std::fs::set_permissions(&key_file, std::fs::Permissions::from_mode(0o644)).expect("its owner may");
    let ran = Ran::of(&mut command(&log, &["--log", &vkey])).exits(2);
    assert!(
        ran.err.contains("0600") && !ran.err.contains(secret.trim()),
        "{}",
        ran.err
    );
    // A key is never written over, and a name has a form.
    let again = |name: &str, file: &str| {
        let mut command = sigil();
        command
            .args(["cosigner", "init", "--name", name, "--key-file"])
            .arg(log.path(file));
        Ran::of(&mut command)
    };
    again("w.example.com", "w.example.com.cosigner-key").exits(1);
    again("two words", "other").exits(2);
    assert_eq!(std::fs::read_to_string(&key_file).expect("the key"), secret);
}

#[test]
fn a_damaged_memory_ends_the_witness_before_it_cosigns() {
    let log = Log::new();
    init(&log, "w.example.com");
    let vkey = foreign_log().0.to_string();
    let server = serve(&log, "w.example.com", &["--log", &vkey]);
    let posted = server
        .client()
        .send("POST /add-checkpoint", &[], request("a").1.as_bytes());
    posted.expect("an answer").is(200);
    server.stop();
    let file = log.path("w.example.com.state").join(witness::origin_hash(ORIGIN));
    let text = std::fs::read_to_string(&file).expect("its memory");
    std::fs::write(&file, text.replacen("\n1\n", "\n0\n", 1)).expect("damage");
    let ran = Ran::of(&mut command(&log, &["--log", &vkey])).exits(3);
    assert!(ran.err.contains("does not verify"), "{}", ran.err);
}
