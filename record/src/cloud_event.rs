//! The CloudEvents 1.0.2 attributes of a record: the headers of its message on the bus, and the members beside `data` of
//! an event over HTTP.
//!
//! One function for both, so that they cannot differ. The data of the event is always the record's canonical bytes.
//! Integers of CloudEvents have 32 bits, which is why `sequence` is text.

use crate::Record;

/// What the attributes are made of; borrowed, so that a reader that holds no [`Record`] can fill it in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CloudEvent<'a> {
    /// The log's origin.
    pub log: &'a str,
    /// The record's tenant.
    pub tenant: &'a str,
    /// The record's id.
    pub id: &'a str,
    /// The record's kind.
    pub kind: &'a str,
    /// Version of the kind's payload.
    pub schema_version: u32,
    /// Sequencing time.
    pub ts: &'a str,
    /// Global position.
    pub offset: u64,
    /// The record's hash, 64 hex.
    pub hash: &'a str,
    /// Target of the record's first `subject` link.
    pub subject: Option<&'a str>,
}

/// Names of the attributes, in the order of [`CloudEvent::attributes`]. `subject` is absent where the record has none.
pub const ATTRIBUTES: [&str; 9] = [
    "specversion",
    "id",
    "source",
    "type",
    "subject",
    "time",
    "dataschema",
    "sequence",
    "recordhash",
];

impl CloudEvent<'_> {
    /// Name and value of every attribute, values as text.
    ///
    /// `id` is unique within `source`, which is the tenant's chain in this log.
    #[must_use]
    pub fn attributes(&self) -> Vec<(&'static str, String)> {
        let mut all = vec![
            ("specversion", "1.0".to_owned()),
            ("id", self.id.to_owned()),
            ("source", format!("//{}/{}", self.log, self.tenant)),
            ("type", format!("sigil.{}.v{}", self.kind, self.schema_version)),
        ];
        all.extend(self.subject.map(|subject| ("subject", subject.to_owned())));
        all.extend([
            ("time", self.ts.to_owned()),
            (
                "dataschema",
                format!("sigil:kind/{}/{}", self.kind, self.schema_version),
            ),
            ("sequence", format!("{:020}", self.offset)),
            ("recordhash", self.hash.to_owned()),
        ]);
        all
    }
}

/// The attributes of `record`.
#[must_use]
pub fn attributes(record: &Record) -> Vec<(&'static str, String)> {
    let subject = record.links.iter().find(|link| link.label() == "subject");
    let event = CloudEvent {
        log: record.log.as_str(),
        tenant: record.tenant.as_str(),
        id: &record.id.to_string(),
        kind: record.kind.as_str(),
        schema_version: record.schema_version,
        ts: &record.ts.to_string(),
        offset: record.offset,
        hash: &record.hash.to_string(),
        subject: subject.map(crate::Link::target),
    };
    event.attributes()
}

/// An attribute's value as a header: spaces, `"`, `%` and everything outside U+0021 to U+007E percent-encoded as UTF-8
/// (the protocol bindings for HTTP and NATS, section 3.1.3).
#[must_use]
pub fn header_value(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'"' | b'%' => out.push_str(&format!("%{byte:02X}")),
            0x21..=0x7e => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: CloudEvent<'static> = CloudEvent {
        log: "example.com/audit",
        tenant: "acme",
        id: "01932d7e-0000-7000-8000-000000000001",
        kind: "audit.event",
        schema_version: 1,
        ts: "2026-11-20T12:00:00.000000Z",
        offset: 1234,
        hash: "ab",
        subject: Some("user:u 1"),
    };

    #[test]
    fn every_attribute_is_named_once_and_in_order() {
        let all = EVENT.attributes();
        assert_eq!(all.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ATTRIBUTES);
        let value = |name: &str| {
            let found = all.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| value.as_str())
        };
        assert_eq!(value("source"), Some("//example.com/audit/acme"));
        assert_eq!(value("type"), Some("sigil.audit.event.v1"));
        assert_eq!(value("dataschema"), Some("sigil:kind/audit.event/1"));
        assert_eq!(value("sequence"), Some("00000000000000001234"));
        assert_eq!(value("subject"), Some("user:u 1"));
        let bare = CloudEvent { subject: None, ..EVENT };
        assert_eq!(bare.attributes().len(), ATTRIBUTES.len() - 1);
    }

    #[test]
    fn a_header_is_visible_ascii() {
        assert_eq!(header_value("user:u 1"), "user:u%201");
        assert_eq!(header_value("a\"b%c~!"), "a%22b%25c~!");
        assert_eq!(header_value("é€"), "%C3%A9%E2%82%AC");
    }
}
