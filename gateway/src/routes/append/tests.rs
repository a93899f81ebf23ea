//! `POST /v1/records` through the whole router: one record, many lines, and everything that refuses them.

use crate::Config;
use crate::trial::{TOKEN, Trial, event};
use axum::body::Body;
use axum::http::StatusCode;
use record::{Code, Record};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

const JSON: (&str, &str) = ("content-type", "application/json");
const NDJSON: (&str, &str) = ("content-type", "application/x-ndjson");
const ID: &str = "01900000-0000-7000-8000-000000000001";

fn with(mut event: Value, name: &str, value: Value) -> Value {
    event[name] = value;
    event
}

fn lines(body: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(body).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_record_comes_back_byte_for_byte() {
    let trial = Trial::new();
    let answer = trial
        .post("/v1/records", &event("agent:a1", "tool.call", "success"))
        .await;
    assert_eq!(answer.status, StatusCode::CREATED);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("sigil-offset"), "2");
    assert_eq!(answer.header("cache-control"), "no-store");
    let stored = trial.memory.records().pop().unwrap();
    let expected = format!(
        "{{\"offset\":2,\"record\":{},\"state\":\"committed\",\"published\":false}}",
        std::str::from_utf8(stored.bytes()).unwrap()
    );
    assert_eq!(answer.body, expected);
    assert_eq!(stored.author.id, "local:operator");
    assert_eq!(stored.author.auth, record::Auth::Local);
    assert_eq!(answer.header("location"), format!("/v1/records/{}", stored.id));
}

#[tokio::test]
async fn a_retry_with_the_id_is_answered_again() {
    let trial = Trial::new();
    let sent = with(event("agent:a1", "x", "success"), "id", json!(ID));
    let first = trial.post("/v1/records", &sent).await;
    let again = trial.post("/v1/records", &sent).await;
    assert_eq!((first.status, again.status), (StatusCode::CREATED, StatusCode::OK));
    assert_eq!(first.json()["record"], again.json()["record"]);
    assert_eq!(
        (first.json()["replayed"].clone(), again.json()["replayed"].clone()),
        (Value::Null, json!(true))
    );
    let other = trial
        .post("/v1/records", &with(event("agent:a2", "x", "success"), "id", json!(ID)))
        .await;
    assert_eq!(
        (other.code().as_str(), other.status),
        ("ID_CONFLICT", StatusCode::CONFLICT)
    );
}

#[tokio::test]
async fn an_idempotency_key_makes_a_retry_safe() {
    let trial = Trial::new();
    let send = async |key: &str, event: &Value| {
        trial
            .ask(
                "POST",
                "/v1/records",
                &[JSON, ("idempotency-key", key)],
                event.to_string(),
            )
            .await
    };
    let one = event("agent:a1", "x", "success");
    let first = send("k1", &one).await;
    let again = send("\"k1\"", &one).await;
    assert_eq!((first.status, again.status), (StatusCode::CREATED, StatusCode::OK));
    assert_eq!(first.json()["record"]["id"], again.json()["record"]["id"]);
    let other = send("k1", &event("agent:a1", "y", "success")).await;
    assert_eq!(
        (other.code().as_str(), other.status.as_u16()),
        ("IDEMPOTENCY_CONFLICT", 422)
    );
    assert_eq!(send("a b", &one).await.code(), "IDEMPOTENCY_KEY_INVALID");
}

#[tokio::test]
async fn a_minimal_answer_says_so() {
    let trial = Trial::new();
    let body = event("agent:a1", "x", "success").to_string();
    let answer = trial
        .ask("POST", "/v1/records", &[JSON, ("prefer", "return=minimal")], body)
        .await;
    let stored = trial.memory.records().pop().unwrap();
    assert_eq!(answer.header("preference-applied"), "return=minimal");
    let expected = json!({
        "offset": 2, "id": stored.id.to_string(), "hash": stored.hash.to_string(),
        "state": "committed", "published": false,
    });
    assert_eq!(answer.json(), expected);
}

