//! One line of canonical JSON that says of itself whether it is whole (`sum`) and whether a holder of the log's keys wrote
//! it (`mac`).
//!
//! ```text
//! sum  BLAKE3(domain || JCS of the object without sum and mac)
//! mac  the same, keyed with a key derived from the log's index key
//! ```
//! The sum can be checked without any key, so that damage is told from a wrong key.

use record::{canonical, json};
use serde_json::{Map, Value, json};

/// One kind of line.
#[derive(Clone, Copy)]
pub(crate) struct Form {
    /// Text before the hashed bytes; it ends with a line feed.
    pub(crate) domain: &'static str,
    /// Purpose of the key that authenticates.
    pub(crate) purpose: &'static str,
}

/// A line whose sum is right.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Whole {
    /// Everything but `sum` and `mac`.
    pub(crate) members: Map<String, Value>,
    mac: String,
}

impl Form {
    /// The line of these members, authenticated with `key`.
    pub(crate) fn line(self, mut members: Map<String, Value>, key: &[u8; 32]) -> Vec<u8> {
        let message = self.message(&members);
        members.insert("sum".to_owned(), json!(blake3::hash(&message).to_string()));
        members.insert("mac".to_owned(), json!(blake3::keyed_hash(key, &message).to_string()));
        let mut line = canonical::to_vec(&Value::Object(members));
        line.push(b'\n');
        line
    }

    /// Reads a line; `None` unless it is canonical and its sum is right.
    pub(crate) fn read(self, line: &[u8]) -> Option<Whole> {
        let text = line.strip_suffix(b"\n")?;
        let value = json::parse(text).ok()?;
        if canonical::to_vec(&value) != text {
            return None;
        }
        let Value::Object(mut members) = value else { return None };
        let (sum, mac) = (members.remove("sum")?, members.remove("mac")?);
        if sum.as_str()? != blake3::hash(&self.message(&members)).to_string() {
            return None;
        }
        Some(Whole {
            mac: mac.as_str()?.to_owned(),
            members,
        })
    }

    /// Whether `key` made the line.
    pub(crate) fn is_authentic(self, whole: &Whole, key: &[u8; 32]) -> bool {
        let expected = blake3::keyed_hash(key, &self.message(&whole.members));
        // `blake3::Hash` compares in constant time.
        blake3::Hash::from_hex(&whole.mac).is_ok_and(|mac| mac == expected) && whole.mac == expected.to_string()
    }

    fn message(self, members: &Map<String, Value>) -> Vec<u8> {
        let mut message = self.domain.as_bytes().to_vec();
        canonical::write(&Value::Object(members.clone()), &mut message);
        message
    }
}

impl Whole {
    /// The text at `member`, as `parse` reads it.
    pub(crate) fn text<T>(&self, member: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        parse(self.members.get(member)?.as_str()?)
    }

    /// The number at `member`.
    pub(crate) fn number(&self, member: &str) -> Option<u64> {
        self.members.get(member)?.as_u64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: Form = Form {
        domain: "test/v1\n",
        purpose: "test",
    };

    fn line() -> Vec<u8> {
        let members = json!({"a": 1, "b": "text"});
        FORM.line(members.as_object().cloned().expect("an object"), &[7; 32])
    }

    #[test]
    fn a_line_is_read_back_and_belongs_to_its_key() {
        let whole = FORM.read(&line()).expect("is whole");
        assert_eq!((whole.number("a"), whole.members.len()), (Some(1), 2));
        assert!(FORM.is_authentic(&whole, &[7; 32]));
        assert!(!FORM.is_authentic(&whole, &[8; 32]));
        let other = Form {
            domain: "other/v1\n",
            ..FORM
        };
        assert_eq!(other.read(&line()), None);
    }

    #[test]
    fn no_bit_changes_unnoticed() {
        let line = line();
        for at in 0..line.len() * 8 {
            let mut flipped = line.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            let accepted = FORM
                .read(&flipped)
                .is_some_and(|whole| FORM.is_authentic(&whole, &[7; 32]));
            assert!(!accepted, "bit {at}");
        }
    }
}
