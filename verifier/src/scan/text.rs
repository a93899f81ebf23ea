//! Strings in canonical form (RFC 8785, section 3.2.2.2) and the order of member names (section 3.2.3).

use super::{Scan, Scanner};
use std::cmp::Ordering;

impl<'a> Scanner<'a> {
    /// Moves past the string whose opening quote is next; its text as it is written, without the quotes.
    pub(super) fn string(&mut self) -> Scan<&'a str> {
        self.at += 1;
        let start = self.at;
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            self.at += plain(rest).ok_or("the record ends inside a string")?;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    let written = self.text.get(start..self.at - 1);
                    return Ok(written.expect("quotes are ASCII, so the text is cut between characters"));
                }
                Some(b'\\') => self.escape()?,
                _ => return Err("a control character that is not escaped"),
            }
        }
    }

    /// Moves past an escape: the two-character forms, or `\u00xx` for the control characters that have none.
    fn escape(&mut self) -> Scan<()> {
        self.at += 1;
        if matches!(self.peek(), Some(b'"' | b'\\' | b'b' | b't' | b'n' | b'f' | b'r')) {
            self.at += 1;
            return Ok(());
        }
        let short = |code| matches!(code, 0x08 | 0x09 | 0x0a | 0x0c | 0x0d);
        let digits = self.bytes.get(self.at..self.at + 5).unwrap_or_default();
        let [b'u', b'0', b'0', high @ b'0'..=b'1', low @ (b'0'..=b'9' | b'a'..=b'f')] = digits else {
            return Err("an escape that is not the canonical one");
        };
        let low = if low.is_ascii_digit() {
            low - b'0'
        } else {
            low - b'a' + 10
        };
        let code = (high - b'0') * 16 + low;
        if code == 0 || short(code) {
            return Err("an escape that is not the canonical one");
        }
        self.at += 5;
        Ok(())
    }
}

/// How many bytes stand before the first that ends a string or must be looked at; `None` when there is none.
fn plain(rest: &[u8]) -> Option<usize> {
    let ends = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
    // Without a way out of the inner loop the compiler looks at a whole block at once.
    let (blocks, _) = rest.as_chunks::<16>();
    let holds_end = |block: &[u8; 16]| block.iter().fold(false, |found, byte| found | ends(byte));
    let skipped = 16 * blocks.iter().take_while(|block| !holds_end(block)).count();
    let behind = rest.get(skipped..)?.iter().position(ends)?;
    Some(skipped + behind)
}

/// Whether the member name written as `a` sorts strictly before the one written as `b`.
///
/// Bytes order as UTF-16 code units do, unless one name holds an escape (it is written with other characters than it
/// means) or a character at or above U+E000 (first byte 0xEE or more; only those order otherwise against surrogates).
pub(super) fn is_before(a: &str, b: &str) -> bool {
    let plain = |name: &str| !name.bytes().any(|byte| byte == b'\\' || byte >= 0xee);
    if plain(a) && plain(b) {
        return a < b;
    }
    unescape(a).encode_utf16().cmp(unescape(b).encode_utf16()) == Ordering::Less
}

/// The text that a scanned string means.
pub(crate) fn unescape(written: &str) -> String {
    let mut out = String::with_capacity(written.len());
    let mut rest = written;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let mut chars = after.chars();
        match chars.next() {
            Some('b') => out.push('\u{8}'),
            Some('t') => out.push('\t'),
            Some('n') => out.push('\n'),
            Some('f') => out.push('\u{c}'),
            Some('r') => out.push('\r'),
            Some('u') => {
                let code = after.get(1..5).and_then(|digits| u32::from_str_radix(digits, 16).ok());
                out.extend(code.and_then(char::from_u32));
                chars = after.get(5..).unwrap_or_default().chars();
            }
            Some(plain) => out.push(plain),
            None => {}
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
    out
}
