//! A scanner that proves bytes to be the RFC 8785 form of a CanonicalRecord v1, without building a value.
//!
//! It accepts a text only if it is what a canonical writer would have written: no white space, the shortest escapes,
//! members sorted by UTF-16 code units and therefore unique, numbers as ECMAScript prints them, at most 64 levels, no
//! U+0000, and at the top exactly the eighteen members. Being canonical is decidable byte by byte, so this proves the
//! same as `bytes == JCS(parse(bytes))`; a property test holds it against `serde_jcs`, and `--thorough` runs both.
//!
//! Why not only `serde_jcs`: it takes longer than the signature (17 us per KB), this takes about one. It shares no code
//! with the writer in `record`. It does not judge what the members say.

mod number;
mod text;

pub(crate) use text::unescape;

use crate::check::Check;
use crate::finding::Finding;
use record::limits;
use std::ops::Range;

/// The members of CanonicalRecord v1, in canonical order.
pub(crate) const MEMBERS: [&str; 18] = [
    "author",
    "hash",
    "id",
    "kind",
    "links",
    "log",
    "offset",
    "payload",
    "prev",
    "pub_key",
    "schema_version",
    "seq",
    "sig",
    "space",
    "tenant",
    "ts",
    "v",
    "witnesses",
];

/// The place of each member in [`MEMBERS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Member {
    Author,
    Hash,
    Id,
    Kind,
    Links,
    Log,
    Offset,
    Payload,
    Prev,
    PubKey,
    SchemaVersion,
    Seq,
    Sig,
    Space,
    Tenant,
    Ts,
    V,
    Witnesses,
}

/// A record's bytes that passed the scan, cut into members.
#[derive(Debug, Clone)]
pub(crate) struct Scanned<'a> {
    text: &'a str,
    /// Per member of [`MEMBERS`], from its comma or brace to the end of its value.
    members: [Range<usize>; MEMBERS.len()],
}

impl<'a> Scanned<'a> {
    /// The canonical text of a member's value.
    pub(crate) fn value(&self, member: Member) -> &'a str {
        let at = member as usize;
        let (name, span) = MEMBERS
            .get(at)
            .zip(self.members.get(at))
            .expect("every member has its place");
        // The separator, two quotes and the colon stand before the value.
        let start = span.start + name.len() + 4;
        self.text
            .get(start..span.end)
            .expect("the scan cut the text at ASCII marks")
    }

    /// The bytes that `hash` covers: everything but the members `hash`, `sig` and `pub_key`. Leaving members out of a
    /// canonical object leaves a canonical object, because the others keep their order.
    pub(crate) fn hashed_parts(&self) -> impl Iterator<Item = &'a [u8]> {
        let bytes = self.text.as_bytes();
        let span = |member: Member| self.members.get(member as usize).cloned().unwrap_or_default();
        let (hash, key, sig) = (span(Member::Hash), span(Member::PubKey), span(Member::Sig));
        let kept = [
            0..hash.start,
            hash.end..key.start,
            key.end..sig.start,
            sig.end..bytes.len(),
        ];
        kept.into_iter().map(move |span| bytes.get(span).unwrap_or_default())
    }
}

/// Scans one record.
///
/// # Errors
/// A finding of [`Check::Canonical`] with the byte at which the canonical form is left.
pub(crate) fn scan(bytes: &[u8]) -> Result<Scanned<'_>, Finding> {
    if bytes.len() > limits::RECORD_BYTES {
        let detail = format!("a record is at most {} bytes", limits::RECORD_BYTES);
        return Err(Finding::new(Check::Canonical, "", detail));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        Finding::new(
            Check::Canonical,
            "",
            format!("not UTF-8 at byte {}", error.valid_up_to()),
        )
    })?;
    let mut scanner = Scanner { text, bytes, at: 0 };
    let members = scanner
        .record()
        .map_err(|detail| Finding::new(Check::Canonical, "", format!("{detail} at byte {}", scanner.at)))?;
    Ok(Scanned { text, members })
}

/// Why bytes are not canonical; the scanner's position says where.
type Scan<T> = Result<T, &'static str>;

struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let taken = self.peek() == Some(byte);
        self.at += usize::from(taken);
        taken
    }

    /// Moves past exactly `literal`.
    fn literal(&mut self, literal: &[u8]) -> bool {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let found = rest.starts_with(literal);
        self.at += if found { literal.len() } else { 0 };
        found
    }

    fn record(&mut self) -> Scan<[Range<usize>; MEMBERS.len()]> {
        let mut members = [const { 0..0 }; MEMBERS.len()];
        for (at, (name, span)) in MEMBERS.iter().zip(&mut members).enumerate() {
            let start = self.at;
            let opened = self.take(if at == 0 { b'{' } else { b',' });
            let named = opened && self.take(b'"') && self.literal(name.as_bytes()) && self.literal(b"\":");
            if !named {
                return Err("not the next member of CanonicalRecord v1");
            }
            self.value(2)?;
            *span = start..self.at;
        }
        match self.take(b'}') && self.at == self.bytes.len() {
            true => Ok(members),
            false => Err("something follows the last member of CanonicalRecord v1"),
        }
    }

    /// Moves past a value whose own arrays or objects would be at `level`.
    fn value(&mut self, level: usize) -> Scan<()> {
        match self.peek() {
            Some(b'"') => self.string().map(drop),
            Some(b'{') => self.object(level),
            Some(b'[') => self.array(level),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ if self.literal(b"true") || self.literal(b"false") || self.literal(b"null") => Ok(()),
            _ => Err("no canonical value"),
        }
    }

    fn enter(&mut self, level: usize) -> Scan<()> {
        self.at += 1;
        match level <= limits::RECORD_DEPTH {
            true => Ok(()),
            false => Err("nested deeper than 64 levels"),
        }
    }

    fn array(&mut self, level: usize) -> Scan<()> {
        self.enter(level)?;
        if self.take(b']') {
            return Ok(());
        }
        loop {
            self.value(level + 1)?;
            if self.take(b']') {
                return Ok(());
            }
            if !self.take(b',') {
                return Err("neither a comma nor the end of the array");
            }
        }
    }

    fn object(&mut self, level: usize) -> Scan<()> {
        self.enter(level)?;
        if self.take(b'}') {
            return Ok(());
        }
        let mut before: Option<&'a str> = None;
        loop {
            let name = self.name()?;
            if before.is_some_and(|before| !text::is_before(before, name)) {
                return Err("a member name that is repeated or out of order");
            }
            before = Some(name);
            self.value(level + 1)?;
            if self.take(b'}') {
                return Ok(());
            }
            if !self.take(b',') {
                return Err("neither a comma nor the end of the object");
            }
        }
    }

    /// Moves past a member name and its colon; the name as it is written, without the quotes.
    fn name(&mut self) -> Scan<&'a str> {
        if self.peek() != Some(b'"') {
            return Err("no member name");
        }
        let name = self.string()?;
        if name.starts_with("$serde_json::private::") {
            return Err("a member name that never enters a record");
        }
        match self.take(b':') {
            true => Ok(name),
            false => Err("no colon after a member name"),
        }
    }
}

#[cfg(test)]
mod tests;
