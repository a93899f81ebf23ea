//! The outer function around every route: request id, version, policy, caller, deadline, panics, problems, headers,
//! metrics, trace context and one event.
//!
//! Invariant: nothing reaches a handler that the policy table does not admit, and no failure leaves without
//! problem+json. It is one function and not a stack of layers, because it runs for every append.

use crate::Shared;
use crate::caller::Caller;
use crate::error::{Code, Problem, Scene};
use crate::id::REQUEST_ID;
use crate::policy::{self, Class, Rule, Verdict};
use axum::Router;
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;
use ledger_client::trace::{self, TraceContext};
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

const API_VERSION: HeaderName = HeaderName::from_static("sigil-api-version");
const SUPPORTED_VERSIONS: HeaderName = HeaderName::from_static("sigil-supported-versions");
const REQUESTED_VERSION: HeaderName = HeaderName::from_static("sigil-requested-version");
const VERSION: HeaderValue = HeaderValue::from_static("1");

/// What a handler may know of the request beside the request itself.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    /// The request's id.
    pub(crate) request_id: Arc<str>,
    /// Who asks; `None` on open routes.
    pub(crate) caller: Option<Arc<Caller>>,
}

impl Context {
    /// The caller that the policy table has asked for.
    ///
    /// # Errors
    /// `AUTH_REQUIRED` on a route that the table leaves open.
    pub(crate) fn caller(&self) -> Result<&Arc<Caller>, Problem> {
        self.caller
            .as_ref()
            .ok_or_else(|| Problem::new(Code::AuthRequired, "this request carries no credential"))
    }
}

/// `routes` with the outer function around them and around what they do not match.
pub(crate) fn around(routes: Router<Arc<Shared>>, shared: Arc<Shared>) -> Router {
    routes
        .fallback(async || Problem::new(Code::RouteNotFound, "no route has this path"))
        .layer(from_fn_with_state(Arc::clone(&shared), pass))
        .with_state(shared)
}

async fn pass(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let parent = sent_context(request.headers());
    let context = TraceContext::begin(parent.as_ref());
    trace::within(
        context.clone(),
        answer(&shared, request, next, parent.as_ref(), &context),
    )
    .await
}

async fn answer(
    shared: &Shared,
    mut request: Request,
    next: Next,
    parent: Option<&TraceContext>,
    context: &TraceContext,
) -> Response {
    let started = Instant::now();
    let inflight = shared.metrics.begin();
    let request_id: Arc<str> = shared.ids.request(request.headers()).into();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let verdict = route
        .as_ref()
        .map(|route| policy::judge(request.method(), route.as_str()));
    let row = match verdict {
        Some(Verdict::Row(at, rule)) => Some((at, rule)),
        _ => None,
    };
    let admitted = admit(shared, &mut request, verdict, &request_id);
    let method = request.method().clone();
    let pattern = route.as_ref().map_or("unmatched", MatchedPath::as_str);
    let span = ledger_client::span!(
        "request",
        "server",
        context,
        parent,
        http.request.method = method.as_str(),
        http.route = pattern,
        http.response.status_code = tracing::field::Empty
    );
    // Kept only for the rare problem: a clone of a URI shares its bytes.
    let uri = request.uri().clone();
    let mut response = match admitted {
        Ok(()) => run(shared, row.map(|(_, rule)| rule), request, next, &request_id).await,
        Err(problem) => problem.into_response(),
    };
    let route = route.as_ref().map_or("unmatched", MatchedPath::as_str);
    if response.status().is_client_error() || response.status().is_server_error() {
        let scene = Scene {
            request_id: &request_id,
            path: uri.path(),
            docs: &shared.config.error_docs,
            union: route == crate::routes::canon::PATH,
        };
        response = explain(response, &scene, route);
    }
    dress(response.headers_mut(), &request_id);
    dress_trace(response.headers_mut(), context);
    span.record("http.response.status_code", response.status().as_u16());
    let took = started.elapsed();
    shared
        .metrics
        .answered(row.map(|(at, _)| at), response.status().as_u16(), took);
    drop(inflight);
    report(method.as_str(), route, response.status(), took, &request_id);
    response
}

