//! Anchors of this process's log: signed checkpoints, given where the log's operator cannot take them back.
//!
//! ```text
//! Handle::checkpoints ──> keep::Keeper ──> dir::Dir      a new file in a directory     ──> Handle::report
//!                                     └──> https::Https  POST to an endpoint           ──> checkpoint.anchored
//! ```
//!
//! Nothing here holds up a commit. What is in the directory is given back to the ledger at every start ([`known`]): a log
//! that does not continue it is not opened. Crash points: between the anchor and its record, the next start gives the same
//! checkpoint again or a later one, and a directory that has it already says so.

pub mod dir;
mod https;
mod keep;
mod show;
#[cfg(test)]
mod tests;

pub use https::accept_url;

use crate::config::Anchors;
use crate::exit::{Exit, Failure};
use dir::Dir;
use domain::payload::{AnchorError, AnchorKind};
use gateway::ops::Board;
use https::Https;
use keep::Keeper;
use ledger::Handle;
use ledger_client::proof::SignedCheckpoint;
use record::Origin;
use show::Standing;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Where checkpoints go, and how often.
pub struct Anchoring {
    targets: Vec<Target>,
    every: Duration,
}

/// Checkpoints that are being anchored; ends without a last one when it is dropped.
pub struct Running {
    tasks: JoinSet<()>,
    stop: watch::Sender<bool>,
}

/// One anchor.
enum Target {
    Dir(Dir),
    Https(Https),
}

/// What an anchor gave for a checkpoint.
struct Placed {
    /// The file's name, or the host.
    place: String,
    /// What the endpoint answered.
    receipt: Option<bytes::Bytes>,
}

/// Why a checkpoint is not anchored; tried again later.
#[derive(Debug, thiserror::Error)]
#[error("ANCHOR_FAILED: {detail}")]
struct NotAnchored {
    class: AnchorError,
    detail: String,
}

impl NotAnchored {
    fn new(class: AnchorError, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self { class, detail }
    }
}

/// The checkpoints that are kept in the directory, for the ledger to hold the log against at its start: of each log the
/// newest ones, which stand for those before.
///
/// # Errors
/// The directory cannot be read. It is not made here: an empty one in place of a share that is not mounted would hide that
/// the log was put back to an older copy.
pub fn known(anchors: &Anchors) -> Result<Vec<String>, Failure> {
    let Some(path) = &anchors.dir else {
        return Ok(Vec::new());
    };
    let found = Dir::new(path).newest().map_err(|error| {
        let message = format!(
            "anchors.dir {}: {error}: what is kept there shows whether the log was put back to an older copy, so the log is \
             not opened without it",
            path.display()
        );
        Failure::new(Exit::Usage, message)
    })?;
    Ok(found.into_iter().map(|anchor| anchor.note).collect())
}

impl Anchoring {
    /// What the configuration asks for; `None` where nothing is anchored.
    ///
    /// # Errors
    /// The address is refused, or a file cannot be read.
    pub fn configured(anchors: &Anchors) -> Result<Option<Self>, Failure> {
        let mut targets = Vec::new();
        if let Some(path) = &anchors.dir {
            targets.push(Target::Dir(Dir::new(path)));
        }
        if let Some(url) = &anchors.https_url {
            let url = accept_url(url);
            let url = url.map_err(|reason| Failure::new(Exit::Usage, format!("anchors.https_url: {reason}")))?;
            targets.push(Target::Https(Https::new(url, anchors)?));
        }
        let every = Duration::from_secs(anchors.interval_s);
        Ok((!targets.is_empty()).then_some(Self { targets, every }))
    }

    /// Begins to anchor the checkpoints of `handle`, and shows on `board` how it goes.
    pub fn start(self, handle: &Handle, board: Option<&Arc<Board>>) -> Running {
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let standings: Vec<_> = self.targets.iter().map(|target| Standing::of(target.kind())).collect();
        if let Some(board) = board {
            show::meters(board, &standings);
        }
        for (target, standing) in self.targets.into_iter().zip(standings) {
            let keeper = Keeper::new(handle.clone(), target, self.every, standing, board.cloned());
            tasks.spawn(keeper.run(stopped.clone()));
        }
        Running { tasks, stop }
    }
}

impl Running {
    /// Anchors what came since, but not for long, and ends. Call it when the log is about to be closed.
    pub async fn finish(mut self) {
        self.stop.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
    }
}

impl Target {
    const fn kind(&self) -> AnchorKind {
        match self {
            Self::Dir(_) => AnchorKind::Dir,
            Self::Https(_) => AnchorKind::Https,
        }
    }

    /// What stands for it where no checkpoint could be given.
    fn place(&self) -> &str {
        match self {
            Self::Dir(_) => AnchorKind::Dir.as_str(),
            Self::Https(https) => https.place(),
        }
    }

    async fn put(&self, origin: &Origin, checkpoint: &SignedCheckpoint) -> Result<Placed, NotAnchored> {
        match self {
            Self::Dir(dir) => {
                let (dir, origin) = (dir.clone(), origin.clone());
                let (size, note) = (checkpoint.size, checkpoint.note.clone());
                let work = tokio::task::spawn_blocking(move || dir.put(origin.as_str(), size, &note));
                let lost = |error: tokio::task::JoinError| NotAnchored::new(AnchorError::Storage, error.to_string());
                let place = work.await.map_err(lost)??;
                Ok(Placed { place, receipt: None })
            }
            Self::Https(https) => Ok(Placed {
                place: https.place().to_owned(),
                receipt: https.post(checkpoint.note.clone()).await?,
            }),
        }
    }
}
