//! Texts of foreign logs as link targets and bounded names: nothing is refused because of its length or characters.
//!
//! A text that fits is kept as it is, letter case included. One that is too long is cut, one with control characters has
//! them percent-encoded, and either gets `~` and 32 hex digits of the whole text's BLAKE3, so that two different texts
//! do not meet in one target. The original stays in the record's data.

use record::limits::TARGET_BYTES;
use std::borrow::Cow;
use std::fmt::Write as _;

/// `~` and 32 hex digits.
const SUFFIX_BYTES: usize = 33;
/// A text before a colon that is longer than this is not taken for a scheme.
const SCHEME_BYTES: usize = 64;

/// `scheme:rest` as a link target; `None` when `rest` is blank.
pub fn with_scheme(scheme: &str, rest: &str) -> Option<String> {
    debug_assert!(is_scheme(scheme), "`{scheme}` follows the grammar of schemes");
    (!rest.trim().is_empty()).then(|| fit(&format!("{scheme}:{rest}"), TARGET_BYTES).into_owned())
}

/// `text` itself when it has a scheme, otherwise `scheme:text`; `None` when it is blank.
pub fn with_scheme_or_own(scheme: &str, text: &str) -> Option<String> {
    match text.split_once(':') {
        Some((own, rest)) if is_scheme(own) && !rest.trim().is_empty() => with_scheme(own, rest),
        _ => with_scheme(scheme, text),
    }
}

/// `text` in at most `limit` bytes and without control characters.
pub fn fit(text: &str, limit: usize) -> Cow<'_, str> {
    if text.len() <= limit && !text.chars().any(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(limit);
    let mut piece = String::new();
    for character in text.chars() {
        piece.clear();
        encode(character, &mut piece);
        if out.len() + piece.len() > limit - SUFFIX_BYTES {
            break;
        }
        out.push_str(&piece);
    }
    let hash = blake3::hash(text.as_bytes()).to_hex();
    out.push('~');
    out.push_str(hash.get(..SUFFIX_BYTES - 1).expect("a hash has 64 digits"));
    Cow::Owned(out)
}

fn encode(character: char, out: &mut String) {
    if !character.is_control() {
        return out.push(character);
    }
    for byte in character.encode_utf8(&mut [0; 4]).bytes() {
        write!(out, "%{byte:02X}").expect("writing to a string does not fail");
    }
}

fn is_scheme(text: &str) -> bool {
    let follows = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
    text.len() <= SCHEME_BYTES && text.starts_with(|c: char| c.is_ascii_lowercase()) && text.bytes().all(follows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use record::link::is_target;

    #[test]
    fn what_fits_is_kept_as_it_is() {
        let target = with_scheme("windows-user", "THESHIRE\\PGustavo 100%").unwrap();
        assert_eq!(target, "windows-user:THESHIRE\\PGustavo 100%");
        let longest = "x".repeat(TARGET_BYTES - 2);
        assert_eq!(with_scheme("a", &longest).unwrap(), format!("a:{longest}"));
    }

    #[test]
    fn one_byte_too_long_is_cut_at_a_character_and_stays_distinct() {
        let long = "é".repeat(TARGET_BYTES / 2);
        let [first, second] = ["a", "b"].map(|end| with_scheme("x", &format!("{long}{end}")).unwrap());
        assert!(first.len() <= TARGET_BYTES && is_target(&first), "{first}");
        assert_ne!(first, second);
        assert_eq!(first.split('~').next(), second.split('~').next());
    }

    #[test]
    fn control_characters_are_encoded_and_do_not_meet_their_encoding() {
        let encoded = with_scheme("x", "a\u{0}b\u{85}").unwrap();
        assert!(
            encoded.starts_with("x:a%00b%C2%85~") && is_target(&encoded),
            "{encoded}"
        );
        assert_eq!(with_scheme("x", "a%00b").unwrap(), "x:a%00b");
    }

    #[test]
    fn a_scheme_of_its_own_is_kept() {
        let own = |text: &str| with_scheme_or_own("actor", text).unwrap();
        assert_eq!(own("agent:42"), "agent:42");
        assert_eq!(own("Alice:42"), "actor:Alice:42");
        assert_eq!(own("alice"), "actor:alice");
        assert_eq!(own("agent:"), "actor:agent:");
        assert_eq!(with_scheme_or_own("actor", " "), None);
        let long = own(&format!("agent:{}", "x".repeat(600)));
        assert!(long.starts_with("agent:xxx") && is_target(&long), "{long}");
    }
}
