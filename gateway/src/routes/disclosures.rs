//! `GET /v1/records/{id}/disclosures`: salt and value of a record's sealed members, for administrators.
//!
//! The only answer that holds sealed values; it is never cached and nothing of it is logged.

use super::record::{asked, nothing};
use crate::Shared;
use crate::edge::Context;
use crate::error::Problem;
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
    let (_, tenant, id) = asked(&context, &request, &["tenant"], &id)?;
    let openings = shared.ledger.open_sealed(tenant, id).await?.ok_or_else(nothing)?;
    let openings: Vec<_> = openings.iter().map(Opening::to_json).collect();
    Ok(splice::json(
        json!({"id": id.to_string(), "disclosures": openings}).to_string(),
    ))
}

#[cfg(test)]
mod tests {
    use crate::Config;
    use crate::trial::{Trial, event};
    use axum::body::Body;
    use axum::http::Request;
    use record::{Opening, Origin, RecordId, Tenant};

    #[tokio::test]
    async fn an_administrator_sees_what_opens_the_commitment() {
        let trial = Trial::new();
        let mut sent = event("agent:a1", "x", "success");
        sent["payload"]["private"] = serde_json::json!({"name": "Ada"});
        let record = trial.append(&sent).await;
        let id = record["id"].as_str().unwrap();
        let answer = trial.get(&format!("/v1/records/{id}/disclosures")).await;
        assert_eq!(answer.header("cache-control"), "no-store");
        let opening = Opening::from_json(&answer.json()["disclosures"][0]).unwrap();
        assert_eq!(opening.value, sent["payload"]["private"]);
        let log = Origin::parse("example.com/audit").unwrap();
        let commitment = opening.commitment(&log, &Tenant::parse("default").unwrap(), &RecordId::parse(id).unwrap());
        assert_eq!(record["payload"]["private"]["$sealed"], commitment.to_string());
        let whole = trial.get(&format!("/v1/records/{id}")).await;
        assert!(!String::from_utf8_lossy(&whole.body).contains("Ada"));
        let nobody = "/v1/records/01900000-0000-7000-8000-00000000000f/disclosures";
        assert_eq!(trial.get(nobody).await.code(), "NOT_FOUND");
    }

    #[tokio::test]
    async fn a_reader_does_not() {
        let trial = Trial::with(Config::default(), true);
        let request = Request::get("/v1/records/01900000-0000-7000-8000-00000000000f/disclosures");
        let answer = trial
            .send(request.header("host", "localhost").body(Body::empty()).unwrap())
            .await;
        assert_eq!(
            (answer.code().as_str(), answer.status.as_u16()),
            ("ADMIN_ACCESS_FORBIDDEN", 403)
        );
    }
}
