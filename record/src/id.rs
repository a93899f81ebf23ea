//! Record ids: UUIDv7 (RFC 9562, section 5.7), lower-case with hyphens.
//!
//! Ids are made before a command is sent, so that sending it again is safe. This file only lays out the bits: time and
//! entropy come from the caller.

use std::fmt;

/// A UUIDv7: 48 bits of Unix milliseconds, then 74 bits of the caller's choice.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordId([u8; 16]);

impl RecordId {
    /// Lays out `unix_ms` (the low 48 bits) and 74 bits of `entropy`; the six spare bits of `entropy` are dropped.
    #[must_use]
    pub fn new(unix_ms: u64, entropy: [u8; 10]) -> Self {
        let [_, _, t0, t1, t2, t3, t4, t5] = unix_ms.to_be_bytes();
        let [a0, a1, b0, b1, b2, b3, b4, b5, b6, b7] = entropy;
        Self([
            t0,
            t1,
            t2,
            t3,
            t4,
            t5,
            0x70 | (a0 & 0x0f),
            a1,
            0x80 | (b0 & 0x3f),
            b1,
            b2,
            b3,
            b4,
            b5,
            b6,
            b7,
        ])
    }

    /// Sixteen bytes that already carry version 7 and the RFC 9562 variant; `None` otherwise.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Option<Self> {
        let [.., version, _, variant, _, _, _, _, _, _, _] = bytes;
        (version >> 4 == 7 && variant >> 6 == 0b10).then_some(Self(bytes))
    }

    /// Reads `xxxxxxxx-xxxx-7xxx-[89ab]xxx-xxxxxxxxxxxx` in lower case; `None` for any other spelling or version.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: &[u8; 36] = text.as_bytes().try_into().ok()?;
        let mut digits = [0u8; 32];
        let mut used = 0;
        for (at, &byte) in bytes.iter().enumerate() {
            match (at, byte) {
                (8 | 13 | 18 | 23, b'-') => {}
                (8 | 13 | 18 | 23, _) => return None,
                (_, b'0'..=b'9' | b'a'..=b'f') => {
                    *digits.get_mut(used)? = byte;
                    used += 1;
                }
                _ => return None,
            }
        }
        let mut raw = [0; 16];
        hex::decode_to_slice(digits, &mut raw).ok()?;
        Self::from_bytes(raw)
    }

    /// The 16 raw bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The time that the id carries, in Unix milliseconds.
    #[must_use]
    pub fn unix_ms(&self) -> u64 {
        let [t0, t1, t2, t3, t4, t5, ..] = self.0;
        u64::from_be_bytes([0, 0, t0, t1, t2, t3, t4, t5])
    }
}

impl RecordId {
    /// The 36 characters of the id.
    #[must_use]
    pub fn to_text(&self) -> [u8; 36] {
        let mut digits = [0; 32];
        hex::encode_to_slice(self.0, &mut digits).expect("32 digits are room for 16 bytes");
        let mut text = [b'-'; 36];
        let places = text
            .iter_mut()
            .enumerate()
            .filter(|(at, _)| !matches!(at, 8 | 13 | 18 | 23));
        places.zip(digits).for_each(|((_, place), digit)| *place = digit);
        text
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.to_text()).expect("an id is ASCII"))
    }
}

impl fmt::Debug for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
