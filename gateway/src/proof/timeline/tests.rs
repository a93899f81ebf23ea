//! Pages with proof, each held by the verifier against what the log's trust file pins.

use crate::testing::Memory;
use crate::trial::{Answer, Trial, event};
use axum::body::Body;
use axum::http::StatusCode;
use ledger_client::{Error, Refusal};
use record::{Origin, PublicKey};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;
use verifier::{Outcome, ProofOptions, ProofReport, Trust, verify_answer};

const PATH: &str = "/v1/audit/timeline?proof=true";

fn report(memory: &Memory, body: &[u8]) -> ProofReport {
    let genesis = memory.records().swap_remove(0);
    let root_key = genesis.payload["root_key"].as_str().unwrap();
    let trust = Trust {
        origin: Origin::parse("example.com/audit").unwrap(),
        genesis_hash: genesis.hash,
        root_key: PublicKey::from_base64(root_key).unwrap(),
        checkpoint_keys: vec![memory.checkpoint_key()],
        policy: None,
    };
    let options = ProofOptions {
        trust: Some(&trust),
        ..ProofOptions::default()
    };
    verify_answer(body, &options)
}

/// A page that the verifier accepts, proven by its own timeline.
async fn proven(trial: &Trial, query: &str) -> Value {
    accepted(trial, query, "proven").await
}

/// A page that the verifier accepts, in this way.
async fn accepted(trial: &Trial, query: &str, completeness: &str) -> Value {
    let answer = trial.get(&format!("{PATH}&{query}")).await;
    assert_eq!(
        (answer.status, answer.header("sigil-completeness")),
        (StatusCode::OK, completeness),
        "{query}: {answer:?}"
    );
    assert_eq!(answer.json()["completeness"], completeness);
    let report = report(&trial.memory, &answer.body);
    assert_eq!(report.outcome(), Outcome::Verified, "{query}: {:#?}", report.lines());
    answer.json()
}

fn offsets(page: &Value) -> Vec<u64> {
    let rows = page["data"].as_array().unwrap();
    rows.iter().map(|row| row["offset"].as_u64().unwrap()).collect()
}

/// Records at offsets 2 to 11, the even ones by agent:a1, and a checkpoint over them at 12.
async fn filled() -> Trial {
    let trial = Trial::new();
    for at in 0..10 {
        let actor = if at % 2 == 0 { "agent:a1" } else { "agent:a2" };
        trial.append(&event(actor, "x", "success")).await;
    }
    trial.memory.checkpoint();
    trial
}

#[tokio::test]
async fn every_page_of_every_timeline_is_proven() {
    let trial = filled().await;
    for question in [
        "",
        "actor=agent:a1",
        "kind=audit.event",
        "q=actor:agent:a2",
        "actor=agent:a1&tenant=default",
        "recorded_from=2026-11-20T12:00:04Z",
        "recorded_to=2026-11-20T12:00:09Z",
        "actor=agent:a1&recorded_from=2026-11-20T12:00:03Z&recorded_to=2026-11-20T12:00:09Z",
        "kind=tenant.created",
        "recorded_from=2020-01-01&recorded_to=2030-01-01",
    ] {
        for order in ["asc", "desc"] {
            for limit in ["1", "2", "3", "50"] {
                let mut walked = Vec::new();
                let mut query = format!("{question}&order={order}&limit={limit}");
                loop {
                    let page = proven(&trial, &query).await;
                    walked.extend(offsets(&page));
                    assert_eq!(page["query"]["cursor"], query.contains("cursor="));
                    let Some(cursor) = page["next_cursor"].as_str() else {
                        break;
                    };
                    query = format!("{question}&order={order}&limit={limit}&cursor={cursor}");
                }
                let plain = trial.get(&format!("/v1/audit/timeline?{question}&order={order}")).await;
                assert_eq!(walked, offsets(&plain.json()), "{question} {order} {limit}");
            }
        }
    }
}

#[tokio::test]
async fn rows_that_are_too_new_are_listed_and_the_rest_is_proven() {
    let trial = filled().await;
    trial.append(&event("agent:a1", "x", "success")).await;
    trial.append(&event("agent:new", "x", "success")).await;
    let page = proven(&trial, "actor=agent:a1").await;
    assert_eq!((&page["unproven"], &page["proof"]["as_of"]), (&json!([13]), &json!(12)));
    let page = proven(&trial, "order=asc").await;
    assert_eq!(page["unproven"], json!([13, 14]));
    // Nothing lies below the map, and that is proven.
    let page = proven(&trial, "actor=agent:new").await;
    assert_eq!((&page["unproven"], page["proof"].get("range")), (&json!([14]), None));
    let page = proven(&trial, "actor=agent:new&recorded_to=2026-11-20T12:00:05Z").await;
    assert_eq!((offsets(&page), &page["boundary"]), (vec![], &json!({})));
    for query in [
        "limit=2",
        "limit=1&actor=agent:a1",
        "recorded_from=2026-11-20T12:01:00Z",
    ] {
        let answer = trial.get(&format!("{PATH}&{query}")).await;
        assert_eq!(answer.json()["reason"]["code"], "not_yet", "{query}");
    }
    trial.memory.checkpoint();
    let page = proven(&trial, "limit=2").await;
    assert_eq!(
        (&page["unproven"], page["proof"]["as_of"].clone()),
        (&json!([]), json!(15))
    );
}

