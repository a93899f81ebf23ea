//! The signed document of a request: JCS of `{v, log, gateway, request_id, issued_at, expires_at, caller, op, body}`.

use super::{RequestId, VERSION, Verb, message};
use crate::Refusal;
use record::canonical::write_string;
use record::{Origin, Timestamp, json};
use serde_json::{Map, Value};

const DOMAIN: &[u8] = b"sigil/command/v1\n";

/// What a gateway asks for.
pub struct Request<'a> {
    /// The log that is meant.
    pub log: &'a Origin,
    /// Who asks.
    pub gateway: &'a str,
    /// Never used before.
    pub id: RequestId,
    /// When it was made.
    pub issued_at: Timestamp,
    /// When it must not be carried out any more.
    pub expires_at: Timestamp,
    /// In whose name, where the whole request is in one name; else the gateway's.
    pub caller: &'a str,
    /// What.
    pub verb: Verb,
    /// With which arguments: canonical JSON.
    pub body: &'a [u8],
}

/// A request as a ledger reads it, behind the check of its signature.
pub struct Command {
    /// The log that is meant.
    pub log: String,
    /// Who asks.
    pub gateway: String,
    /// The request.
    pub id: RequestId,
    /// When it was made.
    pub issued_at: Timestamp,
    /// When it must not be carried out any more.
    pub expires_at: Timestamp,
    /// In whose name.
    pub caller: String,
    /// What.
    pub op: String,
    /// With which arguments.
    pub body: Map<String, Value>,
}

/// What the gateway signs.
#[must_use]
pub fn command_message(document: &[u8]) -> Vec<u8> {
    message(DOMAIN, document)
}

impl Request<'_> {
    /// The canonical document.
    #[must_use]
    pub fn document(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.body.len() + 512);
        out.extend_from_slice(b"{\"body\":");
        out.extend_from_slice(self.body);
        for (name, text) in [
            ("caller", self.caller),
            ("expires_at", &self.expires_at.to_string()),
            ("gateway", self.gateway),
            ("issued_at", &self.issued_at.to_string()),
            ("log", self.log.as_str()),
            ("op", self.verb.as_str()),
            ("request_id", &self.id.to_string()),
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

impl Command {
    /// Reads a document whose signature was checked.
    ///
    /// # Errors
    /// [`Refusal::Malformed`].
    pub fn read(document: &[u8]) -> Result<Self, Refusal> {
        read(document).ok_or(Refusal::Malformed)
    }
}

fn read(document: &[u8]) -> Option<Command> {
    let Value::Object(mut members) = json::parse(document).ok()? else {
        return None;
    };
    if members.len() != 9 || members.get("v")?.as_u64()? != VERSION {
        return None;
    }
    let Value::Object(body) = members.remove("body")? else {
        return None;
    };
    let text = |name: &str| members.get(name)?.as_str();
    Some(Command {
        log: text("log")?.to_owned(),
        gateway: text("gateway")?.to_owned(),
        id: RequestId::parse(text("request_id")?)?,
        issued_at: Timestamp::parse(text("issued_at")?)?,
        expires_at: Timestamp::parse(text("expires_at")?)?,
        caller: text("caller")?.to_owned(),
        op: text("op")?.to_owned(),
        body,
    })
}
