//! A Postgres of a test's own: a fresh cluster that may be stopped, hung and killed.
//!
//! Invariant: it listens on 127.0.0.1 with a password made for it, and on a socket in its folder, which only the
//! account that runs it may enter. Port and data are the same over all its lives. It takes sessions when a function
//! that started it returns.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use tempfile::TempDir;

use super::address::Address;
use super::{client, setup};
use crate::account::Account;
use crate::certificates::{Certificates, Identity};
use crate::leash::{self, Leash};
use crate::port::Port;
use crate::{Database, or_fail, programs, wait};

/// How a cluster is to run.
#[derive(Clone, Debug, Default)]
pub struct ClusterOptions {
    /// TLS with these: no session over TCP without it, and none without a certificate of the same authority.
    pub certificates: Option<Certificates>,
    /// Survives the loss of power too, for measurements. Otherwise it survives a kill, and is faster.
    pub is_durable: bool,
    /// Further settings, each `name=value`.
    pub settings: Vec<String>,
}

/// A running cluster.
#[derive(Debug)]
pub struct Cluster {
    // Order matters: the server stops before its folder is removed.
    leash: Leash,
    server: Address,
    port: Port,
    options: ClusterOptions,
    account: Account,
    folder: TempDir,
}

impl Cluster {
    /// A cluster with these options.
    ///
    /// # Panics
    /// When there is no Postgres on this machine or it does not start.
    pub async fn with(options: ClusterOptions) -> Self {
        or_fail(Self::create(options).await)
    }

    /// The address for a client, with a role that owns the server.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// The address for a client over TLS who shows `identity` and accepts only a server of the same authority.
    ///
    /// # Panics
    /// When the cluster has no certificates.
    pub fn url_over_tls(&self, identity: &Identity) -> String {
        let certificates = self.options.certificates.as_ref();
        let authority = certificates.expect("a cluster with certificates").authority();
        format!(
            "{}?sslmode=verify-full&sslrootcert={}&sslcert={}&sslkey={}",
            self.url(),
            authority.display(),
            identity.certificate.display(),
            identity.key.display()
        )
    }

    /// The same address without its password, for a configuration that keeps passwords apart.
    pub fn url_without_password(&self) -> String {
        self.server.url_without_password()
    }

    /// The password of every role that `url` and `url_as` name, as it is typed; `None` where none is needed.
    pub fn password(&self) -> Option<String> {
        self.server.plain_password()
    }

    /// The address for a client that is only `role`. The role is created, without any right, when it does not exist.
    ///
    /// # Panics
    /// When the server does not answer.
    pub async fn url_as(&self, role: &str) -> String {
        or_fail(client::role(&self.by_socket(), role).await);
        self.server.role(role).url()
    }

    /// A fresh database in this cluster.
    ///
    /// # Panics
    /// When the server does not answer.
    pub async fn database(&self) -> Database {
        or_fail(Database::create(&self.server).await)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port.number()).into()
    }

    /// Where it listens, over all its lives.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// Where its unix socket lies. Only the account that runs it, and root, may enter.
    pub fn socket_folder(&self) -> &Path {
        self.folder.path()
    }

    /// What it said of itself, for example `15.18`.
    ///
    /// # Panics
    /// When the server does not answer.
    pub async fn version(&self) -> String {
        let version = self.psql("show server_version").await;
        version.split_whitespace().next().unwrap_or_default().to_owned()
    }

    /// Runs statements and gives what they printed: one line per row, columns between `|`.
    ///
    /// # Panics
    /// When a statement fails.
    pub async fn psql(&self, sql: &str) -> String {
        or_fail(client::psql(&self.by_socket(), sql).await)
    }

    /// Kills all its processes as a crash would (SIGKILL) and waits until they are gone.
    pub async fn kill(&mut self) {
        or_fail(self.end_all().await);
    }

    /// Ends it in order, whoever is connected (SIGINT, a "fast" shutdown), and waits until it is gone.
    pub async fn stop(&mut self) {
        or_fail(self.leash.signal("INT", &[]));
        or_fail(self.leash.ended().await);
    }

    /// Starts it again on the same port and data; kills it before when it still runs.
    pub async fn restart(&mut self) {
        or_fail(self.revive().await);
    }

    /// Makes all its processes hang (SIGSTOP): connections stay open and nothing answers.
    pub async fn pause(&self) {
        or_fail(self.freeze().map(drop));
    }

    /// Ends a `pause`.
    pub async fn resume(&self) {
        or_fail(self.leash.signal("CONT", &self.leash.children()));
    }

    pub(super) fn server(&self) -> &Address {
        &self.server
    }

    pub(super) async fn create(options: ClusterOptions) -> Result<Self> {
        let bin = programs::postgres_bin()?;
        let folder = tempfile::Builder::new().prefix("sigil-postgres-").tempdir()?;
        let (account, port) = (Account::ordinary(folder.path())?, Port::reserve()?);
        account.own(folder.path())?;
        leash::create_log(folder.path(), account)?;
        let password = setup::password()?;
        setup::initialize(&bin, folder.path(), account, &password).await?;
        if let Some(certificates) = &options.certificates {
            setup::require_tls(folder.path(), account, certificates)?;
        }
        let leash = setup::launch(&bin, folder.path(), account, port.number(), &options).await?;
        let server = Address {
            user: "postgres".to_owned(),
            password: Some(password),
            place: format!("127.0.0.1:{}", port.number()),
            database: "postgres".to_owned(),
            parameters: None,
        };
        Ok(Self {
            leash,
            server,
            port,
            options,
            account,
            folder,
        })
    }

    /// The address that works whatever is required over TCP.
    fn by_socket(&self) -> Address {
        let folder = self.folder.path().display().to_string().replace('/', "%2F");
        Address {
            place: format!("{folder}:{}", self.port()),
            ..self.server.clone()
        }
    }

    /// Stops every process, the one that starts others first.
    fn freeze(&self) -> Result<Vec<u32>> {
        self.leash.signal("STOP", &[])?;
        let children = self.leash.children();
        self.leash.signal("STOP", &children)?;
        Ok(children)
    }

    async fn end_all(&self) -> Result<()> {
        let children = self.freeze()?;
        self.leash.signal("KILL", &children)?;
        self.leash.ended().await?;
        // What they share is free when the last of them is gone, and not earlier.
        wait::until("the processes of Postgres were to end", async || {
            Ok(children.iter().all(|&pid| !leash::is_running(pid)).then_some(()))
        })
        .await
    }

    async fn revive(&mut self) -> Result<()> {
        if !self.leash.has_ended() {
            self.end_all().await?;
        }
        let bin = programs::postgres_bin()?;
        let leash = setup::launch(&bin, self.folder.path(), self.account, self.port(), &self.options).await?;
        // Only now, so that at any moment somebody answers for the folder.
        std::mem::replace(&mut self.leash, leash).release()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if !self.leash.has_ended() {
            // A paused one would not hear that it has to stop. It may end at this moment, which is as well.
            drop(self.leash.signal("CONT", &self.leash.children()));
            return;
        }
        // A killed server leaves a segment of shared memory behind; the next start would have removed it.
        let pid_file = std::fs::read_to_string(self.folder.path().join("data/postmaster.pid")).unwrap_or_default();
        if let Some(segment) = pid_file.lines().nth(6).and_then(|line| line.split_whitespace().nth(1)) {
            drop(Command::new("ipcrm").args(["-m", segment]).output());
        }
    }
}
