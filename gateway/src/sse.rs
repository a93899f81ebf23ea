//! The text of server-sent events (WHATWG HTML, section 9.2).
//!
//! An event's data is a record's canonical bytes, which hold no line break, so it is always one line. A block with an id
//! and no data moves a client's resume position without an event.

use crate::error::Problem;
use serde_json::json;

/// Milliseconds after which a client connects again.
const RETRY_MS: u64 = 3_000;

/// What a stream begins with: how soon to come back, and from where.
pub(crate) fn opening(resume: Option<u64>) -> Vec<u8> {
    let mut out = format!("retry: {RETRY_MS}\n").into_bytes();
    write_position(resume, &mut out);
    out.push(b'\n');
    out
}

/// Appends one record under the number `id`.
pub(crate) fn write_record(id: u64, bytes: &[u8], out: &mut Vec<u8>) {
    write_position(Some(id), out);
    out.extend_from_slice(b"event: record\ndata: ");
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\n\n");
}

/// A sign of life; with `position`, where a client that matched nothing goes on from.
pub(crate) fn heartbeat(position: Option<u64>) -> Vec<u8> {
    let mut out = b": hb\n".to_vec();
    write_position(position, &mut out);
    out.push(b'\n');
    out
}

/// The last event: why the stream ends, and after which number it goes on.
pub(crate) fn end(problem: &Problem, resume: Option<u64>) -> Vec<u8> {
    let data = json!({"code": problem.code(), "detail": problem.detail(), "resume_after": resume});
    let mut out = Vec::new();
    write_position(resume, &mut out);
    out.extend_from_slice(format!("event: end\ndata: {data}\n\n").as_bytes());
    out
}

fn write_position(id: Option<u64>, out: &mut Vec<u8>) {
    if let Some(id) = id {
        out.extend_from_slice(b"id: ");
        out.extend_from_slice(id.to_string().as_bytes());
        out.push(b'\n');
    }
}
