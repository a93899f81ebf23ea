//! The roles: what each is made of, and how every one of them starts and ends.
//!
//! The order in which roles, broker and database start does not matter. A role whose neighbour is missing says so on its
//! board and tries again; what only an operator can put right ends it with an exit code. SIGTERM drains: nothing new is
//! accepted, work under way is finished or refused by a deadline, the last spans are sent.

mod embedded;
mod gateway;
mod lag;
mod late;
mod ledger;
mod peer;
mod projector;

use crate::cli::ConfigArgs;
use crate::config::{self, Http, Loaded, Role, Settings};
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::stop::{Signals, Stop};
use crate::{secret, telemetry, tls};
use ::gateway::ops::Board;
use ::gateway::{Door, LocalAuth};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What every role is started with.
pub struct Start<'a> {
    /// The configuration.
    pub settings: &'a Settings,
    /// Where the parts say how they are.
    pub board: Arc<Board>,
    /// When to end.
    pub signals: Signals,
    /// Where people are told.
    pub output: &'a Output,
}

/// Runs the role that the configuration is for, until it is told to stop.
pub async fn run(args: &ConfigArgs, loaded: &Loaded, verbose: u8, output: &Output) -> Result<Exit, Failure> {
    // Before anybody is told that the process runs: a signal from then on ends it in order.
    let signals = Signals::listen()?;
    let role = args.role;
    let running = telemetry::serve(verbose, &loaded.settings.telemetry, role.as_str())?;
    for note in &loaded.notes {
        tracing::info!(note, "a part of the environment is ignored");
    }
    let start = Start {
        settings: &loaded.settings,
        board: Board::new(role.as_str()),
        signals,
        output,
    };
    let ended = match role {
        Role::Embedded => embedded::run(start).await,
        Role::Ledger => ledger::run(start).await,
        Role::Projector => projector::run(start).await,
        Role::Gateway => gateway::run(start).await,
    };
    running.flush().await;
    ended
}

/// A listener of health and metrics; ends when it is dropped.
pub struct OpsListener {
    stop: watch::Sender<bool>,
    serving: JoinHandle<bool>,
    /// Where it listens.
    pub address: SocketAddr,
}

impl OpsListener {
    /// Serves the board at `address`.
    pub async fn open(address: SocketAddr, board: &Arc<Board>, settings: &Settings) -> Result<Self, Failure> {
        let listener = bind(address).await?;
        let address = listener.local_addr()?;
        let (stop, mut stopped) = watch::channel(false);
        let config = settings.limits.http.clone();
        let router = ::gateway::ops::router(Arc::clone(board), config.error_docs.clone());
        let serving = tokio::spawn(async move {
            let stop = async {
                // Told, or nobody is left who could tell.
                let _gone = stopped.wait_for(|stop| *stop).await;
            };
            ::gateway::serve(listener, router, &config, stop).await
        });
        Ok(Self { stop, serving, address })
    }

    /// Answers what is under way and ends.
    pub async fn close(self) {
        self.stop.send_replace(true);
        // A probe that was cut off asks again.
        let _drained = self.serving.await;
    }
}

/// How often the read model is compared with the log; `None` for never.
pub fn verify_interval(settings: &Settings) -> Option<Duration> {
    let seconds = settings.projection.verify_interval_s;
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

/// A directory of this process's own for the replay of a comparison, where the configuration names one.
pub fn scratch_dir(settings: &Settings) -> Option<PathBuf> {
    let name = format!("sigil-replay-{}", std::process::id());
    settings.projection.scratch_dir.as_ref().map(|dir| dir.join(name))
}

/// Listens, or says where it could not.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    let listening = TcpListener::bind(address).await;
    listening.map_err(|error| Failure::new(Exit::Unavailable, format!("listen on {address}: {error}")))
}

/// The API's door, who may come in, and what cursors are authenticated under.
pub struct Entrance {
    /// The door.
    pub door: Door,
    /// Who may come in.
    pub auth: LocalAuth,
    /// Authenticates cursors.
    pub cursor_key: [u8; 32],
    /// Where people find it.
    pub url: String,
}

/// What a cursor key is derived under, from the operator's token or from a file of its own.
const CURSOR_CONTEXT: &str = "sigil gateway cursor of a service v1";
/// A token that can be guessed is none.
const TOKEN_BYTES: usize = 16;

impl Entrance {
    /// Reads the files of the configuration and listens.
    pub async fn open(http: &Http) -> Result<Self, Failure> {
        let token_file = http
            .token_file
            .as_deref()
            .unwrap_or_else(|| std::path::Path::new("token"));
        let token = secret_of(token_file)?;
        let cursor_key = match &http.cursor_key_file {
            Some(path) => blake3::derive_key(CURSOR_CONTEXT, secret_of(path)?.as_bytes()),
            None => blake3::derive_key(CURSOR_CONTEXT, token.as_bytes()),
        };
        let tls = match (&http.tls_cert_file, &http.tls_key_file) {
            (Some(cert), Some(key)) => Some(Arc::new(tls::server(cert, key)?)),
            _ => None,
        };
        let listener = bind(http.listen).await?;
        let address = listener.local_addr()?;
        let (scheme, door) = match tls {
            Some(tls) => ("https", Door::tls(listener, tls)),
            None => ("http", Door::from(listener)),
        };
        let reachable = scheme == "https" || http.plaintext_behind_proxy;
        let auth = if reachable {
            LocalAuth::service(&token)
        } else {
            LocalAuth::new(&token, false)
        };
        let auth = auth.opening_tiles(http.public_tlog);
        let url = format!("{scheme}://{address}");
        Ok(Self {
            door,
            auth,
            cursor_key,
            url,
        })
    }
}

fn secret_of(path: &std::path::Path) -> Result<String, Failure> {
    let usage = |message: String| Failure::new(Exit::Usage, message);
    let text = secret::first_line(path).map_err(|error| usage(format!("{error:#}")))?;
    if text.len() < TOKEN_BYTES {
        return Err(usage(format!(
            "{}: less than {TOKEN_BYTES} characters: use a longer secret",
            path.display()
        )));
    }
    Ok(text)
}

/// Where the role's health and metrics are served beside nothing else; `None` where the API serves them.
pub fn ops_address(role: Role, settings: &Settings) -> Option<SocketAddr> {
    let usual = config::OPS_LISTEN.iter().find(|(of, _)| *of == role);
    settings
        .ops
        .listen
        .or_else(|| usual.and_then(|(_, address)| address.parse().ok()))
}

/// The exit code of a service that was asked to stop.
pub const fn exit(stop: Stop) -> Exit {
    match stop {
        Stop::Interrupt => Exit::Interrupted,
        Stop::Terminate => Exit::Ok,
    }
}
