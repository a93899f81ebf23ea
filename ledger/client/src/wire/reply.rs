//! The signed document of a reply: JCS of `{v, log, gateway, request_id, status, body}`.
//!
//! Records in it are spliced in as the log holds them, and cut out again byte for byte.

use super::{RequestId, VERSION, message};
use bytes::Bytes;
use record::Origin;
use record::canonical::write_string;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

const DOMAIN: &[u8] = b"sigil/reply/v1\n";

/// What a reply is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// The answer.
    Ok,
    /// An error, of the whole request.
    Error,
}

/// What a ledger answers.
pub struct Reply<'a> {
    /// The log that answers.
    pub log: &'a Origin,
    /// Who is answered.
    pub gateway: &'a str,
    /// Which request is answered.
    pub id: RequestId,
    /// What the body is.
    pub status: Status,
    /// Canonical JSON.
    pub body: &'a [u8],
}

/// A reply whose signature was checked, and which answers the request that was sent.
pub struct OpenedReply {
    /// What the body is.
    pub status: Status,
    /// Canonical JSON, a slice of the document.
    pub body: Bytes,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document<'a> {
    #[serde(borrow)]
    body: &'a RawValue,
    #[serde(borrow)]
    gateway: Cow<'a, str>,
    #[serde(borrow)]
    log: Cow<'a, str>,
    #[serde(borrow)]
    request_id: Cow<'a, str>,
    #[serde(borrow)]
    status: Cow<'a, str>,
    v: u64,
}

/// What the ledger signs.
#[must_use]
pub fn reply_message(document: &[u8]) -> Vec<u8> {
    message(DOMAIN, document)
}

impl Status {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
        }
    }
}

impl Reply<'_> {
    /// The canonical document.
    #[must_use]
    pub fn document(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.body.len() + 256);
        out.extend_from_slice(b"{\"body\":");
        out.extend_from_slice(self.body);
        for (name, text) in [
            ("gateway", self.gateway),
            ("log", self.log.as_str()),
            ("request_id", &self.id.to_string()),
            ("status", self.status.as_str()),
        ] {
            out.push(b',');
            write_string(name, &mut out);
            out.push(b':');
            write_string(text, &mut out);
        }
        out.extend_from_slice(format!(",\"v\":{VERSION}}}").as_bytes());
        out
    }
}

impl OpenedReply {
    /// Reads `document`; `None` unless it is a reply of `log` to this request of this gateway.
    #[must_use]
    pub fn read(document: &Bytes, log: &Origin, gateway: &str, id: RequestId) -> Option<Self> {
        let read: Document<'_> = serde_json::from_slice(document).ok()?;
        let ours = read.v == VERSION && read.log == log.as_str() && read.gateway == gateway;
        if !ours || RequestId::parse(&read.request_id) != Some(id) {
            return None;
        }
        let status = [Status::Ok, Status::Error]
            .into_iter()
            .find(|status| status.as_str() == read.status)?;
        let body = document.slice_ref(read.body.get().as_bytes());
        Some(Self { status, body })
    }
}
