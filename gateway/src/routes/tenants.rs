//! `POST /admin/tenants`: begins a tenant, on the authority of the ledger's operator.

use super::append;
use crate::Shared;
use crate::body;
use crate::error::Problem;
use crate::proof;
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
    splice::write_full(&receipt, proof::State::Committed, &mut out);
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

#[cfg(test)]
mod tests {
    use crate::trial::{Trial, event};
    use axum::http::StatusCode;
    use serde_json::json;

    const PATH: &str = "/admin/tenants";

    #[tokio::test]
    async fn a_tenant_begins_once() {
        let trial = Trial::new();
        let acme = json!({"tenant": "acme", "name": "Acme"});
        let answer = trial.post(PATH, &acme).await;
        assert_eq!(answer.status, StatusCode::CREATED);
        assert_eq!(answer.json()["record"]["kind"], "tenant.created");
        assert_eq!(answer.json()["record"]["seq"], 0);
        let mut event = event("agent:a1", "x", "success");
        event["tenant"] = json!("acme");
        assert_eq!(trial.append(&event).await["seq"], 1);
        let again = trial.post(PATH, &acme).await;
        assert_eq!((again.code().as_str(), again.status.as_u16()), ("ALREADY_EXISTS", 409));
    }

    #[tokio::test]
    async fn a_malformed_request_names_the_member() {
        let trial = Trial::new();
        for (body, pointer) in [
            (json!([]), ""),
            (json!({"tenant": "acme"}), ""),
            (json!({"tenant": "Acme", "name": "x"}), "/tenant"),
            (json!({"tenant": "acme", "name": ""}), "/name"),
            (json!({"tenant": "acme", "name": "x".repeat(257)}), "/name"),
        ] {
            let answer = trial.post(PATH, &body).await;
            assert_eq!(answer.code(), "ENVELOPE_INVALID", "{body}");
            assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{body}");
        }
        assert_eq!(trial.memory.size(), 2);
    }
}
