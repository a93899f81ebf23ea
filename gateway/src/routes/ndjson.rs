//! Many records in one request: each line stands alone and gets one result line, in order.
//!
//! Lines are read and appended in portions, so that a large body neither holds the executor nor is kept parsed as a
//! whole. A blank line is skipped but counted.

use super::{append, intake};
use crate::Shared;
use crate::caller::Caller;
use crate::edge::Context;
use crate::error::{Problem, Scene};
use crate::prefer::{self, Return};
use crate::proof::{Reached, State, Until, reach};
use crate::{splice, tenancy};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use ledger_client::Receipt;
use record::{Intake, NewRecord, RecordId, Tenant};
use serde_json::{Value, json};

/// Bytes of lines in one portion, about what the ledger commits at once.
const PORTION_BYTES: usize = 1024 * 1024;
/// Lines in one portion.
const PORTION_LINES: usize = 1_024;

/// A line with its number, from 1.
type Line<'a> = (usize, &'a [u8]);

/// Appends every line of `bytes` and answers with one result a line.
///
/// # Errors
/// Only what concerns the request as a whole; a refused line is a result.
pub(super) async fn append(
    shared: &Shared,
    context: &Context,
    headers: &HeaderMap,
    bytes: &[u8],
    until: &Until,
) -> Result<Response, Problem> {
    let caller = context.caller()?;
    let tenant = tenancy::named(headers)?;
    let returned = prefer::returned(headers);
    let scene = Scene {
        request_id: &context.request_id,
        path: "/v1/records",
        docs: &shared.config.error_docs,
        union: false,
    };
    let mut out = Vec::with_capacity(bytes.len() / 4);
    let mut written = Written::default();
    for portion in portions(bytes) {
        let results = append_portion(shared, caller, tenant.as_ref(), &portion).await;
        for ((number, _), result) in portion.iter().zip(results) {
            write_result(*number, &result, returned, &scene, &mut out);
            if let Ok(receipt) = &result {
                written.push(receipt.committed.offset, out.len());
            }
        }
    }
    // One wait for all lines: the last record is covered last.
    let reached = reach(shared, written.covering, until).await;
    let out = written.restate(out, reached);
    let mut response = splice::json(out);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    if let Some(returned) = returned {
        headers.insert(prefer::APPLIED, returned.applied());
    }
    until.note(headers);
    Ok(response)
}

/// The result lines of records that were written, so that what they say of their state can be said again.
#[derive(Default)]
struct Written {
    /// Offset of each, and where its line ends.
    lines: Vec<(u64, usize)>,
    /// Number of records that reach up to the last of them.
    covering: u64,
}

impl Written {
    fn push(&mut self, offset: u64, end: usize) {
        self.lines.push((offset, end));
        self.covering = self.covering.max(offset + 1);
    }

    /// `out` with the state that each record has reached since. The member comes after everything that a client wrote,
    /// so the last one in a line that is spelt so is the answer's own.
    fn restate(&self, out: Vec<u8>, reached: Reached) -> Vec<u8> {
        const MEMBER: &[u8] = b",\"state\":\"committed\"";
        if reached == Reached::default() {
            return out;
        }
        let mut stated = Vec::with_capacity(out.len());
        let mut from = 0;
        for (offset, end) in &self.lines {
            let line = out.get(from..*end).unwrap_or_default();
            let at = line.windows(MEMBER.len()).rposition(|window| window == MEMBER);
            if let Some((before, after)) = at.and_then(|at| Some((line.get(..at)?, line.get(at + MEMBER.len()..)?))) {
                stated.extend_from_slice(before);
                let state = reached.state(*offset).as_str();
                stated.extend_from_slice(format!(",\"state\":\"{state}\"").as_bytes());
                stated.extend_from_slice(after);
            } else {
                stated.extend_from_slice(line);
            }
            from = *end;
        }
        stated.extend_from_slice(out.get(from..).unwrap_or_default());
        stated
    }
}

/// The lines that are not blank, in portions.
fn portions(bytes: &[u8]) -> Vec<Vec<Line<'_>>> {
    let lines = bytes.split(|byte| *byte == b'\n').enumerate();
    let lines = lines
        .map(|(at, line)| (at + 1, line.trim_ascii()))
        .filter(|(_, line)| !line.is_empty());
    let mut portions: Vec<Vec<Line<'_>>> = Vec::new();
    let mut size = 0;
    for line in lines {
        size += line.1.len();
        match portions.last_mut() {
            Some(portion) if size <= PORTION_BYTES && portion.len() < PORTION_LINES => portion.push(line),
            _ => {
                size = line.1.len();
                portions.push(vec![line]);
            }
        }
    }
    portions
}

async fn append_portion(
    shared: &Shared,
    caller: &Caller,
    tenant: Option<&Tenant>,
    portion: &[Line<'_>],
) -> Vec<Result<Receipt, Problem>> {
    let read = |bytes: &[u8]| -> Result<NewRecord, Problem> {
        if bytes.len() > shared.config.record_bytes {
            let detail = format!("a line is at most {} bytes", shared.config.record_bytes);
            return Err(Problem::new(crate::error::Code::PayloadTooLarge, detail));
        }
        intake::settle(Intake::parse(bytes)?, caller, tenant.cloned())
    };
    let mut records = Vec::with_capacity(portion.len());
    let settled: Vec<Result<RecordId, Problem>> = portion
        .iter()
        .map(|(_, bytes)| {
            let record = read(bytes)?;
            let id = record.id;
            records.push(record);
            Ok(id)
        })
        .collect();
    let answer = tokio::time::timeout(shared.deadline(), shared.ledger.append_many(records)).await;
    let mut answers = match answer {
        Ok(Ok(answers)) => Ok(answers.into_iter()),
        Ok(Err(error)) => Err(Some(error)),
        Err(_elapsed) => Err(None),
    };
    let one = |id: RecordId| match &mut answers {
        Ok(answers) => match answers.next() {
            Some(answer) => Ok(answer?),
            None => Err(append::unanswered(&id)),
        },
        // One failure for all of them names one record; each line needs its own.
        Err(Some(ledger_client::Error::CommitUnknown { .. }) | None) => Err(append::unanswered(&id)),
        Err(Some(error)) => Err(error.clone().into()),
    };
    let mut one = one;
    settled.into_iter().map(|line| line.and_then(&mut one)).collect()
}

fn write_result(
    number: usize,
    result: &Result<Receipt, Problem>,
    returned: Option<Return>,
    scene: &Scene<'_>,
    out: &mut Vec<u8>,
) {
    match result {
        Ok(receipt) => {
            let status = if receipt.replayed { 200 } else { 201 };
            out.extend_from_slice(format!("{{\"line\":{number},\"status\":{status},").as_bytes());
            match returned {
                Some(Return::Representation) => splice::write_full(receipt, State::Committed, out),
                _ => splice::write_minimal(receipt, State::Committed, out),
            }
            out.push(b'}');
        }
        Err(problem) => {
            let mut members = problem.to_json(scene);
            members.insert("line".to_owned(), json!(number));
            out.extend_from_slice(Value::Object(members).to_string().as_bytes());
        }
    }
    out.push(b'\n');
}
