//! The API over a real server, a real ledger and a real read model: what only shows when all of them work together.

use crate::client::{Answer, Client};
use crate::log::{Log, event, id};
use crate::server::Server;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const NDJSON: &[(&str, &str)] = &[("Content-Type", "application/x-ndjson")];

fn ndjson(client: &mut Client, body: &str) -> Answer {
    client
        .ask("POST /v1/records", NDJSON, body.as_bytes())
        .expect("the server answers")
}

fn lines(answer: &Answer) -> Vec<Value> {
    let text = std::str::from_utf8(&answer.body).expect("text");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("a JSON line"))
        .collect()
}

/// The path of a page after this one, as its `Link` names it.
fn next(page: &Answer) -> Option<String> {
    let link = page.header("link").strip_prefix('<')?;
    Some(link.split_once('>')?.0.to_owned())
}

#[test]
fn a_record_that_was_written_is_read_as_it_was_signed() {
    let log = Log::new();
    let server = Server::start(&log);
    let mut client = server.client();
    let mut sent = event("agent:a1", "tool.call");
    sent["id"] = id(1).into();
    let written = client.post(&sent).unwrap().is(201);
    let offset: u64 = written.header("sigil-offset").parse().expect("an offset");
    assert_eq!(written.header("content-type"), "application/json");
    assert_eq!(written.header("location"), format!("/v1/records/{}", id(1)));
    let answer = written.json();
    assert_eq!(
        (&answer["offset"], &answer["state"]),
        (&json!(offset), &json!("committed"))
    );
    let read = client
        .ask(
            &format!("GET {}", written.header("location")),
            &[("Sigil-Min-Position", &(offset + 1).to_string())],
            b"",
        )
        .unwrap()
        .is(200);
    let record = record::Record::parse(read.body.clone()).expect("canonical bytes");
    assert_eq!((record.offset, record.id.to_string()), (offset, id(1)));
    assert_eq!(read.json(), answer["record"]);
    let etag = read.header("etag").to_owned();
    assert_eq!(etag, format!("\"{}\"", record.hash));
    let known = client.ask(&format!("GET /v1/records/{}", id(1)), &[("If-None-Match", &etag)], b"");
    let known = known.unwrap().is(304);
    assert_eq!((known.header("etag"), known.body.len()), (etag.as_str(), 0));
    client.post(&sent).unwrap().is(200);
    let audit = client.get(&format!("/audit/{}", id(1))).is(200).json();
    assert_eq!(audit["record"], answer["record"]);
    server.stop();
    let at = usize::try_from(offset).expect("a place");
    assert_eq!(log.records()[at], answer["record"]);
}

