//! The distributed form on this machine: a broker, a durable Postgres, and the three roles as processes of their own.

use crate::server::{Home, own};
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use testbed::{Cluster, ClusterOptions, Nats};

/// Broker, database and log. Roles are started apart.
pub struct Stage {
    pub nats: Nats,
    pub postgres: Cluster,
    pub home: Home,
}

/// A running role.
pub struct Role {
    child: Child,
    /// What it said when it was ready.
    pub said: Value,
}

impl Stage {
    /// Servers that run, and a log whose gateway and projector are enrolled. Postgres is as durable as the log.
    pub async fn create() -> Self {
        let options = ClusterOptions {
            is_durable: true,
            settings: ["shared_buffers=512MB", "max_wal_size=4GB"].map(str::to_owned).into(),
            ..ClusterOptions::default()
        };
        let (nats, postgres) = tokio::join!(Nats::start(), Cluster::with(options));
        let home = Home::create();
        std::fs::write(home.path("password"), postgres.password().unwrap_or_default()).expect("a file is made");
        for (name, access) in [("gateway", "gateway"), ("projector", "reader")] {
            let mut enroll = own();
            enroll.args(["gateway", "enroll", name, "--role", access, "--command-key-file"]);
            enroll
                .arg(home.path(&format!("{name}.key")))
                .arg("--data-dir")
                .arg(&home.place.data_dir);
            let output = enroll.output().expect("the command starts");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        Self { nats, postgres, home }
    }

    /// Starts `ledger`, `projector` or `gateway` and waits for its first line.
    pub fn start(&self, role: &str) -> Role {
        let mut command = own();
        command.args([
            "--json",
            "serve",
            "--role",
            role,
            "--ops-listen",
            "127.0.0.1:0",
            "--nats",
        ]);
        command.arg(self.nats.url());
        if role == "ledger" {
            command.arg("--data-dir").arg(&self.home.place.data_dir);
        } else {
            command.args(["--postgres", &self.postgres.url_without_password()]);
            let key = format!("{role}.key");
            for (name, file) in [
                ("postgres.password_file", self.home.path("password")),
                ("peer.trust_file", self.home.place.trust_file()),
                ("peer.command_key_file", self.home.path(&key)),
            ] {
                command.args(["--set", &format!("{name}={}", file.display())]);
            }
            command.args(["--set", "peer.slug=bench"]);
        }
        if role == "gateway" {
            command
                .args(["--listen", "127.0.0.1:0", "--token-file"])
                .arg(self.home.path("token"));
        }
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the role starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("its output is piped");
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("it says that it runs");
        let said = serde_json::from_str(&line).expect("it says so in JSON");
        Role { child, said }
    }
}

impl Role {
    /// Where a gateway serves.
    pub fn address(&self) -> SocketAddr {
        let url = self.said["url"].as_str().expect("a gateway names its address");
        url.trim_start_matches("http://").parse().expect("an address")
    }

    /// The process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        let _asked = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status();
        let _ended = self.child.wait();
    }
}
