//! BLAKE3-256 values: 32 raw bytes in memory, 64 lower-case hex digits in JSON.

use std::fmt;

/// A BLAKE3-256 value.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hash([u8; 32]);

impl Hash {
    /// BLAKE3-256 of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// BLAKE3-256 of the concatenation of `parts`.
    #[must_use]
    pub fn of_parts(parts: &[&[u8]]) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            hasher.update(part);
        }
        Self(*hasher.finalize().as_bytes())
    }

    /// Reads 64 lower-case hex digits; `None` for any other spelling.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        decode_hex(text).map(Self)
    }

    /// The 32 raw bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// 64 lower-case hex digits as bytes; `None` for any other spelling.
#[must_use]
pub fn decode_hex(text: &str) -> Option<[u8; 32]> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let (mut out, mut seen) = ([0; 32], 0);
    if pairs.len() != out.len() || !rest.is_empty() {
        return None;
    }
    // Every record has three of these: no branch for a digit.
    let value = |digit: u8| DIGITS.get(usize::from(digit)).copied().unwrap_or(NO_DIGIT);
    for (byte, [high, low]) in out.iter_mut().zip(pairs) {
        let (high, low) = (value(*high), value(*low));
        seen |= high | low;
        *byte = high << 4 | (low & 0x0f);
    }
    (seen & NO_DIGIT == 0).then_some(out)
}

/// Set in the value of a byte that is no digit.
const NO_DIGIT: u8 = 0xf0;

/// What each byte is worth as a lower-case hex digit.
const DIGITS: [u8; 256] = {
    let (mut digits, mut value) = ([NO_DIGIT; 256], 0_u8);
    let mut rest: &[u8] = b"0123456789abcdef";
    while let [digit, behind @ ..] = rest {
        let (_, from) = digits.split_at_mut(*digit as usize);
        if let [slot, ..] = from {
            *slot = value;
        }
        (value, rest) = (value + 1, behind);
    }
    digits
};

impl From<[u8; 32]> for Hash {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl Hash {
    /// 64 lower-case hex digits.
    #[must_use]
    pub fn to_hex(&self) -> [u8; 64] {
        let mut digits = [0; 64];
        hex::encode_to_slice(self.0, &mut digits).expect("64 digits are room for 32 bytes");
        digits
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.to_hex()).expect("hex digits are ASCII"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
