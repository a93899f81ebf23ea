//! `GET /v1/records/{id}/disclosures`: salt and value of a record's sealed members, for administrators.
//!
//! The only answer that holds sealed values; it is never cached and nothing of it is logged.

use super::record::{nothing, parse_id, tenant};
use crate::Shared;
use crate::edge::Context;
use crate::error::Problem;
use crate::query::Query;
use crate::{schema, splice};
use axum::Extension;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use record::Opening;
use serde_json::json;
use std::sync::Arc;

/// What opens the sealed members of a record. An erased member is not in the list.
#[utoipa::path(
    get, path = "/v1/records/{id}/disclosures", tag = "records",
    params(
        ("id" = String, Path, description = "The record's UUIDv7."),
        ("tenant" = Option<String>, Query, description = "The tenant; `Sigil-Tenant` does the same."),
    ),
    responses(
        (status = 200, description = "The openings.", body = schema::Disclosures),
        (status = "4XX", description = "Refused.", body = schema::Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed.", body = schema::Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn disclosures(
    State(shared): State<Arc<Shared>>,
    Extension(context): Extension<Context>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let query = Query::parse(request.uri().query(), &["tenant"])?;
    let tenant = tenant(context.caller()?, request.headers(), &query)?;
    let id = parse_id(&id)?;
    let openings = shared.ledger.open_sealed(tenant, id).await?.ok_or_else(nothing)?;
    let openings: Vec<_> = openings.iter().map(Opening::to_json).collect();
    Ok(splice::json(
        json!({"id": id.to_string(), "disclosures": openings}).to_string(),
    ))
}
