//! `GET /v1/stream`: committed records as they come, as server-sent events that can be resumed anywhere.
//!
//! The body is asked for its next piece only when the one before has left, so a reader that does not read holds one
//! piece and a cursor. It ends with an event that says why and after which number to go on: when the reader fell behind,
//! when the server stops, when the ledger or the read model fails.

use super::record::tenant;
use crate::Shared;
use crate::caller::{Caller, Role};
use crate::edge::Context;
use crate::error::{Code, Problem};
use crate::query::Query;
use crate::serve::Draining;
use crate::tail::{After, Read, Reader, Scope, find_start};
use crate::timeline::read;
use crate::{reading, schema, sse};
use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use futures_util::stream::unfold;
use record::Tenant;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

#[cfg(test)]
mod tests;

/// The level of assurance that reading all tenants asks for, as the other routes of an administrator do.
const ALL_TENANTS_LOA: u8 = 3;

const PARAMETERS: [&str; 14] = [
    "tenant",
    "subject",
    "actor",
    "session",
    "resource",
    "kind",
    "action",
    "outcome",
    "from",
    "to",
    "recorded_from",
    "recorded_to",
    "q",
    "after",
];

/// Records as they are committed.
///
/// Each event is `event: record` with the record's canonical bytes as `data` and the record's `seq` as `id` (the offset,
/// with `tenant=*`). After a break, `Last-Event-ID` or `after` goes on behind the last one: nothing is left out and
/// nothing comes twice. A block that has only an `id` moves the position without an event. `event: end` says why the
/// server ends the stream: `{code, detail, resume_after}`. A comment comes every 15 s when there is nothing else.
#[utoipa::path(
    get, path = "/v1/stream", tag = "audit",
    params(
        ("tenant" = Option<String>, Query, description = "The tenant; `Sigil-Tenant` does the same. `*` for all of them, for an administrator who is bound to none."),
        ("after" = Option<String>, Query, description = "The id of the last event that was read, or `start` for everything. Without it, what is recorded from now on."),
        ("Last-Event-ID" = Option<u64>, Header, description = "As `after`, which it overrides."),
        ("actor" = Option<String>, Query, description = "Target of an `actor` link, exactly."),
        ("subject" = Option<String>, Query, description = "Target of a `subject` link, exactly."),
        ("session" = Option<String>, Query, description = "Target of a `session` link, exactly."),
        ("resource" = Option<String>, Query, description = "Target of a `resource` link, exactly."),
        ("kind" = Option<String>, Query, description = "Kind, or `audit.*`."),
        ("action" = Option<String>, Query, description = "Action of an audit event, exactly."),
        ("outcome" = Option<String>, Query, description = "success, failure, denied or unknown."),
        ("from" = Option<String>, Query, description = "RFC 3339 time or date when it happened, inclusive."),
        ("to" = Option<String>, Query, description = "RFC 3339 time, exclusive, or date, inclusive."),
        ("recorded_from" = Option<String>, Query, description = "As `from`, for `ts`."),
        ("recorded_to" = Option<String>, Query, description = "As `to`, for `ts`."),
        ("q" = Option<String>, Query, description = "Qualifiers, as in the timeline."),
    ),
    responses(
        (status = 200, description = "The stream.", body = String, content_type = "text/event-stream"),
        (status = "4XX", description = "Refused.", body = schema::Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed.", body = schema::Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn stream(
    State(shared): State<Arc<Shared>>,
    Extension(context): Extension<Context>,
    request: Request,
) -> Result<Response, Problem> {
    let headers = request.headers();
    let query = Query::parse(request.uri().query(), &PARAMETERS)?;
    let scope = scope(context.caller()?, headers, &query)?;
    let after = after(headers, &query)?;
    let subject = match &scope {
        Scope::Tenant(tenant) => tenant.clone(),
        Scope::All => Tenant::ledger(),
    };
    let asked = read(&query, &shared.config)?.about(subject);
    let draining = request.extensions().get::<Draining>().cloned().unwrap_or_default();
    if draining.begun() {
        return Err(stopping());
    }
    let seat = shared.tail.join()?;
    let start = find_start(&shared, &seat, &scope, after).await?;
    let (ledger, queries) = (Arc::clone(&shared.ledger), Arc::clone(&shared.queries));
    let delivery = Delivery {
        reader: Reader::new(seat, ledger, queries, scope, asked, start),
        heartbeat: Duration::from_millis(shared.config.stream_heartbeat_ms),
        draining,
        stage: Stage::Opening,
        silent_since: Instant::now(),
        told: None,
    };
    let mut response = Response::new(Body::from_stream(unfold(delivery, Delivery::next)));
    let head = *shared.ledger.committed().borrow();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    headers.insert(reading::HEAD, HeaderValue::from(head));
    Ok(response)
}

/// Whose records: one tenant's, or everybody's for an administrator who is bound to no tenant.
///
/// # Errors
/// As [`tenant`]; `ADMIN_ACCESS_FORBIDDEN` and `LOA_INSUFFICIENT`.
pub(super) fn scope(caller: &Caller, headers: &HeaderMap, query: &Query) -> Result<Scope, Problem> {
    if query.value("tenant") != Some("*") {
        return tenant(caller, headers, query).map(Scope::Tenant);
    }
    if caller.tenant.is_some() || !caller.has(Role::Admin) {
        let detail = "all tenants are shown to an administrator who is bound to none";
        return Err(Problem::new(Code::AdminAccessForbidden, detail));
    }
    if caller.loa < ALL_TENANTS_LOA {
        let detail = format!(
            "all tenants need level of assurance {ALL_TENANTS_LOA}, the caller has {}",
            caller.loa
        );
        return Err(Problem::new(Code::LoaInsufficient, detail));
    }
    if crate::tenancy::named(headers)?.is_some() {
        let detail = "`Sigil-Tenant` names one tenant and `tenant` all of them";
        return Err(Problem::new(Code::TenantMismatch, detail));
    }
    Ok(Scope::All)
}

/// The position that a request resumes after. A client that connects again sends the header and keeps the address, so
/// the header is the newer one.
fn after(headers: &HeaderMap, query: &Query) -> Result<After, Problem> {
    let mut sent = headers.get_all("last-event-id").iter();
    if let Some(value) = sent.next() {
        let number = value.to_str().ok().and_then(number).filter(|_| sent.next().is_none());
        return number.map(After::Number).ok_or_else(|| {
            let detail = "`Last-Event-ID` is the id of an event of this stream, such as 42, sent once";
            Problem::new(Code::PositionInvalid, detail)
        });
    }
    match query.value("after") {
        None => Ok(After::Now),
        Some("start") => Ok(After::Start),
        Some(text) => number(text).map(After::Number).ok_or_else(|| {
            let detail = "expected the id of an event, such as 42, or start";
            Problem::parameter(Code::PositionInvalid, "after", detail)
        }),
    }
}

/// A number of records, in digits only; at most the largest that a record can have.
pub(super) fn number(text: &str) -> Option<u64> {
    const MOST: u64 = (1 << 53) - 1;
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|number| digits && *number <= MOST)
}

