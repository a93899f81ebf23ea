//! Every checkpoint that a gateway served while the roles were killed under it: each is the log's own, none is lost, and
//! each continues the one before it.

use crate::client::Client;
use crate::load::Load;
use crate::log::Log;
use serde_json::Value;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tlog::{CheckpointText, Node, verify_consistency};
use verifier::Trust;

/// A checkpoint as it was served.
struct Served {
    note: String,
    text: CheckpointText,
}

/// What a client sees who asks for the newest checkpoint again and again, wherever the gateway is.
#[derive(Default)]
pub struct Watched(Vec<Served>);

impl Watched {
    /// Asks until it is over. Whoever asks later never gets an older one: it was durable before it was served.
    pub fn watch(load: &Load, over: &AtomicBool) -> Self {
        let (mut watched, mut client) = (Self::default(), None);
        while !over.load(Ordering::SeqCst) {
            client = client.take().or_else(|| Client::connect(load.gateway()).ok());
            if let Some(asked) = client.as_mut() {
                match newest(asked) {
                    Ok(Some(note)) => watched.add(note),
                    Ok(None) => {}
                    Err(_) => client = None,
                }
            }
            std::thread::sleep(Duration::from_millis(20)); // waits for: another checkpoint
        }
        watched
    }

    fn add(&mut self, note: String) {
        let text = CheckpointText::parse(&note).expect("what is served is a checkpoint");
        let last = self.0.last();
        let newer = last.is_none_or(|last| {
            assert!(last.text.size() <= text.size(), "{note} came after {}", last.note);
            last.text.size() < text.size()
        });
        if newer {
            self.0.push(Served { note, text });
        } else if let Some(last) = last {
            assert_eq!(last.text.root(), text.root(), "two trees of one size");
        }
    }

    /// How many different ones were served.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Holds all of them against the running log: signed by it, still kept by it, and one continued by the next.
    pub fn hold(&self, gateway: SocketAddr, log: &Log) {
        let trust = std::fs::read(log.trust_file()).expect("init wrote it");
        let trust = Trust::parse(&trust).expect("a trust file");
        let mut client = Client::connect(gateway).expect("the gateway listens");
        let kept = kept(&mut client);
        for served in &self.0 {
            let signed = served
                .text
                .clone()
                .verify(trust.origin.as_str(), &trust.checkpoint_keys);
            assert!(signed.is_ok(), "{}", served.note);
            let size = served.text.size();
            assert_eq!(
                kept.get(&size),
                Some(&served.note),
                "the checkpoint of {size} records was served"
            );
        }
        for (older, newer) in self.0.iter().zip(self.0.iter().skip(1)) {
            continues(&mut client, &older.text, &newer.text);
        }
    }

    /// Arguments that give every one of them to `sigil verify`, as somebody has who kept them.
    pub fn known(&self, log: &Log) -> Vec<PathBuf> {
        let written = self.0.iter().enumerate();
        let written = written.map(|(at, served)| log.write(&format!("served.{at}"), &served.note));
        written.flat_map(|path| [PathBuf::from("--checkpoint"), path]).collect()
    }
}

/// The newest checkpoint; nothing while a part is missing.
fn newest(client: &mut Client) -> std::io::Result<Option<String>> {
    let answer = client.ask("GET /tlog/checkpoint", &[], b"")?;
    Ok((answer.status == 200).then(|| String::from_utf8(answer.body).expect("text")))
}

/// How many records the newest checkpoint covers.
pub fn covered(gateway: SocketAddr) -> Option<u64> {
    let note = newest(&mut Client::connect(gateway).ok()?).ok()??;
    Some(CheckpointText::parse(&note).expect("a checkpoint").size())
}

/// Every checkpoint that the log keeps, by its size.
fn kept(client: &mut Client) -> HashMap<u64, String> {
    let (mut kept, mut below) = (HashMap::new(), String::new());
    loop {
        let page = client.get(&format!("/v1/checkpoints?limit=499{below}")).is(200).json();
        for checkpoint in page["data"].as_array().expect("a page") {
            let note = checkpoint["note"].as_str().expect("a note").to_owned();
            kept.insert(checkpoint["size"].as_u64().expect("a number"), note);
        }
        match page["next_below"].as_u64() {
            Some(next) => below = format!("&below={next}"),
            None => return kept,
        }
    }
}

/// Asks for the proof that one continues the other, and checks it.
fn continues(client: &mut Client, older: &CheckpointText, newer: &CheckpointText) {
    let query = format!("from={}&to={}", older.size(), newer.size());
    let proof = client
        .get(&format!("/v1/checkpoints/consistency?{query}"))
        .is(200)
        .json();
    let nodes: Vec<Node> = proof["nodes"].as_array().expect("nodes").iter().map(node).collect();
    let verified = verify_consistency(older.size(), older.root(), newer.size(), newer.root(), &nodes);
    assert!(verified.is_ok(), "{query}: {verified:?}");
}

fn node(text: &Value) -> Node {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD.decode(text.as_str().expect("text"));
    Node::from(<[u8; 32]>::try_from(bytes.expect("base64")).expect("32 bytes"))
}
