//! Cosignatures: a witness says that it saw a checkpoint, when, and that it is consistent with all it saw before
//! (C2SP tlog-cosignature, Ed25519 type 0x04).
//!
//! ```text
//! line     — <witness> base64(key id || time u64 BE || signature)
//! message  cosignature/v1\n
//!          time <decimal>\n
//!          <the note's text: origin, size, root>
//! ```
//!
//! Invariant: the message does not bind the witness's name, so two witnesses never share a key. Whether the witness did
//! check consistency is its own word; a quorum makes that word worth something.

use crate::note::Line;
use crate::{Error, KeyType, Note, VerifierKey, What};
use ed25519_dalek::{Signer as _, SigningKey};

/// Seconds of POSIX time at most: C2SP has the time below 2^63.
const MAX_TIME: u64 = i64::MAX as u64;

/// A cosignature that verifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cosignature {
    /// When the witness signed, in seconds since the Unix epoch, by its own clock.
    pub time: u64,
}

impl Cosignature {
    /// Cosigns the text of `note` at `time` as the witness `key`.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] when `key` is not of the type 0x04, or the time is beyond 2^63.
    ///
    /// # Panics
    ///
    /// When `secret` is not the other half of `key`.
    pub fn sign(note: &Note, time: u64, key: &VerifierKey, secret: &SigningKey) -> Result<Line, Error> {
        if key.kind() != KeyType::Cosignature {
            return Err(What::Cosignature.malformed("the key is not one of a witness (type 04)"));
        }
        if time > MAX_TIME {
            return Err(What::Cosignature.malformed("its time is beyond 2^63 seconds"));
        }
        assert!(
            key.is_of(secret),
            "a cosignature is made with the secret half of the key that it names"
        );
        let signature = secret.sign(&message(note, time)).to_bytes();
        Ok(Line::new(key, [&time.to_be_bytes()[..], &signature].concat()))
    }

    /// The newest cosignature of the witness `key` under `note`; `None` when no line names it.
    ///
    /// # Errors
    ///
    /// [`Error::SignatureInvalid`] when a line names it and does not verify.
    pub fn find(note: &Note, key: &VerifierKey) -> Result<Option<Self>, Error> {
        let mut newest: Option<Self> = None;
        for line in note.lines_of(key) {
            let found = Self::check(note, line, key).ok_or_else(|| Error::SignatureInvalid {
                name: key.name().to_owned(),
            })?;
            newest = newest.filter(|one| one.time >= found.time).or(Some(found));
        }
        Ok(newest)
    }

    fn check(note: &Note, line: &Line, key: &VerifierKey) -> Option<Self> {
        let (time, signature) = line.signature().split_first_chunk::<8>()?;
        let (time, signature) = (u64::from_be_bytes(*time), signature.try_into().ok()?);
        let holds =
            key.kind() == KeyType::Cosignature && time <= MAX_TIME && key.verifies(&message(note, time), signature);
        holds.then_some(Self { time })
    }
}

fn message(note: &Note, time: u64) -> Vec<u8> {
    format!("cosignature/v1\ntime {time}\n{}", note.text()).into_bytes()
}
