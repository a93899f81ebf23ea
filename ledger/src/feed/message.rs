//! A record as a message: its subject, its CloudEvents headers in binary mode, and its canonical bytes as they are.

use crate::Error;
use async_nats::HeaderMap;
use bytes::Bytes;
use ledger_client::Committed;
use record::cloud_event::{CloudEvent, header_value};
use record::{Kind, Origin, Slug, Tenant, wire};
use serde::Deserialize;
use std::borrow::Cow;

/// What the subject and the headers are made of. The bytes are the ledger's own, so nothing is checked again.
#[derive(Deserialize)]
struct Envelope<'a> {
    tenant: &'a str,
    kind: &'a str,
    schema_version: u32,
    id: &'a str,
    ts: &'a str,
    hash: &'a str,
    #[serde(borrow)]
    links: Vec<Link<'a>>,
}

#[derive(Deserialize)]
struct Link<'a> {
    label: &'a str,
    #[serde(borrow)]
    target: Cow<'a, str>,
}

/// A message that is ready but for the headers that name its place in the stream.
pub(super) struct Message {
    pub(super) subject: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Message {
    /// The message of a record of this log.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when the bytes are no record.
    pub(super) fn of(log: &Origin, slug: &Slug, record: &Committed) -> Result<Self, Error> {
        let damaged = || Error::corrupt(format!("the log at offset {}", record.offset), "it holds no record");
        let envelope: Envelope<'_> = serde_json::from_slice(&record.bytes).map_err(|_| damaged())?;
        let tenant = Tenant::parse(envelope.tenant).ok_or_else(damaged)?;
        let kind = Kind::parse(envelope.kind).ok_or_else(damaged)?;
        let event = CloudEvent {
            log: log.as_str(),
            tenant: envelope.tenant,
            id: envelope.id,
            kind: envelope.kind,
            schema_version: envelope.schema_version,
            ts: envelope.ts,
            offset: record.offset,
            hash: envelope.hash,
            subject: envelope
                .links
                .iter()
                .find(|link| link.label == "subject")
                .map(|link| link.target.as_ref()),
        };
        let mut headers = HeaderMap::new();
        for (name, value) in event.attributes() {
            headers.insert(format!("ce-{name}"), header_value(&value));
        }
        Ok(Self {
            subject: wire::subject(slug, &tenant, &kind),
            headers,
            body: Bytes::from_owner(std::sync::Arc::clone(&record.bytes)),
        })
    }

    /// Whether a stored message is this one. Headers are not compared: a later build may say more in them, and nobody
    /// may rely on them.
    pub(super) fn is(&self, subject: &str, body: &[u8]) -> bool {
        self.subject == subject && self.body == body
    }
}
