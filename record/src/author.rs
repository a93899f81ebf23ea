//! The author of a record: who asked and how it was proven; and the signature that an author may put on the request.

use crate::canonical;
use crate::fault::{Code, Fault};
use crate::hash::Hash;
use crate::intake::{EVIDENCE, NewRecord};
use crate::key::{KeyText, Signature, decode_base64, encode_base64};
use crate::limits::AUTHOR_BYTES;
use crate::name::Origin;
use crate::seal;
use serde_json::{Map, Value, json};

/// How the author was authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Auth {
    /// An HTTP message signature (RFC 9421).
    Rfc9421,
    /// A bearer JWT.
    Jwt,
    /// An API key.
    ApiKey,
    /// A loopback caller with the printed token.
    Local,
    /// The ledger itself.
    Ledger,
}

impl Auth {
    const ALL: [Self; 5] = [Self::Rfc9421, Self::Jwt, Self::ApiKey, Self::Local, Self::Ledger];

    /// The text in the record.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rfc9421 => "rfc9421",
            Self::Jwt => "jwt",
            Self::ApiKey => "api_key",
            Self::Local => "local",
            Self::Ledger => "ledger",
        }
    }

    /// Reads the text of the record.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|auth| auth.as_str() == text)
    }
}

/// Who asked. `id` is a pseudonymous handle; `evidence` is a sealed member (`/author/evidence`).
#[derive(Debug, Clone, PartialEq)]
pub struct Author {
    /// The author's handle, 1 to 512 bytes without control characters.
    pub id: String,
    /// How it was proven.
    pub auth: Auth,
    /// The key that signed, `ed25519:<64 hex>`; required beside `sig`.
    pub key_id: Option<String>,
    /// The author's own signature ([`signed_message`]).
    pub sig: Option<Signature>,
    /// What proves the authentication, in the clear at intake and a commitment once stored.
    pub evidence: Option<Value>,
}

impl Author {
    /// An author without signature or evidence.
    pub fn new(id: impl Into<String>, auth: Auth) -> Self {
        Self {
            id: id.into(),
            auth,
            key_id: None,
            sig: None,
            evidence: None,
        }
    }

    /// Checks ids and that a signature names its key.
    ///
    /// # Errors
    /// [`Code::EnvelopeInvalid`] with a pointer from `/author`.
    pub fn check(&self) -> Result<(), Fault> {
        let fits = |text: &str| (1..=AUTHOR_BYTES).contains(&text.len()) && !text.chars().any(char::is_control);
        let wrong =
            |member: &str, detail: &str| Err(Fault::new(Code::EnvelopeInvalid, format!("/author/{member}"), detail));
        if !fits(&self.id) {
            return wrong("id", "an author id is 1 to 512 bytes without control characters");
        }
        if self.key_id.as_deref().is_some_and(|key_id| !fits(key_id)) {
            return wrong("key_id", "a key id is 1 to 512 bytes without control characters");
        }
        if self.sig.is_some() && self.key_id.is_none() {
            return wrong("sig", "a signature needs `key_id`");
        }
        Ok(())
    }

    /// The member `author` of the record.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut members = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                members.insert(name.to_owned(), value);
            }
        };
        put("id", Some(json!(self.id)));
        put("auth", Some(json!(self.auth.as_str())));
        put("key_id", self.key_id.as_ref().map(|key_id| json!(key_id)));
        put("sig", self.sig.map(|sig| json!(encode_base64(&sig))));
        put("evidence", self.evidence.clone());
        Value::Object(members)
    }

    /// Reads the member `author` of a stored record.
    ///
    /// # Errors
    /// [`Code::EnvelopeInvalid`] with a pointer from `/author`.
    pub fn from_json(value: &Value) -> Result<Self, Fault> {
        let wrong = |detail: &str| Fault::new(Code::EnvelopeInvalid, "/author", detail);
        let members = value.as_object().ok_or_else(|| wrong("`author` is an object"))?;
        if members
            .keys()
            .any(|name| !["id", "auth", "key_id", "sig", "evidence"].contains(&name.as_str()))
        {
            return Err(wrong("`author` has only id, auth, key_id, sig and evidence"));
        }
        let text = |name: &str| match members.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(wrong("id, auth, key_id and sig are texts")),
        };
        let sig = text("sig")?.map(|sig| decode_base64(sig).ok_or_else(|| wrong("`sig` is base64 of 64 bytes")));
        let author = Self {
            id: text("id")?.ok_or_else(|| wrong("`id` is missing"))?.to_owned(),
            auth: text("auth")?
                .and_then(Auth::parse)
                .ok_or_else(|| wrong("`auth` is missing or unknown"))?,
            key_id: text("key_id")?.map(str::to_owned),
            sig: sig.transpose()?,
            evidence: members.get("evidence").cloned(),
        };
        author.check()?;
        // Evidence in the clear would be what sealing exists to prevent, and no erasure could reach it.
        if author
            .evidence
            .as_ref()
            .is_some_and(|evidence| seal::read_placeholder(evidence).is_none())
        {
            let detail = "stored evidence is a commitment";
            return Err(Fault::new(Code::EnvelopeInvalid, EVIDENCE, detail));
        }
        Ok(author)
    }
}

/// What an author signs: `"sigil/author/v1\n" || BLAKE3(JCS({v, log, tenant, space, kind, schema_version, id, author: {id,
/// key_id}, links, payload}))`, with sealed members already replaced and links sorted.
#[must_use]
pub fn signed_message(log: &Origin, record: &NewRecord) -> Vec<u8> {
    let author = json!({"id": record.author.id, "key_id": record.author.key_id});
    let links: Value = record
        .links
        .iter()
        .map(|link| json!({"label": link.label(), "target": link.target()}))
        .collect();
    let covered = json!({
        "v": 1, "log": log.as_str(), "tenant": record.tenant.as_str(), "space": record.space.as_str(),
        "kind": record.kind.as_str(), "schema_version": record.schema_version, "id": record.id.to_string(),
        "author": author, "links": links, "payload": record.payload,
    });
    let mut message = b"sigil/author/v1\n".to_vec();
    message.extend_from_slice(Hash::of(&canonical::to_vec(&covered)).as_bytes());
    message
}

/// Checks the author's signature on a request whose members are sealed and whose links are sorted.
///
/// # Errors
/// [`Code::AuthorSignatureInvalid`] when there is a signature and it does not verify under the key that `key_id` names.
pub fn verify_signature(log: &Origin, record: &NewRecord) -> Result<(), Fault> {
    let Some(sig) = &record.author.sig else { return Ok(()) };
    let wrong = |detail: &str| Fault::new(Code::AuthorSignatureInvalid, "/author/sig", detail);
    let key = record.author.key_id.as_deref().and_then(KeyText::parse);
    let key = key.ok_or_else(|| wrong("`key_id` must be ed25519:<64 hex> of a full-order public key"))?;
    if key.key().verifies(&signed_message(log, record), sig) {
        Ok(())
    } else {
        Err(wrong(
            "the signature does not cover this record: seal, sort the links and sign again",
        ))
    }
}