fn stopping() -> Problem {
    Problem::new(Code::Draining, "the server is stopping")
}

/// A body in the making.
struct Delivery {
    reader: Reader,
    heartbeat: Duration,
    draining: Draining,
    stage: Stage,
    /// When the last piece was made.
    silent_since: Instant,
    /// The last position that the client was told.
    told: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Opening,
    Open,
    Ended,
}

impl Delivery {
    /// The next piece of the body; called when the one before was taken.
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        let piece = match self.stage {
            Stage::Ended => return None,
            Stage::Opening => {
                self.stage = Stage::Open;
                sse::opening(self.reader.resume())
            }
            Stage::Open => self.piece().await,
        };
        self.told = self.reader.resume();
        self.silent_since = Instant::now();
        Some((Ok(Bytes::from(piece)), self))
    }

    async fn piece(&mut self) -> Vec<u8> {
        loop {
            if self.draining.begun() {
                return self.end(&stopping());
            }
            match self.reader.read().await {
                Read::Frames(frames) => return frames,
                Read::Over(problem) => return self.end(&problem),
                Read::Progress if self.silent_since.elapsed() < self.heartbeat => {}
                Read::Progress => return self.sign_of_life(),
                Read::Current => {
                    tokio::select! {
                        () = self.reader.wait() => {}
                        () = self.draining.wait() => {}
                        () = tokio::time::sleep_until(self.silent_since + self.heartbeat) => return self.sign_of_life(),
                    }
                }
            }
        }
    }

    fn sign_of_life(&self) -> Vec<u8> {
        let moved = self.reader.resume().filter(|_| self.reader.resume() != self.told);
        sse::heartbeat(moved)
    }

    fn end(&mut self, problem: &Problem) -> Vec<u8> {
        self.stage = Stage::Ended;
        sse::end(problem, self.reader.resume())
    }
}
