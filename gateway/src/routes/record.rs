//! `GET /v1/records/{id}`: the canonical bytes of one record, immutable.

use crate::Shared;
use crate::caller::Caller;
use crate::edge::Context;
use crate::error::{Code, Problem};
use crate::query::Query;
use crate::tenancy::{self, Intent};
use crate::{reading, schema, splice};
use axum::Extension;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use record::{RecordId, Tenant};
use std::sync::Arc;

/// Parameters of a read of one record.
pub(super) const PARAMETERS: [&str; 3] = ["tenant", reading::PARAMETERS[0], reading::PARAMETERS[1]];

/// One record, byte for byte as it was signed.
#[utoipa::path(
    get, path = "/v1/records/{id}", tag = "records",
    params(
        ("id" = String, Path, description = "The record's UUIDv7."),
        ("tenant" = Option<String>, Query, description = "The tenant; `Sigil-Tenant` does the same."),
        ("min_position" = Option<u64>, Query, description = "Records that the read model must have applied; `Sigil-Min-Position` does the same."),
        ("timeout" = Option<String>, Query, description = "How long to wait for that, `2s` by default."),
        ("If-None-Match" = Option<String>, Header, description = "The record's hash in quotes."),
    ),
    responses(
        (status = 200, description = "The canonical bytes. `ETag` is the record's hash.", body = schema::Record),
        (status = 304, description = "The client has it."),
        (status = "4XX", description = "Refused.", body = schema::Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed.", body = schema::Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn record(
    State(shared): State<Arc<Shared>>,
    Extension(context): Extension<Context>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let headers = request.headers();
    let (query, tenant, id) = asked(&context, &request, &PARAMETERS, &id)?;
    let position = reading::await_position(&shared, headers, &query).await?;
    let bytes = find(&shared, tenant, id).await?.ok_or_else(nothing)?;
    let etag = format!("\"{}\"", splice::hash_of(&bytes)?);
    let mut response = if reading::is_known(headers, &etag) {
        let mut unchanged = Response::default();
        *unchanged.status_mut() = StatusCode::NOT_MODIFIED;
        unchanged
    } else {
        splice::json(bytes)
    };
    reading::stamp(&shared, position, &mut response);
    let headers = response.headers_mut();
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        headers.insert(header::ETAG, etag);
    }
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("private, max-age=31536000, immutable"),
    );
    headers.insert(header::VARY, HeaderValue::from_static("Authorization, Sigil-Tenant"));
    Ok(response)
}

/// What every request about one record says: its parameters, whose it is, and which.
///
/// # Errors
/// As [`Query::parse`], [`tenant`] and [`parse_id`].
pub(super) fn asked(
    context: &Context,
    request: &Request,
    parameters: &[&str],
    id: &str,
) -> Result<(Query, Tenant, RecordId), Problem> {
    let query = Query::parse(request.uri().query(), parameters)?;
    let tenant = tenant(context.caller()?, request.headers(), &query)?;
    Ok((query, tenant, parse_id(id)?))
}

/// The tenant of a read.
///
/// # Errors
/// As [`tenancy::resolve`]; `PARAMETER_INVALID`, `HEADER_INVALID`.
pub(super) fn tenant(caller: &Caller, headers: &HeaderMap, query: &Query) -> Result<Tenant, Problem> {
    let asked = query.read("tenant", "[a-z0-9][a-z0-9-]{0,62}", Tenant::parse)?;
    tenancy::resolve(caller, asked, tenancy::named(headers)?, Intent::Read)
}

/// The id in a path. What is no id names nothing, so it is not found.
///
/// # Errors
/// `NOT_FOUND`.
fn parse_id(text: &str) -> Result<RecordId, Problem> {
    RecordId::parse(text).ok_or_else(|| Problem::new(Code::NotFound, "a record's id is a lower-case UUIDv7"))
}

pub(super) fn nothing() -> Problem {
    Problem::new(Code::NotFound, "this tenant has no record with this id")
}

/// The canonical bytes of a record: from the read model, or from the log when the read model has not come so far.
///
/// # Errors
/// What the read model or the ledger answers.
pub(super) async fn find(shared: &Shared, tenant: Tenant, id: RecordId) -> Result<Option<Vec<u8>>, Problem> {
    if let Some(row) = shared.queries.record(tenant.clone(), id).await? {
        return Ok(Some(row.bytes));
    }
    let committed = shared.ledger.find(tenant, id).await?;
    Ok(committed.map(|committed| committed.bytes.to_vec()))
}

#[cfg(test)]
mod tests {
    use crate::trial::{Trial, event};
    use axum::body::Body;
    use axum::http::StatusCode;
    use serde_json::json;
    use std::sync::atomic::Ordering;

    async fn stored(trial: &Trial) -> String {
        let record = trial.append(&event("agent:a1", "x", "success")).await;
        format!("/v1/records/{}", record["id"].as_str().unwrap())
    }