#[test]
fn each_line_of_ndjson_stands_alone() {
    let log = Log::new();
    let server = Server::start(&log);
    let mut client = server.client();
    let mut first = event("agent:a1", "first");
    first["id"] = id(1).into();
    let mut unfit = event("agent:a1", "x");
    unfit["payload"]["outcome"] = "perhaps".into();
    let elsewhere = json!({"kind": "audit.event", "tenant": "unheard", "payload": first["payload"]});
    let body = format!(
        "{first}\nnot json\n\n{unfit}\n{elsewhere}\n{first}\n{}\n",
        event("agent:a1", "last")
    );
    let answer = ndjson(&mut client, &body).is(200);
    assert_eq!(answer.header("content-type"), "application/x-ndjson");
    let results = lines(&answer);
    let numbers: Vec<_> = results.iter().map(|result| result["line"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [1, 2, 4, 5, 6, 7]);
    let statuses: Vec<_> = results
        .iter()
        .map(|result| result["status"].as_u64().unwrap())
        .collect();
    assert_eq!(statuses, [201, 400, 422, 404, 200, 201]);
    let codes: Vec<_> = results.iter().filter_map(|result| result["code"].as_str()).collect();
    assert_eq!(codes, ["MALFORMED_JSON", "SCHEMA_INVALID", "TENANT_UNKNOWN"]);
    let offset = |at: usize| results[at]["offset"].as_u64().expect("a number");
    assert_eq!(offset(4), offset(0), "it is the same record");
    assert!(offset(5) > offset(0));
    let keyed = [NDJSON[0], ("Idempotency-Key", "k")];
    let keyed = client.ask("POST /v1/records", &keyed, body.as_bytes()).unwrap().is(400);
    assert_eq!(keyed.problem(), "IDEMPOTENCY_KEY_REFUSED");
    server.stop();
    assert_eq!(log.asked().len(), 4);
}

#[test]
fn an_idempotency_key_is_remembered_across_a_restart_and_a_crash() {
    let log = Log::new();
    let sent = event("agent:a1", "once");
    let key = [("Idempotency-Key", "\"order-17\"")];
    let server = Server::start(&log);
    let written = server.client().post_with(&sent, &key).unwrap().is(201).json();
    server.stop();
    let server = Server::start(&log);
    let again = server
        .client()
        .post_with(&sent, &[("Idempotency-Key", "order-17")])
        .unwrap()
        .is(200)
        .json();
    assert_eq!(again["record"], written["record"]);
    server.kill();
    let server = Server::start(&log);
    let mut client = server.client();
    assert_eq!(
        client.post_with(&sent, &key).unwrap().is(200).json()["record"],
        written["record"]
    );
    let other = client.post_with(&event("agent:a1", "other"), &key).unwrap().is(422);
    assert_eq!(other.problem(), "IDEMPOTENCY_CONFLICT");
    client.post(&sent).unwrap().is(201);
    server.stop();
    assert_eq!(log.asked().len(), 4);
}

#[test]
fn pages_walk_everything_exactly_once_while_records_arrive() {
    let log = Log::new();
    let server = Server::start(&log);
    let mut client = server.client();
    let record = |number: u64| {
        let mut record = event(if number.is_multiple_of(3) { "agent:a" } else { "agent:b" }, "walk");
        record["id"] = id(number).into();
        // Two share each moment, so that pages are cut between equal times.
        record["payload"]["occurred_at"] = format!("2026-05-01T10:{:02}:00.000000Z", number / 2 % 60).into();
        record.to_string()
    };
    let body: Vec<String> = (0..90).map(record).collect();
    ndjson(&mut client, &body.join("\n")).is(200);
    let sent = |keep: fn(u64) -> bool| (0..90).filter(|number| keep(*number)).map(id).collect::<BTreeSet<_>>();
    let mut arriving = 1_000;
    for (filter, expected) in [
        ("actor=agent:a", sent(|number| number % 3 == 0)),
        ("q=-actor:agent:a%20kind:audit.*", sent(|number| number % 3 != 0)),
        ("kind=audit.event&order=asc&recorded_from=2026-01-01", sent(|_| true)),
        ("action=walk&from=2026-05-01&to=2026-05-01", sent(|_| true)),
        (
            "action=walk&from=2026-05-01&to=2026-05-01&order=occurred_asc",
            sent(|_| true),
        ),
    ] {
        let size = client.get("/v1/head").json()["size"].as_u64().unwrap();
        let mut path = format!("/v1/audit/timeline?{filter}&limit=7&min_position={size}");
        let (mut walked, mut pages) = (Vec::new(), 0);
        loop {
            let page = client.get(&path).is(200);
            let listed = page.json();
            let rows = listed["data"].as_array().unwrap();
            assert!(rows.len() <= 7);
            walked.extend(rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()));
            pages += 1;
            assert_eq!(listed["has_more"].as_bool().unwrap(), next(&page).is_some());
            let Some(further) = next(&page) else { break };
            path = further;
            // A record that arrives between two pages moves nothing that was there.
            let mut new = event("agent:late", "late");
            new["id"] = id(arriving).into();
            arriving += 1;
            client.post(&new).unwrap().is(201);
        }
        let known: Vec<&String> = walked.iter().filter(|found| expected.contains(*found)).collect();
        assert_eq!(known.len(), expected.len(), "{filter}");
        assert_eq!(
            known.into_iter().cloned().collect::<BTreeSet<_>>(),
            expected,
            "{filter}"
        );
        assert_eq!(
            walked.iter().collect::<BTreeSet<_>>().len(),
            walked.len(),
            "{filter}: a row came twice"
        );
        assert!(pages > 4, "{filter}");
    }
    server.stop();
}