/// Checks everything that needs no body, and leaves the [`Context`] for the handler.
fn admit(
    shared: &Shared,
    request: &mut Request,
    verdict: Option<Verdict>,
    request_id: &Arc<str>,
) -> Result<(), Problem> {
    check_size(shared, request.headers())?;
    check_version(request.headers())?;
    let caller = match verdict {
        // The fallback answers what no route matches.
        None => None,
        Some(Verdict::NoRule) => {
            return Err(Problem::new(
                Code::RouteNotPermitted,
                "this route is not in the policy table",
            ));
        }
        Some(Verdict::OtherMethods) => {
            return Err(Problem::new(
                Code::MethodNotAllowed,
                format!("this route does not have the method {}", request.method()),
            ));
        }
        Some(Verdict::Row(_, rule)) if rule.role.is_none() => None,
        Some(Verdict::Row(_, rule)) if rule.class == Class::Tiles && shared.auth.opens_tiles() => None,
        Some(Verdict::Row(_, rule)) => {
            let peer = request
                .extensions()
                .get::<ConnectInfo<SocketAddr>>()
                .map(|peer| peer.0.ip());
            let caller = shared.auth.authenticate(peer, request.headers());
            let caller = caller.inspect_err(|problem| shared.metrics.rejected(problem.code()))?;
            rule.admit(&caller)?;
            Some(caller)
        }
    };
    request.extensions_mut().insert(Context {
        request_id: Arc::clone(request_id),
        caller,
    });
    Ok(())
}

fn check_size(shared: &Shared, headers: &HeaderMap) -> Result<(), Problem> {
    let (most, most_bytes) = (shared.config.headers, shared.config.header_bytes);
    let bytes: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    if headers.len() > most || bytes > most_bytes {
        let detail = format!(
            "{} header fields of {bytes} bytes, at most {most} of {most_bytes} bytes are read",
            headers.len()
        );
        return Err(Problem::new(Code::HeadersTooLarge, detail));
    }
    Ok(())
}

fn check_version(headers: &HeaderMap) -> Result<(), Problem> {
    match headers.get(REQUESTED_VERSION) {
        None => Ok(()),
        Some(version) if version == VERSION => Ok(()),
        Some(_) => Err(Problem::new(
            Code::UnsupportedApiVersion,
            "Unsupported API version: this server has version 1",
        )),
    }
}

/// Runs the handler under the deadline and catches its panic. Writes keep their own deadline: a commit that was not
/// waited for has a problem of its own.
async fn run(shared: &Shared, rule: Option<&Rule>, request: Request, next: Next, request_id: &str) -> Response {
    let work = AssertUnwindSafe(next.run(request)).catch_unwind();
    let answered = if rule.is_some_and(|rule| rule.class == Class::Runtime) {
        Ok(work.await)
    } else {
        tokio::time::timeout(shared.deadline(), work).await
    };
    match answered {
        Ok(Ok(response)) => response,
        Ok(Err(_panic)) => {
            tracing::error!(request_id, "a handler panicked");
            Problem::new(Code::Internal, "the server failed while it answered this request").into_response()
        }
        Err(_elapsed) => Problem::new(Code::Timeout, "the answer was not ready in time").into_response(),
    }
}

/// Renders the problem that a response carries, or the one its bare status stands for.
fn explain(mut response: Response, scene: &Scene<'_>, route: &str) -> Response {
    let carried = response.extensions_mut().remove::<Arc<Problem>>();
    let problem = carried.unwrap_or_else(|| Arc::new(Problem::of_status(response.status())));
    let mut rendered = problem.render(scene);
    // What a handler has said beside the problem (a position, a head) still holds.
    for (name, value) in response.headers() {
        if name.as_str().starts_with("sigil-") {
            rendered.headers_mut().insert(name.clone(), value.clone());
        }
    }
    if rendered.status() == StatusCode::METHOD_NOT_ALLOWED
        && let Ok(allow) = HeaderValue::from_str(&policy::allowed(route))
    {
        rendered.headers_mut().insert(header::ALLOW, allow);
    }
    rendered
}

