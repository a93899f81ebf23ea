//! `POST /admin/tenants`: begins a tenant, on the authority of the ledger's operator.

use super::append;
use crate::Shared;
use crate::body;
use crate::error::Problem;
use crate::query::Query;
use crate::{schema, splice};
use axum::extract::{Request, State};
use axum::response::Response;
use record::{Code, Fault, Tenant, json};
use serde_json::Value;
use std::sync::Arc;

/// Creates a tenant.
#[utoipa::path(
    post, path = "/admin/tenants", tag = "admin",
    request_body = schema::NewTenant,
    responses(
        (status = 201, description = "`tenant.created` is committed.", body = schema::Written),
        (status = "4XX", description = "Refused.", body = schema::Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed.", body = schema::Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn create(State(shared): State<Arc<Shared>>, request: Request) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    Query::parse(head.uri.query(), &[])?;
    body::expect_json(&head.headers)?;
    let bytes = body::read(body, shared.config.record_bytes, shared.deadline()).await?;
    let (tenant, name) = read(&json::parse(&bytes)?)?;
    let receipt = shared.ledger.create_tenant(tenant, name).await?;
    let mut out = vec![b'{'];
    splice::write_full(&receipt, &mut out);
    out.push(b'}');
    let mut response = splice::json(out);
    append::mark(&receipt, &mut response);
    Ok(response)
}

fn read(body: &Value) -> Result<(Tenant, String), Fault> {
    let wrong = |pointer: &str, detail: &str| Fault::new(Code::EnvelopeInvalid, pointer, detail);
    let members = body.as_object().filter(|members| members.len() == 2);
    let members = members.ok_or_else(|| wrong("", "the body is {\"tenant\", \"name\"}"))?;
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    let tenant = text("tenant").and_then(Tenant::parse);
    let tenant = tenant.ok_or_else(|| wrong("/tenant", "`tenant` is [a-z0-9][a-z0-9-]{0,62}"))?;
    let name = text("name").filter(|name| (1..=256).contains(&name.chars().count()));
    let name = name.ok_or_else(|| wrong("/name", "`name` is 1 to 256 characters"))?;
    Ok((tenant, name.to_owned()))
}
