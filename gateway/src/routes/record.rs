//! `GET /v1/records/{id}`: the canonical bytes of one record, immutable.

use crate::Shared;
use crate::caller::Caller;
use crate::edge::Context;
use crate::error::{Code, Problem};
use crate::query::Query;
use crate::tenancy::{self, Intent};
use crate::{reading, schema, splice};
use axum::Extension;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use record::{RecordId, Tenant};
use std::sync::Arc;

/// Parameters of a read of one record.
pub(super) const PARAMETERS: [&str; 3] = ["tenant", reading::PARAMETERS[0], reading::PARAMETERS[1]];

/// One record, byte for byte as it was signed.
#[utoipa::path(
    get, path = "/v1/records/{id}", tag = "records",
    params(
        ("id" = String, Path, description = "The record's UUIDv7."),
        ("tenant" = Option<String>, Query, description = "The tenant; `Sigil-Tenant` does the same."),
        ("min_position" = Option<u64>, Query, description = "Records that the read model must have applied; `Sigil-Min-Position` does the same."),
        ("timeout" = Option<String>, Query, description = "How long to wait for that, `2s` by default."),
        ("If-None-Match" = Option<String>, Header, description = "The record's hash in quotes."),
    ),
    responses(
        (status = 200, description = "The canonical bytes. `ETag` is the record's hash.", body = schema::Record),
        (status = 304, description = "The client has it."),
        (status = "4XX", description = "Refused.", body = schema::Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed.", body = schema::Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn record(
    State(shared): State<Arc<Shared>>,
    Extension(context): Extension<Context>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let headers = request.headers();
    let query = Query::parse(request.uri().query(), &PARAMETERS)?;
    let tenant = tenant(context.caller()?, headers, &query)?;
    let id = parse_id(&id)?;
    let position = reading::await_position(&shared, headers, &query).await?;
    let bytes = find(&shared, tenant, id).await?.ok_or_else(nothing)?;
    let etag = format!("\"{}\"", splice::hash_of(&bytes)?);
    let mut response = if reading::is_known(headers, &etag) {
        let mut unchanged = Response::default();
        *unchanged.status_mut() = StatusCode::NOT_MODIFIED;
        unchanged
    } else {
        splice::json(bytes)
    };
    reading::stamp(&shared, position, &mut response);
    let headers = response.headers_mut();
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        headers.insert(header::ETAG, etag);
    }
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("private, max-age=31536000, immutable"),
    );
    headers.insert(header::VARY, HeaderValue::from_static("Authorization, Sigil-Tenant"));
    Ok(response)
}

/// The tenant of a read.
///
/// # Errors
/// As [`tenancy::resolve`]; `PARAMETER_INVALID`, `HEADER_INVALID`.
pub(super) fn tenant(caller: &Caller, headers: &HeaderMap, query: &Query) -> Result<Tenant, Problem> {
    let asked = query.read("tenant", "[a-z0-9][a-z0-9-]{0,62}", Tenant::parse)?;
    tenancy::resolve(caller, asked, tenancy::named(headers)?, Intent::Read)
}

/// The id in a path. What is no id names nothing, so it is not found.
///
/// # Errors
/// `NOT_FOUND`.
pub(super) fn parse_id(text: &str) -> Result<RecordId, Problem> {
    RecordId::parse(text).ok_or_else(|| Problem::new(Code::NotFound, "a record's id is a lower-case UUIDv7"))
}

pub(super) fn nothing() -> Problem {
    Problem::new(Code::NotFound, "this tenant has no record with this id")
}

/// The canonical bytes of a record: from the read model, or from the log when the read model has not come so far.
///
/// # Errors
/// What the read model or the ledger answers.
pub(super) async fn find(shared: &Shared, tenant: Tenant, id: RecordId) -> Result<Option<Vec<u8>>, Problem> {
    if let Some(row) = shared.queries.record(tenant.clone(), id).await? {
        return Ok(Some(row.bytes));
    }
    let committed = shared.ledger.find(tenant, id).await?;
    Ok(committed.map(|committed| committed.bytes.to_vec()))
}
