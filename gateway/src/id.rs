//! Ids made at the edge: one for each request, and one for each record that came without.
//!
//! This is where randomness enters the room. Request ids are unique, not secret.

use crate::clock;
use crate::error::{Code, Problem};
use axum::http::HeaderMap;
use record::RecordId;
use std::sync::atomic::{AtomicU64, Ordering};

/// The header that carries a request's id in both directions.
pub(crate) const REQUEST_ID: &str = "x-request-id";

/// Makes request ids.
pub(crate) struct Source {
    prefix: u64,
    next: AtomicU64,
}

impl Source {
    /// Ids that start with random digits of this process.
    pub(crate) fn new() -> Self {
        let mut prefix = [0; 8];
        // Without entropy ids are still unique within the process.
        let _ = fill(&mut prefix);
        Self {
            prefix: u64::from_be_bytes(prefix),
            next: AtomicU64::new(0),
        }
    }

    /// The id that the client sent, when it is 1 to 128 of `A-Z a-z 0-9 . _ : -`; otherwise a new one.
    pub(crate) fn request(&self, headers: &HeaderMap) -> String {
        let sent = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok());
        match sent.filter(|text| is_request_id(text)) {
            Some(text) => text.to_owned(),
            None => format!("{:016x}-{:x}", self.prefix, self.next.fetch_add(1, Ordering::Relaxed)),
        }
    }
}

/// A UUIDv7 of now.
///
/// # Errors
/// `INTERNAL` when the operating system gives no randomness.
pub(crate) fn record_id() -> Result<RecordId, Problem> {
    let mut entropy = [0; 10];
    fill(&mut entropy).map_err(|_| Problem::new(Code::Internal, "the server could not make an id"))?;
    Ok(RecordId::new(clock::unix_ms(), entropy))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place of this room where randomness enters"
)]
fn fill(bytes: &mut [u8]) -> Result<(), getrandom::Error> {
    getrandom::fill(bytes)
}

fn is_request_id(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(text: &str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST_ID, text.parse().unwrap());
        Source::new().request(&headers)
    }

    #[test]
    fn a_clean_id_is_kept_and_another_is_replaced() {
        assert_eq!(sent("build-7:a.b_c"), "build-7:a.b_c");
        assert_ne!(sent("a b"), "a b");
        assert_ne!(sent("<script>"), "<script>");
        assert_ne!(sent(&"x".repeat(129)), "x".repeat(129));
    }

    #[test]
    fn ids_differ() {
        let source = Source::new();
        assert_ne!(source.request(&HeaderMap::new()), source.request(&HeaderMap::new()));
        assert_ne!(record_id().unwrap(), record_id().unwrap());
    }
}
