//! Who signed: witnesses by the trust file's policy, and a log with other keys.

use super::{Bundle, ORIGIN, Verifier, grown};
use crate::log::{Log, event};
use ed25519_dalek::SigningKey;
use serde_json::Value;
use std::path::PathBuf;
use tlog::{CheckpointText, Cosignature, KeyType, VerifierKey};

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

/// The log's trust file with this policy.
fn trust_with(log: &Log, policy: &str) -> PathBuf {
    let text = std::fs::read(log.trust_file()).expect("a trust file");
    let mut trust: Value = serde_json::from_slice(&text).expect("JSON");
    trust["policy"] = policy.into();
    log.write("witnessed.trust", trust.to_string())
}

pub fn witnesses_count(log: &Log, verifier: &Verifier<'_>) {
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
pub fn another_log(log: &Log, verifier: &Verifier<'_>) {
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
