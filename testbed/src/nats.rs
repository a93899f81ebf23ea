//! A nats-server of a test's own, with JetStream on files.
//!
//! Invariant: port and store are the same over all its lives, until `wipe` takes the store. It answers when a function
//! that started it returns.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::account::Account;
use crate::certificates::Certificates;
use crate::leash::{self, Leash};
use crate::port::Port;
use crate::{or_fail, programs, wait};

/// How a server is to run.
#[derive(Clone, Debug, Default)]
pub struct NatsOptions {
    /// The largest message in bytes; the server's own default (1 MiB) when `None`.
    pub max_payload: Option<usize>,
    /// TLS with these, and no client without a certificate of the same authority.
    pub certificates: Option<Certificates>,
    /// Further lines of its configuration file, for example `authorization { .. }`.
    pub configuration: String,
}

/// A running server.
#[derive(Debug)]
pub struct Nats {
    // Order matters: the server stops before its folder is removed.
    leash: Leash,
    version: String,
    port: Port,
    options: NatsOptions,
    folder: TempDir,
}

impl Nats {
    /// A server with default options.
    ///
    /// # Panics
    /// When there is no nats-server on this machine or it does not start; this and all below.
    pub async fn start() -> Self {
        Self::with(NatsOptions::default()).await
    }

    /// A server with these options.
    pub async fn with(options: NatsOptions) -> Self {
        or_fail(Self::create(options).await)
    }

    /// The address for a client: `nats://127.0.0.1:<port>`, `tls://..` when there are certificates.
    pub fn url(&self) -> String {
        let scheme = if self.options.certificates.is_some() {
            "tls"
        } else {
            "nats"
        };
        format!("{scheme}://{}", self.address())
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port()).into()
    }

    /// Where it listens, over all its lives.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// What it said of itself, for example `2.9.10`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The folder of what it stored: to be copied or changed only while it does not run.
    pub fn store(&self) -> std::path::PathBuf {
        self.folder.path().join("store")
    }

    /// Kills it as a crash would (SIGKILL) and waits until it is gone.
    pub async fn kill(&mut self) {
        or_fail(self.end("KILL").await);
    }

    /// Ends it in order (SIGTERM) and waits until it is gone.
    pub async fn stop(&mut self) {
        or_fail(self.end("TERM").await);
    }

    /// Starts it again on the same port and store; kills it before when it still runs.
    pub async fn restart(&mut self) {
        or_fail(self.revive(false).await);
    }

    /// Kills it, removes everything it stored, and starts it again on the same port.
    pub async fn wipe(&mut self) {
        or_fail(self.revive(true).await);
    }

    /// Makes it hang (SIGSTOP): connections stay open and nothing answers.
    pub async fn pause(&self) {
        or_fail(self.leash.signal("STOP", &[]));
    }

    /// Ends a `pause`.
    pub async fn resume(&self) {
        or_fail(self.leash.signal("CONT", &[]));
    }

    async fn create(options: NatsOptions) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("sigil-nats-").tempdir()?;
        let port = Port::reserve()?;
        leash::create_log(folder.path(), Account::ours())?;
        let configuration = configuration(&options, port.number(), folder.path());
        std::fs::write(folder.path().join("nats.conf"), configuration)?;
        let (leash, version) = launch(folder.path(), port.number()).await?;
        Ok(Self {
            leash,
            version,
            port,
            options,
            folder,
        })
    }

    async fn end(&self, signal: &str) -> Result<()> {
        self.leash.signal(signal, &[])?;
        self.leash.ended().await
    }

    async fn revive(&mut self, without_store: bool) -> Result<()> {
        if !self.leash.has_ended() {
            self.end("KILL").await?;
        }
        if without_store {
            std::fs::remove_dir_all(self.folder.path().join("store")).context("cannot remove the store")?;
        }
        let (leash, version) = launch(self.folder.path(), self.port()).await?;
        self.version = version;
        // Only now, so that at any moment somebody answers for the folder.
        std::mem::replace(&mut self.leash, leash).release()
    }
}

/// Starts it and waits until it says that JetStream is ready. Gives its version.
async fn launch(folder: &Path, port: u16) -> Result<(Leash, String)> {
    let mut server = Command::new(programs::nats_server()?);
    server.arg("--config").arg(folder.join("nats.conf"));
    let leash = Leash::start(folder, Account::ours(), "kill -KILL $pid", &server)?;
    let name = format!("\"server_name\":\"{}\"", server_name(port));
    let greeting = wait::until("nats-server was to answer", async || {
        leash.check("nats-server")?;
        let greeting = tokio::task::spawn_blocking(move || greeting(port)).await?;
        Ok(greeting.filter(|text| text.contains(&name)))
    });
    let greeting = greeting.await?;
    if !greeting.contains("\"jetstream\":true") {
        bail!("nats-server runs without JetStream");
    }
    let version = member(&greeting, "version").context("nats-server did not say which version it is")?;
    Ok((leash, version.to_owned()))
}

/// The line `INFO {..}` with which a server greets; `None` while it does not.
fn greeting(port: u16) -> Option<String> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).ok()?;
    line.starts_with("INFO ").then_some(line)
}

/// A text member of a flat object whose values hold no quotation marks.
fn member<'a>(object: &'a str, name: &str) -> Option<&'a str> {
    let rest = object.split_once(&format!("\"{name}\":\""))?.1;
    Some(rest.split_once('"')?.0)
}

fn server_name(port: u16) -> String {
    format!("sigil-test-{}-{port}", std::process::id())
}

fn configuration(options: &NatsOptions, port: u16, folder: &Path) -> String {
    let mut text = format!(
        "listen: 127.0.0.1:{port}\nserver_name: {}\njetstream {{ store_dir: \"{}\" }}\n",
        server_name(port),
        folder.join("store").display()
    );
    if let Some(size) = options.max_payload {
        text += &format!("max_payload: {size}\n");
    }
    if let Some(certificates) = &options.certificates {
        text += &format!(
            "tls {{ cert_file: \"{}\", key_file: \"{}\", ca_file: \"{}\", verify: true }}\n",
            certificates.server().certificate.display(),
            certificates.server().key.display(),
            certificates.authority().display()
        );
    }
    text + &options.configuration
}