    #[tokio::test]
    async fn the_bytes_are_the_signed_ones_and_immutable() {
        let trial = Trial::new();
        let path = stored(&trial).await;
        let answer = trial.get(&path).await;
        let record = trial.memory.records().pop().unwrap();
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.body, record.bytes());
        assert_eq!(answer.header("etag"), format!("\"{}\"", record.hash));
        assert_eq!(answer.header("cache-control"), "private, max-age=31536000, immutable");
        assert_eq!(
            (answer.header("sigil-position"), answer.header("sigil-head")),
            ("3", "3")
        );
        let known = [("if-none-match", answer.header("etag"))];
        let again = trial.ask("GET", &path, &known, Body::empty()).await;
        assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0));
        assert_eq!(again.header("etag"), answer.header("etag"));
    }

    #[tokio::test]
    async fn nothing_is_shown_of_another_tenant() {
        let trial = Trial::new();
        let path = stored(&trial).await;
        trial
            .post("/admin/tenants", &json!({"tenant": "acme", "name": "Acme"}))
            .await;
        assert_eq!(trial.get(&format!("{path}?tenant=acme")).await.code(), "NOT_FOUND");
        assert_eq!(
            trial.get(&format!("{path}?tenant=default")).await.status,
            StatusCode::OK
        );
        assert_eq!(
            trial
                .get("/v1/records/01900000-0000-7000-8000-00000000000f")
                .await
                .code(),
            "NOT_FOUND"
        );
        for strange in [
            "x",
            "..%2F..",
            "%00",
            "%3Cscript%3E",
            "%ff",
            "01900000-0000-7000-8000-00000000000F",
        ] {
            let answer = trial.get(&format!("/v1/records/{strange}")).await;
            let expected = if strange == "%ff" { "BAD_REQUEST" } else { "NOT_FOUND" };
            assert_eq!(answer.code(), expected, "{strange}");
        }
        assert_eq!(trial.get(&format!("{path}?tenant=A")).await.code(), "PARAMETER_INVALID");
    }

    #[tokio::test]
    async fn a_record_that_is_only_in_the_log_yet_is_found_there() {
        let trial = Trial::new();
        let path = stored(&trial).await;
        trial.memory.lag.store(1, Ordering::Relaxed);
        let answer = trial.get(&path).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(
            (answer.header("sigil-position"), answer.header("sigil-head")),
            ("2", "3")
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_read_waits_for_its_position_and_not_for_ever() {
        let trial = Trial::new();
        let path = stored(&trial).await;
        trial.memory.lag.store(1, Ordering::Relaxed);
        let minimum = [("sigil-min-position", "3")];
        let late = trial.ask("GET", &path, &minimum, Body::empty()).await;
        assert_eq!(
            (late.code().as_str(), late.status.as_u16()),
            ("PROJECTION_LAGGING", 503)
        );
        let catches_up = async {
            tokio::time::sleep(std::time::Duration::from_millis(700)).await; // waits for: virtual time, the clock is paused
            trial.memory.lag.store(0, Ordering::Relaxed);
        };
        let path = format!("{path}?min_position=3&timeout=1s");
        let (answer, ()) = tokio::join!(trial.get(&path), catches_up);
        assert_eq!((answer.status, answer.header("sigil-position")), (StatusCode::OK, "3"));
        for wrong in ["min_position=x", "min_position=-1", "timeout=2", "timeout=31s"] {
            assert_eq!(
                trial.get(&format!("/v1/head?{wrong}")).await.code(),
                "PARAMETER_INVALID",
                "{wrong}"
            );
        }
        let wrong = [("sigil-min-position", "x")];
        assert_eq!(
            trial.ask("GET", "/v1/head", &wrong, Body::empty()).await.code(),
            "HEADER_INVALID"
        );
    }

    #[tokio::test]
    async fn a_failing_read_model_is_a_problem_without_its_words() {
        use projector::Error as E;
        let trial = Trial::new();
        let path = stored(&trial).await;
        let fault = record::Fault::new(record::Code::HashMismatch, "", "secret");
        let (log, secret) = (|| "example.com/a".to_owned(), || "secret".to_owned());
        for (error, code) in [
            (E::Database(secret().into()), "READ_MODEL_UNAVAILABLE"),
            (E::Source(secret()), "READ_MODEL_UNAVAILABLE"),
            (E::Cancelled, "READ_MODEL_UNAVAILABLE"),
            (E::Locked(secret()), "READ_MODEL_UNAVAILABLE"),
            (E::PositionConflict { expected: 1 }, "READ_MODEL_UNAVAILABLE"),
            (E::Outdated { expected: 2, found: 1 }, "READ_MODEL_DAMAGED"),
            (E::LogBehind { position: 2, head: 1 }, "LOG_BEHIND"),
            (
                E::ForeignLog {
                    expected: log(),
                    found: log(),
                },
                "LOG_BEHIND",
            ),
            (E::Gap { expected: 1, found: 2 }, "READ_MODEL_DAMAGED"),
            (E::Unverified { offset: 1, fault }, "READ_MODEL_DAMAGED"),
            (
                E::BrokenChain {
                    offset: 1,
                    detail: secret(),
                },
                "READ_MODEL_DAMAGED",
            ),
            (E::Damaged(secret()), "READ_MODEL_DAMAGED"),
        ] {
            trial.memory.query_failures.lock().unwrap().push_back(error);
            let answer = trial.get(&path).await;
            assert_eq!(answer.code(), code);
            assert!(!String::from_utf8_lossy(&answer.body).contains("secret"));
        }
        *trial.memory.forged.lock().unwrap() = Some(b"{}".to_vec());
        assert_eq!(trial.get(&path).await.code(), "READ_MODEL_DAMAGED");
    }
}
