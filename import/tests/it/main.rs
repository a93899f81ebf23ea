//! What the import promises, format by format, and on real logs where they are at hand.

mod cloudevents;
mod cloudtrail;
mod events;
mod ids;
mod jsonl;
mod numbers;
mod properties;
mod real_logs;
mod windows;

use import::{Format, Mapped, Mapper, Refused};
use record::{Auth, Author, Code, NewRecord, Tenant};
use serde_json::Value;

const KEY: [u8; 32] = [7; 32];

fn mapper(format: Format) -> Mapper {
    let tenant = Tenant::parse("acme").expect("`acme` is a tenant");
    Mapper::new(format, KEY, tenant, Author::new("importer", Auth::Local))
}

fn map(format: Format, line: impl AsRef<[u8]>) -> Result<Mapped, Refused> {
    mapper(format).map(1, line.as_ref())
}

fn record(format: Format, line: impl AsRef<[u8]>) -> NewRecord {
    map(format, line).expect("this event is accepted").record
}

/// Code and pointer of a refusal.
fn refusal(format: Format, line: impl AsRef<[u8]>) -> (Code, String) {
    let refused = map(format, line).expect_err("this event is refused");
    (refused.fault.code, refused.fault.pointer)
}

fn targets<'a>(record: &'a NewRecord, label: &str) -> Vec<&'a str> {
    let links = record.links.iter().filter(|link| link.label() == label);
    links.map(record::Link::target).collect()
}

fn member<'a>(record: &'a NewRecord, name: &str) -> &'a str {
    record.payload.get(name).and_then(Value::as_str).unwrap_or("none")
}
