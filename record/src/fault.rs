//! What is wrong with an input: a closed code, the place in the document, and a sentence for its sender.
//!
//! A `Fault` never repeats a sealed value: details name members and limits, not contents.

use std::fmt;

/// Why an input or a stored record is refused. The text form is part of the API and never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Code {
    /// Not one JSON document in UTF-8 (RFC 8259), or something follows it.
    MalformedJson,
    /// An object names the same member twice after unescaping.
    DuplicateJsonKey,
    /// A number that RFC 8785 would not reproduce, or beyond 2^53-1: send it as a string.
    NumberOutOfRange,
    /// Deeper than the record's limit of nesting.
    TooDeep,
    /// U+0000 in a string.
    NulCharacter,
    /// A member name that the format keeps for itself.
    ReservedName,
    /// The record or its disclosures exceed 786,432 bytes.
    RecordTooLarge,
    /// A member of the envelope is missing, unknown or of the wrong form.
    EnvelopeInvalid,
    /// A link breaks the rules of label, target, order or number.
    LinkInvalid,
    /// A commitment without its disclosure, a disclosure that does not open it, or one at a pointer that is not sealed.
    SealInvalid,
    /// The author's signature does not verify under the key that `key_id` names.
    AuthorSignatureInvalid,
    /// Stored bytes are not the canonical form of what they say.
    NotCanonical,
    /// `hash` is not the hash of the record.
    HashMismatch,
    /// `sig` does not verify under `pub_key`.
    SignatureInvalid,
    /// The kind is not one that this build knows.
    KindUnknown,
    /// The kind is known, this version of its payload is not.
    SchemaVersionUnknown,
    /// The payload does not match the kind's schema.
    SchemaInvalid,
}

impl Code {
    /// Every code.
    pub const ALL: [Self; 17] = [
        Self::MalformedJson,
        Self::DuplicateJsonKey,
        Self::NumberOutOfRange,
        Self::TooDeep,
        Self::NulCharacter,
        Self::ReservedName,
        Self::RecordTooLarge,
        Self::EnvelopeInvalid,
        Self::LinkInvalid,
        Self::SealInvalid,
        Self::AuthorSignatureInvalid,
        Self::NotCanonical,
        Self::HashMismatch,
        Self::SignatureInvalid,
        Self::KindUnknown,
        Self::SchemaVersionUnknown,
        Self::SchemaInvalid,
    ];

    /// The code with this text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == text)
    }

    /// The stable text that clients branch on.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MalformedJson => "MALFORMED_JSON",
            Self::DuplicateJsonKey => "DUPLICATE_JSON_KEY",
            Self::NumberOutOfRange => "NUMBER_OUT_OF_RANGE",
            Self::TooDeep => "JSON_TOO_DEEP",
            Self::NulCharacter => "NUL_CHARACTER",
            Self::ReservedName => "RESERVED_NAME",
            Self::RecordTooLarge => "RECORD_TOO_LARGE",
            Self::EnvelopeInvalid => "ENVELOPE_INVALID",
            Self::LinkInvalid => "LINK_INVALID",
            Self::SealInvalid => "SEAL_INVALID",
            Self::AuthorSignatureInvalid => "AUTHOR_SIGNATURE_INVALID",
            Self::NotCanonical => "NOT_CANONICAL",
            Self::HashMismatch => "HASH_MISMATCH",
            Self::SignatureInvalid => "RECORD_SIGNATURE_INVALID",
            Self::KindUnknown => "KIND_UNKNOWN",
            Self::SchemaVersionUnknown => "SCHEMA_VERSION_UNKNOWN",
            Self::SchemaInvalid => "SCHEMA_INVALID",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code} at {at}: {detail}", at = if .pointer.is_empty() { "the document" } else { .pointer })]
pub struct Fault {
    /// The closed reason.
    pub code: Code,
    /// RFC 6901 pointer from the document's root; empty for the document itself.
    pub pointer: String,
    /// A lower-case sentence: what was found and what to send instead.
    pub detail: String,
}

impl Fault {
    /// A fault at `pointer`.
    pub fn new(code: Code, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            code,
            pointer: pointer.into(),
            detail: detail.into(),
        }
    }

    /// The same fault seen from one level further out: `segment` is put before the pointer, escaped as RFC 6901 asks.
    #[must_use]
    pub fn under(mut self, segment: &str) -> Self {
        self.pointer.insert_str(0, &format!("/{}", escape_segment(segment)));
        self
    }

    /// The same fault seen from the document's root: `pointer` is put before the pointer as it stands.
    #[must_use]
    pub fn within(mut self, pointer: &str) -> Self {
        self.pointer.insert_str(0, pointer);
        self
    }
}

/// One member name or index as a segment of an RFC 6901 pointer.
#[must_use]
pub fn escape_segment(segment: &str) -> String {
    segment.replace('~', "~0").replace('/', "~1")
}
