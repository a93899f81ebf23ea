//! `GET /v1/records/{id}/proof`: that a record is in the log, for somebody who has it and asks nobody else.

use super::record::{asked, nothing};
use crate::Shared;
use crate::edge::Context;
use crate::error::Problem;
use crate::proof::{self, State, Until};
use crate::{accept, schema, splice};
use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, Request, State as Of};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use ledger_client::proof::{Answer, PathProof, Question, SignedCheckpoint, Unprovable};
use record::{RecordId, Tenant};
use serde_json::json;
use std::sync::Arc;
use tlog::{CheckpointText, ProofText};

/// Parameters.
const PARAMETERS: [&str; 2] = ["tenant", "until"];

/// That a record is in the log.
///
/// The answer is a C2SP `tlog-proof@v1`: the leaf's place, the hashes beside its way to the root, and the signed
/// checkpoint that they lead to, with the cosignatures of witnesses. `sigil verify` takes it together with the record.
/// As `application/json` the record comes with it, so that the answer alone can be checked.
#[utoipa::path(
    get, path = "/v1/records/{id}/proof", tag = "proofs",
    params(
        ("id" = String, Path, description = "The record's UUIDv7."),
        ("tenant" = Option<String>, Query, description = "The tenant; `Sigil-Tenant` does the same."),
        ("until" = Option<String>, Query, description = "`included` (default), or `witnessed`: by a checkpoint that a quorum of witnesses has cosigned."),
        ("Prefer" = Option<String>, Header, description = "`wait=N`: how many seconds to wait for the checkpoint, none by default."),
        ("Accept" = Option<String>, Header, description = "`text/plain` (default) or `application/json`."),
    ),
    responses(
        (status = 200, description = "The proof.", content((String = "text/plain"), (schema::RecordProof = "application/json"))),
        (status = 404, description = "The tenant has no such record.", body = schema::Problem, content_type = "application/problem+json"),
        (status = 409, description = "No such checkpoint covers it yet; `Retry-After` says when to ask again.", body = schema::Problem, content_type = "application/problem+json"),
        (status = 503, description = "This log signs no checkpoints.", body = schema::Problem, content_type = "application/problem+json"),
        (status = "4XX", description = "Refused.", body = schema::Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed.", body = schema::Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn proof(
    Of(shared): Of<Arc<Shared>>,
    Extension(context): Extension<Context>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let headers = request.headers();
    let (query, tenant, id) = asked(&context, &request, &PARAMETERS, &id)?;
    let until = Until::read(&shared, headers, &query, State::Included)?;
    let (offset, bytes) = find(&shared, tenant, id).await?.ok_or_else(nothing)?;
    let (path, checkpoint) = prove(&shared, offset, &until).await?;
    let text = ProofText {
        extra: None,
        index: offset,
        path: proof::nodes(&path.nodes)?,
        checkpoint: CheckpointText::parse(&checkpoint.note).map_err(|_| proof::unreadable())?,
    };
    let text = text.to_text();
    let mut response = if wants_json(headers) {
        let checkpoint = proof::checkpoint_json(&checkpoint).to_string();
        let (nodes, text) = (json!(path.nodes).to_string(), json!(text).to_string());
        let mut body = b"{\"record\":".to_vec();
        body.extend_from_slice(&bytes);
        let rest = format!(
            ",\"offset\":{offset},\"size\":{},\"nodes\":{nodes},\"checkpoint\":{checkpoint},\"proof\":{text}}}",
            path.size
        );
        body.extend_from_slice(rest.as_bytes());
        splice::json(body)
    } else {
        let mut response = Response::new(Body::from(text));
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, plain);
        response
    };
    let headers = response.headers_mut();
    until.note(headers);
    headers.insert(
        header::VARY,
        HeaderValue::from_static("Accept, Authorization, Sigil-Tenant"),
    );
    Ok(response)
}

