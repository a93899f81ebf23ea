//! Probes and metrics: is the process alive, may it get requests, and what has it done.

use crate::Shared;
use crate::error::{Code, Problem};
use crate::metrics::Gauges;
use crate::splice;
use axum::extract::State;
use axum::response::Response;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// How long a probe waits for a ledger or a read model that may be far away.
const PATIENCE: Duration = Duration::from_secs(2);

/// The process answers.
#[utoipa::path(get, path = "/livez", tag = "operation", security(()), responses((status = 200, description = "Alive.")))]
pub(crate) async fn livez() -> Response {
    splice::json("{\"status\":\"ok\"}")
}

/// The ledger and the read model answer.
#[utoipa::path(get, path = "/readyz", tag = "operation", security(()), responses(
    (status = 200, description = "Ready."),
    (status = 503, description = "Not ready.", body = crate::schema::Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn readyz(State(shared): State<Arc<Shared>>) -> Result<Response, Problem> {
    if let Some(missing) = shared.board.as_ref().and_then(|board| board.missing()) {
        return Err(Problem::new(Code::NotReady, missing));
    }
    let (ledger, queries) = state(&shared).await;
    match (ledger, queries) {
        (Some(_), Some(_)) => Ok(splice::json("{\"status\":\"ok\"}")),
        (None, _) => Err(Problem::new(Code::NotReady, "the ledger does not answer")),
        (_, None) => Err(Problem::new(Code::NotReady, "the read model does not answer")),
    }
}

/// What works and what does not; always 200, so that a dashboard can show it.
#[utoipa::path(get, path = "/healthz", tag = "operation", security(()), responses((status = 200, description = "The state of each part.")))]
pub(crate) async fn healthz(State(shared): State<Arc<Shared>>) -> Response {
    let (ledger, queries) = state(&shared).await;
    let word = |works: bool| if works { "ok" } else { "unavailable" };
    let board = shared.board.as_ref();
    let all = ledger.is_some() && queries.is_some() && board.is_none_or(|board| board.is_whole());
    let body = json!({
        "status": if all { "ok" } else { "degraded" },
        "ledger": {"status": word(ledger.is_some()), "size": ledger},
        "read_model": {"status": word(queries.is_some()), "position": queries},
        "role": board.map_or("embedded", |board| board.role()),
        "parts": board.map(|board| board.describe()).unwrap_or_default(),
        "version": env!("CARGO_PKG_VERSION"),
    });
    splice::json(body.to_string())
}

/// Prometheus metrics.
#[utoipa::path(get, path = "/metrics", tag = "operation", security(()), responses((status = 200, description = "Prometheus text format.", body = String, content_type = "text/plain")))]
pub(crate) async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    let position = soon(async { shared.queries.position().await.ok() }).await;
    let head = *shared.ledger.committed().borrow();
    let gauges = Gauges {
        head,
        position,
        stream_subscribers: shared.tail.readers(),
        stream_lag_drops: shared.tail.lag_drops(),
    };
    let mut text = shared.metrics.render(&gauges);
    if let Some(board) = &shared.board {
        board.render(&mut text);
    }
    crate::metrics::response(text)
}

/// Size of the log and position of the read model, of each that answers soon enough for a probe.
async fn state(shared: &Shared) -> (Option<u64>, Option<u64>) {
    let size = async { Some(shared.ledger.head().await.ok()?.size) };
    let position = async { shared.queries.position().await.ok() };
    tokio::join!(soon(size), soon(position))
}

async fn soon(answer: impl Future<Output = Option<u64>>) -> Option<u64> {
    tokio::time::timeout(PATIENCE, answer).await.ok().flatten()
}

#[cfg(test)]
mod tests {
    use crate::trial::Trial;
    use axum::body::Body;
    use axum::http::{Request, StatusCode};

    async fn open(trial: &Trial, path: &str) -> crate::trial::Answer {
        trial.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    #[tokio::test]
    async fn probes_need_no_credential() {
        let trial = Trial::new();
        for path in [
            "/livez",
            "/readyz",
            "/healthz",
            "/health",
            "/health/live",
            "/health/ready",
        ] {
            let answer = open(&trial, path).await;
            assert_eq!(
                (answer.status, answer.json()["status"].as_str()),
                (StatusCode::OK, Some("ok")),
                "{path}"
            );
        }
    }

    #[tokio::test]
    async fn readiness_follows_the_ledger_and_the_read_model() {
        let trial = Trial::new();
        let gone = || ledger_client::Error::Unavailable {
            reason: "gone".to_owned(),
        };
        trial.memory.ledger_failures.lock().unwrap().push_back(gone());
        assert_eq!(open(&trial, "/readyz").await.code(), "NOT_READY");
        trial
            .memory
            .query_failures
            .lock()
            .unwrap()
            .push_back(projector::Error::Cancelled);
        assert_eq!(open(&trial, "/readyz").await.code(), "NOT_READY");
        trial.memory.ledger_failures.lock().unwrap().push_back(gone());
        assert_eq!(open(&trial, "/healthz").await.json()["ledger"]["status"], "unavailable");
        trial.memory.ledger_failures.lock().unwrap().push_back(gone());
        assert_eq!(open(&trial, "/livez").await.status, StatusCode::OK);
    }

    #[tokio::test]
    async fn metrics_count_by_pattern_and_name_nobody() {
        let trial = Trial::new();
        trial
            .get("/v1/records/01900000-0000-7000-8000-00000000000f?tenant=acme")
            .await;
        trial
            .send(Request::get("/v1/head").body(Body::empty()).unwrap())
            .await
            .code();
        let answer = open(&trial, "/metrics").await;
        let text = String::from_utf8(answer.body.to_vec()).unwrap();
        assert_eq!(
            answer.header("content-type"),
            "text/plain; version=0.0.4; charset=utf-8"
        );
        for line in [
            "http_requests_total{route=\"/v1/records/{id}\",method=\"GET\",class=\"query\",status=\"404\"} 1",
            "auth_rejects_total{code=\"AUTH_REQUIRED\",check=\"local\"} 1",
            "ledger_head_offset 2",
            "projector_applied_offset 2",
            "projector_lag_records 0",
            "inflight_requests 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(!text.contains("acme") && !text.contains("01900000"), "{text}");
    }
}
