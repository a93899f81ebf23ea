//! Strings: RFC 8259 escapes, without U+0000 and without lone surrogates (RFC 7493, section 2.1).

use super::{Parser, malformed};
use crate::fault::{Code, Fault};

impl Parser<'_> {
    /// Reads the string whose opening quote is next.
    pub(super) fn string(&mut self) -> Result<String, Fault> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let start = self.at;
            let rest = self.bytes.get(start..).unwrap_or_default();
            let plain = rest
                .iter()
                .position(|byte| *byte < 0x20 || matches!(byte, b'"' | b'\\'));
            self.at += plain.unwrap_or(rest.len());
            // Both ends are ASCII delimiters, so the slice falls on character boundaries.
            out.push_str(self.text.get(start..self.at).unwrap_or_default());
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => out.push(self.escape()?),
                Some(0) => return Err(nul()),
                Some(_) => return Err(malformed(self.at, "a control character in a string must be escaped")),
                None => return Err(malformed(self.at, "the document ends inside a string")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Fault> {
        self.at += 1;
        let escaped = self
            .peek()
            .ok_or_else(|| malformed(self.at, "the document ends inside an escape"))?;
        self.at += 1;
        Ok(match escaped {
            b'"' | b'\\' | b'/' => char::from(escaped),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode_escape(),
            _ => return Err(malformed(self.at - 1, "this escape does not exist in JSON")),
        })
    }

    fn unicode_escape(&mut self) -> Result<char, Fault> {
        let lone = |at| malformed(at, "a lone surrogate is no character: send the whole pair");
        let start = self.at;
        let unit = self.hex_unit()?;
        let scalar = match unit {
            0 => return Err(nul()),
            0xdc00..=0xdfff => return Err(lone(start)),
            0xd800..=0xdbff => {
                if !(self.take(b'\\') && self.take(b'u')) {
                    return Err(lone(start));
                }
                let low = self.hex_unit()?;
                if !(0xdc00..=0xdfff).contains(&low) {
                    return Err(lone(start));
                }
                0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00)
            }
            _ => unit,
        };
        char::from_u32(scalar).ok_or_else(|| lone(start))
    }

    fn hex_unit(&mut self) -> Result<u32, Fault> {
        let digits = self
            .text
            .get(self.at..self.at + 4)
            .filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let unit = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let unit = unit.ok_or_else(|| malformed(self.at, "four hex digits were expected after \\u"))?;
        self.at += 4;
        Ok(unit)
    }
}

pub(super) fn nul() -> Fault {
    Fault::new(
        Code::NulCharacter,
        "",
        "U+0000 cannot be stored: remove it or encode the value",
    )
}
