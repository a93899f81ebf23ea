//! Serving an embedded log: gateway, live projector, and an orderly end.

use crate::anchors::Running as Anchored;
use crate::checkpoints;
use crate::control::Control;
use crate::embedded::Embedded;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::roles;
use crate::stop::Signals;
use crate::witnesses::Witnessing;
use crate::witnesses::local::Running;
use gateway::ops::Board;
use gateway::{App, Config, Door, LocalAuth};
use ledger_client::LedgerClient;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// What cursors are authenticated under.
pub const CURSOR_KEY: &str = "sigil gateway cursor v1";

/// Refuses an address that other machines reach: there is no TLS here.
pub fn loopback_only(address: SocketAddr) -> Result<(), Failure> {
    if address.ip().is_loopback() {
        return Ok(());
    }
    let message = format!("without TLS only loopback addresses are served, not {address}: use 127.0.0.1");
    Err(Failure::new(Exit::Usage, message))
}

/// What an embedded log is served with.
pub struct Service {
    /// Where requests come in.
    pub door: Door,
    /// Who may come in.
    pub auth: LocalAuth,
    /// Authenticates cursors.
    pub cursor_key: [u8; 32],
    /// Limits.
    pub config: Config,
    /// Where the API writes and reads.
    pub ledger: Arc<dyn LedgerClient>,
    /// The witnesses that are asked about the log.
    pub witnessing: Option<Witnessing>,
    /// The anchors that its checkpoints are given to.
    pub anchoring: Option<Anchored>,
    /// Where the parts say how they are.
    pub board: Option<Arc<Board>>,
    /// Time between two comparisons of the read model with the log; `None` for none.
    pub verify_interval: Option<Duration>,
    /// A directory for the replay of a comparison.
    pub scratch: PathBuf,
}

/// What an embedded log of `dev` or `demo` has beside it: witnesses and anchors; none of them by default.
#[derive(Default)]
pub struct LocalWitnesses {
    /// Asks them.
    pub witnessing: Option<Witnessing>,
    /// They themselves.
    pub running: Option<Running>,
    /// Its anchors.
    pub anchoring: Option<Anchored>,
    /// Where it is shown how they are.
    pub board: Option<Arc<Board>>,
}

impl LocalWitnesses {
    /// Closes the log in order: its last checkpoint is cosigned first.
    pub async fn close(self, embedded: Embedded) -> Result<(), Failure> {
        if let Some(witnessing) = self.witnessing {
            witnessing.finish(&embedded.handle).await;
        }
        if let Some(anchoring) = self.anchoring {
            anchoring.finish().await;
        }
        embedded.close().await?;
        match self.running {
            Some(running) => running.stop().await,
            None => Ok(()),
        }
    }
}

/// Serves on this machine until Ctrl-C or SIGTERM, then drains.
pub async fn until_stopped(
    embedded: Embedded,
    listener: TcpListener,
    auth: LocalAuth,
    local: LocalWitnesses,
    signals: &mut Signals,
    output: &Output,
) -> Result<Exit, Failure> {
    loopback_only(listener.local_addr()?)?;
    let service = Service {
        door: listener.into(),
        auth,
        cursor_key: embedded.handle.derive_key(CURSOR_KEY),
        config: Config::default(),
        ledger: embedded.client(),
        witnessing: local.witnessing,
        anchoring: local.anchoring,
        board: local.board,
        verify_interval: None,
        scratch: embedded.scratch.clone(),
    };
    let ended = serve_until(embedded, service, signals, output).await;
    if let Some(running) = local.running {
        running.stop().await?;
    }
    ended
}

/// Serves until Ctrl-C or SIGTERM, then drains: no new connections, requests under way finish, the log is closed.
pub async fn serve_until(
    embedded: Embedded,
    service: Service,
    signals: &mut Signals,
    output: &Output,
) -> Result<Exit, Failure> {
    let Service {
        door,
        auth,
        cursor_key,
        config,
        ledger,
        witnessing,
        anchoring,
        board,
        verify_interval,
        scratch,
    } = service;
    let desk = embedded.desk(scratch);
    let verifying = verify_interval.map(|interval| desk.verify_every(interval));
    let app = App {
        ledger,
        queries: Arc::clone(&embedded.read_model) as Arc<dyn projector::query::Queries>,
        auth,
        cursor_key,
        config: config.clone(),
        board: board.clone(),
    };
    if let Some(board) = &board {
        checkpoints::meters(board, &embedded.handle);
    }
    let control = Control::of(&embedded.handle);
    let mut projecting = embedded.project(board.clone());
    let (halt, halted) = oneshot::channel::<()>();
    let serving = tokio::spawn({
        let router = app.router_with(Arc::new(desk.clone()));
        async move {
            let stop = async {
                let _dropped = halted.await;
            };
            gateway::serve(door, router, &config, stop).await
        }
    });
    let stopped = tokio::select! {
        stopped = signals.requested() => Ok(stopped),
        error = projecting.halted() => Err(Failure::from(error)),
    };
    if let Some(verifying) = verifying {
        verifying.abort();
    }
    desk.close().await;
    if let Some(board) = &board {
        board.drain();
    }
    output.note("stopping: requests under way are finished first");
    // The server may be gone already.
    let _gone = halt.send(());
    let drained = serving.await.map_err(anyhow::Error::from)?;
    if stopped.is_ok() {
        projecting.stop().await?;
    }
    drop(control);
    if let Some(witnessing) = witnessing {
        witnessing.finish(&embedded.handle).await;
    }
    if let Some(anchoring) = anchoring {
        anchoring.finish().await;
    }
    embedded.close().await?;
    if !drained {
        output.note("some requests were cut off at the drain deadline; a client that retries with the same id is safe");
    }
    Ok(roles::exit(stopped?))
}
