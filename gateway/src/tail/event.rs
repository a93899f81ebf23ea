//! One committed record as the change stream sees it: what filters look at, read once, and the canonical bytes.
//!
//! The log checked the record when it was written, so only the members that are needed are read here, by the rules of
//! `projector::project`: a test holds both against each other.

use record::{Tenant, Timestamp};
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::borrow::Cow;
use std::sync::Arc;

/// What an event takes in memory beside its bytes, roughly.
const OVERHEAD: usize = 256;

/// A committed record.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// Global position.
    pub(crate) offset: u64,
    /// Position in the tenant's chain.
    pub(crate) seq: u64,
    /// Whose record.
    pub(crate) tenant: Tenant,
    /// The kind.
    pub(crate) kind: String,
    /// When it happened.
    pub(crate) at: Timestamp,
    /// Sequencing time.
    pub(crate) ts: Timestamp,
    /// `action` of an audit event.
    pub(crate) action: Option<String>,
    /// `outcome` of an audit event.
    pub(crate) outcome: Option<String>,
    /// Label and target.
    pub(crate) links: Vec<(String, String)>,
    /// Canonical bytes.
    pub(crate) bytes: Arc<[u8]>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    kind: Cow<'a, str>,
    links: Vec<LinkText>,
    offset: u64,
    payload: Payload,
    seq: u64,
    #[serde(borrow)]
    tenant: Cow<'a, str>,
    #[serde(borrow)]
    ts: Cow<'a, str>,
}

#[derive(Deserialize)]
struct LinkText {
    label: String,
    target: String,
}

#[derive(Deserialize)]
struct Payload {
    action: Option<Member>,
    occurred_at: Option<Member>,
    outcome: Option<Member>,
}

/// A member that is text in an audit event and anything in another kind.
#[derive(Deserialize)]
#[serde(untagged)]
enum Member {
    Text(String),
    Other(IgnoredAny),
}

impl Event {
    /// Reads canonical bytes; `None` when they are no record.
    pub(crate) fn parse(bytes: Arc<[u8]>) -> Option<Self> {
        let envelope: Envelope<'_> = serde_json::from_slice(&bytes).ok()?;
        let is_event = envelope.kind == "audit.event";
        let text = |member: Option<Member>| match member {
            Some(Member::Text(text)) if is_event => Some(text),
            _ => None,
        };
        let ts = Timestamp::parse(&envelope.ts)?;
        let Payload {
            action,
            occurred_at,
            outcome,
        } = envelope.payload;
        Some(Self {
            offset: envelope.offset,
            seq: envelope.seq,
            tenant: Tenant::parse(&envelope.tenant)?,
            kind: envelope.kind.into_owned(),
            at: text(occurred_at).and_then(|at| Timestamp::parse(&at)).unwrap_or(ts),
            ts,
            action: text(action),
            outcome: text(outcome),
            links: envelope
                .links
                .into_iter()
                .map(|link| (link.label, link.target))
                .collect(),
            bytes,
        })
    }

    /// Bytes in memory, roughly.
    pub(crate) fn cost(&self) -> usize {
        let links: usize = self
            .links
            .iter()
            .map(|(label, target)| label.len() + target.len() + 48)
            .sum();
        OVERHEAD + self.bytes.len() + links
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: &str, payload: &str) -> Option<Event> {
        let text = format!(
            "{{\"author\":{{}},\"kind\":\"{kind}\",\"links\":[{{\"label\":\"actor\",\"target\":\"a:\\\"1\"}}],\"offset\":7,\
             \"payload\":{payload},\"seq\":3,\"tenant\":\"acme\",\"ts\":\"2026-11-20T12:00:00.000000Z\"}}"
        );
        Event::parse(text.into_bytes().into())
    }

    #[test]
    fn members_of_other_kinds_may_be_anything() {
        let payload = "{\"action\":{\"a\":[1]},\"occurred_at\":7,\"outcome\":null}";
        for kind in ["audit.event", "tool.call"] {
            let event = record(kind, payload).unwrap();
            assert_eq!(
                (event.action, event.outcome, event.at),
                (None, None, event.ts),
                "{kind}"
            );
            assert_eq!(event.links, [("actor".to_owned(), "a:\"1".to_owned())]);
        }
        let own = "{\"action\":\"login\",\"occurred_at\":\"2026-11-01T00:00:00.000000Z\",\"outcome\":\"denied\"}";
        let event = record("audit.event", own).unwrap();
        assert_eq!(
            (event.action.as_deref(), event.outcome.as_deref()),
            (Some("login"), Some("denied"))
        );
        assert!(event.at < event.ts);
        let foreign = record("tool.call", own).unwrap();
        assert_eq!((foreign.action, foreign.at), (None, foreign.ts));
    }

    #[test]
    fn what_is_no_record_is_none() {
        assert_eq!(Event::parse(b"{}".as_slice().into()), None);
        assert_eq!(Event::parse(b"\xff".as_slice().into()), None);
        assert_eq!(record("a.b", "7"), None);
    }
}
