//! A monitor against servers that go back, answer something else, or stop for a while. Their trees and signatures are real.

use super::*;
use crate::cli::Watch;
use ed25519_dalek::SigningKey;
use record::{Hash, Origin, PublicKey};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use tlog::{Checkpoint, Frontier, KeyType, Node, Perfect, VerifierKey};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use verifier::Trust;

const ORIGIN: &str = "log.example.com/audit";

/// Answers by path, of which the query is a part; anything else is refused.
type Answers = Arc<Mutex<BTreeMap<String, (u16, String)>>>;

/// A server of these answers.
async fn serve(answers: &Answers) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answers = Arc::clone(answers);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4_096];
            let count = stream.read(&mut request).await.unwrap_or(0);
            let request = String::from_utf8_lossy(&request[..count]).into_owned();
            let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
            let forbidden = (403, "{\"code\":\"ROLE_REQUIRED\"}".to_owned());
            let (status, body) = answers.lock().unwrap().get(&path).cloned().unwrap_or(forbidden);
            let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    url
}

fn secret() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

fn key() -> VerifierKey {
    VerifierKey::new(ORIGIN, KeyType::Ed25519, secret().verifying_key().as_bytes()).unwrap()
}

fn leaves(size: u64) -> Vec<Node> {
    (0..size).map(|at| tlog::hash_leaf(&at.to_be_bytes())).collect()
}

fn root(leaves: &[Node]) -> Node {
    let mut tree = Frontier::new();
    for leaf in leaves {
        tree.append(*leaf, |_| ());
    }
    tree.root()
}

fn note(size: u64) -> String {
    Checkpoint::sign(size, root(&leaves(size)), &key(), &secret())
        .note()
        .to_text()
}

fn consistency(from: u64, to: u64) -> String {
    let all = leaves(to);
    let node = |at: Perfect| {
        let width = 1_usize << at.height;
        let start = usize::try_from(at.index).unwrap() * width;
        Ok::<_, tlog::Error>(root(&all[start..start + width]))
    };
    let nodes = tlog::prove_consistency(from, to, node).unwrap();
    let nodes: Vec<String> = nodes.iter().map(base64).collect();
    serde_json::json!({"nodes": nodes}).to_string()
}

fn base64(node: &Node) -> String {
    use ::base64::Engine as _;
    ::base64::engine::general_purpose::STANDARD.encode(node.as_bytes())
}

fn watch(state: Option<PathBuf>) -> Watch {
    Watch {
        follow: false,
        interval: 10,
        state,
        token_file: None,
        ca_file: None,
    }
}

fn monitor(url: &str, state: PathBuf) -> Monitor {
    let trust = Trust {
        origin: Origin::parse(ORIGIN).unwrap(),
        genesis_hash: Hash::of(b"genesis"),
        root_key: PublicKey::from(secret().verifying_key()),
        checkpoint_keys: vec![key()],
        policy: None,
    };
    let beliefs = Beliefs {
        trust: Some(trust),
        policy: None,
        max_age: None,
    };
    let watch = watch(Some(state));
    Monitor {
        server: Server::new(url, &watch).unwrap(),
        records: Records::new(&beliefs).unwrap(),
        samples: Samples::default(),
        state: State::open(watch.state).unwrap(),
        beliefs,
    }
}

#[tokio::test]
async fn a_server_that_goes_back_does_not_make_the_monitor_forget() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("seen");
    let answers = Answers::default();
    let url = serve(&answers).await;
    let shows = |size: u64| {
        let mut answers = answers.lock().unwrap();
        answers.insert("/tlog/checkpoint".to_owned(), (200, note(size)));
    };
    for (from, to) in [(4, 6), (4, 8), (6, 8)] {
        let path = format!("/v1/checkpoints/consistency?from={from}&to={to}");
        answers.lock().unwrap().insert(path, (200, consistency(from, to)));
    }
    let seen = || std::fs::read_to_string(&state).unwrap();
    shows(6);
    let look = monitor(&url, state.clone()).look().await.unwrap();
    assert_eq!((look.outcome, seen()), (Outcome::Verified, note(6)));
    shows(8);
    let look = monitor(&url, state.clone()).look().await.unwrap();
    assert_eq!((look.outcome, seen()), (Outcome::Verified, note(8)));
    // Consistent, and older: what was seen stays, or another history could follow behind it.
    for older in [6, 4] {
        shows(older);
        let look = monitor(&url, state.clone()).look().await.unwrap();
        assert_eq!((look.outcome, seen()), (Outcome::Unchecked, note(8)), "{older}");
    }
    // What cannot be compared takes no place either.
    shows(9);
    let look = monitor(&url, state.clone()).look().await.unwrap();
    assert_eq!((look.outcome, seen()), (Outcome::Unchecked, note(8)));
}

#[tokio::test]
async fn a_server_that_is_not_ready_is_asked_again() {
    let answers = Answers::default();
    let url = serve(&answers).await;
    let server = Server::new(&url, &watch(None)).unwrap();
    for (status, code, exit) in [
        (503, "DRAINING", Exit::Unavailable),
        (503, "NOT_READY", Exit::Unavailable),
        (504, "TIMEOUT", Exit::Unavailable),
        (503, "PROOF_UNAVAILABLE", Exit::Unchecked),
        (404, "NOT_FOUND", Exit::Unchecked),
        (401, "AUTH_REQUIRED", Exit::Unchecked),
    ] {
        let body = format!("{{\"code\":\"{code}\"}}");
        answers
            .lock()
            .unwrap()
            .insert("/tlog/checkpoint".to_owned(), (status, body));
        let failure = server.checkpoint().await.unwrap_err();
        assert_eq!(failure.exit, exit, "{code}: {failure}");
    }
}
