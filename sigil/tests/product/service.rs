//! `sigil serve` without a role: the embedded log as a service, with probes, traces, TLS and an orderly end.

use crate::client::{Client, TOKEN};
use crate::collector::{PARENT, TRACE, bytes, collector, contains};
use crate::log::{Log, event};
use crate::server::{Server, errors_of};
use serde_json::Value;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

fn service(log: &Log, args: &[&str]) -> Server {
    let token = log.write("token", format!("{TOKEN}\n"));
    let token = token.to_str().expect("a path of text");
    let usual = ["--role", "embedded", "--listen", "127.0.0.1:0", "--token-file", token];
    Server::run(log, "serve", &[&usual, args].concat())
}

#[test]
fn the_service_answers_with_probes_of_its_parts() {
    let log = Log::new();
    let server = service(&log, &["--ops-listen", "127.0.0.1:0"]);
    let mut client = server.client();
    let answer = client
        .post(&event("agent:a1", "service.test"))
        .expect("an answer")
        .is(201);
    assert_eq!(answer.json()["record"]["author"]["auth"], "local");
    let ops: std::net::SocketAddr = server.said["ops"]
        .as_str()
        .expect("an address")
        .parse()
        .expect("an address");
    let mut probe = Client::connect(ops).expect("it listens");
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    loop {
        let ready = probe.send("GET /readyz", &[], b"").expect("an answer");
        let health = probe.send("GET /healthz", &[], b"").expect("an answer").is(200).json();
        if ready.status == 200 && health["parts"]["projector"]["status"] == "ok" {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "{health}");
        std::thread::sleep(Duration::from_millis(20)); // waits for: the projector's first sign of life
    }
    assert_eq!(probe.send("GET /livez", &[], b"").expect("an answer").status, 200);
    let text = probe.send("GET /metrics", &[], b"").expect("an answer").is(200).body;
    let text = String::from_utf8(text).expect("text");
    assert!(
        text.contains("part_up{part=\"projector\"} 1") && text.contains("role_info{role=\"embedded\"} 1"),
        "{text}"
    );
    assert_eq!(
        probe.send("GET /v1/head", &[], b"").expect("an answer").problem(),
        "ROUTE_NOT_FOUND"
    );
    // The same parts are on the API's own probes.
    assert_eq!(
        client.get("/healthz").is(200).json()["parts"]["projector"]["status"],
        "ok"
    );
    server.stop();
}

#[test]
fn a_taken_port_ends_the_service_with_its_code() {
    let log = Log::new();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let token = log.write("token", TOKEN);
    let serve = |listen: &str, ops: &str, token: &Path| {
        let token = token.to_str().expect("a path of text");
        log.run(&["serve", "--listen", listen, "--ops-listen", ops, "--token-file", token])
    };
    let free = "127.0.0.1:0";
    for (listen, ops) in [(address.as_str(), free), (free, address.as_str())] {
        let ran = serve(listen, ops, &token).exits(6);
        assert!(ran.err.contains(&address), "{}", ran.err);
    }
    let ran = serve(free, free, &log.write("short", "short-token")).exits(2);
    assert!(
        ran.err.contains("longer secret") && !ran.err.contains("short-token"),
        "{}",
        ran.err
    );
}

#[test]
fn a_trace_goes_through_and_its_span_reaches_the_collector() {
    let log = Log::new();
    let (url, requests) = collector();
    let headers = log.write("headers", "x-collector-key: the-key-of-the-collector\n");
    let endpoint = format!("telemetry.otlp_endpoint={url}");
    let headers = format!("telemetry.otlp_headers_file={}", headers.display());
    let set = [
        "telemetry.format=json",
        "telemetry.filter=debug",
        "telemetry.sample_ratio=0",
    ];
    let args: Vec<&str> = [endpoint.as_str(), headers.as_str()]
        .into_iter()
        .chain(set)
        .flat_map(|set| ["--set", set])
        .collect();
    let server = service(&log, &args);
    let mut client = server.client();
    let traceparent = format!("00-{TRACE}-{PARENT}-01");
    let sent = [("traceparent", traceparent.as_str()), ("tracestate", "vendor=1")];
    let answer = client
        .post_with(&event("agent:secret-actor", "trace.test"), &sent)
        .expect("an answer")
        .is(201);
    let back = answer.header("traceparent").to_owned();
    assert!(
        back.starts_with(&format!("00-{TRACE}-")) && back.ends_with("-01"),
        "{back}"
    );
    assert!(!back.contains(PARENT), "the server's own span: {back}");
    assert_eq!(answer.header("tracestate"), "vendor=1");
    // A trace of nobody, with a share of nothing: answered, not exported.
    let other = client.get("/v1/head").is(200).header("traceparent").to_owned();
    assert!(other.ends_with("-00") && !other.contains(TRACE), "{other}");
    // The last spans are sent at the drain.
    server.stop();
    let (head, body) = requests.recv_timeout(Duration::from_secs(60)).expect("an export");
    assert!(head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{head}");
    let lower = head.to_ascii_lowercase();
    assert!(
        lower.contains("content-type: application/x-protobuf") && lower.contains("\r\nhost: 127.0.0.1:"),
        "{head}"
    );
    assert!(head.contains("the-key-of-the-collector"), "{head}");
    let span = back.split('-').nth(2).expect("a span id");
    for part in [
        bytes(TRACE),
        bytes(span),
        bytes(PARENT),
        b"sigil-embedded".to_vec(),
        b"/v1/records".to_vec(),
    ] {
        assert!(contains(&body, &part), "{part:?}");
    }
    assert!(!contains(&body, b"secret-actor"), "a span holds nothing of a record");
    let foreign = other.split('-').nth(1).expect("a trace id");
    assert!(!contains(&body, &bytes(foreign)), "not sampled, not sent");
    let errors = errors_of(&log);
    let line = errors
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find(|line| line["event"] == "answered" && line["route"] == "/v1/records")
        .unwrap_or_else(|| panic!("no line of the request: {errors}"));
    assert_eq!(
        (&line["trace_id"], &line["status"]),
        (&TRACE.into(), &201.into()),
        "{line}"
    );
    assert!(
        !errors.contains("the-key-of-the-collector") && !errors.contains(TOKEN),
        "{errors}"
    );
}

#[test]
fn a_collector_that_is_gone_holds_up_neither_requests_nor_the_end() {
    let log = Log::new();
    let gone = TcpListener::bind("127.0.0.1:0")
        .expect("a port")
        .local_addr()
        .expect("an address");
    let endpoint = format!("telemetry.otlp_endpoint=http://{gone}");
    let server = service(&log, &["--set", &endpoint, "--set", "telemetry.sample_ratio=1"]);
    let mut client = server.client();
    for _ in 0..20 {
        client
            .post(&event("agent:a1", "trace.test"))
            .expect("an answer")
            .is(201);
    }
    server.stop();
}