/// Bodies that the record room refuses, with code and status.
fn refused() -> Vec<(Code, u16, String)> {
    let deep = format!(
        "{{\"kind\":\"audit.event\",\"payload\":{{\"a\":{}1{}}}}}",
        "[".repeat(200),
        "]".repeat(200)
    );
    let payload = "{\"action\":\"a\",\"outcome\":\"success\",\"source\":\"s\",\"data\":";
    let data = |data: &str| format!("{{\"kind\":\"audit.event\",\"payload\":{payload}{data}}}}}");
    vec![
        (Code::MalformedJson, 400, "{".to_owned()),
        (Code::MalformedJson, 400, String::new()),
        (Code::MalformedJson, 400, "\u{feff}{}".to_owned()),
        (
            Code::DuplicateJsonKey,
            400,
            "{\"kind\":\"a.b\",\"kind\":\"a.b\"}".to_owned(),
        ),
        (Code::NumberOutOfRange, 400, data("{\"n\":9007199254740993}")),
        (Code::NumberOutOfRange, 400, data("{\"n\":1e400}")),
        (Code::TooDeep, 400, deep),
        (Code::NulCharacter, 400, data("{\"n\":\"\\u0000\"}")),
        (Code::ReservedName, 400, data("{\"$sealed\":\"x\"}")),
        (Code::EnvelopeInvalid, 400, "[]".to_owned()),
        (
            Code::EnvelopeInvalid,
            400,
            "{\"kind\":\"audit.event\",\"payload\":{},\"hash\":\"x\"}".to_owned(),
        ),
        (
            Code::LinkInvalid,
            400,
            "{\"kind\":\"audit.event\",\"payload\":{},\"links\":[{\"label\":\"kind\",\"target\":\"a:b\"}]}".to_owned(),
        ),
        (
            Code::SealInvalid,
            400,
            "{\"kind\":\"audit.event\",\"payload\":{},\"disclosures\":[{}]}".to_owned(),
        ),
        (
            Code::KindUnknown,
            422,
            "{\"kind\":\"no.such\",\"payload\":{}}".to_owned(),
        ),
        (
            Code::SchemaVersionUnknown,
            422,
            "{\"kind\":\"audit.event\",\"schema_version\":9,\"payload\":{}}".to_owned(),
        ),
        (
            Code::SchemaInvalid,
            422,
            "{\"kind\":\"audit.event\",\"payload\":{}}".to_owned(),
        ),
        (
            Code::RecordTooLarge,
            413,
            data(&format!("{{\"n\":\"{}\"}}", "x".repeat(800_000))),
        ),
    ]
}

#[tokio::test]
async fn what_the_record_room_refuses_has_its_code_and_pointer() {
    let trial = Trial::new();
    for (code, status, body) in refused() {
        let answer = trial.ask("POST", "/v1/records", &[JSON], body).await;
        assert_eq!(
            (answer.code().as_str(), answer.status.as_u16()),
            (code.as_str(), status)
        );
        let finding = &answer.json()["errors"][0];
        assert!(
            finding["pointer"].is_string() && finding["detail"].is_string(),
            "{finding}"
        );
    }
    let invalid = trial.ask("POST", "/v1/records", &[JSON], vec![b'{', 0xff, b'}']).await;
    assert_eq!(invalid.code(), "MALFORMED_JSON");
    assert_eq!(trial.memory.size(), 2, "nothing was stored");
}

#[tokio::test]
async fn every_finding_of_a_schema_is_listed() {
    let answer = Trial::new()
        .post(
            "/v1/records",
            &json!({"kind": "audit.event", "payload": {"outcome": 3}}),
        )
        .await;
    let problem = answer.json();
    let errors = problem["errors"].as_array().unwrap();
    assert!(errors.len() >= 2, "{problem}");
    assert!(
        errors.iter().any(|error| error["pointer"] == "/payload/outcome"),
        "{problem}"
    );
}

