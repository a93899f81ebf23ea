//! `GET /v1/checkpoints`, `/v1/checkpoints/consistency` and `/v1/checkpoints/policy`: the kept checkpoints, that one
//! continues another, and whose cosignatures count.

use crate::Shared;
use crate::error::{Code, Problem};
use crate::proof;
use crate::query::Query;
use crate::{reading, schema, splice};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use ledger_client::proof::{Answer, Question};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;

/// Checkpoints on one page at most: one less than the ledger gives, so that there is one to tell whether more follow.
const MOST: u16 = 499;
const DEFAULT: u16 = 50;
const NUMBER: &str = "a number of records, such as 42";

/// The checkpoints that are kept, newest first.
///
/// All of the last 15 minutes are kept, older ones about once an hour.
#[utoipa::path(
    get, path = "/v1/checkpoints", tag = "proofs",
    params(
        ("below" = Option<u64>, Query, description = "Only checkpoints with fewer records: `next_below` of the page before."),
        ("limit" = Option<u16>, Query, description = "1 to 499, 50 by default."),
    ),
    responses(
        (status = 200, description = "The page.", body = schema::CheckpointPage),
        (status = 503, description = "This log signs no checkpoints.", body = schema::Problem, content_type = "application/problem+json"),
        (status = "4XX", description = "Refused.", body = schema::Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed.", body = schema::Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn list(State(shared): State<Arc<Shared>>, request: Request) -> Result<Response, Problem> {
    let query = Query::parse(request.uri().query(), &["below", "limit"])?;
    let below = query.read("below", NUMBER, |text| text.parse().ok())?;
    let form = format!("a number from 1 to {MOST}");
    let limit = query.read("limit", &form, |text| {
        text.parse().ok().filter(|limit| (1..=MOST).contains(limit))
    })?;
    let limit = limit.unwrap_or(DEFAULT);
    let question = Question::Checkpoints {
        below,
        limit: limit + 1,
    };
    let mut kept = match shared.ledger.prove(question).await? {
        Answer::Checkpoints(kept) => kept,
        other => return Err(proof::refusal(&other)),
    };
    let more = kept.len() > usize::from(limit);
    kept.truncate(usize::from(limit));
    let next = kept.last().filter(|_| more).map(|last| last.size);
    let data: Vec<Value> = kept.iter().map(proof::checkpoint_json).collect();
    let body = json!({"data": data, "has_more": more, "next_below": next});
    let mut response = splice::json(body.to_string());
    if let Some(next) = next {
        let link = format!(
            "</v1/checkpoints?{}>; rel=\"next\"",
            query.with("below", &next.to_string())
        );
        if let Ok(link) = HeaderValue::from_str(&link) {
            response.headers_mut().insert(header::LINK, link);
        }
    }
    Ok(response)
}

/// That the log of `to` records continues the log of `from` records (RFC 6962, section 2.1.2).
#[utoipa::path(
    get, path = "/v1/checkpoints/consistency", tag = "proofs",
    params(
        ("from" = u64, Query, description = "Number of records of the older tree, from 1."),
        ("to" = Option<u64>, Query, description = "Number of records of the newer tree; that of the newest checkpoint by default."),
    ),
    responses(
        (status = 200, description = "The proof.", body = schema::ConsistencyProof),
        (status = 409, description = "No checkpoint covers so many records yet.", body = schema::Problem, content_type = "application/problem+json"),
        (status = 503, description = "This log signs no checkpoints.", body = schema::Problem, content_type = "application/problem+json"),
        (status = "4XX", description = "Refused.", body = schema::Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed.", body = schema::Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn consistency(State(shared): State<Arc<Shared>>, request: Request) -> Result<Response, Problem> {
    let query = Query::parse(request.uri().query(), &["from", "to"])?;
    let size = |name| query.read(name, NUMBER, |text| text.parse().ok().filter(|size: &u64| *size > 0));
    let from = size("from")?;
    let from = from.ok_or_else(|| Problem::parameter(Code::ParameterInvalid, "from", "this parameter is needed"))?;
    let newest = proof::newest(&shared, 0, false, Duration::ZERO).await?;
    let to = match (size("to")?, &newest) {
        (Some(to), _) => to,
        (None, Some(newest)) => newest.size,
        (None, None) => return Err(Problem::new(Code::ProofNotYet, "there is no checkpoint yet")),
    };
    if from > to {
        let detail = format!("it is beyond `to`, {to}: a log only grows");
        return Err(Problem::parameter(Code::ParameterInvalid, "from", detail));
    }
    let path = match shared.ledger.prove(Question::Consistency { from, to }).await? {
        Answer::Path(path) => path,
        other => return Err(proof::refusal(&other)),
    };
    let mut body = Map::new();
    body.insert("from".to_owned(), json!(from));
    body.insert("to".to_owned(), json!(to));
    body.insert("nodes".to_owned(), json!(path.nodes));
    let checkpoint = path.checkpoint.or(newest.filter(|newest| newest.size == to));
    if let Some(checkpoint) = checkpoint {
        body.insert("checkpoint".to_owned(), proof::checkpoint_json(&checkpoint));
    }
    Ok(splice::json(Value::Object(body).to_string()))
}

/// Whose cosignatures under a checkpoint count, and how many are enough: a C2SP tlog-policy, without addresses.
///
/// It is the policy that this log asks its witnesses by. Whoever does not trust the log takes his own: a server that lies
/// about its checkpoints names witnesses of its own. Open to everybody.
#[utoipa::path(
    get, path = "/v1/checkpoints/policy", tag = "proofs", security(()),
    responses(
        (status = 200, description = "The policy.", body = String, content_type = "text/plain"),
        (status = 304, description = "The client has it."),
        (status = 404, description = "This log asks no witnesses.", body = schema::Problem, content_type = "application/problem+json"),
        (status = 503, description = "This log signs no checkpoints.", body = schema::Problem, content_type = "application/problem+json"),
        (status = "4XX", description = "Refused.", body = schema::Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed.", body = schema::Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn policy(State(shared): State<Arc<Shared>>, request: Request) -> Result<Response, Problem> {
    Query::parse(request.uri().query(), &[])?;
    let policy = proof::policy(&shared).await?;
    let policy = policy.ok_or_else(|| Problem::new(Code::NotFound, "this log asks no witnesses"))?;
    let etag = reading::content_tag(policy.as_bytes());
    let mut response = Response::new(Body::from(policy));
    if reading::is_known(request.headers(), &etag) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.body_mut() = Body::empty();
    }
    let headers = response.headers_mut();
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, plain);
    let cache = format!("public, max-age={}", proof::POLICY_KEPT.as_secs());
    for (name, value) in [(header::CACHE_CONTROL, cache), (header::ETAG, etag)] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use crate::trial::{Trial, event};
    use axum::body::Body;
    use axum::http::{Request, StatusCode};
    use serde_json::{Value, json};
    use std::sync::atomic::Ordering;
    use tlog::{CheckpointText, verify_consistency};
    use tlog::{Note, Policy};

    async fn with_checkpoints(count: usize) -> Trial {
        let trial = Trial::new();
        for _ in 0..count {
            trial.append(&event("agent:a1", "x", "success")).await;
            trial.memory.checkpoint();
        }
        trial
    }

    fn note(checkpoint: &Value) -> CheckpointText {
        CheckpointText::parse(checkpoint["note"].as_str().unwrap()).unwrap()
    }

    #[tokio::test]
    async fn pages_go_from_the_newest_to_the_oldest() {
        let trial = with_checkpoints(5).await;
        let (mut path, mut sizes) = ("/v1/checkpoints?limit=2".to_owned(), Vec::new());
        loop {
            let page = trial.get(&path).await;
            let body = page.json();
            for checkpoint in body["data"].as_array().unwrap() {
                let size = checkpoint["size"].as_u64().unwrap();
                assert_eq!(
                    (note(checkpoint).size(), checkpoint["map_size"].as_u64()),
                    (size, Some(size - 1))
                );
                sizes.push(size);
            }
            assert_eq!(body["has_more"], !body["next_below"].is_null());
            let Some((next, _)) = page.header("link").split_once('>') else {
                break;
            };
            path = next.trim_start_matches('<').to_owned();
        }
        assert_eq!(sizes, [12, 10, 8, 6, 4]);
        let all = trial.get("/v1/checkpoints").await.json();
        assert_eq!(
            (all["data"].as_array().map(Vec::len), &all["next_below"]),
            (Some(5), &Value::Null)
        );
        let none = Trial::new().get("/v1/checkpoints").await.json();
        assert_eq!(none, json!({"data": [], "has_more": false, "next_below": null}));
    }

    #[tokio::test]
    async fn a_newer_checkpoint_continues_an_older_one() {
        let trial = with_checkpoints(4).await;
        let kept = trial.get("/v1/checkpoints").await.json();
        let [newest, .., oldest] = kept["data"].as_array().unwrap().as_slice() else {
            panic!("{kept}")
        };
        let (newest, oldest) = (note(newest), note(oldest));
        for query in [
            format!("from={}", oldest.size()),
            format!("from={}&to={}", oldest.size(), newest.size()),
        ] {
            let body = trial.get(&format!("/v1/checkpoints/consistency?{query}")).await.json();
            let texts: Vec<String> = serde_json::from_value(body["nodes"].clone()).unwrap();
            let nodes = crate::proof::nodes(&texts).unwrap();
            verify_consistency(oldest.size(), oldest.root(), newest.size(), newest.root(), &nodes).unwrap();
            assert_eq!(body["checkpoint"]["note"], newest.note().to_text());
        }
        let between = trial.get("/v1/checkpoints/consistency?from=4&to=7").await.json();
        assert_eq!(between.get("checkpoint"), None);
    }

    #[tokio::test]
    async fn what_cannot_be_asked_is_named() {
        let trial = with_checkpoints(1).await;
        trial.append(&event("agent:a1", "x", "success")).await;
        for (query, code, status) in [
            ("", "PARAMETER_INVALID", 400),
            ("from=0", "PARAMETER_INVALID", 400),
            ("from=3&to=2", "PARAMETER_INVALID", 400),
            ("from=5", "PARAMETER_INVALID", 400),
            ("from=x", "PARAMETER_INVALID", 400),
            ("from=1&to=5", "PROOF_NOT_YET", 409),
            ("from=1&to=6", "POSITION_AHEAD", 400),
        ] {
            let answer = trial.get(&format!("/v1/checkpoints/consistency?{query}")).await;
            assert_eq!(
                (answer.code().as_str(), answer.status.as_u16()),
                (code, status),
                "{query}"
            );
        }
        for wrong in ["limit=0", "limit=500", "below=x"] {
            assert_eq!(
                trial.get(&format!("/v1/checkpoints?{wrong}")).await.code(),
                "PARAMETER_INVALID"
            );
        }
        let empty = Trial::new();
        assert_eq!(
            empty.get("/v1/checkpoints/consistency?from=1").await.code(),
            "PROOF_NOT_YET"
        );
        empty.memory.unsigned.store(true, Ordering::Relaxed);
        for path in [
            "/v1/checkpoints",
            "/v1/checkpoints/consistency?from=1",
            "/tlog/checkpoint",
            "/tlog/tile/0/000",
        ] {
            assert_eq!(empty.get(path).await.code(), "PROOF_UNAVAILABLE", "{path}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whose_cosignatures_count_is_open_to_everybody() {
        let trial = Trial::new();
        let path = "/v1/checkpoints/policy";
        let open = async |known: &str| {
            let request = Request::get(path).header("if-none-match", known);
            trial.send(request.body(Body::empty()).unwrap()).await
        };
        let answer = open("\"x\"").await;
        assert_eq!(
            (
                answer.status,
                answer.header("content-type"),
                answer.header("cache-control")
            ),
            (StatusCode::OK, "text/plain; charset=utf-8", "public, max-age=60")
        );
        let policy = Policy::parse(std::str::from_utf8(&answer.body).unwrap()).unwrap();
        assert_eq!((policy.witnesses().len(), policy.asks_for_witnesses()), (3, true));
        let note = {
            trial.memory.checkpoint();
            trial.memory.witness();
            trial.get("/tlog/checkpoint").await
        };
        let note = Note::parse(std::str::from_utf8(&note.body).unwrap()).unwrap();
        let judged = policy.judge(&note).unwrap();
        assert_eq!((judged.is_met, judged.seen.len()), (true, 2));
        let again = open(answer.header("etag")).await;
        assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0));
        assert_eq!(trial.get(&format!("{path}?x=1")).await.code(), "PARAMETER_UNKNOWN");
        // The ledger is asked again after a while, and not before.
        trial.memory.unwatched.store(true, Ordering::Relaxed);
        assert_eq!(open("\"x\"").await.status, StatusCode::OK);
        tokio::time::advance(crate::proof::POLICY_KEPT).await;
        assert_eq!(open("\"x\"").await.code(), "NOT_FOUND");
        trial.memory.unsigned.store(true, Ordering::Relaxed);
        assert_eq!(open("\"x\"").await.code(), "NOT_FOUND");
        tokio::time::advance(crate::proof::POLICY_KEPT).await;
        assert_eq!(open("\"x\"").await.code(), "PROOF_UNAVAILABLE");
    }
}
