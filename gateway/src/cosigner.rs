//! The routes of a witness (C2SP tlog-witness v1.0.0): anybody may ask, and what is cosigned is decided by
//! [`witness::Cosigner`].
//!
//! ```text
//! POST /add-checkpoint            asked by a log
//! GET  /<hash>/checkpoint         the newest cosigned checkpoint of the log whose origin has this SHA-256
//! GET  /livez /metrics            for its operator
//! ```
//!
//! Answers are those of the specification, in plain text: no problem+json here. Requests are small and few; what comes
//! beyond [`UNDER_WAY`] at once is told to come again, so that nobody fills the disk's queue. What is still coming is
//! bounded by the listener's connections and by [`BODY_BYTES`].

use crate::config::Config;
use crate::metrics;
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use witness::{Cosigner, Reply};

/// Requests that are judged or wait for the disk at once.
const UNDER_WAY: usize = 32;
/// Bytes of a request at most.
const BODY_BYTES: usize = 64 * 1_024;
/// How long a body may take to come.
const BODY_TIME: Duration = Duration::from_secs(10);
/// How long others may keep the checkpoint: it changes every second.
const CHECKPOINT_CACHE: &str = "max-age=1";

struct Desk {
    cosigner: Arc<Cosigner>,
    slots: Arc<Semaphore>,
    answers: Mutex<BTreeMap<u16, u64>>,
}

/// The routes of `cosigner`.
pub fn router(cosigner: Arc<Cosigner>) -> Router {
    let desk = Arc::new(Desk {
        cosigner,
        slots: Arc::new(Semaphore::new(UNDER_WAY)),
        answers: Mutex::default(),
    });
    Router::new()
        .route("/add-checkpoint", post(add_checkpoint))
        .route("/{hash}/checkpoint", get(checkpoint))
        .route("/livez", get(async || plain(StatusCode::OK, "ok\n")))
        .route("/metrics", get(metrics))
        .fallback(async || plain(StatusCode::NOT_FOUND, "no route has this path\n"))
        .method_not_allowed_fallback(async || plain(StatusCode::METHOD_NOT_ALLOWED, "another method is meant\n"))
        .with_state(desk)
}

/// The limits of a witness's listener.
#[must_use]
pub fn limits() -> Config {
    Config {
        connections: 512,
        ..Config::default()
    }
}

async fn add_checkpoint(State(desk): State<Arc<Desk>>, request: Request) -> Response {
    let response = answer(&desk, request).await;
    let mut answers = desk.answers.lock().unwrap_or_else(PoisonError::into_inner);
    *answers.entry(response.status().as_u16()).or_default() += 1;
    response
}

async fn answer(desk: &Desk, request: Request) -> Response {
    let body = match tokio::time::timeout(BODY_TIME, to_bytes(request.into_body(), BODY_BYTES)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => {
            return plain(
                StatusCode::BAD_REQUEST,
                "the request has more than 65536 bytes, or was cut off\n",
            );
        }
        Err(_) => return plain(StatusCode::REQUEST_TIMEOUT, "the request did not come in time\n"),
    };
    // Only now: who sends his request slowly keeps nobody else waiting.
    let Ok(slot) = Arc::clone(&desk.slots).try_acquire_owned() else {
        let mut response = plain(StatusCode::SERVICE_UNAVAILABLE, "too many requests at once\n");
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        return response;
    };
    let cosigner = Arc::clone(&desk.cosigner);
    // It waits for the disk. Once begun it is finished, whether or not somebody still waits for the answer.
    let judged = tokio::task::spawn_blocking(move || {
        let _slot = slot;
        cosigner.add_checkpoint(&body)
    });
    match judged.await {
        Ok(reply) => rendered(reply),
        Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR, "the request was not judged\n"),
    }
}

async fn checkpoint(State(desk): State<Arc<Desk>>, Path(hash): Path<String>) -> Response {
    let cosigner = Arc::clone(&desk.cosigner);
    // A request that is being stored holds the log's memory.
    let found = tokio::task::spawn_blocking(move || cosigner.checkpoint(&hash)).await;
    match found.ok().flatten() {
        None => plain(StatusCode::NOT_FOUND, "no checkpoint of this log was cosigned here\n"),
        Some(note) => {
            let mut response = plain(StatusCode::OK, note);
            let cache = HeaderValue::from_static(CHECKPOINT_CACHE);
            response.headers_mut().insert(header::CACHE_CONTROL, cache);
            response
        }
    }
}

async fn metrics(State(desk): State<Arc<Desk>>) -> Response {
    let mut out = String::with_capacity(1_024);
    metrics::build_info(&mut out);
    let help = "Requests to cosign a checkpoint, by the status of the answer.";
    metrics::head(&mut out, "cosigner_requests_total", "counter", help);
    for (status, count) in desk.answers.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        metrics::line(
            &mut out,
            format_args!("cosigner_requests_total{{status=\"{status}\"}} {count}"),
        );
    }
    let logs = desk.cosigner.origins().count();
    metrics::head(&mut out, "cosigner_logs", "gauge", "Logs that this witness knows.");
    metrics::line(&mut out, format_args!("cosigner_logs {logs}"));
    metrics::response(out)
}

