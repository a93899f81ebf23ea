//! Requests through the whole router, for the tests of every endpoint.

use crate::testing::Memory;
use crate::{App, Config, LocalAuth};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use tower::ServiceExt as _;

/// The token of every trial.
pub(crate) const TOKEN: &str = "Bearer secret-token";

/// A router over a ledger in memory.
pub(crate) struct Trial {
    pub(crate) memory: Arc<Memory>,
    pub(crate) router: Router,
}

mod tuned;

pub(crate) use tuned::Block;

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Trial {
    pub(crate) fn new() -> Self {
        Self::with(Config::default(), false)
    }

    pub(crate) fn with(config: Config, open_reads: bool) -> Self {
        let memory = Memory::new();
        let router = app(&memory, config, open_reads).router();
        Self { memory, router }
    }

    /// Sends a request as it is, from this machine.
    pub(crate) async fn send(&self, mut request: Request<Body>) -> Answer {
        let peer: SocketAddr = "127.0.0.1:40000".parse().unwrap();
        request.extensions_mut().insert(ConnectInfo(peer));
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        Answer {
            status: head.status,
            headers: head.headers,
            body: body.collect().await.unwrap().to_bytes(),
        }
    }

    /// Sends a request with the token and these headers.
    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", TOKEN);
        let request = headers
            .iter()
            .fold(request, |request, (name, value)| request.header(*name, *value));
        self.send(request.body(body.into()).unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], Body::empty()).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask("POST", path, &[("content-type", "application/json")], body.to_string())
            .await
    }

    /// Appends `event` and returns the committed record.
    pub(crate) async fn append(&self, event: &Value) -> Value {
        let answer = self.post("/v1/records", event).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        answer.json()["record"].clone()
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The code of a problem, after checking that it is one through and through.
    pub(crate) fn code(&self) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        assert_eq!(self.header("sigil-api-version"), "1");
        let problem = self.json();
        assert_eq!(problem["status"], self.status.as_u16());
        assert_eq!(problem["type"], problem["docs_url"]);
        assert_eq!(problem["error"], problem["detail"]);
        assert_eq!(problem["request_id"], self.header("x-request-id"));
        assert_eq!(problem["retryable"], self.headers.contains_key("retry-after"));
        for member in ["title", "instance", "timestamp", "action"] {
            assert!(problem[member].is_string(), "{member} of {problem}");
        }
        problem["code"].as_str().unwrap().to_owned()
    }
}

/// The application over `memory`.
pub(crate) fn app(memory: &Arc<Memory>, config: Config, open_reads: bool) -> App {
    App {
        ledger: Arc::clone(memory) as _,
        queries: Arc::clone(memory) as _,
        auth: LocalAuth::new("secret-token", open_reads),
        cursor_key: [9; 32],
        config,
        board: None,
    }
}

/// An audit event by `actor`.
pub(crate) fn event(actor: &str, action: &str, outcome: &str) -> Value {
    json!({
        "kind": "audit.event",
        "payload": {"action": action, "outcome": outcome, "source": "test"},
        "links": [{"label": "actor", "target": actor}],
    })
}
