//! `GET /v1/head`: how far the log and the read model are.

use crate::Shared;
use crate::error::Problem;
use crate::query::Query;
use crate::{reading, schema, splice};
use axum::extract::{Request, State};
use axum::response::Response;
use serde_json::json;
use std::sync::Arc;

/// The end of the log, and how far the read model has come.
#[utoipa::path(
    get, path = "/v1/head", tag = "audit",
    params(
        ("min_position" = Option<u64>, Query, description = "Records that the read model must have applied."),
        ("timeout" = Option<String>, Query, description = "How long to wait for that, `2s` by default."),
    ),
    responses(
        (status = 200, description = "The head.", body = schema::Head),
        (status = "4XX", description = "Refused.", body = schema::Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed.", body = schema::Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn head(State(shared): State<Arc<Shared>>, request: Request) -> Result<Response, Problem> {
    let query = Query::parse(request.uri().query(), &reading::PARAMETERS)?;
    let position = reading::await_position(&shared, request.headers(), &query).await?;
    let head = shared.ledger.head().await?;
    let body = json!({
        "log": head.log.as_str(), "size": head.size, "hash": head.hash.map(|hash| hash.to_string()),
        "root": hex::encode(head.root), "ts": head.ts.map(|ts| ts.to_string()), "position": position,
    });
    let mut response = splice::json(body.to_string());
    reading::stamp(&shared, position, &mut response);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use crate::trial::Trial;
    use serde_json::json;
    use std::sync::atomic::Ordering;

    #[tokio::test]
    async fn log_and_read_model_are_told_apart() {
        let trial = Trial::new();
        trial.memory.lag.store(1, Ordering::Relaxed);
        let last = trial.memory.records().pop().unwrap();
        let expected = json!({
            "log": "example.com/audit", "size": 2, "hash": last.hash.to_string(), "root": "ab".repeat(32),
            "ts": last.ts.to_string(), "position": 1,
        });
        let answer = trial.get("/v1/head").await;
        assert_eq!(answer.json(), expected);
        assert_eq!(
            (answer.header("sigil-position"), answer.header("sigil-head")),
            ("1", "2")
        );
        assert_eq!(trial.get("/v1/head?tenant=x").await.code(), "PARAMETER_UNKNOWN");
    }
}
