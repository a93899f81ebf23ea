//! `/livez /readyz /healthz /metrics` for roles without an API of their own. Anybody who reaches the port may ask, and
//! nothing else is answered here.

use super::Board;
use crate::error::{Code, Problem, Scene};
use crate::id::{self, REQUEST_ID};
use crate::{metrics, splice};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::get;
use serde_json::json;
use std::sync::Arc;
use tower::ServiceExt as _;

struct Desk {
    board: Arc<Board>,
    ids: id::Source,
    /// What stands before a code in `type` of a problem.
    docs: String,
}

/// The routes over `board`; `docs` stands before a code in `type` and `docs_url` of a problem.
pub fn router(board: Arc<Board>, docs: impl Into<String>) -> Router {
    let ids = id::Source::new();
    let docs = docs.into();
    let desk = Arc::new(Desk { board, ids, docs });
    Router::new()
        .route("/livez", get(async || splice::json("{\"status\":\"ok\"}")))
        .route("/readyz", get(readyz))
        .route("/healthz", get(healthz))
        .route("/metrics", get(metrics))
        .fallback(further)
        .layer(from_fn_with_state(Arc::clone(&desk), explain))
        .with_state(desk)
}

/// What the process serves beside its board.
async fn further(State(desk): State<Arc<Desk>>, request: Request) -> Result<Response, Problem> {
    let Some(router) = desk.board.further() else {
        return Err(Problem::new(Code::RouteNotFound, "no route has this path"));
    };
    // A router answers everything: what it does not match is its own problem.
    router.oneshot(request).await.map_err(|never| match never {})
}

async fn readyz(State(desk): State<Arc<Desk>>) -> Result<Response, Problem> {
    match desk.board.missing() {
        None => Ok(splice::json("{\"status\":\"ok\"}")),
        Some(missing) => Err(Problem::new(Code::NotReady, missing)),
    }
}

async fn healthz(State(desk): State<Arc<Desk>>) -> Response {
    let status = if desk.board.is_whole() { "ok" } else { "degraded" };
    let body = json!({
        "status": status,
        "role": desk.board.role(),
        "parts": desk.board.describe(),
        "version": env!("CARGO_PKG_VERSION"),
    });
    splice::json(body.to_string())
}

async fn metrics(State(desk): State<Arc<Desk>>) -> Response {
    let mut out = String::with_capacity(2_048);
    metrics::build_info(&mut out);
    desk.board.render(&mut out);
    metrics::response(out)
}

/// Whether a router of the process's own has rendered the problem.
fn is_rendered(response: &Response) -> bool {
    let media = response.headers().get(header::CONTENT_TYPE);
    media.is_some_and(|media| media == "application/problem+json")
}

/// Renders the problem that an answer carries.
async fn explain(State(desk): State<Arc<Desk>>, request: Request, next: Next) -> Response {
    let request_id = desk.ids.request(request.headers());
    let uri = request.uri().clone();
    let mut response = next.run(request).await;
    let failed = response.status().is_client_error() || response.status().is_server_error();
    if failed && !is_rendered(&response) {
        let carried = response.extensions_mut().remove::<Arc<Problem>>();
        let problem = carried.unwrap_or_else(|| Arc::new(Problem::of_status(response.status())));
        response = problem.render(&Scene {
            request_id: &request_id,
            path: uri.path(),
            docs: &desk.docs,
            union: false,
        });
    }
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&request_id) {
        headers.insert(HeaderName::from_static(REQUEST_ID), id);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Kind;
    use axum::body::Body;
    use axum::http::StatusCode;
    use http_body_util::BodyExt as _;
    use serde_json::Value;

    async fn ask(board: &Arc<Board>, path: &str) -> (StatusCode, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let router = router(Arc::clone(board), "/docs/errors/");
        let response = router.oneshot(request).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn readiness_names_every_part_that_is_missing() {
        let board = Board::new("projector");
        board.works("ledger");
        board.waits("broker", "connection refused");
        board.waits("postgres", "no answer");
        let (status, body) = ask(&board, "/readyz").await;
        let problem: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((status.as_u16(), problem["code"].as_str()), (503, Some("NOT_READY")));
        let detail = problem["detail"].as_str().unwrap();
        assert_eq!(detail, "broker waits: connection refused; postgres waits: no answer");
        assert_eq!(ask(&board, "/livez").await.0, StatusCode::OK, "waiting is not dying");
        board.works("broker");
        board.works("postgres");
        assert_eq!(ask(&board, "/readyz").await.0, StatusCode::OK);
        board.limps("witnesses", "1 of 3 cosigns");
        assert_eq!(ask(&board, "/readyz").await.0, StatusCode::OK, "ready all the same");
        let health: Value = serde_json::from_str(&ask(&board, "/healthz").await.1).unwrap();
        assert_eq!(
            (&health["status"], &health["parts"]["witnesses"]["detail"]),
            (&json!("degraded"), &json!("1 of 3 cosigns"))
        );
        board.halts("projector", "the record at offset 7 fails its checks");
        assert!(ask(&board, "/readyz").await.1.contains("projector has halted"));
        let (status, body) = ask(&board, "/healthz").await;
        let health: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(
            (status, &health["status"], &health["role"]),
            (StatusCode::OK, &json!("degraded"), &json!("projector"))
        );
        assert_eq!(health["parts"]["projector"]["status"], "halted");
        assert_eq!(health["parts"]["broker"]["status"], "ok");
    }

    #[tokio::test]
    async fn a_draining_process_is_not_ready() {
        let board = Board::new("ledger");
        board.works("ledger");
        assert_eq!(ask(&board, "/readyz").await.0, StatusCode::OK);
        board.drain();
        let (status, body) = ask(&board, "/readyz").await;
        assert!(
            status == StatusCode::SERVICE_UNAVAILABLE && body.contains("draining"),
            "{body}"
        );
    }

    #[tokio::test]
    async fn metrics_are_read_when_they_are_asked_for() {
        let board = Board::new("ledger");
        board.works("feed");
        board.meter("ledger_head_offset", Kind::Gauge, "The next offset.", || Some(7.0));
        board.meter("feed_state{state=\"live\"}", Kind::Gauge, "The feed.", || Some(1.0));
        board.meter("feed_state{state=\"stopped\"}", Kind::Gauge, "The feed.", || Some(0.0));
        board.meter("unknown_yet", Kind::Counter, "Nothing.", || None);
        let (_, text) = ask(&board, "/metrics").await;
        for line in [
            "# TYPE ledger_head_offset gauge",
            "ledger_head_offset 7",
            "feed_state{state=\"live\"} 1",
            "feed_state{state=\"stopped\"} 0",
            "part_up{part=\"feed\"} 1",
            "role_info{role=\"ledger\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert_eq!(text.matches("# TYPE feed_state").count(), 1, "{text}");
        assert!(!text.contains("unknown_yet"), "{text}");
    }

    #[tokio::test]
    async fn nothing_else_is_answered() {
        let board = Board::new("ledger");
        let (status, body) = ask(&board, "/v1/records").await;
        assert!(
            status == StatusCode::NOT_FOUND && body.contains("ROUTE_NOT_FOUND"),
            "{body}"
        );
    }
}