#[test]
fn cursors_survive_a_restart_and_belong_to_their_question() {
    let log = Log::new();
    let server = Server::start(&log);
    let mut client = server.client();
    let body: Vec<String> = (0..6).map(|_| event("agent:a", "x").to_string()).collect();
    ndjson(&mut client, &body.join("\n")).is(200);
    let page = client
        .get("/v1/audit/timeline?actor=agent:a&limit=4&min_position=8")
        .is(200)
        .json();
    let cursor = page["next_cursor"].as_str().unwrap().to_owned();
    server.stop();
    let server = Server::start(&log);
    let mut client = server.client();
    let rest = client.get(&format!(
        "/v1/audit/timeline?actor=agent:a&limit=4&min_position=8&cursor={cursor}"
    ));
    assert_eq!(rest.is(200).json()["data"].as_array().unwrap().len(), 2);
    for other in ["actor=agent:b", "actor=agent:a&tenant=other", "actor=agent:a&order=asc"] {
        let refused = client
            .get(&format!("/v1/audit/timeline?{other}&cursor={cursor}"))
            .is(400);
        assert_eq!(refused.problem(), "CURSOR_INVALID", "{other}");
    }
}

#[test]
fn a_read_sees_the_write_that_it_asks_for() {
    let log = Log::new();
    let server = Server::start(&log);
    let mut client = server.client();
    for number in 0..40 {
        let mut sent = event("agent:a1", "own");
        sent["id"] = id(number).into();
        let offset: u64 = client
            .post(&sent)
            .unwrap()
            .is(201)
            .header("sigil-offset")
            .parse()
            .unwrap();
        let wanted = (offset + 1).to_string();
        let page = client.ask(
            "GET /v1/audit/timeline?limit=1",
            &[("Sigil-Min-Position", &wanted)],
            b"",
        );
        let page = page.unwrap().is(200);
        assert_eq!(page.json()["data"][0]["id"], id(number));
        let number = |name: &str| page.header(name).parse::<u64>().unwrap();
        assert!(number("sigil-position") > offset && number("sigil-head") > offset);
    }
    let page = client.get("/v1/audit/timeline?actor=agent:a1").is(200);
    let etag = page.header("etag").to_owned();
    let known = client.ask(
        "GET /v1/audit/timeline?actor=agent:a1",
        &[("If-None-Match", &etag)],
        b"",
    );
    known.unwrap().is(304);
    let news = client.post(&event("agent:a1", "news")).unwrap().is(201);
    let wanted = news.header("sigil-offset").parse::<u64>().unwrap() + 1;
    let path = format!("GET /v1/audit/timeline?actor=agent:a1&min_position={wanted}");
    let page = client.ask(&path, &[("If-None-Match", &etag)], b"").unwrap().is(200);
    assert_eq!(page.json()["data"].as_array().unwrap().len(), 41);
    let ahead = client.get("/v1/head?min_position=1000&timeout=50ms").is(503);
    assert_eq!(ahead.header("retry-after"), "1");
    assert_eq!(ahead.problem(), "PROJECTION_LAGGING");
}

type Refusal<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str, u16, &'a str);

/// Requests that are refused before their body is looked at.
const REFUSED: &[Refusal<'_>] = &[
    ("GET /unheard", &[], "", 404, "ROUTE_NOT_FOUND"),
    ("DELETE /v1/records", &[], "", 405, "METHOD_NOT_ALLOWED"),
    ("GET /v1/records/nothing", &[], "", 404, "NOT_FOUND"),
    ("GET /v1/records/..%2f..%2fetc", &[], "", 404, "NOT_FOUND"),
    ("GET /v1/audit/timeline?unheard=1", &[], "", 400, "PARAMETER_UNKNOWN"),
    ("GET /v1/audit/timeline?limit=0", &[], "", 400, "PARAMETER_INVALID"),
    (
        "GET /v1/audit/timeline?limit=1&limit=2",
        &[],
        "",
        400,
        "PARAMETER_REPEATED",
    ),
    ("GET /v1/audit/timeline?q=actor", &[], "", 400, "QUERY_INVALID"),
    ("GET /v1/audit/timeline?cursor=x", &[], "", 400, "CURSOR_INVALID"),
    (
        "GET /v1/head",
        &[("Sigil-Requested-Version", "99")],
        "",
        400,
        "UNSUPPORTED_API_VERSION",
    ),
    (
        "POST /v1/records",
        &[("Content-Type", "text/plain")],
        "{}",
        415,
        "UNSUPPORTED_MEDIA_TYPE",
    ),
];

