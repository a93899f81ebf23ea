//! Signed notes: a text and the lines of those who signed it (C2SP signed-note v1.0.0).
//!
//! ```text
//! <text: one or more lines, each ended by \n>
//! \n
//! — <name> base64(key id, 4 bytes || signature)\n        one line or more; the dash is U+2014
//! ```
//!
//! Invariant: a [`Note`] has the form; that says nothing about its signatures. The text ends at the *last* blank line,
//! so no text can smuggle lines of its own past the split. Unknown keys are passed over; a line that names a known key
//! and does not verify condemns the note, because a note is the same for everybody or it is forged.

use crate::key::{KeyId, is_name};
use crate::{Error, KeyType, VerifierKey, What, base64};
use ed25519_dalek::{Signer as _, SigningKey};

/// Bytes of a note at most: a checkpoint with a hundred cosignatures is far below.
const MAX_BYTES: usize = 1 << 20;
/// Signature lines at most; C2SP asks verifiers to take at least 16.
const MAX_LINES: usize = 256;
const DASH: &str = "\u{2014} ";

/// A note as it came: nobody has vouched for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    lines: Vec<Line>,
}

/// One signature line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    name: String,
    id: KeyId,
    signature: Vec<u8>,
}

impl Note {
    /// Reads a note.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] with what is wrong.
    pub fn parse(note: &str) -> Result<Self, Error> {
        let malformed = |detail| What::Note.malformed(detail);
        if note.len() > MAX_BYTES {
            return Err(malformed("it is larger than 1 MiB"));
        }
        if note.bytes().any(|byte| byte < 0x20 && byte != b'\n') {
            return Err(malformed("it has a control character"));
        }
        let end = note.rfind("\n\n").ok_or(malformed("no blank line ends its text"))?;
        let (text, rest) = note.split_at(end + 1);
        let signatures = rest.strip_prefix('\n').unwrap_or_default();
        Ok(Self {
            text: text.to_owned(),
            lines: Line::parse_all(signatures)?,
        })
    }

    /// A note of `text` that nobody has signed yet. The text is one line or more, each ended by `\n`.
    pub(crate) const fn unsigned(text: String) -> Self {
        Self {
            text,
            lines: Vec::new(),
        }
    }

    /// The text that the signatures are over, with the `\n` that ends it.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signature lines, in their order.
    #[must_use]
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Adds lines, such as a witness answers; those that are there already are not repeated.
    pub fn extend(&mut self, lines: impl IntoIterator<Item = Line>) {
        for line in lines {
            if !self.lines.contains(&line) {
                self.lines.push(line);
            }
        }
    }

    /// The lines that name `key`.
    pub(crate) fn lines_of<'a>(&'a self, key: &'a VerifierKey) -> impl Iterator<Item = &'a Line> {
        let id = key.id();
        self.lines
            .iter()
            .filter(move |line| line.id == id && line.name == key.name())
    }

    /// Whether `key`, of type [`KeyType::Ed25519`], has signed the text; `false` when no line names it.
    ///
    /// # Errors
    ///
    /// [`Error::SignatureInvalid`] when a line names it and does not verify.
    pub fn is_signed_by(&self, key: &VerifierKey) -> Result<bool, Error> {
        let mut signed = false;
        for line in self.lines_of(key) {
            let signature: Option<&[u8; 64]> = line.signature.as_slice().try_into().ok();
            let verifies = |signature| key.kind() == KeyType::Ed25519 && key.verifies(self.text.as_bytes(), signature);
            if !signature.is_some_and(verifies) {
                return Err(Error::SignatureInvalid {
                    name: key.name().to_owned(),
                });
            }
            signed = true;
        }
        Ok(signed)
    }

    /// The note as it is written.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut out = format!("{}\n", self.text);
        self.lines.iter().for_each(|line| out.push_str(&line.to_text()));
        out
    }
}

impl Line {
    /// Signs `text` as the holder of `key`, of type [`KeyType::Ed25519`].
    ///
    /// # Panics
    ///
    /// When `secret` is not the other half of `key`: a line under it would condemn the note.
    #[must_use]
    pub fn sign(text: &str, key: &VerifierKey, secret: &SigningKey) -> Self {
        assert!(
            key.is_of(secret),
            "a note is signed with the secret half of the key that it names"
        );
        Self::new(key, secret.sign(text.as_bytes()).to_bytes().to_vec())
    }

    /// The line of `key` with these bytes behind the key id.
    pub(crate) fn new(key: &VerifierKey, signature: Vec<u8>) -> Self {
        Self {
            name: key.name().to_owned(),
            id: key.id(),
            signature,
        }
    }

    /// Reads signature lines, as they end a note and as witnesses answer them.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`]: none, too many, or one of another form.
    pub fn parse_all(lines: &str) -> Result<Vec<Self>, Error> {
        let malformed = |detail| What::Note.malformed(detail);
        let body = lines
            .strip_suffix('\n')
            .ok_or(malformed("its last line is not ended"))?;
        let parsed: Vec<Self> = body
            .split('\n')
            .take(MAX_LINES + 1)
            .map(|line| Self::parse(line).ok_or(malformed("a signature line is not `— <name> <base64>`")))
            .collect::<Result<_, _>>()?;
        if parsed.len() > MAX_LINES {
            return Err(malformed("it has more than 256 signature lines"));
        }
        Ok(parsed)
    }

    fn parse(line: &str) -> Option<Self> {
        let (name, encoded) = line.strip_prefix(DASH)?.split_once(' ')?;
        let raw = base64::decode(encoded)?;
        let (id, signature) = raw.split_first_chunk::<4>()?;
        let whole = is_name(name) && !signature.is_empty();
        whole.then(|| Self {
            name: name.to_owned(),
            id: *id,
            signature: signature.to_vec(),
        })
    }

    /// The signer's name, as the line claims.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The signer's key id, as the line claims.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// What stands behind the key id.
    pub(crate) fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// The line with the `\n` that ends it.
    #[must_use]
    pub fn to_text(&self) -> String {
        let raw = [self.id.as_slice(), &self.signature].concat();
        format!("{DASH}{} {}\n", self.name, base64::encode(&raw))
    }
}
