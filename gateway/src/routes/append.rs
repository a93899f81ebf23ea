//! `POST /v1/records`: one record, or many as NDJSON. The answer is the committed record, byte for byte.

use super::{intake, ndjson};
use crate::Shared;
use crate::body::{self, Media};
use crate::edge::Context;
use crate::error::{Code, Problem};
use crate::prefer::{self, Return};
use crate::proof::{self, UNTIL, Until, reach};
use crate::query::Query;
use crate::schema;
use crate::{splice, tenancy};
use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use ledger_client::{Append, Guard, Receipt};
use record::{Intake, NewRecord};
use std::sync::Arc;

/// Where the record is in the log.
const OFFSET: HeaderName = HeaderName::from_static("sigil-offset");

/// Appends one record, or many.
///
/// `application/json` is one record. `application/x-ndjson` is one record a line: each line stands alone and gets one
/// result line, in order; blank lines are skipped but counted.
#[utoipa::path(
    post, path = "/v1/records", tag = "records",
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a retry without an id safe for 24 hours; quoted or not. Refused with NDJSON."),
        ("Prefer" = Option<String>, Header, description = "`return=minimal` or `return=representation` (RFC 7240): one record comes back whole by default, NDJSON results are minimal. `wait=N`: how many seconds `until` may take, 10 by default."),
        ("until" = Option<String>, Query, description = "What to wait for before answering: `committed` (default), `included` (a signed checkpoint covers the record), `witnessed` (a quorum has cosigned one). `state` says what was reached; that the wait ended is no failure."),
        ("Sigil-Tenant" = Option<String>, Header, description = "The tenant, when the body does not name it."),
    ),
    request_body(content((schema::RecordIntake = "application/json"), (schema::RecordIntake = "application/x-ndjson"))),
    responses(
        (status = 201, description = "Committed.", body = schema::Written),
        (status = 200, description = "Committed before, or one result a line.", content((schema::Written = "application/json"), (schema::LineResult = "application/x-ndjson"))),
        (status = "4XX", description = "Refused.", body = schema::Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed.", body = schema::Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn append(
    State(shared): State<Arc<Shared>>,
    Extension(context): Extension<Context>,
    request: Request,
) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let query = Query::parse(head.uri.query(), &[UNTIL])?;
    let until = Until::read(&shared, &head.headers, &query, proof::State::Committed)?.while_served(&head.extensions);
    match body::media(&head.headers)? {
        Media::Json => {
            let bytes = body::read(body, shared.config.record_bytes, shared.deadline()).await?;
            one(&shared, &context, &head.headers, &bytes, &until).await
        }
        Media::Ndjson => {
            if prefer::has_idempotency_key(&head.headers) {
                let detail = "`Idempotency-Key` is for one record: give each line its own `id` instead";
                return Err(Problem::new(Code::IdempotencyKeyRefused, detail));
            }
            let bytes = body::read(body, shared.config.ndjson_bytes, shared.deadline()).await?;
            ndjson::append(&shared, &context, &head.headers, &bytes, &until).await
        }
    }
}

async fn one(
    shared: &Shared,
    context: &Context,
    headers: &HeaderMap,
    bytes: &[u8],
    until: &Until,
) -> Result<Response, Problem> {
    let caller = context.caller()?;
    let intake = Intake::parse(bytes)?;
    let own_id = intake.id.is_some();
    let record = intake::settle(intake, caller, tenancy::named(headers)?)?;
    let receipt = write(shared, context, headers, record, own_id).await?;
    let state = reach(shared, receipt.committed.offset + 1, until)
        .await
        .state(receipt.committed.offset);
    let returned = prefer::returned(headers);
    let mut out = Vec::with_capacity(receipt.committed.bytes.len() + 128);
    out.push(b'{');
    match returned {
        Some(Return::Minimal) => splice::write_minimal(&receipt, state, &mut out),
        _ => splice::write_full(&receipt, state, &mut out),
    }
    out.push(b'}');
    let mut response = splice::json(out);
    if let Some(returned) = returned {
        response.headers_mut().insert(prefer::APPLIED, returned.applied());
    }
    until.note(response.headers_mut());
    mark(&receipt, &mut response);
    Ok(response)
}

/// Appends one record under the caller's idempotency key, if it sent one. `own_id`: the caller made the record's id.
///
/// # Errors
/// What the ledger refuses; `COMMIT_UNKNOWN` when it has not answered by the deadline.
pub(super) async fn write(
    shared: &Shared,
    context: &Context,
    headers: &HeaderMap,
    record: NewRecord,
    own_id: bool,
) -> Result<Receipt, Problem> {
    let guard = prefer::idempotency_key(headers)?.map(|key| -> Result<Guard, Problem> {
        let caller = context.caller()?.id.clone();
        Ok(Guard { caller, key, own_id })
    });
    let guard = guard.transpose()?;
    let id = record.id;
    let answer = tokio::time::timeout(shared.deadline(), shared.ledger.append(Append { record, guard })).await;
    answer.map_or_else(|_elapsed| Err(unanswered(&id)), |receipt| Ok(receipt?))
}

/// The problem of a write that the ledger has not answered.
pub(super) fn unanswered(id: &record::RecordId) -> Problem {
    let detail = format!("record {id} may or may not be stored: the ledger has not answered in time");
    Problem::new(Code::CommitUnknown, detail)
}

/// Status, offset and location of a written record.
pub(super) fn mark(receipt: &Receipt, response: &mut Response) {
    *response.status_mut() = if receipt.replayed {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    let headers = response.headers_mut();
    headers.insert(OFFSET, HeaderValue::from(receipt.committed.offset));
    if let Ok(location) = HeaderValue::from_str(&format!("/v1/records/{}", receipt.id)) {
        headers.insert(header::LOCATION, location);
    }
}

#[cfg(test)]
mod tests;
