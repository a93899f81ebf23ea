//! A ledger and its read model in this process: what `dev`, `demo` and the commands on a data directory run on.

use crate::command::projection::ENGINE;
use crate::desk::{Desk, Setup};
use crate::exit::Failure;
use crate::feed::Feed;
use crate::follow::follow;
use crate::place::Place;
use gateway::ops::Board;
use ledger::Handle;
use ledger_client::LedgerClient;
use projector::query::Queries;
use projector::{ReadModel as _, Trigger};
use projector_sqlite::ReadModel;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// Pause before the live projector tries again.
const RETRY: Duration = Duration::from_secs(1);

/// An open log with its read model.
pub struct Embedded {
    /// The ledger.
    pub handle: Handle,
    /// The read model.
    pub read_model: Arc<ReadModel>,
    /// A directory beside the log for the replay of a comparison.
    pub scratch: PathBuf,
}

/// The live projector, with what stops it.
pub struct Projecting {
    trigger: Trigger,
    task: JoinHandle<Result<(), projector::Error>>,
}

impl Embedded {
    /// Opens the log and its read model to write: the last record is covered by a checkpoint when it is closed.
    pub async fn open_to_write(place: &Place) -> Result<Self, Failure> {
        Self::open_with(place, place.signing()?).await
    }

    /// Opens the log and its read model.
    pub async fn open(place: &Place) -> Result<Self, Failure> {
        Self::open_with(place, place.config()).await
    }

    /// Opens the log with these limits, and its read model.
    pub async fn open_with(place: &Place, config: ledger::Config) -> Result<Self, Failure> {
        let opened = tokio::task::spawn_blocking(move || Handle::open(config))
            .await
            .map_err(anyhow::Error::from)?;
        let handle = opened?;
        let dir = place.read_model();
        let read_model = match ReadModel::open(&dir, handle.origin().clone()).await {
            // Another build's tables hold nothing that the log does not give again.
            Err(projector::Error::Outdated { .. }) => ReadModel::reset(&dir, handle.origin().clone()).await?,
            opened => opened?,
        };
        Ok(Self {
            handle,
            read_model: Arc::new(read_model),
            scratch: place.scratch("replay"),
        })
    }

    /// Opens the log with an empty read model, whatever state the old one is in.
    pub async fn open_anew(place: &Place) -> Result<Self, Failure> {
        let config = place.config();
        let opened = tokio::task::spawn_blocking(move || Handle::open(config))
            .await
            .map_err(anyhow::Error::from)?;
        let handle = opened?;
        let read_model = ReadModel::reset(&place.read_model(), handle.origin().clone()).await?;
        Ok(Self {
            handle,
            read_model: Arc::new(read_model),
            scratch: place.scratch("replay"),
        })
    }

    /// The ledger as the other rooms know it.
    pub fn client(&self) -> Arc<dyn LedgerClient> {
        Arc::new(self.handle.clone())
    }

    /// A new feed of the ledger.
    pub fn feed(&self) -> Feed {
        Feed::new(self.client())
    }

    /// What long work on the read model is started at; a comparison replays into `scratch`.
    pub fn desk(&self, scratch: PathBuf) -> Desk {
        let ledger = self.client();
        Desk::new(Setup {
            model: Arc::clone(&self.read_model) as _,
            engine: ENGINE,
            origin: self.handle.origin().clone(),
            records: {
                let ledger = Arc::clone(&ledger);
                Box::new(move || Box::new(Feed::new(Arc::clone(&ledger))))
            },
            ledger,
            stream: None,
            scratch,
        })
    }

    /// Starts the live projector, which goes on after failures that pass: a full disk, a ledger that opens itself again.
    pub fn project(&self, board: Option<Arc<Board>>) -> Projecting {
        self.follow(Some(RETRY), board)
    }

    /// Starts the projector; with `retry`, failures that pass are tried again after this pause.
    fn follow(&self, retry: Option<Duration>, board: Option<Arc<Board>>) -> Projecting {
        let (trigger, cancel) = Trigger::new();
        let (read_model, mut feed) = (Arc::clone(&self.read_model), self.feed());
        let task = tokio::spawn(async move { follow(&*read_model, &mut feed, &cancel, retry, board.as_deref()).await });
        Projecting { trigger, task }
    }

    /// Brings the read model up to the end of the log.
    pub async fn catch_up(&self) -> Result<(), Failure> {
        let head = self.handle.head().await?.size;
        if self.read_model.position().await? >= head {
            return Ok(());
        }
        let mut projecting = self.follow(None, None);
        self.wait_for(head, &mut projecting).await?;
        projecting.stop().await
    }

    /// Waits until the read model has applied `size` records; fails at once when the projector halts.
    async fn wait_for(&self, size: u64, projecting: &mut Projecting) -> Result<(), Failure> {
        let mut positions = self.read_model.positions();
        tokio::select! {
            reached = positions.wait_for(|position| *position >= size) => {
                reached.map(drop).map_err(|error| anyhow::Error::from(error).into())
            }
            error = projecting.halted() => Err(error.into()),
        }
    }

    /// Closes the log in order.
    pub async fn close(self) -> Result<(), Failure> {
        let handle = self.handle;
        self.read_model.close().await;
        tokio::task::spawn_blocking(move || handle.close())
            .await
            .map_err(anyhow::Error::from)?;
        Ok(())
    }
}

impl Projecting {
    /// Resolves when the projector halts, which it does not do while all is well.
    pub async fn halted(&mut self) -> projector::Error {
        match (&mut self.task).await {
            Ok(Ok(())) => projector::Error::Cancelled,
            Ok(Err(error)) => error,
            Err(error) => projector::Error::Source(error.to_string()),
        }
    }

    /// Stops after the batch in work.
    pub async fn stop(self) -> Result<(), Failure> {
        self.trigger.cancel();
        match self.task.await {
            Ok(Ok(()) | Err(projector::Error::Cancelled)) => Ok(()),
            Ok(Err(error)) => Err(error.into()),
            Err(error) => Err(anyhow::Error::from(error).into()),
        }
    }
}
