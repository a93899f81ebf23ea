//! Answers that hold records: canonical bytes are copied in as they are, never parsed and written again.

use crate::error::{Code, Problem};
use crate::proof::State;
use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use ledger_client::Receipt;

/// A JSON answer with these bytes.
pub(crate) fn json(bytes: impl Into<Body>) -> Response {
    let mut response = Response::new(bytes.into());
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

/// `"offset":N,"record":{...},"state":"committed","published":false` (or `true`) with its flags: the members of an answer that holds
/// the whole record.
pub(crate) fn write_full(receipt: &Receipt, state: State, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\"offset\":");
    write_number(receipt.committed.offset, out);
    out.extend_from_slice(b",\"record\":");
    out.extend_from_slice(&receipt.committed.bytes);
    write_state(receipt, state, out);
}

/// The same with id and hash in place of the record.
pub(crate) fn write_minimal(receipt: &Receipt, state: State, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\"offset\":");
    write_number(receipt.committed.offset, out);
    out.extend_from_slice(format!(",\"id\":\"{}\",\"hash\":\"{}\"", receipt.id, receipt.hash).as_bytes());
    write_state(receipt, state, out);
}

/// `published` is whether the log's stream has acknowledged the record.
fn write_state(receipt: &Receipt, state: State, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"state\":\"");
    out.extend_from_slice(state.as_str().as_bytes());
    out.extend_from_slice(b"\",\"published\":");
    out.extend_from_slice(if receipt.published { b"true" } else { b"false" });
    if receipt.replayed {
        out.extend_from_slice(b",\"replayed\":true");
    }
    if receipt.sealed_unchecked {
        out.extend_from_slice(b",\"sealed_unchecked\":true");
    }
}

/// Appends values as they are, with a comma between each two.
pub(crate) fn write_list<'a>(values: impl Iterator<Item = &'a [u8]>, out: &mut Vec<u8>) {
    for (at, value) in values.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.extend_from_slice(value);
    }
}

/// Appends `number` in decimal.
pub(crate) fn write_number(number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(number.to_string().as_bytes());
}

/// The member `hash` of canonical record bytes. `author` is their first member and `hash` the second; inside a string
/// every quote is escaped, so the first `},"hash":"` is the end of `author`.
///
/// # Errors
/// `READ_MODEL_DAMAGED` when the bytes are no canonical record.
pub(crate) fn hash_of(bytes: &[u8]) -> Result<&str, Problem> {
    const BEFORE: &[u8] = b"},\"hash\":\"";
    let at = bytes.windows(BEFORE.len()).position(|window| window == BEFORE);
    let hash = at.and_then(|at| bytes.get(at + BEFORE.len()..at + BEFORE.len() + 64));
    let hash = hash.filter(|hash| hash.iter().all(u8::is_ascii_hexdigit));
    hash.and_then(|hash| std::str::from_utf8(hash).ok())
        .ok_or_else(|| Problem::new(Code::ReadModelDamaged, "the stored bytes are not a record"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_author_cannot_forge_the_hash_of_the_answer() {
        let author = record::Author::new("a},\"hash\":\"0000", record::Auth::Local).to_json();
        let hash = "ab".repeat(32);
        let bytes = format!("{{\"author\":{author},\"hash\":\"{hash}\",\"id\":\"x\"}}");
        assert_eq!(hash_of(bytes.as_bytes()).unwrap(), hash);
        assert_eq!(hash_of(b"{}").unwrap_err().code(), "READ_MODEL_DAMAGED");
    }
}
