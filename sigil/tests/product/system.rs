//! A distributed ledger of a test: one log, a broker, a database, and roles as processes of their own.

use crate::client::{Client, TOKEN};
use crate::log::{Log, event, id};
use crate::server::Server;
use serde_json::Value;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long anything may take on a machine that does much else.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Everything that roles are configured with.
pub struct System {
    pub log: Log,
    nats: String,
    postgres: String,
    password_file: PathBuf,
    extra: Vec<String>,
}

impl System {
    /// A log with everybody enrolled, a broker and a database at these addresses.
    pub fn new(nats: &str, postgres: &str, password: Option<String>) -> Self {
        let log = Log::new();
        for (name, role) in [("gateway", "gateway"), ("projector", "reader")] {
            log.run(&["gateway", "enroll", name, "--role", role]).exits(0);
        }
        log.write("token", format!("{TOKEN}\n"));
        let password_file = log.write("postgres.password", password.unwrap_or_default());
        Self {
            log,
            nats: nats.to_owned(),
            postgres: postgres.to_owned(),
            password_file,
            extra: Vec::new(),
        }
    }

    /// Sets a key of the configuration for every role started from now on.
    pub fn set(&mut self, key: &str, value: impl std::fmt::Display) {
        self.extra.push(format!("{key}={value}"));
    }

    /// Starts a role; its first line says where it is.
    pub fn start(&self, role: &str) -> Server {
        let file = |name: &str| self.log.path(name).display().to_string();
        let mut set = vec![
            format!("nats.url={}", self.nats),
            "limits.http.drain_deadline_ms=5000".to_owned(),
            "nats.request_timeout_ms=3000".to_owned(),
            "nats.reconnect_max_ms=200".to_owned(),
            "limits.apply_retry_ms=100".to_owned(),
        ];
        if role != "ledger" {
            set.push(format!("postgres.url={}", self.postgres));
            set.push(format!("postgres.password_file={}", self.password_file.display()));
            set.push(format!("peer.trust_file={}", file("d.trust")));
            set.push(format!(
                "peer.command_key_file={}",
                file(&format!("d.{role}.command-key"))
            ));
        }
        if role == "gateway" {
            set.push(format!("http.token_file={}", file("token")));
            set.push("http.listen=127.0.0.1:0".to_owned());
        }
        set.extend(self.extra.iter().cloned());
        let mut args = vec!["--role", role, "--ops-listen", "127.0.0.1:0"];
        args.extend(set.iter().flat_map(|set| ["--set", set.as_str()]));
        Server::run(&self.log, "serve", &args)
    }
}

/// Where a role serves health and metrics.
pub fn ops(server: &Server) -> SocketAddr {
    let address = server.said["ops"].as_str().expect("the role says where its health is");
    address.parse().expect("an address")
}

/// What a probe of `server` answers, without a credential.
pub fn probe(server: &Server, path: &str) -> (u16, String) {
    let mut client = Client::connect(ops(server)).expect("the role listens");
    let answer = client
        .send(&format!("GET {path}"), &[], b"")
        .expect("a probe is answered");
    (answer.status, String::from_utf8(answer.body).expect("text"))
}

/// A metric of `server`.
pub fn metric(server: &Server, name: &str) -> Option<f64> {
    let (_, text) = probe(server, "/metrics");
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    line.parse().ok()
}

/// Waits until `found` gives something; fails with what `tell` says when it does not.
#[track_caller]
pub fn eventually<T>(mut found: impl FnMut() -> Option<T>, tell: impl Fn() -> String) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = found() {
            return value;
        }
        assert!(Instant::now() < deadline, "{}", tell());
        std::thread::sleep(Duration::from_millis(20)); // waits for: what the caller waits for
    }
}

/// Waits until `server` is ready.
#[track_caller]
pub fn ready(server: &Server) {
    let is_ready = || (probe(server, "/readyz").0 == 200).then_some(());
    eventually(is_ready, || probe(server, "/healthz").1);
}

/// Waits until `server` says that this is missing.
#[track_caller]
pub fn misses(server: &Server, part: &str) {
    let says = || {
        let (status, body) = probe(server, "/readyz");
        (status == 503 && body.contains(part)).then_some(())
    };
    eventually(says, || {
        format!("{part} is not missing: {}", probe(server, "/healthz").1)
    });
}

/// Appends record `number`, trying again under the same id until it is acknowledged; gives its offset.
#[track_caller]
pub fn append(gateway: &Server, number: u64) -> u64 {
    let mut record = event("agent:a1", "system.test");
    record["id"] = id(number).into();
    let mut last = String::new();
    let acknowledged = || {
        let answer = gateway.client().post(&record).expect("the gateway answers");
        last = String::from_utf8_lossy(&answer.body).into_owned();
        matches!(answer.status, 200 | 201).then(|| answer.json()["offset"].as_u64().expect("an offset"))
    };
    let deadline = Instant::now() + PATIENCE;
    let mut acknowledged = acknowledged;
    loop {
        if let Some(offset) = acknowledged() {
            return offset;
        }
        assert!(Instant::now() < deadline, "record {number} was not taken: {last}");
        std::thread::sleep(Duration::from_millis(50)); // waits for: a ledger that answers
    }
}

/// The timeline of the actor of [`append`], once the read model has `size` records.
#[track_caller]
pub fn timeline(gateway: &Server, size: u64) -> Vec<Value> {
    let path = format!("/v1/audit/timeline?actor=agent:a1&limit=500&order=asc&min_position={size}&timeout=20s");
    let page = || {
        let answer = gateway.client().get(&path);
        (answer.status == 200).then(|| answer.json()["data"].as_array().cloned().expect("a page"))
    };
    eventually(page, || {
        let answer = gateway.client().get(&path);
        format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body))
    })
}
