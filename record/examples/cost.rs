//! Nanoseconds per step for one record of about 1 KB: `cargo run --release -p record --example cost`.
//!
//! The figures that matter are compared with the cost of the signature: nothing else in an append may grow beyond it.

use ed25519_dalek::SigningKey;
use record::{Auth, Author, Draft, Fault, Intake, Kind, Link, NewRecord, Origin, Place, PublicKey, Record, RecordId};
use record::{Space, Tenant, Timestamp, canonical, json};
use serde_json::{Value, json};
use std::hint::black_box;
use std::time::Instant;

const ROUNDS: u32 = 20_000;

fn measure<T>(name: &str, bytes: usize, mut step: impl FnMut() -> T) {
    let start = Instant::now();
    for _ in 0..ROUNDS {
        black_box(step());
    }
    println!(
        "{name:28} {:>7} ns  ({bytes} bytes)",
        start.elapsed().as_nanos() / u128::from(ROUNDS)
    );
}

/// An event as an agent reports it: mostly short texts, some numbers, some nesting.
fn payload() -> Value {
    json!({
        "action": "tool.call", "outcome": "success", "source": "agent-runtime", "occurred_at": "2026-11-20T11:59:59.123456Z",
        "data": {
            "tool": "payments.transfer", "attempt": 3, "amount": 1204.75, "currency": "EUR", "dry_run": false,
            "arguments": ["--from", "DE02120300000000202051", "--to", "AT611904300234573201", "--note", "invoice \"2026-0815\""],
            "trace": {"id": "4bf92f3577b34da6a3ce929d0e0e4736", "span": "00f067aa0ba902b7", "flags": 1, "parent": null},
            "timing_ms": [12, 48, 7, 3, 151, 9], "model": "policy-7", "score_micros": 871_034,
        },
    })
}

fn record() -> Option<NewRecord> {
    Some(NewRecord {
        tenant: Tenant::parse("acme")?,
        kind: Kind::parse("audit.event")?,
        schema_version: 1,
        id: RecordId::new(1_761_105_087_501, [7; 10]),
        space: Space::User,
        author: Author::new("agent:a1", Auth::Rfc9421),
        payload: payload(),
        links: vec![
            Link::new("actor", "agent:a1").ok()?,
            Link::new("resource", "account:DE02120300000000202051").ok()?,
            Link::new("session", "session:019a0a0b0c0d7e0f8a1b2c3d4e5f6071").ok()?,
        ],
        disclosures: Vec::new(),
    })
}

fn main() -> Result<(), Fault> {
    let log = Origin::parse("example.com/audit").expect("an origin");
    let key = SigningKey::from_bytes(&[1; 32]);
    let pub_key: PublicKey = key.verifying_key().into();
    let new = record().expect("legal names");
    let place = Place {
        offset: 1_234_567,
        seq: 89_012,
        prev: None,
        ts: Timestamp::from_micros(1_795_176_000_000_000).expect("in range"),
        pub_key: &pub_key,
    };
    let seal = |record: NewRecord| record.seal::<Fault>(&log, &[], || Ok([7; 32]));
    let draft = Draft::new(&log, seal(new.clone())?, &[])?;
    let bytes = draft.stamp(&place).sign(&key);
    let size = bytes.len();
    let intake = json!({"kind": "audit.event", "payload": new.payload, "tenant": "acme", "id": new.id.to_string()});
    let intake = serde_json::to_vec(&intake).expect("a JSON value");
    let value: Value = json::parse(&bytes)?;
    let read = Record::parse(bytes.clone())?;

    measure("json::parse", size, || json::parse(&bytes));
    measure("serde_json::from_slice", size, || {
        serde_json::from_slice::<Value>(&bytes).ok()
    });
    measure("canonical::to_vec", size, || canonical::to_vec(&value));
    measure("serde_jcs::to_vec", size, || serde_jcs::to_vec(&value).ok());
    measure("Intake::parse", intake.len(), || Intake::parse(&intake));
    measure("NewRecord::clone", size, || new.clone());
    measure("NewRecord::clone and seal", size, || seal(new.clone()));
    measure("clone, seal and Draft::new", size, || {
        Draft::new(&log, seal(new.clone())?, &[])
    });
    measure("Draft::stamp", size, || draft.stamp(&place));
    measure("Draft::stamp and sign", size, || draft.stamp(&place).sign(&key));
    measure("Record::parse", size, || Record::parse(bytes.clone()));
    measure("PublicKey::from_base64", 44, || {
        PublicKey::from_base64(&pub_key.to_base64())
    });
    measure("Record::verify_signature", size, || read.verify_signature(&pub_key));
    Ok(())
}