/// Bodies that are refused.
const UNFIT: &[(&str, u16, &str)] = &[
    ("", 400, "MALFORMED_JSON"),
    ("[]", 400, "ENVELOPE_INVALID"),
    (r#"{"kind":1,"kind":1}"#, 400, "DUPLICATE_JSON_KEY"),
    (r#"{"kind":1e400}"#, 400, "NUMBER_OUT_OF_RANGE"),
    (r#"{"kind":"\u0000"}"#, 400, "NUL_CHARACTER"),
    (r#"{"kind":"un.heard","payload":{}}"#, 422, "KIND_UNKNOWN"),
    (r#"{"kind":"audit.event","payload":{}}"#, 422, "SCHEMA_INVALID"),
];

#[test]
fn every_refusal_is_problem_json() {
    let log = Log::new();
    let server = Server::start(&log);
    let ask = |line: &str, headers: &[(&str, &str)], body: &str, status: u16, code: &str| {
        // One connection each: a refused body may close it.
        let answer = server
            .client()
            .ask(line, headers, body.as_bytes())
            .expect(code)
            .is(status);
        assert_eq!(answer.problem(), code, "{line}");
        assert!(!answer.header("sigil-api-version").is_empty(), "{answer:?}");
    };
    for (line, headers, body, status, code) in REFUSED {
        ask(line, headers, body, *status, code);
    }
    let json = ("Content-Type", "application/json");
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    let large = "x".repeat(1_100_000);
    let limits = [
        (deep.as_str(), 400, "JSON_TOO_DEEP"),
        (&large, 413, "PAYLOAD_TOO_LARGE"),
    ];
    for (body, status, code) in UNFIT.iter().chain(&limits) {
        ask("POST /v1/records", &[json], body, *status, code);
    }
    let record = event("agent:a1", "x").to_string();
    ask(
        "POST /v1/records",
        &[json, ("Sigil-Tenant", "unheard")],
        &record,
        404,
        "TENANT_UNKNOWN",
    );
    server.stop();
    assert_eq!(log.asked().len(), 2, "nothing refused is stored");
}

#[test]
fn only_the_token_gets_in() {
    let log = Log::new();
    let server = Server::start(&log);
    let mut client = server.client();
    for path in [
        "/v1/head",
        "/v1/audit/timeline",
        "/audit/x",
        "/v1/records/x",
        "/v1/records/x/disclosures",
    ] {
        let line = format!("GET {path}");
        assert_eq!(
            client.send(&line, &[], b"").unwrap().is(401).problem(),
            "AUTH_REQUIRED",
            "{path}"
        );
        let wrong = [("Authorization", "Bearer another-token-of-this-length")];
        assert_eq!(
            client.send(&line, &wrong, b"").unwrap().is(401).problem(),
            "TOKEN_INVALID",
            "{path}"
        );
    }
    let json = [("Content-Type", "application/json")];
    let body = event("agent:a1", "x").to_string();
    let refused = server
        .client()
        .send("POST /v1/records", &json, body.as_bytes())
        .unwrap();
    assert_eq!(refused.is(401).problem(), "AUTH_REQUIRED");
    for open in ["/livez", "/readyz", "/healthz", "/metrics", "/openapi.json", "/"] {
        client.send(&format!("GET {open}"), &[], b"").unwrap().is(200);
    }
    let metrics = client.get("/metrics");
    assert!(!String::from_utf8_lossy(&metrics.body).contains(crate::client::TOKEN));
    server.stop();

    let server = Server::with(&log, &["--open-reads"]);
    let mut client = server.client();
    client.send("GET /v1/head", &[], b"").unwrap().is(200);
    let refused = server
        .client()
        .send("POST /v1/records", &json, body.as_bytes())
        .unwrap();
    assert_eq!(refused.is(403).problem(), "ROLE_REQUIRED");
    server.stop();
    assert_eq!(log.asked().len(), 2);
}

fn log_size(client: &mut Client) -> u64 {
    client.get("/v1/head").is(200).json()["size"]
        .as_u64()
        .expect("a number")
}

#[test]
fn tenants_do_not_see_each_other() {
    let log = Log::new();
    let server = Server::start(&log);
    let mut client = server.client();
    let json = [("Content-Type", "application/json")];
    let other = br#"{"tenant":"other","name":"Other"}"#;
    client.ask("POST /admin/tenants", &json, other).unwrap().is(201);
    let again = client.ask("POST /admin/tenants", &json, other).unwrap().is(409);
    assert_eq!(again.problem(), "ALREADY_EXISTS");
    let mut sent = event("agent:a1", "mine");
    sent["id"] = id(1).into();
    client.post(&sent).unwrap().is(201);
    // The same id is free in another tenant: ids are unique within one.
    sent["payload"]["action"] = "theirs".into();
    let theirs = client
        .post_with(&sent, &[("Sigil-Tenant", "other")])
        .unwrap()
        .is(201)
        .json();
    assert_eq!(theirs["record"]["seq"], 1, "each tenant has a chain of its own");
    sent["id"] = id(2).into();
    client.post_with(&sent, &[("Sigil-Tenant", "other")]).unwrap().is(201);
    let size = log_size(&mut client);
    let get = |client: &mut Client, path: String| client.get(&format!("{path}min_position={size}"));
    for path in ["/v1/records/", "/audit/"] {
        let absent = get(&mut client, format!("{path}{}?", id(2))).is(404);
        assert_eq!(absent.problem(), "NOT_FOUND", "{path}");
        get(&mut client, format!("{path}{}?tenant=other&", id(2))).is(200);
    }
    let absent = client.get(&format!("/v1/records/{}/disclosures", id(2))).is(404);
    assert_eq!(absent.problem(), "NOT_FOUND");
    let mine = get(&mut client, "/v1/audit/timeline?actor=agent:a1&".to_owned()).json();
    assert_eq!(mine["data"].as_array().unwrap().len(), 1);
    assert_eq!(mine["data"][0]["payload"]["action"], "mine");
    let mut named = sent.clone();
    named["tenant"] = "default".into();
    let mixed = client.post_with(&named, &[("Sigil-Tenant", "other")]).unwrap().is(403);
    assert_eq!(mixed.problem(), "TENANT_MISMATCH");
}

#[test]
fn sealed_members_are_opened_for_an_administrator_and_are_nowhere_else() {
    const SECRET: &str = "Ada-Lovelace-1815";
    let log = Log::new();
    let server = Server::start(&log);
    let mut client = server.client();
    let mut sent = event("agent:a1", "sealed");
    sent["id"] = id(1).into();
    sent["payload"]["private"] = json!({"name": SECRET});
    let written = client.post(&sent).unwrap().is(201);
    assert!(!String::from_utf8_lossy(&written.body).contains(SECRET));
    let written = written.json();
    assert!(written["record"]["payload"]["private"]["$sealed"].is_string());
    for path in [
        format!("/v1/records/{}?min_position=3", id(1)),
        "/v1/audit/timeline".to_owned(),
        "/metrics".into(),
    ] {
        assert!(
            !String::from_utf8_lossy(&client.get(&path).is(200).body).contains(SECRET),
            "{path}"
        );
    }
    let opened = client.get(&format!("/v1/records/{}/disclosures", id(1))).is(200).json();
    assert_eq!(opened["disclosures"][0]["value"], json!({"name": SECRET}));
    assert_eq!(opened["disclosures"][0]["pointer"], "/payload/private");
    server.stop();
    let found = stored_bytes(&log).into_iter().find(|(_, bytes)| {
        let secret = SECRET.as_bytes();
        bytes.windows(secret.len()).any(|window| window == secret)
    });
    assert_eq!(found.map(|(path, _)| path), None, "a sealed value lies in the clear");
    assert!(log.run(&["record", "list"]).exits(0).out.contains("$sealed"));
    log.verify(&log.trust_file()).exits(0);
}

/// Every file of the log's directory with what is in it; the zeros in front of which journals end are left out.
fn stored_bytes(log: &Log) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let (mut dirs, mut files) = (vec![log.data_dir()], Vec::new());
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).expect("a directory of the log") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                dirs.push(path);
            } else {
                let mut bytes = std::fs::read(&path).expect("a file of the log");
                bytes.truncate(8 * 1_024 * 1_024);
                files.push((path, bytes));
            }
        }
    }
    files
}