fn dress(headers: &mut HeaderMap, request_id: &str) {
    headers.insert(API_VERSION, VERSION);
    headers.insert(SUPPORTED_VERSIONS, VERSION);
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(HeaderName::from_static(REQUEST_ID), id);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

/// The trace that the request belongs to, sent once and well formed.
fn sent_context(headers: &HeaderMap) -> Option<TraceContext> {
    let mut sent = headers.get_all(trace::TRACEPARENT).iter();
    let traceparent = sent.next()?.to_str().ok().filter(|_| sent.next().is_none())?;
    let states: Vec<&str> = headers
        .get_all(trace::TRACESTATE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    TraceContext::parse(traceparent, Some(states.join(",").as_str()))
}

/// Tells the caller which trace the work belongs to.
fn dress_trace(headers: &mut HeaderMap, context: &TraceContext) {
    let sent = [
        (trace::TRACEPARENT, Some(context.traceparent())),
        (trace::TRACESTATE, context.tracestate().map(str::to_owned)),
    ];
    for (name, text) in sent {
        if let Some(value) = text.and_then(|text| HeaderValue::from_str(&text).ok()) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
}

/// One event a request: the route's pattern and never its path, query, headers or body.
fn report(method: &str, route: &str, status: StatusCode, took: Duration, request_id: &str) {
    let (status, took_us) = (status.as_u16(), u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    match status {
        500.. => tracing::warn!(method, route, status, took_us, request_id, "answered"),
        400.. => tracing::info!(method, route, status, took_us, request_id, "answered"),
        _ => tracing::debug!(method, route, status, took_us, request_id, "answered"),
    }
}

impl Shared {
    /// How long one request may take.
    pub(crate) fn deadline(&self) -> Duration {
        Duration::from_millis(self.config.request_timeout_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;
    use crate::assets::ASSETS;
    use crate::testing::Memory;
    use crate::trial::{Trial, app};
    use axum::body::Body;
    use axum::routing::get;
    use std::sync::atomic::Ordering;

    /// A router with one more route, which the policy table does not know.
    fn with_route(path: &str) -> Trial {
        let memory = Memory::new();
        let shared = app(&memory, Config::default(), false).shared();
        let (routes, _) = crate::openapi::routes().split_for_parts();
        let router = around(routes.route(path, get(async || "reached")), shared);
        Trial { memory, router }
    }

    #[tokio::test]
    async fn a_route_that_is_not_in_the_table_is_denied() {
        let trial = with_route("/v1/forgotten");
        let answer = trial.get("/v1/forgotten").await;
        assert_eq!(
            (answer.code().as_str(), answer.status.as_u16()),
            ("ROUTE_NOT_PERMITTED", 403)
        );
        let trial = with_route("/canon/user/write");
        assert_eq!(trial.get("/canon/user/write").await.code(), "METHOD_NOT_ALLOWED");
    }

    #[tokio::test]
    async fn every_registered_route_is_in_the_table_and_every_row_is_registered() {
        let document = crate::openapi();
        for (path, operations) in document["paths"].as_object().unwrap() {
            let path = &path.replace("/tile/{path}", "/tile/{*path}");
            for method in operations.as_object().unwrap().keys() {
                let method = method.to_uppercase().parse().unwrap();
                assert!(
                    matches!(policy::judge(&method, path), Verdict::Row(..)),
                    "{method} {path}"
                );
            }
        }
        for asset in &ASSETS {
            assert!(
                matches!(policy::judge(&axum::http::Method::GET, asset.route), Verdict::Row(..)),
                "{}",
                asset.route
            );
        }
        let trial = Trial::new();
        for rule in policy::TABLE {
            let mut path = rule.route.replace("{id}", "x").replace("{code}", "not-found");
            path = path.replace("{*path}", "0/000");
            if rule.class == Class::Stream {
                // A stream that opens has no end to wait for.
                path += "?after=never";
            }
            let answer = trial.ask(rule.method.as_str(), &path, &[], Body::empty()).await;
            if answer.status.is_client_error() {
                let code = answer.code();
                assert!(
                    !["ROUTE_NOT_FOUND", "METHOD_NOT_ALLOWED", "ROUTE_NOT_PERMITTED"].contains(&code.as_str()),
                    "{rule:?}: {code}"
                );
            }
        }
    }

    #[tokio::test]
    async fn nothing_but_open_routes_answers_without_a_credential() {
        let trial = Trial::new();
        for rule in policy::TABLE.iter().filter(|rule| rule.role.is_some()) {
            let request = Request::builder()
                .method(&rule.method)
                .uri(rule.route.replace("{id}", "x").replace("{*path}", "0/000"));
            let answer = trial.send(request.body(Body::empty()).unwrap()).await;
            assert_eq!(
                (answer.code().as_str(), answer.status.as_u16()),
                ("AUTH_REQUIRED", 401),
                "{rule:?}"
            );
            assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"sigil\"");
        }
        let wrong = Request::get("/v1/head").header("authorization", "Bearer nonsense");
        let answer = trial.send(wrong.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.code(), "TOKEN_INVALID");
        assert!(!String::from_utf8_lossy(&answer.body).contains("nonsense"));
    }

    #[tokio::test]
    async fn an_open_page_reads_and_does_not_write() {
        let trial = Trial::with(Config::default(), true);
        let send = async |method: &str, path: &str| {
            let request = Request::builder()
                .method(method)
                .uri(path)
                .header("host", "localhost:8080");
            trial.send(request.body(Body::empty()).unwrap()).await
        };
        assert_eq!(send("GET", "/v1/head").await.status, StatusCode::OK);
        assert_eq!(send("POST", "/v1/records").await.code(), "ROLE_REQUIRED");
        assert_eq!(send("POST", "/canon/user/write").await.json()["success"], false);
    }

    #[tokio::test]
    async fn paths_and_methods_that_do_not_exist_are_problems() {
        let trial = Trial::new();
        for path in [
            "/v2/records",
            "/v1/records/",
            "/v1/records/x/y/z",
            "/..%2fetc",
            "/page/none.mjs",
        ] {
            let answer = trial.get(path).await;
            assert_eq!(
                (answer.code().as_str(), answer.status.as_u16()),
                ("ROUTE_NOT_FOUND", 404),
                "{path}"
            );
        }
        let answer = trial.ask("DELETE", "/v1/records/x", &[], Body::empty()).await;
        assert_eq!(
            (answer.code().as_str(), answer.status.as_u16()),
            ("METHOD_NOT_ALLOWED", 405)
        );
        assert_eq!(answer.header("allow"), "GET, HEAD");
        let head = trial.ask("HEAD", "/v1/head", &[], Body::empty()).await;
        assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
    }

    #[tokio::test]
    async fn no_other_origin_is_invited() {
        let from = [
            ("origin", "https://elsewhere.example"),
            ("access-control-request-method", "POST"),
        ];
        let trial = Trial::new();
        let preflight = trial.ask("OPTIONS", "/v1/records", &from, Body::empty()).await;
        assert_eq!(preflight.code(), "METHOD_NOT_ALLOWED");
        let read = trial.ask("GET", "/v1/head", &from, Body::empty()).await;
        for answer in [preflight, read] {
            assert!(
                !answer
                    .headers
                    .keys()
                    .any(|name| name.as_str().starts_with("access-control-")),
                "{answer:?}"
            );
        }
    }

    #[tokio::test]
    async fn a_problem_does_not_repeat_the_query() {
        let answer = Trial::new().get("/v1/head?secret=1").await;
        assert_eq!(answer.json()["instance"], "/v1/head");
    }

    #[tokio::test]
    async fn versions_and_ids_travel_in_headers() {
        let trial = Trial::new();
        let answer = trial
            .ask(
                "GET",
                "/v1/head",
                &[("sigil-requested-version", "1"), ("x-request-id", "abc-1")],
                Body::empty(),
            )
            .await;
        assert_eq!(
            (answer.status, answer.header("x-request-id")),
            (StatusCode::OK, "abc-1")
        );
        assert_eq!(
            (
                answer.header("sigil-api-version"),
                answer.header("sigil-supported-versions")
            ),
            ("1", "1")
        );
        let newer = trial
            .ask("GET", "/v1/head", &[("sigil-requested-version", "2")], Body::empty())
            .await;
        assert_eq!(
            (newer.code().as_str(), newer.status.as_u16()),
            ("UNSUPPORTED_API_VERSION", 400)
        );
        let odd = trial
            .ask("GET", "/v1/head", &[("x-request-id", "a b")], Body::empty())
            .await;
        assert_ne!(odd.header("x-request-id"), "a b");
        assert!(!odd.header("x-request-id").is_empty());
    }

    #[tokio::test]
    async fn too_many_or_too_large_headers_are_refused() {
        let trial = Trial::new();
        let names: Vec<String> = (0..70).map(|n| format!("x-{n}")).collect();
        let many: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "1")).collect();
        let answer = trial.ask("GET", "/v1/head", &many, Body::empty()).await;
        assert_eq!(
            (answer.code().as_str(), answer.status.as_u16()),
            ("HEADERS_TOO_LARGE", 431)
        );
        let large = "x".repeat(33_000);
        assert_eq!(
            trial
                .ask("GET", "/v1/head", &[("x-large", &large)], Body::empty())
                .await
                .code(),
            "HEADERS_TOO_LARGE"
        );
    }

    #[tokio::test]
    async fn a_panic_is_a_problem_and_the_next_request_is_answered() {
        let trial = Trial::new();
        trial.memory.panics.store(true, Ordering::Relaxed);
        let answer = trial.get("/v1/head").await;
        assert_eq!((answer.code().as_str(), answer.status.as_u16()), ("INTERNAL", 500));
        assert!(!String::from_utf8_lossy(&answer.body).contains("planted"));
        trial.memory.panics.store(false, Ordering::Relaxed);
        assert_eq!(trial.get("/v1/head").await.status, StatusCode::OK);
    }

    #[tokio::test(start_paused = true)]
    async fn a_read_that_hangs_is_cut_off() {
        let memory = Memory::new();
        let shared = app(&memory, Config::default(), false).shared();
        let hanging = Router::new().route("/v1/head", get(async || std::future::pending::<()>().await));
        let trial = Trial {
            memory,
            router: around(hanging, shared),
        };
        let answer = trial.get("/v1/head").await;
        assert_eq!((answer.code().as_str(), answer.status.as_u16()), ("TIMEOUT", 504));
    }

    #[tokio::test]
    async fn a_bare_error_status_becomes_a_problem() {
        for (status, code) in [
            (StatusCode::IM_A_TEAPOT, "BAD_REQUEST"),
            (StatusCode::PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE"),
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, "UNSUPPORTED_MEDIA_TYPE"),
            (StatusCode::BAD_GATEWAY, "INTERNAL"),
        ] {
            let memory = Memory::new();
            let shared = app(&memory, Config::default(), false).shared();
            let bare = Router::new().route("/v1/head", get(async move || (status, "plain text")));
            let trial = Trial {
                memory,
                router: around(bare, shared),
            };
            assert_eq!(trial.get("/v1/head").await.code(), code);
        }
    }
}
