//! Checkpoints: a log's signed tree head (C2SP tlog-checkpoint v1.0.0).
//!
//! ```text
//! example.com/audit                                origin: the log's name
//! 20852163                                         size: number of leaves
//! CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=     root: RFC 6962 over SHA-256
//!
//! — example.com/audit Az3grlgt...                  the log's own line, then cosignatures
//! ```
//!
//! Invariant: [`CheckpointText`] is what somebody sent; only [`CheckpointText::verify`] makes a [`Checkpoint`], whose
//! origin is the expected one and whose text a key of that log has signed. Extension lines are refused: our logs write
//! none, and nobody could audit them.

use crate::frontier::check_size;
use crate::note::Line;
use crate::{Error, Node, Note, VerifierKey, What, base64};
use ed25519_dalek::SigningKey;

/// A checkpoint as it came: of the right form, and believed in nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointText {
    note: Note,
    origin: String,
    size: u64,
    root: Node,
}

/// A checkpoint that a key of its log has signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint(CheckpointText);

impl CheckpointText {
    /// Reads a checkpoint.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] as a note or as a checkpoint, [`Error::SizeTooLarge`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let note = Note::parse(text)?;
        let malformed = |detail| What::Checkpoint.malformed(detail);
        let body = note.text().strip_suffix('\n').unwrap_or_default();
        let mut lines = body.split('\n');
        let (Some(origin), Some(size), Some(root), None) = (lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(malformed("its text is three lines: origin, size, root"));
        };
        if origin.is_empty() {
            return Err(malformed("its first line, the origin, is empty"));
        }
        let (origin, size) = (
            origin.to_owned(),
            parse_size(size).ok_or(malformed("its second line is no size"))?,
        );
        check_size(size)?;
        let root = base64::decode_node(root).ok_or(malformed("its third line is not base64 of 32 bytes"))?;
        Ok(Self {
            note,
            origin,
            size,
            root,
        })
    }

    /// The origin that it claims.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The size that it claims.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The root that it claims.
    #[must_use]
    pub const fn root(&self) -> &Node {
        &self.root
    }

    /// The note that it is.
    #[must_use]
    pub const fn note(&self) -> &Note {
        &self.note
    }

    /// The note, to add cosignatures to.
    pub const fn note_mut(&mut self) -> &mut Note {
        &mut self.note
    }

    /// Believes it when it is of `origin` and one of the log's `keys` has signed it.
    ///
    /// # Errors
    ///
    /// [`Error::ForeignLog`]; [`Error::SignatureInvalid`] when a line names one of the keys and does not verify;
    /// [`Error::Unsigned`] when no line names one.
    pub fn verify(self, origin: &str, keys: &[VerifierKey]) -> Result<Checkpoint, Error> {
        if self.origin != origin {
            return Err(Error::ForeignLog {
                expected: origin.to_owned(),
                found: self.origin,
            });
        }
        let mut signed = false;
        for key in keys {
            signed |= self.note.is_signed_by(key)?;
        }
        if signed {
            Ok(Checkpoint(self))
        } else {
            Err(Error::Unsigned {
                name: origin.to_owned(),
            })
        }
    }
}

impl Checkpoint {
    /// Signs a tree head as the log whose key is `key`; the origin is the key's name.
    ///
    /// # Panics
    ///
    /// As [`Line::sign`].
    #[must_use]
    pub fn sign(size: u64, root: Node, key: &VerifierKey, secret: &SigningKey) -> Self {
        let text = head_text(key.name(), size, &root);
        let line = Line::sign(&text, key, secret);
        let mut note = Note::unsigned(text);
        note.extend([line]);
        Self(CheckpointText {
            note,
            origin: key.name().to_owned(),
            size,
            root,
        })
    }

    /// The log.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.0.origin()
    }

    /// Number of leaves.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.0.size
    }

    /// The root.
    #[must_use]
    pub const fn root(&self) -> &Node {
        &self.0.root
    }

    /// The note that it is.
    #[must_use]
    pub const fn note(&self) -> &Note {
        &self.0.note
    }

    /// The note, to add cosignatures to.
    pub const fn note_mut(&mut self) -> &mut Note {
        &mut self.0.note
    }
}

/// The three lines of a tree head.
pub(crate) fn head_text(origin: &str, size: u64, root: &Node) -> String {
    format!("{origin}\n{size}\n{}\n", base64::encode(root.as_bytes()))
}

/// ASCII decimal without leading zeros.
pub(crate) fn parse_size(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| plain)
}
