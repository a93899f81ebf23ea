//! The connection to NATS: who we are, TLS beyond this machine, and a first connection that waits for its broker.
//!
//! Nothing is ever sent in the clear to another machine: the configuration refuses such an address, the client is told to
//! require TLS, and servers that a plain broker advertises are not followed.

use crate::config::{Nats, Role, is_loopback};
use crate::exit::{Exit, Failure};
use crate::secret;
use async_nats::{Client, ConnectOptions, Event};
use gateway::ops::Board;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The part's name on the board.
pub const PART: &str = "broker";
/// What everything is chunked for, with room for headers: a smaller broker would jam the feed.
const MAX_PAYLOAD: usize = 1 << 20;

/// A connected client.
#[derive(Debug, Clone)]
pub struct Bus {
    /// The client; it connects again by itself.
    pub client: Client,
    /// Whether nobody between here and the broker can read what is sent: sealed values may go over it.
    pub confidential: bool,
}

/// How to connect, with every file read.
struct Plan {
    servers: Vec<String>,
    tls: bool,
    confidential: bool,
    identity: Identity,
}

/// Who this client says it is.
enum Identity {
    Nobody,
    Credentials(String),
    Nkey(String),
    User(String, String),
    Token(String),
}

/// Connects, however long the broker takes to come; `board` shows how it is from then on.
///
/// # Errors
/// A file that is named cannot be used. A broker that is not there is waited for.
pub async fn connect(nats: &Nats, role: Role, board: &Arc<Board>) -> Result<Bus, Failure> {
    let plan = Plan::of(nats)?;
    board.waits(PART, "the first connection");
    let longest = Duration::from_millis(nats.reconnect_max_ms);
    let mut pause = Duration::from_millis(100).min(longest);
    loop {
        let reason = match attempt(&plan, nats, role, board).await {
            Ok(client) => {
                board.works(PART);
                return Ok(Bus {
                    client,
                    confidential: plan.confidential,
                });
            }
            Err(reason) => reason,
        };
        board.waits(PART, reason);
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(longest);
    }
}

async fn attempt(plan: &Plan, nats: &Nats, role: Role, board: &Arc<Board>) -> Result<Client, String> {
    let options = plan.options(nats, role, board)?;
    let client = options
        .connect(plan.servers.clone())
        .await
        .map_err(|error| chain(&error))?;
    let most = client.server_info().max_payload;
    if most < MAX_PAYLOAD {
        return Err(format!("its max_payload is {most}: set it to {MAX_PAYLOAD} at least"));
    }
    Ok(client)
}

impl Plan {
    fn of(nats: &Nats) -> Result<Self, Failure> {
        let url = nats.url.as_deref().unwrap_or_default();
        let servers: Vec<String> = url.split(',').map(|server| server.trim().to_owned()).collect();
        let asked = servers.iter().any(|server| server.starts_with("tls://"));
        let tls = asked || nats.tls_first || nats.tls.ca_file.is_some() || nats.tls.cert_file.is_some();
        let here = servers.iter().all(|server| is_loopback(host(server)));
        if !tls && !here {
            return Err(Failure::new(
                Exit::Usage,
                "nats.url: TLS is required beyond this machine",
            ));
        }
        for path in [&nats.tls.ca_file, &nats.tls.cert_file, &nats.tls.key_file]
            .into_iter()
            .flatten()
        {
            readable(path)?;
        }
        Ok(Self {
            servers,
            tls,
            confidential: tls || here,
            identity: Identity::of(nats)?,
        })
    }

    fn options(&self, nats: &Nats, role: Role, board: &Arc<Board>) -> Result<ConnectOptions, String> {
        let longest = nats.reconnect_max_ms;
        let name = nats.name.clone().unwrap_or_else(|| format!("sigil-{}", role.as_str()));
        let inbox = nats
            .inbox_prefix
            .clone()
            .unwrap_or_else(|| format!("_INBOX.{}", role.as_str()));
        let told = Arc::clone(board);
        let mut options = ConnectOptions::new()
            .name(name)
            .custom_inbox_prefix(inbox)
            .require_tls(self.tls)
            .connection_timeout(Duration::from_millis(nats.connect_timeout_ms))
            .request_timeout(Some(Duration::from_millis(nats.request_timeout_ms)))
            .reconnect_delay_callback(move |attempts| {
                let grown = 50_u64.saturating_mul(1 << attempts.min(16));
                Duration::from_millis(grown.min(longest))
            })
            .event_callback(move |event| {
                tell(&told, &event);
                std::future::ready(())
            });
        if !self.tls {
            // They may be on other machines.
            options = options.ignore_discovered_servers();
        }
        if nats.tls_first {
            options = options.tls_first();
        }
        if let Some(ca) = &nats.tls.ca_file {
            options = options.add_root_certificates(ca.clone());
        }
        if let (Some(cert), Some(key)) = (&nats.tls.cert_file, &nats.tls.key_file) {
            options = options.add_client_certificate(cert.clone(), key.clone());
        }
        match &self.identity {
            Identity::Nobody => Ok(options),
            Identity::Credentials(text) => options
                .credentials(text)
                .map_err(|_| "the credentials file is malformed".to_owned()),
            Identity::Nkey(seed) => Ok(options.nkey(seed.clone())),
            Identity::User(user, password) => Ok(options.user_and_password(user.clone(), password.clone())),
            Identity::Token(token) => Ok(options.token(token.clone())),
        }
    }
}

impl Identity {
    fn of(nats: &Nats) -> Result<Self, Failure> {
        if let Some(path) = &nats.credentials_file {
            readable(path)?;
            return Ok(Self::Credentials(std::fs::read_to_string(path)?));
        }
        if let Some(path) = &nats.nkey_file {
            return Ok(Self::Nkey(secret::first_line(path)?));
        }
        if let (Some(user), Some(path)) = (&nats.user, &nats.password_file) {
            return Ok(Self::User(user.clone(), secret::first_line(path)?));
        }
        match &nats.token_file {
            Some(path) => Ok(Self::Token(secret::first_line(path)?)),
            None => Ok(Self::Nobody),
        }
    }
}

fn tell(board: &Board, event: &Event) {
    match event {
        Event::Connected => board.works(PART),
        Event::Disconnected => board.waits(PART, "the connection is lost"),
        // At the end of the process, which says so itself.
        Event::Closed => tracing::debug!("the connection is closed"),
        Event::LameDuckMode => tracing::info!("the broker is about to stop"),
        Event::SlowConsumer(_) => tracing::warn!("a subscription is slow: messages are dropped and fetched again"),
        Event::ServerError(error) => tracing::warn!(%error, "the broker refused something"),
        Event::ClientError(error) => tracing::warn!(%error, "the broker's client failed"),
        other => tracing::debug!(%other, "an event of the broker's client"),
    }
}

fn host(server: &str) -> &str {
    let authority = server.split_once("://").map_or(server, |(_, rest)| rest);
    crate::config::host_of(authority.split('/').next().unwrap_or_default())
}

fn readable(path: &Path) -> Result<(), Failure> {
    let opened = std::fs::File::open(path);
    opened
        .map(drop)
        .map_err(|error| Failure::new(Exit::Usage, format!("read {}: {error}", path.display())))
}

/// An error and its causes in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| {
        let cause = cause.to_string();
        if text.ends_with(&cause) {
            text
        } else {
            format!("{text}: {cause}")
        }
    })
}
