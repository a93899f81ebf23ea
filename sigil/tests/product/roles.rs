//! The roles as processes of their own, with a real broker and a real database: any order of starting, each neighbour
//! gone in turn, an orderly end, and TLS on every connection.

use crate::answers::{proven, trust};
use crate::client::{Client, TOKEN};
use crate::collector::{PARENT, TRACE, bytes, collector, contains};
use crate::log::{Ran, event, id};
use crate::server::errors_of;
use crate::system::{System, append, eventually, metric, misses, ops, probe, ready, timeline};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use testbed::{Certificates, ClusterOptions, Nats, NatsOptions, Postgres};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, ClientConnection, RootCertStore};
use verifier::{Outcome, ProofOptions, verify_answer};

#[tokio::test(flavor = "multi_thread")]
async fn roles_start_in_any_order_and_end_in_order() {
    let mut nats = Nats::start().await;
    nats.stop().await;
    let database = Postgres::database().await;
    let system = System::new(&nats.url(), &database.url_without_password(), database.password());
    // Nothing is there yet, and every role says so.
    let gateway = system.start("gateway");
    let projector = system.start("projector");
    let ledger = system.start("ledger");
    for role in [&gateway, &projector, &ledger] {
        misses(role, "broker waits");
        assert_eq!(probe(role, "/livez").0, 200);
    }
    let refused = gateway
        .client()
        .post(&event("agent:a1", "too.early"))
        .expect("an answer")
        .is(503);
    assert_eq!(refused.problem(), "LEDGER_UNAVAILABLE", "nothing was stored");
    nats.restart().await;
    for role in [&ledger, &projector, &gateway] {
        ready(role);
    }
    let last = (0..20).map(|number| append(&gateway, number)).max().expect("some");
    let shown = timeline(&gateway, last + 1);
    assert_eq!(shown.len(), 20);
    // head >= committed >= published >= projected, and at rest they are equal.
    let at_rest = || {
        let head = metric(&ledger, "ledger_head_offset").filter(|head| *head >= (last + 1) as f64)?;
        let published = metric(&ledger, "outbox_published_offset")?;
        let applied = metric(&projector, "projector_applied_offset")?;
        (head == published && published == applied).then_some(())
    };
    eventually(at_rest, || {
        probe(&ledger, "/metrics").1 + &probe(&projector, "/metrics").1
    });
    assert_eq!(metric(&ledger, "feed_state{state=\"live\"}"), Some(1.0));
    assert_eq!(metric(&projector, "projector_applies"), Some(1.0));
    eventually(
        || (metric(&projector, "projector_lag_records") == Some(0.0)).then_some(()),
        || probe(&projector, "/metrics").1,
    );
    eventually(
        || (metric(&projector, "projector_parked_records") == Some(0.0)).then_some(()),
        || probe(&projector, "/metrics").1,
    );
    // What the ledger signed and proves reaches a client of the gateway.
    let page = proven(
        &mut gateway.client(),
        "/v1/audit/timeline?actor=agent:a1&limit=7&proof=true",
    );
    let trust = trust(&system.log);
    let options = ProofOptions {
        trust: Some(&trust),
        ..ProofOptions::default()
    };
    let report = verify_answer(&page.body, &options);
    assert_eq!(report.outcome(), Outcome::Verified, "{:#?}", report.lines());
    for role in [gateway, projector, ledger] {
        role.stop();
    }
    let errors = errors_of(&system.log);
    assert!(!errors.contains("panicked") && !errors.contains(TOKEN), "{errors}");
    // What the roles wrote is a log like any other.
    system.log.verify(&system.log.trust_file()).exits(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_dies_in_mid_request_leaves_a_retry_that_is_safe() {
    let nats = Nats::start().await;
    let database = Postgres::database().await;
    let system = System::new(&nats.url(), &database.url_without_password(), database.password());
    let (ledger, projector, gateway) = (
        system.start("ledger"),
        system.start("projector"),
        system.start("gateway"),
    );
    ready(&gateway);
    append(&gateway, 0);
    // The request is on its way to a ledger that stands still, and then is no more.
    ledger.signal("STOP");
    let mut client = gateway.client();
    let pending = std::thread::spawn(move || {
        let mut record = event("agent:a1", "system.test");
        record["id"] = id(1).into();
        client.post(&record).expect("the gateway answers")
    });
    eventually(
        || (pending_requests(&gateway) > 1).then_some(()),
        || "no request is under way".to_owned(),
    );
    ledger.kill();
    let answer = pending.join().expect("the request ends").is(503);
    let problem = answer.json();
    assert_eq!(answer.problem(), "COMMIT_UNKNOWN");
    assert!(
        problem["detail"].as_str().expect("a detail").contains(&id(1)),
        "{problem}"
    );
    assert_eq!(problem["retryable"], true);
    // Without a ledger nothing is pretended; reads go on.
    let refused = gateway
        .client()
        .post(&event("agent:a1", "no.ledger"))
        .expect("an answer")
        .is(503);
    assert!(matches!(
        refused.problem().as_str(),
        "LEDGER_UNAVAILABLE" | "COMMIT_UNKNOWN"
    ));
    gateway.client().get("/v1/audit/timeline?actor=agent:a1").is(200);
    let ledger = system.start("ledger");
    let offset = append(&gateway, 1);
    assert_eq!(append(&gateway, 1), offset, "the same record");
    let shown = timeline(&gateway, offset + 1);
    assert_eq!(shown.iter().filter(|record| record["id"] == id(1).as_str()).count(), 1);
    for role in [gateway, projector, ledger] {
        role.stop();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_leads_from_the_caller_through_gateway_and_ledger_to_the_stream() {
    let nats = Nats::start().await;
    let database = Postgres::database().await;
    let mut system = System::new(&nats.url(), &database.url_without_password(), database.password());
    let (url, exports) = collector();
    system.set("telemetry.otlp_endpoint", url);
    // Batches are traces of their own; with every one of them the export is sure to have one.
    system.set("telemetry.sample_ratio", 1);
    let (ledger, projector, gateway) = (
        system.start("ledger"),
        system.start("projector"),
        system.start("gateway"),
    );
    for role in [&ledger, &projector, &gateway] {
        ready(role);
    }
    let traceparent = format!("00-{TRACE}-{PARENT}-01");
    let mut client = gateway.client();
    let answer = client.post_with(&event("agent:a1", "trace.test"), &[("traceparent", &traceparent)]);
    let answer = answer.expect("an answer").is(201);
    let offset = answer.json()["offset"].as_u64().expect("an offset");
    let span = answer
        .header("traceparent")
        .split('-')
        .nth(2)
        .expect("a span id")
        .to_owned();
    timeline(&gateway, offset + 1);
    for role in [gateway, ledger, projector] {
        role.stop();
    }
    let bodies: Vec<Vec<u8>> = std::iter::from_fn(|| exports.recv_timeout(std::time::Duration::from_secs(2)).ok())
        .map(|(_, body)| body)
        .collect();
    let has = |parts: &[&[u8]]| bodies.iter().any(|body| parts.iter().all(|part| contains(body, part)));
    let (trace, parent, span) = (bytes(TRACE), bytes(PARENT), bytes(&span));
    assert!(
        has(&[b"sigil-gateway", b"request", &trace, &span, &parent]),
        "the gateway's span under the caller's"
    );
    assert!(
        has(&[b"sigil-ledger", b"rpc", &trace, &span]),
        "the ledger's under the gateway's"
    );
    assert!(has(&[b"sigil-ledger", b"commit"]), "a group commit");
    assert!(has(&[b"sigil-projector", b"project"]), "a batch");
    // The stream's message carries the trace on to whoever reads it.
    let broker = async_nats::connect(nats.url()).await.expect("the broker");
    let context = async_nats::jetstream::new(broker);
    let stream = context
        .get_stream("SIGIL_AUDIT_00000000000000000000")
        .await
        .expect("the stream");
    let message = stream.get_raw_message(offset + 1).await.expect("the record's message");
    let carried = message
        .headers
        .get("traceparent")
        .map(ToString::to_string)
        .unwrap_or_default();
    assert!(carried.starts_with(&format!("00-{TRACE}-")), "{carried}");
}

/// Requests that the gateway has under way, the question itself among them.
fn pending_requests(gateway: &crate::server::Server) -> u64 {
    let text = gateway.client().send("GET /metrics", &[], b"").expect("an answer").body;
    let text = String::from_utf8(text).expect("text");
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("inflight_requests "))
        .expect("the metric");
    line.parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn without_postgres_reads_fail_writes_go_on_and_it_catches_up() {
    let nats = Nats::start().await;
    let mut cluster = Postgres::cluster().await;
    let system = System::new(&nats.url(), &cluster.url_without_password(), cluster.password());
    let (ledger, projector, gateway) = (
        system.start("ledger"),
        system.start("projector"),
        system.start("gateway"),
    );
    ready(&gateway);
    ready(&projector);
    let before = append(&gateway, 0);
    assert_eq!(timeline(&gateway, before + 1).len(), 1);
    cluster.stop().await;
    misses(&projector, "postgres waits");
    let refused = gateway.client().get("/v1/audit/timeline?actor=agent:a1").is(503);
    assert_eq!(refused.problem(), "READ_MODEL_UNAVAILABLE");
    let last = (1..10).map(|number| append(&gateway, number)).max().expect("some");
    let health = gateway.client().get("/healthz").is(200).json();
    assert_eq!(
        (&health["read_model"]["status"], &health["ledger"]["status"]),
        (&"unavailable".into(), &"ok".into())
    );
    cluster.restart().await;
    assert_eq!(timeline(&gateway, last + 1).len(), 10);
    ready(&projector);
    for role in [gateway, projector, ledger] {
        role.stop();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_broker_the_ledger_stands_and_everything_goes_on_when_it_is_back() {
    let mut nats = Nats::start().await;
    let database = Postgres::database().await;
    let system = System::new(&nats.url(), &database.url_without_password(), database.password());
    let (ledger, projector, gateway) = (
        system.start("ledger"),
        system.start("projector"),
        system.start("gateway"),
    );
    for role in [&ledger, &projector, &gateway] {
        ready(role);
    }
    append(&gateway, 0);
    nats.kill().await;
    for role in [&ledger, &projector, &gateway] {
        misses(role, "broker waits");
    }
    let refused = gateway
        .client()
        .post(&event("agent:a1", "no.broker"))
        .expect("an answer")
        .is(503);
    assert!(matches!(
        refused.problem().as_str(),
        "LEDGER_UNAVAILABLE" | "COMMIT_UNKNOWN"
    ));
    gateway.client().get("/v1/audit/timeline?actor=agent:a1").is(200);
    nats.restart().await;
    let last = append(&gateway, 1);
    timeline(&gateway, last + 1);
    for role in [&ledger, &projector, &gateway] {
        ready(role);
    }
    // What one gateway began, another goes on with: they share the token, and so the key of cursors.
    let first = gateway
        .client()
        .get("/v1/audit/timeline?actor=agent:a1&limit=1&order=asc")
        .is(200)
        .json();
    let cursor = first["next_cursor"].as_str().expect("a second page");
    let second = system.start("gateway");
    ready(&second);
    let path = format!("/v1/audit/timeline?actor=agent:a1&limit=1&order=asc&cursor={cursor}");
    let page = second.client().get(&path).is(200).json();
    assert_eq!(page["data"][0]["id"], id(1).as_str());
    second.stop();
    // The other order: the ledger goes first.
    for role in [ledger, projector, gateway] {
        role.stop();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_connection_can_be_tls_with_certificates_on_both_sides() {
    let certificates = Certificates::new();
    let nats = Nats::with(NatsOptions {
        certificates: Some(certificates.clone()),
        ..NatsOptions::default()
    })
    .await;
    let cluster = testbed::Cluster::with(ClusterOptions {
        certificates: Some(certificates.clone()),
        ..ClusterOptions::default()
    })
    .await;
    let mut system = System::new(&nats.url(), &cluster.url_without_password(), cluster.password());
    // Without the authority nobody is believed, and without a certificate nobody is let in.
    let stranger = system.start("ledger");
    misses(&stranger, "broker waits");
    stranger.stop();
    let client = certificates.client();
    for section in ["nats.tls", "postgres.tls"] {
        system.set(&format!("{section}.ca_file"), certificates.authority().display());
        system.set(&format!("{section}.cert_file"), client.certificate.display());
        system.set(&format!("{section}.key_file"), client.key.display());
    }
    let server = certificates.server();
    let (ledger, projector) = (system.start("ledger"), system.start("projector"));
    system.set("http.tls_cert_file", server.certificate.display());
    system.set("http.tls_key_file", server.key.display());
    system.set("http.listen", "0.0.0.0:0");
    let gateway = system.start("gateway");
    for role in [&ledger, &projector, &gateway] {
        ready(role);
    }
    assert!(
        gateway.said["url"]
            .as_str()
            .expect("a URL")
            .starts_with("https://0.0.0.0:")
    );
    let body = event("agent:a1", "tls.test").to_string();
    let request = format!(
        "POST /v1/records HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = exchange_over_tls(&certificates, gateway.peer.port(), &request);
    assert!(
        answer.starts_with("HTTP/1.1 201") && answer.contains("\"auth\":\"api_key\""),
        "{answer}"
    );
    let refused = exchange_over_tls(
        &certificates,
        gateway.peer.port(),
        &request.replace(TOKEN, "another-token-of-nobody"),
    );
    assert!(refused.contains("TOKEN_INVALID"), "{refused}");
    let mut plain = Client::connect(([127, 0, 0, 1], gateway.peer.port()).into()).expect("it listens");
    assert!(
        plain.send("GET /livez", &[], b"").is_err(),
        "nothing is answered in the clear"
    );
    let mut probe = Client::connect(ops(&gateway)).expect("it listens");
    probe.send("GET /livez", &[], b"").expect("an answer").is(200);
    for role in [gateway, projector, ledger] {
        role.stop();
    }
}

fn exchange_over_tls(certificates: &Certificates, port: u16, request: &str) -> String {
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_file(certificates.authority()).expect("a certificate");
    roots.add(authority).expect("an authority");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("protocol versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").expect("a name");
    let connection = ClientConnection::new(Arc::new(config), name).expect("a client");
    let socket = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    let mut stream = rustls::StreamOwned::new(connection, socket);
    stream.write_all(request.as_bytes()).expect("the gateway reads");
    let mut answer = Vec::new();
    // The gateway closes after its answer.
    let _closed = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn a_key_that_others_may_read_and_a_trust_file_that_is_none_are_refused() {
    let system = System::new("nats://127.0.0.1:9", "postgres://127.0.0.1:9/none", None);
    let file = |name: &str| system.log.path(name).display().to_string();
    let start = |trust: &str, key: &str| {
        let sets = [
            "nats.url=nats://127.0.0.1:9".to_owned(),
            "postgres.url=postgres://127.0.0.1:9/none".to_owned(),
            format!("http.token_file={}", file("token")),
            format!("peer.trust_file={}", file(trust)),
            format!("peer.command_key_file={}", file(key)),
            "http.listen=127.0.0.1:0".to_owned(),
        ];
        let args = sets.iter().flat_map(|set| ["--set", set.as_str()]);
        Ran::of(crate::log::sigil().args(["serve", "--role", "gateway"]).args(args))
            .exits(2)
            .err
    };
    assert!(start("token", "d.gateway.command-key").contains("token"));
    assert!(start("d.trust", "nowhere").contains("nowhere"));
    assert!(start("d.trust", "d.key").contains("d.key"));
    let shown = system.log.path("d.gateway.command-key");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(&shown, open).expect("its mode is set");
    assert!(start("d.trust", "d.gateway.command-key").contains("0600"));
}