#[tokio::test]
async fn that_there_is_nothing_is_proven_too() {
    let trial = filled().await;
    let absent = proven(&trial, "actor=agent:nobody").await;
    assert_eq!((offsets(&absent), &absent["boundary"]), (vec![], &json!({})));
    let between = "actor=agent:a1&recorded_from=2026-11-20T12:00:04.1Z&recorded_to=2026-11-20T12:00:05.9Z";
    let empty = proven(&trial, between).await;
    assert_eq!(
        (
            offsets(&empty),
            &empty["boundary"]["before"]["offset"],
            &empty["boundary"]["after"]["offset"]
        ),
        (vec![], &json!(4), &json!(6))
    );
    let early = proven(&trial, "actor=agent:a1&recorded_to=2026-11-20T12:00:02Z").await;
    assert_eq!((offsets(&early), early["boundary"].get("before")), (vec![], None));
    let late = proven(&trial, "actor=agent:a1&recorded_from=2026-11-20T12:00:11Z").await;
    assert_eq!((offsets(&late), late["boundary"].get("after")), (vec![], None));
}

#[tokio::test]
async fn what_cannot_be_proven_is_answered_and_says_why() {
    let trial = Trial::new();
    let code = async |query: &str| {
        let answer = trial.get(&format!("{PATH}&{query}")).await;
        assert_eq!(
            (answer.status, answer.header("sigil-completeness")),
            (StatusCode::OK, "not_provable"),
            "{query}: {answer:?}"
        );
        let page = answer.json();
        assert_eq!(
            (page.get("proof"), page["completeness"].as_str()),
            (None, Some("not_provable"))
        );
        assert_eq!(report(&trial.memory, &answer.body).outcome(), Outcome::Unchecked);
        page["reason"]["code"].as_str().unwrap().to_owned()
    };
    assert_eq!(code("").await, "not_yet");
    trial.memory.checkpoint();
    for (query, reason) in [
        ("outcome=denied", "field"),
        ("q=-actor:agent:a1", "negation"),
        ("actor=agent:a1&outcome=denied", "field"),
        ("actor=agent:a1&kind=audit.*", "pattern"),
        ("kind=audit.*", "pattern"),
        ("from=2026-11-20", "occurred_range"),
        ("order=occurred_asc", "order"),
        ("tenant=acme", "tenant_not_covered"),
    ] {
        assert_eq!(code(query).await, reason, "{query}");
    }
    trial.memory.lag.store(2, Ordering::Relaxed);
    assert_eq!(code("").await, "not_yet", "the read model is behind every map");
    trial.memory.lag.store(0, Ordering::Relaxed);
    let reason = "stopped".to_owned();
    trial
        .memory
        .ledger_failures
        .lock()
        .unwrap()
        .push_back(Error::Unavailable { reason });
    assert_eq!(code("").await, "ledger_unavailable");
    trial.memory.unsigned.store(true, Ordering::Relaxed);
    assert_eq!(code("").await, "checkpoints_off");
    assert_eq!(
        trial.get("/v1/audit/timeline?proof=1").await.code(),
        "PARAMETER_INVALID"
    );
    let plain = trial.get("/v1/audit/timeline").await;
    assert_eq!(
        (plain.header("sigil-completeness"), plain.json().get("completeness")),
        ("", None)
    );
}

#[tokio::test]
async fn a_read_model_that_has_lost_a_row_is_found_out() {
    for (lost, query) in [
        (6, "actor=agent:a1"),
        (10, "actor=agent:a1"),
        (2, "actor=agent:a1"),
        (11, ""),
        (10, "limit=3"),
        (10, "limit=2&actor=agent:a1"),
        (10, "actor=agent:a1&order=asc"),
        (
            6,
            "actor=agent:a1&recorded_from=2026-11-20T12:00:05Z&recorded_to=2026-11-20T12:00:07Z",
        ),
    ] {
        let trial = filled().await;
        proven(&trial, query).await;
        trial.memory.lost.lock().unwrap().push(lost);
        let answer = trial.get(&format!("{PATH}&{query}")).await;
        assert_eq!(answer.code(), "READ_MODEL_DAMAGED", "{lost} {query}");
    }
    let trial = Trial::new();
    trial.append(&event("agent:a1", "x", "success")).await;
    trial.memory.checkpoint();
    trial.memory.lost.lock().unwrap().push(2);
    assert_eq!(
        trial.get(&format!("{PATH}&actor=agent:a1")).await.code(),
        "READ_MODEL_DAMAGED"
    );
}