#[tokio::test]
async fn what_may_not_be_written_is_refused() {
    let trial = Trial::new();
    let one = event("agent:a1", "x", "success");
    let code = async |body: Value| {
        let answer = trial.post("/v1/records", &body).await;
        (answer.code(), answer.status.as_u16())
    };
    let of = |code: &str, status: u16| (code.to_owned(), status);
    let tenant = with(one.clone(), "tenant", json!("nobody"));
    assert_eq!(code(tenant).await, of("TENANT_UNKNOWN", 404));
    let own = with(one.clone(), "tenant", json!("sigil-ledger"));
    assert_eq!(code(own).await, of("SYSTEM_SPACE_PROTECTED", 403));
    let system = with(one.clone(), "space", json!("system"));
    assert_eq!(code(system).await, of("SYSTEM_SPACE_PROTECTED", 403));
    let kind = json!({"kind": "tenant.created", "payload": {"tenant": "x", "name": "x"}});
    assert_eq!(code(kind).await, of("SYSTEM_SPACE_PROTECTED", 403));
    let signed = json!({"id": "agent:other", "key_id": format!("ed25519:{}", "ab".repeat(32)), "sig": record::key::encode_base64(&[1; 64])});
    assert_eq!(
        code(with(one.clone(), "author", signed.clone())).await,
        of("AUTHOR_MISMATCH", 403)
    );
    let forged = with(signed, "id", json!("local:operator"));
    assert_eq!(
        code(with(one, "author", forged)).await,
        of("AUTHOR_SIGNATURE_INVALID", 422)
    );
}

#[tokio::test]
async fn an_author_signature_is_passed_on() {
    let trial = Trial::new();
    let key = ed25519_dalek::SigningKey::from_bytes(&[5; 32]);
    let key_id = record::KeyText::from(record::PublicKey::from(key.verifying_key())).to_string();
    let mut sent = with(event("agent:a1", "x", "success"), "id", json!(ID));
    let intake = record::Intake::parse(sent.to_string().as_bytes()).unwrap();
    let mut author = record::Author::new("local:operator", record::Auth::Local);
    author.key_id = Some(key_id.clone());
    let unsigned = record::NewRecord {
        tenant: record::Tenant::parse("default").unwrap(),
        kind: intake.kind,
        schema_version: 1,
        id: intake.id.unwrap(),
        space: intake.space,
        author,
        payload: intake.payload,
        links: intake.links,
        disclosures: Vec::new(),
    };
    let log = record::Origin::parse("example.com/audit").unwrap();
    let message = record::author::signed_message(&log, &unsigned);
    let sig = ed25519_dalek::Signer::sign(&key, &message).to_bytes();
    sent["author"] = json!({"id": "local:operator", "key_id": key_id, "sig": record::key::encode_base64(&sig)});
    let stored = trial.append(&sent).await;
    assert_eq!(stored["author"]["sig"], sent["author"]["sig"]);
    assert_eq!(stored["author"]["key_id"], key_id);
}

#[tokio::test]
async fn bodies_have_a_type_and_a_limit() {
    let trial = Trial::with(
        Config {
            record_bytes: 1_000,
            ndjson_bytes: 2_000,
            ..Config::default()
        },
        false,
    );
    let code =
        async |headers: &[(&str, &str)], body: Body| trial.ask("POST", "/v1/records", headers, body).await.code();
    assert_eq!(code(&[], "{}".into()).await, "UNSUPPORTED_MEDIA_TYPE");
    assert_eq!(
        code(&[("content-type", "text/plain")], "{}".into()).await,
        "UNSUPPORTED_MEDIA_TYPE"
    );
    let spaces = |count: usize| Body::from(" ".repeat(count));
    assert_eq!(code(&[JSON], spaces(1_001)).await, "PAYLOAD_TOO_LARGE");
    assert_eq!(code(&[JSON], spaces(1_000)).await, "MALFORMED_JSON");
    assert_eq!(code(&[NDJSON], spaces(2_001)).await, "PAYLOAD_TOO_LARGE");
    let chunks = (0..3).map(|_| Ok::<_, std::io::Error>(" ".repeat(400)));
    let chunked = Body::from_stream(futures_util::stream::iter(chunks));
    assert_eq!(code(&[JSON], chunked).await, "PAYLOAD_TOO_LARGE");
    let broken = futures_util::stream::iter([Ok("{"), Err(std::io::Error::other("gone"))]);
    assert_eq!(code(&[JSON], Body::from_stream(broken)).await, "BAD_REQUEST");
    let charset = [("content-type", "Application/JSON; charset=utf-8")];
    assert_eq!(code(&charset, "{".into()).await, "MALFORMED_JSON");
    assert_eq!(
        trial.ask("POST", "/v1/records?x=1", &[JSON], "{}").await.code(),
        "PARAMETER_UNKNOWN"
    );
}