/// Offset and bytes: from the read model, or from the log when the read model has not come so far.
async fn find(shared: &Shared, tenant: Tenant, id: RecordId) -> Result<Option<(u64, Vec<u8>)>, Problem> {
    if let Some(row) = shared.queries.record(tenant.clone(), id).await? {
        return Ok(Some((row.offset, row.bytes)));
    }
    let committed = shared.ledger.find(tenant, id).await?;
    Ok(committed.map(|committed| (committed.offset, committed.bytes.to_vec())))
}

/// The path of the record at `offset`, and the checkpoint that it leads to.
async fn prove(shared: &Shared, offset: u64, until: &Until) -> Result<(PathProof, SignedCheckpoint), Problem> {
    let witnessed = until.state == State::Witnessed;
    let patience = until.asked.unwrap_or_default();
    let mut size = None;
    let mut newest = None;
    if witnessed || !patience.is_zero() {
        newest = proof::newest(shared, offset + 1, witnessed, patience).await?;
        let fits = |newest: &SignedCheckpoint| newest.size > offset && (!witnessed || newest.witnessed == Some(true));
        if !newest.as_ref().is_some_and(fits) {
            return Err(not_yet());
        }
        size = newest.as_ref().map(|newest| newest.size);
    }
    match shared.ledger.prove(Question::Inclusion { offset, size }).await? {
        Answer::Path(mut path) => {
            let checkpoint = path.checkpoint.take().or(newest).ok_or_else(proof::unreadable)?;
            Ok((path, checkpoint))
        }
        // The record is there, so the checkpoints have not come so far.
        Answer::Unprovable(Unprovable::BeyondEnd) => Err(not_yet()),
        other => Err(proof::refusal(&other)),
    }
}

fn not_yet() -> Problem {
    proof::refusal(&Answer::Unprovable(Unprovable::NotYet))
}

/// Whether JSON is preferred to text, which it is not unless the client says so.
fn wants_json(headers: &HeaderMap) -> bool {
    let (mut json, mut text) = (0.0_f32, 0.0_f32);
    for (name, quality) in accept::ranges(headers, header::ACCEPT) {
        match name.as_str() {
            "application/json" | "application/*" => json = json.max(quality),
            "text/plain" | "text/*" | "*/*" => text = text.max(quality),
            _ => {}
        }
    }
    json > 0.0 && json >= text
}

#[cfg(test)]
mod tests {
    use crate::trial::{Trial, event};
    use axum::body::Body;
    use axum::http::StatusCode;
    use record::Record;
    use serde_json::json;
    use std::sync::atomic::Ordering;
    use tlog::{CheckpointText, ProofText, hash_leaf, log_entry, verify_inclusion};

    const JSON: (&str, &str) = ("accept", "application/json");

    async fn stored(trial: &Trial) -> (String, Record) {
        trial.append(&event("agent:a1", "x", "success")).await;
        let record = trial.memory.records().pop().unwrap();
        trial.append(&event("agent:a2", "x", "success")).await;
        (format!("/v1/records/{}/proof", record.id), record)
    }

    fn leaf(record: &Record) -> tlog::Node {
        hash_leaf(&log_entry(record.offset, record.hash.as_bytes(), record.bytes()))
    }