fn rendered(reply: Reply) -> Response {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = plain(status, reply.body);
    let media_type = HeaderValue::from_static(reply.media_type);
    response.headers_mut().insert(header::CONTENT_TYPE, media_type);
    response
}

fn plain(status: StatusCode, text: impl Into<Bytes>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (status, headers, Body::from(text.into())).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::SigningKey;
    use http_body_util::BodyExt as _;
    use tlog::{AddCheckpoint, Checkpoint, EMPTY_ROOT, KeyType, VerifierKey, hash_leaf};
    use tower::ServiceExt as _;
    use witness::{Config, CosignerKey, origin_hash};

    const ORIGIN: &str = "log.example.com/audit";

    fn log() -> (VerifierKey, SigningKey) {
        let secret = SigningKey::from_bytes(&[1; 32]);
        let key = VerifierKey::new(ORIGIN, KeyType::Ed25519, secret.verifying_key().as_bytes()).unwrap();
        (key, secret)
    }

    fn routes(dir: &std::path::Path) -> Router {
        let cosigner = Cosigner::open(Config {
            key: CosignerKey::new("w.example.com", &[9; 32]).unwrap(),
            logs: vec![log().0],
            state_dir: dir.to_owned(),
            clock: Box::new(|| 1_700_000_000),
        });
        router(Arc::new(cosigner.unwrap()))
    }

    async fn ask(router: &Router, method: &str, path: &str, body: impl Into<Body>) -> (u16, String, String) {
        let request = Request::builder().method(method).uri(path).body(body.into()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        let media = response.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, media, String::from_utf8(body.to_vec()).unwrap())
    }

    fn request(size: u64, leaf: &str) -> String {
        let (key, secret) = log();
        let root = if size == 0 {
            EMPTY_ROOT
        } else {
            hash_leaf(leaf.as_bytes())
        };
        AddCheckpoint::text(0, &[], Checkpoint::sign(size, root, &key, &secret).note())
    }

    #[tokio::test]
    async fn a_checkpoint_is_cosigned_and_shown() {
        let dir = tempfile::tempdir().unwrap();
        let router = routes(dir.path());
        let path = format!("/{}/checkpoint", origin_hash(ORIGIN));
        assert_eq!(ask(&router, "GET", &path, "").await.0, 404);
        let (status, media, line) = ask(&router, "POST", "/add-checkpoint", request(1, "a")).await;
        assert_eq!((status, media.as_str()), (200, "text/plain; charset=utf-8"), "{line}");
        assert!(line.starts_with("\u{2014} w.example.com "), "{line}");
        let (status, _, note) = ask(&router, "GET", &path, "").await;
        assert!(status == 200 && note.ends_with(&line), "{note}");
        let (status, media, body) = ask(&router, "POST", "/add-checkpoint", request(1, "b")).await;
        assert_eq!(
            (status, media.as_str(), body.as_str()),
            (409, "text/x.tlog.size", "1\n"),
            "another history is asked to lead from what is known"
        );
        let metrics = ask(&router, "GET", "/metrics", "").await.2;
        assert!(
            metrics.contains("cosigner_requests_total{status=\"409\"} 1"),
            "{metrics}"
        );
    }

    #[tokio::test]
    async fn slow_requests_do_not_keep_others_out() {
        let dir = tempfile::tempdir().unwrap();
        let router = routes(dir.path());
        let mut slow = Vec::new();
        for _ in 0..2 * UNDER_WAY {
            let never = futures_util::stream::pending::<Result<Bytes, std::io::Error>>();
            let request = Request::builder().method("POST").uri("/add-checkpoint");
            let request = request.body(Body::from_stream(never)).unwrap();
            let mut answer = Box::pin(router.clone().oneshot(request));
            // Begun, and waiting for its body.
            assert!(futures_util::poll!(&mut answer).is_pending());
            slow.push(answer);
        }
        let (status, _, line) = ask(&router, "POST", "/add-checkpoint", request(1, "a")).await;
        assert_eq!((status, slow.len()), (200, 2 * UNDER_WAY), "{line}");
    }

    #[tokio::test]
    async fn what_is_no_request_gets_the_status_of_the_specification() {
        let dir = tempfile::tempdir().unwrap();
        let router = routes(dir.path());
        let large = "x".repeat(BODY_BYTES + 1);
        for (method, path, body, status) in [
            ("POST", "/add-checkpoint", "", 400),
            ("POST", "/add-checkpoint", large.as_str(), 400),
            ("GET", "/add-checkpoint", "", 405),
            ("POST", "/", "", 404),
            ("GET", "/../checkpoint", "", 404),
            ("GET", "/v1/records", "", 404),
        ] {
            let (found, media, text) = ask(&router, method, path, body.to_owned()).await;
            assert_eq!(
                (found, media.as_str()),
                (status, "text/plain; charset=utf-8"),
                "{method} {path}: {text}"
            );
        }
        let unknown = request(1, "a").replace(ORIGIN, "other.example.com");
        assert_eq!(ask(&router, "POST", "/add-checkpoint", unknown).await.0, 404);
        assert_eq!(ask(&router, "GET", "/livez", "").await.0, 200);
    }
}