#[tokio::test]
async fn a_row_that_the_timeline_does_not_have_is_the_read_models_damage() {
    let trial = filled().await;
    // What the ledger answers about a stretch that begins or ends with such a row.
    let refused = Error::CommandRefused(Refusal::Malformed);
    trial.memory.ledger_failures.lock().unwrap().push_back(refused);
    let answer = trial.get(&format!("{PATH}&actor=agent:a1")).await;
    assert_eq!(answer.code(), "READ_MODEL_DAMAGED", "{answer:?}");
    proven(&trial, "actor=agent:a1").await;
}

#[test]
fn the_last_row_before_a_bound_is_known_only_as_late_as_the_page() {
    use super::stays_outside;
    use projector::query::Order::{RecordedAscending, RecordedDescending};
    // A record that came between the two reads may be the new last one before the bound, and is never a new first behind.
    assert!(!stays_outside(RecordedAscending, 12, 11));
    assert!(stays_outside(RecordedAscending, 12, 12) && stays_outside(RecordedAscending, 11, 12));
    assert!(stays_outside(RecordedDescending, 12, 11) && stays_outside(RecordedDescending, 11, 12));
}

#[tokio::test]
async fn a_span_that_ends_before_it_begins_is_no_damage() {
    let trial = filled().await;
    for (span, code) in [
        (
            "recorded_from=2026-11-20T12:00:09Z&recorded_to=2026-11-20T12:00:04Z",
            "PARAMETER_INVALID",
        ),
        (
            "q=recorded:2026-11-21..2026-11-22+recorded:2026-11-18..2026-11-19",
            "PARAMETER_INVALID",
        ),
    ] {
        assert_eq!(trial.get(&format!("{PATH}&{span}")).await.code(), code, "{span}");
        let plain = trial.get(&format!("/v1/audit/timeline?{span}")).await;
        assert_eq!(
            (plain.status, offsets(&plain.json())),
            (StatusCode::OK, vec![]),
            "{span}"
        );
    }
    let empty = proven(
        &trial,
        "recorded_from=2026-11-20T12:00:05Z&recorded_to=2026-11-20T12:00:05Z",
    )
    .await;
    assert_eq!(offsets(&empty), Vec::<u64>::new());
}

#[tokio::test]
async fn an_answer_with_a_row_less_is_refused_by_the_verifier() {
    let trial = filled().await;
    for query in [
        "actor=agent:a1",
        "order=asc",
        "actor=agent:a1&recorded_from=2026-11-20T12:00:05Z",
    ] {
        let page = proven(&trial, query).await;
        for at in 0..offsets(&page).len() {
            let mut less = page.clone();
            less["data"].as_array_mut().unwrap().remove(at);
            let report = report(&trial.memory, less.to_string().as_bytes());
            assert_eq!(report.outcome(), Outcome::Failed, "{query} without row {at}");
        }
    }
}

#[tokio::test]
async fn a_new_checkpoint_makes_a_new_answer() {
    let trial = filled().await;
    let ask =
        async |known: &str| -> Answer { trial.ask("GET", PATH, &[("if-none-match", known)], Body::empty()).await };
    let first = ask("\"x\"").await;
    assert_eq!(ask(first.header("etag")).await.status, StatusCode::NOT_MODIFIED);
    trial.memory.checkpoint();
    let second = ask(first.header("etag")).await;
    assert_eq!(second.status, StatusCode::OK);
    assert_eq!(ask(second.header("etag")).await.status, StatusCode::NOT_MODIFIED);
    trial.append(&event("agent:a1", "x", "success")).await;
    assert_eq!(ask(second.header("etag")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_ledger_is_asked_about_what_the_page_could_see() {
    let trial = filled().await;
    for _ in 0..3 {
        trial.append(&event("agent:a1", "x", "success")).await;
    }
    trial.memory.checkpoint();
    trial.memory.lag.store(2, Ordering::Relaxed);
    let page = proven(&trial, "actor=agent:a1").await;
    assert_eq!(
        (&page["proof"]["as_of"], &page["unproven"]),
        (&json!(12), &json!([14, 13]))
    );
}

mod superset;