    #[tokio::test]
    async fn a_proof_leads_from_the_record_to_a_signed_checkpoint() {
        let trial = Trial::new();
        let (path, record) = stored(&trial).await;
        let checkpoint = trial.memory.checkpoint();
        let answer = trial.get(&path).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (StatusCode::OK, "text/plain; charset=utf-8")
        );
        let text = std::str::from_utf8(&answer.body).unwrap();
        let proof = ProofText::parse(text).unwrap();
        assert_eq!((proof.index, proof.checkpoint.size()), (record.offset, checkpoint.size));
        let keys = [trial.memory.checkpoint_key()];
        let verified = proof.clone().verify(&leaf(&record), "example.com/audit", &keys);
        assert_eq!(verified.unwrap().note().to_text(), checkpoint.note);
        let other = trial.memory.records().swap_remove(3);
        assert!(proof.verify(&leaf(&other), "example.com/audit", &keys).is_err());
    }

    #[tokio::test]
    async fn json_brings_the_record_along() {
        let trial = Trial::new();
        let (path, record) = stored(&trial).await;
        trial.memory.checkpoint();
        let answer = trial.ask("GET", &path, &[JSON], Body::empty()).await;
        assert_eq!(answer.header("content-type"), "application/json");
        let start = [b"{\"record\":", record.bytes(), b",\"offset\":2,"].concat();
        assert!(answer.body.starts_with(&start), "{answer:?}");
        let body = answer.json();
        let note = CheckpointText::parse(body["checkpoint"]["note"].as_str().unwrap()).unwrap();
        let texts: Vec<String> = serde_json::from_value(body["nodes"].clone()).unwrap();
        let nodes = crate::proof::nodes(&texts).unwrap();
        verify_inclusion(&leaf(&record), 2, note.size(), note.root(), &nodes).unwrap();
        assert_eq!(
            (&body["size"], &body["checkpoint"]["signed_at"]),
            (&json!(5), &json!("2025-11-20T12:00:00.000005Z"))
        );
        let text = trial.get(&path).await.body;
        assert_eq!(body["proof"], std::str::from_utf8(&text).unwrap());
        for (accept, media) in [
            ("*/*", "text/plain; charset=utf-8"),
            ("text/plain, application/json;q=0.5", "text/plain; charset=utf-8"),
            ("text/plain;q=0.2, application/json;q=0.5", "application/json"),
            ("application/json, */*;q=0.1", "application/json"),
        ] {
            let answer = trial.ask("GET", &path, &[("accept", accept)], Body::empty()).await;
            assert_eq!(answer.header("content-type"), media, "{accept}");
        }
    }

    #[tokio::test]
    async fn what_cannot_be_proven_says_why() {
        let trial = Trial::new();
        let (path, _) = stored(&trial).await;
        let early = trial.get(&path).await;
        assert_eq!((early.code().as_str(), early.status.as_u16()), ("PROOF_NOT_YET", 409));
        assert_eq!(early.header("retry-after"), "1");
        trial.memory.checkpoint();
        let witnessed = trial.get(&format!("{path}?until=witnessed")).await;
        assert_eq!(witnessed.code(), "PROOF_NOT_YET");
        trial.memory.witness();
        let witnessed = trial.get(&format!("{path}?until=witnessed")).await;
        assert_eq!(witnessed.status, StatusCode::OK);
        for (path, code, status) in [
            (
                "/v1/records/01900000-0000-7000-8000-00000000000f/proof",
                "NOT_FOUND",
                404,
            ),
            ("/v1/records/x/proof", "NOT_FOUND", 404),
            (&format!("{path}?tenant=acme"), "NOT_FOUND", 404),
            (&format!("{path}?until=soon"), "PARAMETER_INVALID", 400),
            (&format!("{path}?wait=1"), "PARAMETER_UNKNOWN", 400),
        ] {
            let answer = trial.get(path).await;
            assert_eq!(
                (answer.code().as_str(), answer.status.as_u16()),
                (code, status),
                "{path}"
            );
        }
        trial.memory.unsigned.store(true, Ordering::Relaxed);
        let never = trial.get(&path).await;
        assert_eq!(
            (never.code().as_str(), never.status.as_u16()),
            ("PROOF_UNAVAILABLE", 503)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_may_wait_for_the_checkpoint() {
        let trial = Trial::new();
        let (path, _) = stored(&trial).await;
        let wait = [("prefer", "wait=5")];
        let late = trial.ask("GET", &path, &wait, Body::empty()).await;
        assert_eq!(late.code(), "PROOF_NOT_YET");
        let comes = async {
            tokio::time::sleep(std::time::Duration::from_secs(3)).await; // waits for: virtual time, the clock is paused
            trial.memory.checkpoint();
        };
        let (answer, ()) = tokio::join!(trial.ask("GET", &path, &wait, Body::empty()), comes);
        assert_eq!(
            (answer.status, answer.header("preference-applied")),
            (StatusCode::OK, "wait=5")
        );
    }
}