#[tokio::test]
async fn what_the_ledger_fails_with_is_a_problem() {
    use ledger_client::Error as E;
    let trial = Trial::new();
    let id = record::RecordId::parse(ID).unwrap();
    let reason = || "the disk is full".to_owned();
    for (error, code, status) in [
        (E::Overloaded, "OVERLOADED", 503),
        (E::ClockJumped { seconds: 9 }, "CLOCK_JUMPED", 503),
        (E::Unavailable { reason: reason() }, "LEDGER_UNAVAILABLE", 503),
        (E::CommitUnknown { id, reason: reason() }, "COMMIT_UNKNOWN", 503),
        (E::Unwitnessed { id, offset: 7 }, "WITNESS_QUORUM_MISSING", 503),
        (E::ScopeKeyLost, "SCOPE_KEY_LOST", 500),
        (E::Corrupt("block 7".to_owned()), "LOG_CORRUPT", 500),
        (domain::Denial::GenesisMisplaced.into(), "GENESIS_MISPLACED", 409),
        (domain::Denial::TenantExists.into(), "ALREADY_EXISTS", 409),
        (domain::Denial::RotationMisplaced.into(), "ROTATION_MISPLACED", 409),
        (domain::Denial::RecoveryMisplaced.into(), "RECOVERY_MISPLACED", 409),
        (domain::Denial::MapRootMisplaced.into(), "MAP_ROOT_MISPLACED", 409),
        (E::Closed, "LOG_CLOSED", 409),
        (
            E::OwnIdRequired {
                until: record::Timestamp::MIN,
            },
            "OWN_ID_REQUIRED",
            400,
        ),
        (domain::Denial::RotationStale.into(), "ROTATION_STALE", 409),
        (domain::Denial::RotationUnproven.into(), "ROTATION_UNPROVEN", 403),
        (
            record::Fault::new(Code::NotCanonical, "", "x").into(),
            "NOT_CANONICAL",
            422,
        ),
        (
            record::Fault::new(Code::HashMismatch, "/hash", "x").into(),
            "HASH_MISMATCH",
            422,
        ),
        (
            record::Fault::new(Code::SignatureInvalid, "/sig", "x").into(),
            "RECORD_SIGNATURE_INVALID",
            422,
        ),
        (E::Refused(Vec::new()), "BAD_REQUEST", 400),
    ] {
        trial.memory.ledger_failures.lock().unwrap().push_back(error);
        let answer = trial.post("/v1/records", &event("agent:a1", "x", "success")).await;
        assert_eq!((answer.code().as_str(), answer.status.as_u16()), (code, status));
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_that_is_not_answered_is_unknown_and_names_its_record() {
    let trial = Trial::new();
    trial.memory.hangs.store(true, Ordering::Relaxed);
    let sent = with(event("agent:a1", "x", "success"), "id", json!(ID));
    let answer = trial.post("/v1/records", &sent).await;
    assert_eq!(answer.code(), "COMMIT_UNKNOWN");
    assert!(answer.json()["detail"].as_str().unwrap().contains(ID));
    let many = trial.ask("POST", "/v1/records", &[NDJSON], sent.to_string()).await;
    assert_eq!(lines(&many.body)[0]["code"], "COMMIT_UNKNOWN");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stalls_is_not_waited_for() {
    let stalled = Body::from_stream(futures_util::stream::pending::<Result<&str, std::io::Error>>());
    let answer = Trial::new().ask("POST", "/v1/records", &[JSON], stalled).await;
    assert_eq!(
        (answer.code().as_str(), answer.status.as_u16()),
        ("REQUEST_TIMEOUT", 408)
    );
}

#[tokio::test]
async fn each_line_stands_alone() {
    let trial = Trial::new();
    let good = with(event("agent:a1", "x", "success"), "id", json!(ID));
    let body = format!(
        "{good}\r\n\n  \n{{\"kind\":1}}\n{}\n{good}\nnot json",
        event("agent:a2", "y", "denied")
    );
    let answer = trial.ask("POST", "/v1/records", &[NDJSON], body).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("content-type"), "application/x-ndjson");
    let results = lines(&answer.body);
    let seen: Vec<_> = results
        .iter()
        .map(|result| (result["line"].as_u64().unwrap(), result["status"].as_u64().unwrap()))
        .collect();
    assert_eq!(seen, [(1, 201), (4, 400), (5, 201), (6, 200), (7, 400)]);
    let stored = trial.memory.records();
    let first = json!({
        "line": 1, "status": 201, "offset": 2, "id": ID, "hash": stored[2].hash.to_string(),
        "state": "committed", "published": false,
    });
    assert_eq!(results[0], first);
    assert_eq!(results[1]["code"], "ENVELOPE_INVALID");
    assert_eq!(results[1]["errors"][0]["pointer"], "/kind");
    assert_eq!(results[3]["replayed"], true);
    assert_eq!(results[4]["code"], "MALFORMED_JSON");
    assert_eq!(results[4]["request_id"], answer.header("x-request-id"));
    assert_eq!(stored.len(), 4);
}

#[tokio::test]
async fn lines_come_back_whole_when_asked_and_empty_bodies_are_empty() {
    let trial = Trial::new();
    let body = event("agent:a1", "x", "success").to_string();
    let headers = [NDJSON, ("prefer", "return=representation")];
    let answer = trial.ask("POST", "/v1/records", &headers, body.clone()).await;
    assert_eq!(answer.header("preference-applied"), "return=representation");
    let record = lines(&answer.body)[0]["record"].clone();
    assert!(Record::parse(record::canonical::to_vec(&record)).is_ok());
    assert!(
        trial
            .ask("POST", "/v1/records", &[NDJSON], "\n\n")
            .await
            .body
            .is_empty()
    );
    let keyed = [NDJSON, ("idempotency-key", "k")];
    assert_eq!(
        trial.ask("POST", "/v1/records", &keyed, body).await.code(),
        "IDEMPOTENCY_KEY_REFUSED"
    );
}

#[tokio::test]
async fn many_lines_keep_their_order_over_portions() {
    let trial = Trial::new();
    let body: String = (0..2_500)
        .map(|n| format!("{}\n", event("agent:a1", &format!("step.{n}"), "success")))
        .collect();
    let answer = trial.ask("POST", "/v1/records", &[NDJSON], body).await;
    let offsets: Vec<u64> = lines(&answer.body)
        .iter()
        .map(|line| line["offset"].as_u64().unwrap())
        .collect();
    assert_eq!(offsets, (2..2_502).collect::<Vec<_>>());
    let last = trial.memory.records().pop().unwrap();
    assert_eq!(last.payload["action"], "step.2499");
}

#[tokio::test]
async fn a_failure_of_the_whole_portion_is_every_lines() {
    let trial = Trial::new();
    trial
        .memory
        .ledger_failures
        .lock()
        .unwrap()
        .push_back(ledger_client::Error::Overloaded);
    let body = format!(
        "{}\n{{}}\n{}",
        event("agent:a1", "x", "success"),
        event("agent:a1", "y", "success")
    );
    let answer = trial.ask("POST", "/v1/records", &[NDJSON], body).await;
    let codes: Vec<_> = lines(&answer.body).iter().map(|line| line["code"].clone()).collect();
    assert_eq!(codes, ["OVERLOADED", "ENVELOPE_INVALID", "OVERLOADED"]);
}

#[tokio::test]
async fn the_tenant_is_named_once() {
    let trial = Trial::new();
    trial
        .post("/admin/tenants", &json!({"tenant": "acme", "name": "Acme"}))
        .await;
    let one = event("agent:a1", "x", "success");
    let headers = [JSON, ("sigil-tenant", "acme")];
    let answer = trial.ask("POST", "/v1/records", &headers, one.to_string()).await;
    assert_eq!(answer.json()["record"]["tenant"], "acme");
    let both = with(one.clone(), "tenant", json!("default")).to_string();
    assert_eq!(
        trial.ask("POST", "/v1/records", &headers, both).await.code(),
        "TENANT_MISMATCH"
    );
    let twice = [JSON, ("sigil-tenant", "acme"), ("sigil-tenant", "default")];
    assert_eq!(
        trial.ask("POST", "/v1/records", &twice, one.to_string()).await.code(),
        "HEADER_INVALID"
    );
    let wrong = [JSON, ("sigil-tenant", "Acme")];
    assert_eq!(
        trial.ask("POST", "/v1/records", &wrong, one.to_string()).await.code(),
        "HEADER_INVALID"
    );
}

#[tokio::test(start_paused = true)]
async fn a_write_says_how_far_it_has_come() {
    let trial = Trial::new();
    let sent = event("agent:a1", "x", "success");
    let send = async |query: &str, prefer: &str, checkpoint: bool| {
        let path = format!("/v1/records{query}");
        let headers = [JSON, ("prefer", prefer)];
        let comes = async {
            tokio::time::sleep(std::time::Duration::from_secs(3)).await; // waits for: virtual time, the clock is paused
            if checkpoint {
                trial.memory.checkpoint();
            }
        };
        tokio::join!(trial.ask("POST", &path, &headers, sent.to_string()), comes).0
    };
    for (query, prefer, checkpoint, state, applied) in [
        ("", "wait=5", true, "committed", ""),
        ("?until=committed", "wait=5", true, "committed", ""),
        ("?until=included", "wait=5", true, "included", "wait=5"),
        ("?until=included", "x", true, "included", ""),
        ("?until=included", "wait=1", true, "committed", "wait=1"),
        ("?until=witnessed", "wait=5", true, "included", "wait=5"),
        ("?until=witnessed", "wait=5", false, "committed", "wait=5"),
        ("?until=included", "wait=600", false, "committed", ""),
    ] {
        let answer = send(query, prefer, checkpoint).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{query} {prefer}: {answer:?}");
        assert_eq!(answer.json()["state"], state, "{query} {prefer}");
        assert_eq!(answer.header("preference-applied"), applied, "{query} {prefer}");
    }
    let witnessed = async {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await; // waits for: virtual time, the clock is paused
        trial.memory.checkpoint();
        trial.memory.witness();
    };
    let path = "/v1/records?until=witnessed";
    let (answer, ()) = tokio::join!(trial.post(path, &sent), witnessed);
    assert_eq!(answer.json()["state"], "witnessed");
    assert_eq!(
        trial.post("/v1/records?until=x", &sent).await.code(),
        "PARAMETER_INVALID"
    );
    trial.memory.unsigned.store(true, Ordering::Relaxed);
    let answer = trial.post("/v1/records?until=witnessed", &sent).await;
    assert_eq!(
        (answer.status, &answer.json()["state"]),
        (StatusCode::CREATED, &json!("committed"))
    );
    let canon = json!({"key": "k", "value": 1});
    let answer = trial.post("/canon/user/write?until=included", &canon).await;
    assert_eq!(answer.json()["state"], "committed");
}

#[tokio::test(start_paused = true)]
async fn lines_wait_once_and_each_says_what_it_reached() {
    let trial = Trial::new();
    let quoting = event("agent:a1", "x\",\"state\":\"committed", "success");
    let body = format!("{quoting}\nnot json\n{quoting}\n,\"state\":\"committed\"\n");
    for representation in ["return=minimal", "return=representation"] {
        let comes = async {
            tokio::time::sleep(std::time::Duration::from_secs(1)).await; // waits for: virtual time, the clock is paused
            trial.memory.checkpoint();
            trial.memory.witness();
        };
        let path = "/v1/records?until=witnessed";
        let headers = [NDJSON, ("prefer", representation)];
        let (answer, ()) = tokio::join!(trial.ask("POST", path, &headers, body.clone()), comes);
        let results = lines(&answer.body);
        let states: Vec<_> = results
            .iter()
            .map(|line| line["state"].as_str().unwrap_or("-"))
            .collect();
        assert_eq!(states, ["witnessed", "-", "witnessed", "-"], "{representation}");
    }
    let again = trial.ask("POST", "/v1/records", &[NDJSON], body).await;
    assert_eq!(lines(&again.body)[0]["state"], "committed");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stops_answers_those_who_wait() {
    let trial = Trial::new();
    let (stop, begun) = tokio::sync::watch::channel(false);
    let request = axum::http::Request::post("/v1/records?until=witnessed")
        .header("authorization", TOKEN)
        .header(JSON.0, JSON.1)
        .header("prefer", "wait=25")
        .extension(crate::serve::Draining(Some(begun)));
    let body = Body::from(event("agent:a1", "x", "success").to_string());
    let stops = async {
        tokio::time::sleep(std::time::Duration::from_secs(3)).await; // waits for: virtual time, the clock is paused
        trial.memory.checkpoint();
        stop.send_replace(true);
    };
    let begin = tokio::time::Instant::now();
    let (answer, ()) = tokio::join!(trial.send(request.body(body).unwrap()), stops);
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    assert_eq!(answer.json()["state"], "included");
    assert!(
        begin.elapsed() < std::time::Duration::from_secs(4),
        "{:?}",
        begin.elapsed()
    );
}
