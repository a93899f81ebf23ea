//! Everything a distributed ledger is made of, on this machine: broker, database, log, keys, and the three roles.

use crate::checkpoints::covered;
use crate::client::{Client, TOKEN};
use crate::log::{Log, sigil};
use crate::process::{Process, until};
use serde_json::Value;
use std::net::SocketAddr;
use std::process::Command;
use testbed::{Cluster, Nats, Postgres};
use tokio::runtime::Runtime;

/// The roles, in no order that matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Ledger,
    Projector,
    Gateway,
}

impl Role {
    pub const ALL: [Self; 3] = [Self::Ledger, Self::Projector, Self::Gateway];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ledger => "ledger",
            Self::Projector => "projector",
            Self::Gateway => "gateway",
        }
    }
}

/// See the module. Roles are started by the test.
pub struct House {
    pub runtime: Runtime,
    pub nats: Nats,
    pub postgres: Cluster,
    pub log: Log,
}

impl House {
    /// Servers that run, and a log whose gateway and projector are enrolled.
    pub fn new() -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let (nats, postgres) = runtime.block_on(async { tokio::join!(Nats::start(), Postgres::cluster()) });
        let log = Log::new();
        log.write("token", format!("{TOKEN}\n"));
        log.write("password", format!("{}\n", postgres.password().unwrap_or_default()));
        for (role, access) in [(Role::Gateway, "gateway"), (Role::Projector, "reader")] {
            enroll(&log, role, access);
        }
        Self {
            runtime,
            nats,
            postgres,
            log,
        }
    }

    /// Starts a role and waits for its first line.
    pub fn start(&self, role: Role) -> Process {
        let errors = self.log.path(&format!("{}.stderr", role.as_str()));
        Process::start(self.command(role), &errors)
    }

    fn command(&self, role: Role) -> Command {
        let path = |name: &str| self.log.path(name).display().to_string();
        let mut command = sigil();
        command.current_dir(self.log.path(""));
        command.args([
            "serve",
            "--json",
            "--role",
            role.as_str(),
            "--ops-listen",
            "127.0.0.1:0",
        ]);
        command.args(["--nats", &self.nats.url()]);
        // A request whose ledger was killed is given up soon, so that a round takes no longer than it must.
        command.args([
            "--set",
            "nats.request_timeout_ms=2000",
            "--set",
            "nats.reconnect_max_ms=200",
        ]);
        command.args(["--set", "limits.apply_retry_ms=100"]);
        if role == Role::Ledger {
            // A start folds what came after the last snapshot, and there are many starts.
            command.args(["--set", "limits.ledger.snapshot_every=500"]);
            command.arg("--data-dir").arg(self.log.data_dir());
            return command;
        }
        command.args(["--postgres", &self.postgres.url_without_password()]);
        for (key, file) in [
            ("postgres.password_file", path("password")),
            ("peer.trust_file", path("d.trust")),
            ("peer.command_key_file", path(&format!("{}.key", role.as_str()))),
        ] {
            command.args(["--set", &format!("{key}={file}")]);
        }
        if role == Role::Gateway {
            command.args(["--listen", "127.0.0.1:0", "--token-file", &path("token")]);
        }
        command
    }
}

/// Makes the key of a role's commands and has the log accept it.
fn enroll(log: &Log, role: Role, access: &str) {
    let key = log.path(&format!("{}.key", role.as_str()));
    let key = key.to_str().expect("a path of text");
    log.run(&[
        "gateway",
        "enroll",
        role.as_str(),
        "--role",
        access,
        "--command-key-file",
        key,
    ])
    .exits(0);
}

/// Where a gateway serves.
pub fn address(gateway: &Process) -> SocketAddr {
    let url = gateway.said["url"].as_str().expect("a gateway says where it is");
    url.trim_start_matches("http://").parse().expect("an address")
}

/// The head as a gateway sees it; nothing while a part is missing.
pub fn head(gateway: SocketAddr) -> Option<Value> {
    let mut client = Client::connect(gateway).ok()?;
    let answer = client.ask("GET /v1/head", &[], b"").ok()?;
    (answer.status == 200).then(|| answer.json())
}

/// How many records the read model has.
pub fn position(gateway: SocketAddr) -> Option<u64> {
    head(gateway)?["position"].as_u64()
}

/// Waits until the log is at rest: the read model has everything, and the newest checkpoint covers it, so that the log has
/// nothing more to write by itself. Gives the number of records.
pub fn at_rest(gateway: SocketAddr) -> u64 {
    until("the log is at rest", || {
        let head = head(gateway)?;
        let size = head["size"].as_u64()?;
        (head["position"] == size && covered(gateway) == Some(size)).then_some(size)
    })
}
