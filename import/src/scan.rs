//! Finding where JSON tokens end, without reading them.
//!
//! Every function is total: malformed bytes give an end at or before the end of input, and the strict parser judges what
//! was cut out. Nothing here decides whether a document is valid.

/// The byte order mark that some Windows tools write before UTF-8.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// `bytes` without a byte order mark in front.
pub fn without_bom(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(BOM).unwrap_or(bytes)
}

/// One past the closing quote of the string that opens at `at`.
pub fn string_end(bytes: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    loop {
        match bytes.get(at) {
            None => return bytes.len(),
            Some(b'"') => return at + 1,
            Some(b'\\') => at += 2,
            Some(_) => at += 1,
        }
    }
}

/// One past the bytes that could belong to the number at `at`.
pub fn number_end(bytes: &[u8], at: usize) -> usize {
    let part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
    at + bytes
        .get(at..)
        .unwrap_or_default()
        .iter()
        .take_while(|byte| part(byte))
        .count()
}

/// The first byte at or after `at` that is not JSON whitespace.
pub fn space_end(bytes: &[u8], at: usize) -> usize {
    let space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    at + bytes
        .get(at..)
        .unwrap_or_default()
        .iter()
        .take_while(|byte| space(byte))
        .count()
}

/// One past the bracket that closes the `depth` arrays and objects open at `at`; `None` when the input ends before.
pub fn close_end(bytes: &[u8], at: usize, depth: usize) -> Option<usize> {
    let (mut at, mut depth) = (at, depth);
    while depth > 0 {
        match bytes.get(at)? {
            b'"' => at = string_end(bytes, at),
            byte => {
                depth += usize::from(matches!(byte, b'{' | b'['));
                depth -= usize::from(matches!(byte, b'}' | b']'));
                at += 1;
            }
        }
    }
    Some(at)
}

/// Where the elements of `{"Records": [` begin, when the document at `at` opens so.
pub fn records_start(bytes: &[u8], at: usize) -> Option<usize> {
    [&b"{"[..], b"\"Records\"", b":", b"["]
        .iter()
        .try_fold(at, |at, token| {
            let at = space_end(bytes, at);
            bytes.get(at..)?.starts_with(token).then_some(at + token.len())
        })
}
