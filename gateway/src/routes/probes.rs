//! Probes and metrics: is the process alive, may it get requests, and what has it done.

use crate::Shared;
use crate::error::{Code, Problem};
use crate::metrics::Gauges;
use crate::splice;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use serde_json::json;
use std::sync::Arc;

/// The process answers.
#[utoipa::path(get, path = "/livez", tag = "operation", responses((status = 200, description = "Alive.")))]
pub(crate) async fn livez() -> Response {
    splice::json("{\"status\":\"ok\"}")
}

/// The ledger and the read model answer.
#[utoipa::path(get, path = "/readyz", tag = "operation", responses(
    (status = 200, description = "Ready."),
    (status = 503, description = "Not ready.", body = crate::schema::Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn readyz(State(shared): State<Arc<Shared>>) -> Result<Response, Problem> {
    let (ledger, queries) = state(&shared).await;
    match (ledger, queries) {
        (Some(_), Some(_)) => Ok(splice::json("{\"status\":\"ok\"}")),
        (None, _) => Err(Problem::new(Code::NotReady, "the ledger does not answer")),
        (_, None) => Err(Problem::new(Code::NotReady, "the read model does not answer")),
    }
}

/// What works and what does not; always 200, so that a dashboard can show it.
#[utoipa::path(get, path = "/healthz", tag = "operation", responses((status = 200, description = "The state of each part.")))]
pub(crate) async fn healthz(State(shared): State<Arc<Shared>>) -> Response {
    let (ledger, queries) = state(&shared).await;
    let word = |works: bool| if works { "ok" } else { "unavailable" };
    let all = ledger.is_some() && queries.is_some();
    let body = json!({
        "status": if all { "ok" } else { "degraded" },
        "ledger": {"status": word(ledger.is_some()), "size": ledger},
        "read_model": {"status": word(queries.is_some()), "position": queries},
        "version": env!("CARGO_PKG_VERSION"),
    });
    splice::json(body.to_string())
}

/// Prometheus metrics.
#[utoipa::path(get, path = "/metrics", tag = "operation", responses((status = 200, description = "Prometheus text format.", body = String, content_type = "text/plain")))]
pub(crate) async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    let position = shared.queries.position().await.ok();
    let head = *shared.ledger.committed().borrow();
    let gauges = Gauges { head, position };
    let mut response = Response::new(shared.metrics.render(&gauges).into());
    let text = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, text);
    response
}

/// Size of the log and position of the read model, of each that answers.
async fn state(shared: &Shared) -> (Option<u64>, Option<u64>) {
    let size = shared.ledger.head().await.ok().map(|head| head.size);
    (size, shared.queries.position().await.ok())
}
