//! `Prefer: return=minimal|representation` (RFC 7240) and `Idempotency-Key`.

use crate::error::{Code, Problem};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use std::time::Duration;

/// Echoes the preference that was honoured.
pub(crate) const APPLIED: HeaderName = HeaderName::from_static("preference-applied");
const PREFER: HeaderName = HeaderName::from_static("prefer");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// How much of a written record comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Return {
    /// Offset, id and hash.
    Minimal,
    /// The whole record.
    Representation,
}

impl Return {
    /// The header value that says that this was honoured.
    pub(crate) const fn applied(self) -> HeaderValue {
        match self {
            Self::Minimal => HeaderValue::from_static("return=minimal"),
            Self::Representation => HeaderValue::from_static("return=representation"),
        }
    }
}

/// The first `return` preference that is known; an unknown preference is ignored, as RFC 7240 asks.
pub(crate) fn returned(headers: &HeaderMap) -> Option<Return> {
    let values = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
    let mut preferences = values.flat_map(|value| value.split(','));
    preferences.find_map(|preference| {
        let (name, value) = preference.split(';').next()?.split_once('=')?;
        match (
            name.trim().eq_ignore_ascii_case("return"),
            value.trim().trim_matches('"'),
        ) {
            (true, "minimal") => Some(Return::Minimal),
            (true, "representation") => Some(Return::Representation),
            _ => None,
        }
    })
}

/// How long the client would wait (`wait=20`, in seconds); a preference that cannot be read is ignored.
pub(crate) fn wait(headers: &HeaderMap) -> Option<Duration> {
    let values = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
    let mut preferences = values.flat_map(|value| value.split(','));
    preferences.find_map(|preference| {
        let (name, value) = preference.split(';').next()?.split_once('=')?;
        let seconds = value.trim().parse().ok().map(Duration::from_secs);
        seconds.filter(|_| name.trim().eq_ignore_ascii_case("wait"))
    })
}

/// The idempotency key, without quotes.
///
/// # Errors
/// `IDEMPOTENCY_KEY_INVALID` unless it is sent once and is 1 to 255 visible ASCII characters.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut sent = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = sent.next() else { return Ok(None) };
    let wrong = || {
        Problem::new(
            Code::IdempotencyKeyInvalid,
            "the key is 1 to 255 visible ASCII characters, sent once",
        )
    };
    let text = value.to_str().map_err(|_| wrong())?.trim();
    let key = match text.strip_prefix('"') {
        Some(rest) => unquote(rest).ok_or_else(wrong)?,
        None => text.to_owned(),
    };
    let fits = (1..=255).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
    if fits && sent.next().is_none() {
        Ok(Some(key))
    } else {
        Err(wrong())
    }
}

/// Whether an idempotency key is sent at all.
pub(crate) fn has_idempotency_key(headers: &HeaderMap) -> bool {
    headers.contains_key(IDEMPOTENCY_KEY)
}

/// The rest of a structured-field string (RFC 9651, section 3.3.3) after its opening quote.
fn unquote(rest: &str) -> Option<String> {
    let mut out = String::with_capacity(rest.len());
    let mut chars = rest.chars();
    loop {
        match chars.next()? {
            '"' => return chars.next().is_none().then_some(out),
            '\\' => out.push(chars.next().filter(|c| matches!(c, '"' | '\\'))?),
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name.clone(), value.parse().unwrap());
        }
        headers
    }

    fn key(values: &[&str]) -> Result<Option<String>, &'static str> {
        idempotency_key(&headers(IDEMPOTENCY_KEY, values)).map_err(|problem| problem.code())
    }

    #[test]
    fn a_key_is_the_same_quoted_or_not() {
        assert_eq!(key(&["a-1"]), Ok(Some("a-1".to_owned())));
        assert_eq!(key(&["\"a-1\""]), Ok(Some("a-1".to_owned())));
        assert_eq!(key(&["\"a\\\"1\""]), Ok(Some("a\"1".to_owned())));
        assert_eq!(key(&[]), Ok(None));
        for wrong in [
            &[""][..],
            &["\"a"],
            &["\"a\"b"],
            &["\"\""],
            &["a b"],
            &["a", "a"],
            &["\"a\\x\""],
        ] {
            assert_eq!(key(wrong), Err("IDEMPOTENCY_KEY_INVALID"), "{wrong:?}");
        }
        assert_eq!(
            key(&[&"k".repeat(255)]).map(|key| key.map(|key| key.len())),
            Ok(Some(255))
        );
        assert_eq!(key(&[&"k".repeat(256)]), Err("IDEMPOTENCY_KEY_INVALID"));
    }

    #[test]
    fn the_first_known_preference_counts() {
        let of = |values: &[&str]| returned(&headers(PREFER, values));
        assert_eq!(of(&["return=minimal"]), Some(Return::Minimal));
        assert_eq!(
            of(&["respond-async, Return=\"representation\"; x=1"]),
            Some(Return::Representation)
        );
        assert_eq!(of(&["wait=5", "return=minimal"]), Some(Return::Minimal));
        assert_eq!(of(&["return=everything"]), None);
        assert_eq!(of(&[]), None);
    }
}
