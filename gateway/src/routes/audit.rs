//! `GET /audit/{id}`: a record, its neighbours in the tenant's chain, and what the server finds when it checks them.
//!
//! The checks are the server's word. The answer says so, and names what an independent check needs.

use super::record::{PARAMETERS, asked, find, nothing};
use crate::Shared;
use crate::edge::Context;
use crate::error::Problem;
use crate::{reading, schema, splice};
use axum::Extension;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use record::{Fault, Record, RecordId, Tenant};
use serde_json::{Value, json};
use std::sync::Arc;

const BY: &str =
    "the server that answers: its word, not a proof. `sigil verify` checks the same offline, with a trust file";
const NOT_CHECKED: [&str; 4] = [
    "that pub_key is the log's record key at this offset",
    "that no record is missing from the log or from this chain",
    "that this is the newest state of the log",
    "sealed values",
];

/// A record, its chain neighbours, and the server's own verification.
#[utoipa::path(
    get, path = "/audit/{id}", tag = "audit",
    params(
        ("id" = String, Path, description = "The record's UUIDv7."),
        ("tenant" = Option<String>, Query, description = "The tenant; `Sigil-Tenant` does the same."),
        ("min_position" = Option<u64>, Query, description = "Records that the read model must have applied."),
        ("timeout" = Option<String>, Query, description = "How long to wait for that, `2s` by default."),
    ),
    responses(
        (status = 200, description = "Record, chain and verification.", body = schema::Audit),
        (status = "4XX", description = "Refused.", body = schema::Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed.", body = schema::Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn audit(
    State(shared): State<Arc<Shared>>,
    Extension(context): Extension<Context>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let (query, tenant, id) = asked(&context, &request, &PARAMETERS, &id)?;
    let position = reading::await_position(&shared, request.headers(), &query).await?;
    let bytes = find(&shared, tenant.clone(), id).await?.ok_or_else(nothing)?;
    let record = Record::parse(bytes.clone());
    let seq = record.as_ref().ok().map(|record| record.seq);
    let before = neighbour(&shared, &tenant, seq.and_then(|seq| seq.checked_sub(1))).await?;
    let after = neighbour(&shared, &tenant, seq.map(|seq| seq + 1)).await?;
    let chain = json!({
        "seq": seq, "previous": before.as_ref().map(describe), "next": after.as_ref().map(describe),
    });
    let mut out = b"{\"record\":".to_vec();
    out.extend_from_slice(&bytes);
    out.extend_from_slice(
        format!(
            ",\"chain\":{chain},\"verification\":{}}}",
            verify((&tenant, &id), &record, before.as_ref(), after.as_ref())
        )
        .as_bytes(),
    );
    let mut response = splice::json(out);
    reading::stamp(&shared, position, &mut response);
    Ok(response)
}

/// A record beside the one asked for, parsed; its own faults are part of the finding.
type Neighbour = Result<Record, Fault>;

async fn neighbour(shared: &Shared, tenant: &Tenant, seq: Option<u64>) -> Result<Option<Neighbour>, Problem> {
    let Some(seq) = seq else { return Ok(None) };
    let row = shared.queries.record_at(tenant.clone(), seq).await?;
    Ok(row.map(|row| Record::parse(row.bytes)))
}

fn describe(neighbour: &Neighbour) -> Value {
    match neighbour {
        Ok(record) => json!({
            "id": record.id.to_string(), "offset": record.offset, "seq": record.seq,
            "hash": record.hash.to_string(), "kind": record.kind.as_str(),
        }),
        Err(fault) => json!({"unreadable": fault.code.as_str()}),
    }
}

/// Each check as `passed`, `failed` or `not_done`, with a sentence.
fn verify(
    asked: (&Tenant, &RecordId),
    record: &Neighbour,
    before: Option<&Neighbour>,
    after: Option<&Neighbour>,
) -> Value {
    let mut checks = Vec::new();
    let mut check = |name: &str, result: Option<bool>, detail: String| {
        let text = result.map_or("not_done", |passed| if passed { "passed" } else { "failed" });
        checks.push(json!({"check": name, "result": text, "detail": detail}));
    };
    match record {
        Err(fault) => check("bytes_and_hash", Some(false), fault.to_string()),
        Ok(record) => {
            check(
                "bytes_and_hash",
                Some(true),
                "the bytes are canonical and hash is theirs (BLAKE3-256)".to_owned(),
            );
            let same = *asked.0 == record.tenant && *asked.1 == record.id;
            check(
                "asked_for",
                Some(same),
                "tenant and id are those of the request".to_owned(),
            );
            let signed = record.verify_signature(&record.pub_key);
            let detail = signed.as_ref().map_or_else(Fault::to_string, |()| {
                "sig is Ed25519 of hash under the record's own pub_key".to_owned()
            });
            check("signature", Some(signed.is_ok()), detail);
            let (result, detail) = judge_link(record, before);
            check("previous", result, detail);
            if let Some(after) = after {
                let linked = after.as_ref().is_ok_and(|after| after.prev == Some(record.hash));
                check(
                    "next",
                    Some(linked),
                    "prev of the next record is compared with this hash".to_owned(),
                );
            }
        }
    }
    let failed = |result: &str| {
        checks
            .iter()
            .any(|check| check.get("result").is_some_and(|found| found == result))
    };
    let result = if failed("failed") {
        "failed"
    } else if failed("not_done") {
        "incomplete"
    } else {
        "passed"
    };
    json!({"result": result, "by": BY, "checks": checks, "not_checked": NOT_CHECKED})
}

fn judge_link(record: &Record, before: Option<&Neighbour>) -> (Option<bool>, String) {
    match (record.seq, before) {
        (0, _) => (
            Some(record.prev.is_none()),
            "the first record of its tenant has no prev".to_owned(),
        ),
        (_, None) => (None, "the previous record is not in the read model".to_owned()),
        (_, Some(Err(fault))) => (Some(false), format!("the previous record is damaged: {fault}")),
        (_, Some(Ok(before))) => {
            let linked = record.prev == Some(before.hash);
            (
                Some(linked),
                "prev is compared with the hash of the previous record".to_owned(),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::trial::{Trial, event};
    use serde_json::Value;
    use std::sync::atomic::Ordering;

    fn result(audit: &Value, name: &str) -> String {
        let checks = audit["verification"]["checks"].as_array().unwrap();
        let check = checks.iter().find(|check| check["check"] == name);
        check.map_or("absent".to_owned(), |check| {
            check["result"].as_str().unwrap().to_owned()
        })
    }

    async fn three(trial: &Trial) -> Vec<String> {
        let mut paths = Vec::new();
        for action in ["one", "two", "three"] {
            let record = trial.append(&event("agent:a1", action, "success")).await;
            paths.push(format!("/audit/{}", record["id"].as_str().unwrap()));
        }
        paths
    }

    #[tokio::test]
    async fn a_sound_record_passes_and_shows_its_neighbours() {
        let trial = Trial::new();
        let paths = three(&trial).await;
        let answer = trial.get(&paths[1]).await;
        let audit = answer.json();
        let records = trial.memory.records();
        assert!(
            answer
                .body
                .windows(records[3].bytes().len())
                .any(|window| window == records[3].bytes())
        );
        assert_eq!(audit["chain"]["previous"]["hash"], records[2].hash.to_string());
        assert_eq!(audit["chain"]["next"]["id"], records[4].id.to_string());
        assert_eq!(audit["verification"]["result"], "passed");
        for name in ["bytes_and_hash", "asked_for", "signature", "previous", "next"] {
            assert_eq!(result(&audit, name), "passed", "{name}");
        }
        assert!(audit["verification"]["by"].as_str().unwrap().contains("sigil verify"));
        let last = trial.get(&paths[2]).await.json();
        assert_eq!(
            (result(&last, "next").as_str(), last["chain"]["next"].is_null()),
            ("absent", true)
        );
        assert_eq!(trial.get("/audit/x").await.code(), "NOT_FOUND");
    }

    #[tokio::test]
    async fn changed_bytes_fail_by_name() {
        let trial = Trial::new();
        let paths = three(&trial).await;
        let record = trial.memory.records().pop().unwrap();
        let text = String::from_utf8(record.bytes().to_vec()).unwrap();
        let forge = |text: String| *trial.memory.forged.lock().unwrap() = Some(text.into_bytes());
        forge(text.replace("three", "tree!"));
        let audit = trial.get(&paths[2]).await.json();
        assert_eq!(
            (
                result(&audit, "bytes_and_hash").as_str(),
                audit["verification"]["result"].as_str()
            ),
            ("failed", Some("failed"))
        );
        let sig = record::key::encode_base64(&record.sig);
        forge(text.replace(&sig, &record::key::encode_base64(&[3; 64])));
        let audit = trial.get(&paths[2]).await.json();
        assert_eq!(
            (
                result(&audit, "bytes_and_hash").as_str(),
                result(&audit, "signature").as_str()
            ),
            ("passed", "failed")
        );
        // The neighbour is this very record: prev is not its hash.
        assert_eq!(result(&audit, "previous"), "failed");
        let other = trial.memory.records().swap_remove(2);
        forge(String::from_utf8(other.bytes().to_vec()).unwrap());
        let audit = trial.get(&paths[2]).await.json();
        assert_eq!(result(&audit, "bytes_and_hash"), "passed");
        assert_eq!(result(&audit, "asked_for"), "failed");
    }

    #[tokio::test]
    async fn what_could_not_be_done_is_not_passed() {
        let trial = Trial::new();
        let paths = three(&trial).await;
        trial.memory.lag.store(3, Ordering::Relaxed);
        let audit = trial.get(&paths[1]).await.json();
        assert_eq!(
            (
                result(&audit, "previous").as_str(),
                audit["verification"]["result"].as_str()
            ),
            ("not_done", Some("incomplete"))
        );
    }
}
