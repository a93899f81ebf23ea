//! Records of about 1 KB: 100 actors, a session for every 50 records.

use record::{Auth, Author, Kind, Link, NewRecord, Space, Tenant};
use serde_json::{Value, json};

/// The payload of record `n`: about 1 KB once canonical.
pub fn payload(n: u64) -> Value {
    let text: String = format!("{:016x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).repeat(36);
    json!({
        "action": "tool.call", "outcome": if n.is_multiple_of(20) { "denied" } else { "success" }, "source": "bench",
        "data": {"n": n, "text": text, "tool": "search", "latency_ms": n % 997, "args": {"q": "weather", "page": n % 7}},
    })
}

/// The links of record `n`.
pub fn links(n: u64) -> [(&'static str, String); 2] {
    [
        ("actor", format!("agent:{}", n % 100)),
        ("session", format!("session:{}", n / 50)),
    ]
}

/// Record `n` as the ledger takes it.
pub fn record(n: u64) -> NewRecord {
    let link = |(label, target): (&str, String)| Link::new(label, target).expect("a link");
    NewRecord {
        tenant: Tenant::parse("default").expect("a tenant"),
        kind: Kind::parse("audit.event").expect("a kind"),
        schema_version: 1,
        id: ledger::fresh_id(ledger::Clock::read(&ledger::SystemClock).wall).expect("entropy"),
        space: Space::User,
        author: Author::new("local:bench", Auth::Local),
        payload: payload(n),
        links: links(n).into_iter().map(link).collect(),
        disclosures: Vec::new(),
    }
}

/// Record `n` as an HTTP body.
pub fn body(n: u64) -> String {
    let links: Vec<Value> = links(n)
        .into_iter()
        .map(|(label, target)| json!({"label": label, "target": target}))
        .collect();
    json!({"kind": "audit.event", "payload": payload(n), "links": links}).to_string()
}
