//! `/admin/projections`: how the projections are, what is parked, and long work on them.

use crate::error::{Code, Problem};
use crate::projections::{LogSource, NotStarted, ProjectionAdmin, WorkKind};
use crate::query::Query;
use crate::{Shared, schema, splice};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};
use std::sync::Arc;

/// Parked records of one answer.
const LIMIT: u16 = 500;

/// How the projections are.
#[utoipa::path(
    get, path = "/admin/projections", tag = "admin",
    responses(
        (status = 200, description = "One entry a projection.", body = schema::Projections),
        (status = "4XX", description = "Refused.", body = schema::Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed.", body = schema::Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn list(State(shared): State<Arc<Shared>>, request: Request) -> Result<Response, Problem> {
    Query::parse(request.uri().query(), &[])?;
    let status = admin(&shared)?.status().await?;
    Ok(splice::json(json!({"data": [status.to_json()]}).to_string()))
}

/// The parked records: right in every other way, with a payload that this build cannot read.
#[utoipa::path(
    get, path = "/admin/projections/parked", tag = "admin",
    params(
        ("from" = Option<u64>, Query, description = "The first offset, 0 by default."),
        ("limit" = Option<u16>, Query, description = "1 to 500, 100 by default."),
    ),
    responses(
        (status = 200, description = "By offset.", body = schema::ParkedRecords),
        (status = "4XX", description = "Refused.", body = schema::Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed.", body = schema::Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn parked(State(shared): State<Arc<Shared>>, request: Request) -> Result<Response, Problem> {
    let query = Query::parse(request.uri().query(), &["from", "limit"])?;
    let from = query.read("from", "an offset, such as 42", |text| text.parse().ok())?;
    let limit = query.read("limit", "a number from 1 to 500", |text| {
        text.parse().ok().filter(|limit| (1..=LIMIT).contains(limit))
    })?;
    let limit = limit.unwrap_or(100);
    let found = admin(&shared)?.parked(from.unwrap_or(0), limit).await?;
    let next = found.rows.last().filter(|_| found.rows.len() == usize::from(limit));
    let row = |row: &projector::ParkedRow| {
        json!({
            "offset": row.offset, "tenant": row.tenant.as_str(), "kind": row.kind.as_str(),
            "schema_version": row.schema_version, "code": row.code, "detail": row.detail, "version": row.version,
        })
    };
    let rows: Vec<Value> = found.rows.iter().map(row).collect();
    let body = json!({"data": rows, "total": found.total, "next_from": next.map(|row| row.offset + 1)});
    Ok(splice::json(body.to_string()))
}

/// Tries every parked record again.
#[utoipa::path(
    post, path = "/admin/projections/parked/retry", tag = "admin",
    responses(
        (status = 200, description = "What came of it.", body = schema::RetriedRecords),
        (status = "4XX", description = "Refused.", body = schema::Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed.", body = schema::Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn retry(State(shared): State<Arc<Shared>>, request: Request) -> Result<Response, Problem> {
    Query::parse(request.uri().query(), &[])?;
    let retried = admin(&shared)?.retry().await?;
    let body = json!({"projected": retried.projected, "left": retried.left});
    Ok(splice::json(body.to_string()))
}

/// Starts to build new tables from offset zero, beside those that answer; they are switched when they have caught up.
#[utoipa::path(
    post, path = "/admin/projections/rebuild", tag = "admin",
    params(("from" = Option<String>, Query, description = "`ledger` (default) or `stream`.")),
    responses(
        (status = 202, description = "Started.", body = schema::Projections),
        (status = "4XX", description = "Refused.", body = schema::Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed.", body = schema::Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn rebuild(State(shared): State<Arc<Shared>>, request: Request) -> Result<Response, Problem> {
    start(&shared, request.uri().query(), WorkKind::Rebuild).await
}

/// Starts a comparison with a replay of the log; the outcome is appended to the log as `projection.verified`.
#[utoipa::path(
    post, path = "/admin/projections/verify", tag = "admin",
    params(("from" = Option<String>, Query, description = "`ledger` (default) or `stream`.")),
    responses(
        (status = 202, description = "Started.", body = schema::Projections),
        (status = "4XX", description = "Refused.", body = schema::Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed.", body = schema::Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn verify(State(shared): State<Arc<Shared>>, request: Request) -> Result<Response, Problem> {
    start(&shared, request.uri().query(), WorkKind::Verify).await
}

/// Asks the work under way to stop; what was there before still stands.
#[utoipa::path(
    post, path = "/admin/projections/cancel", tag = "admin",
    responses(
        (status = 202, description = "It stops at its next safe point.", body = schema::Projections),
        (status = "4XX", description = "Refused.", body = schema::Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed.", body = schema::Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn cancel(State(shared): State<Arc<Shared>>, request: Request) -> Result<Response, Problem> {
    Query::parse(request.uri().query(), &[])?;
    let admin = admin(&shared)?;
    if !admin.cancel() {
        return Err(Problem::new(Code::NotFound, "no rebuild or comparison is under way"));
    }
    accepted(&**admin).await
}

async fn start(shared: &Shared, query: Option<&str>, work: WorkKind) -> Result<Response, Problem> {
    let query = Query::parse(query, &["from"])?;
    let from = query
        .read("from", "ledger or stream", LogSource::parse)?
        .unwrap_or_default();
    let admin = admin(shared)?;
    admin.start(work, from).map_err(|reason| match reason {
        NotStarted::Busy(other) => {
            let detail = format!("a {} is under way: wait for it, or cancel it", other.as_str());
            Problem::new(Code::ProjectionBusy, detail)
        }
        NotStarted::NoStream => {
            let detail = "this process is not connected to a stream: use `ledger`";
            Problem::parameter(Code::ParameterInvalid, "from", detail)
        }
        NotStarted::Closing => Problem::new(Code::NotReady, "the process is draining"),
    })?;
    accepted(&**admin).await
}

async fn accepted(admin: &dyn ProjectionAdmin) -> Result<Response, Problem> {
    let status = admin.status().await?;
    let mut response = splice::json(json!({"data": [status.to_json()]}).to_string());
    *response.status_mut() = StatusCode::ACCEPTED;
    Ok(response)
}

fn admin(shared: &Shared) -> Result<&Arc<dyn ProjectionAdmin>, Problem> {
    shared.projections.as_ref().ok_or_else(|| {
        let detail = "no projector runs in this process: ask the projector's own port";
        Problem::new(Code::NotFound, detail)
    })
}

#[cfg(test)]
#[path = "projections/tests.rs"]
mod tests;
