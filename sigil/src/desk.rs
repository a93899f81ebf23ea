//! Long work on the projection of this process: rebuild and comparison, started and looked at through
//! [`ProjectionAdmin`], one at a time.
//!
//! The work runs in a task of its own beside the live projector, which goes on. The outcome of a comparison is appended
//! to the log as `projection.verified`, equal or not, and a difference is told loudly. Closing cancels and waits: nothing
//! is left half done.

use crate::bus::chain;
use crate::command::projection::{compare, verified};
use gateway::projections::{Ended, Halt, LogSource, NotStarted, ProjectionStatus, Work, WorkKind};
use gateway::{ProjectionAdmin, projections};
use ledger_client::LedgerClient;
use projector::query::Pending;
use projector::{Cancel, Error, PROJECTION_VERSION, Pace, Parked, Progress, ReadModel, Retried, Source, Trigger};
use record::Origin;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Makes a source that begins wherever it is asked to.
pub type MakeSource = Box<dyn Fn() -> Box<dyn Source> + Send + Sync>;

/// What the work is done on.
pub struct Setup {
    /// The read model.
    pub model: Arc<dyn ReadModel>,
    /// The database that holds it.
    pub engine: &'static str,
    /// The log.
    pub origin: Origin,
    /// Where outcomes are reported and the log's length is asked.
    pub ledger: Arc<dyn LedgerClient>,
    /// The log's records, from the ledger.
    pub records: MakeSource,
    /// The same from the stream, where this process is connected to one.
    pub stream: Option<MakeSource>,
    /// A directory for the replay of a comparison; made and removed.
    pub scratch: PathBuf,
}

/// The desk of one read model. Clones share it.
#[derive(Clone)]
pub struct Desk(Arc<Inner>);

struct Inner {
    setup: Setup,
    state: Mutex<State>,
    /// Number of rebuilds that came to their end.
    rebuilt: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    halt: Option<Halt>,
    running: Option<Running>,
    last: Option<Ended>,
    closing: bool,
    task: Option<JoinHandle<()>>,
}

struct Running {
    work: Work,
    pace: Option<Pace>,
    trigger: Trigger,
}

impl Desk {
    /// A desk with nothing under way.
    pub fn new(setup: Setup) -> Self {
        Self(Arc::new(Inner {
            setup,
            state: Mutex::default(),
            rebuilt: watch::Sender::new(0),
        }))
    }

    /// The live projector has stopped for `error`; it is shown until [`Desk::goes_on`].
    pub fn halted(&self, error: &Error) {
        self.0.state().halt = Some(Halt::of(error));
    }

    /// The live projector follows the log again.
    pub fn goes_on(&self) {
        self.0.state().halt = None;
    }

    /// Number of rebuilds that came to their end: after one, a projector that has halted may be tried again.
    pub fn rebuilt(&self) -> watch::Receiver<u64> {
        self.0.rebuilt.subscribe()
    }

    /// Compares every `interval`, until the desk is closed. Skipped while other work is under way.
    pub fn verify_every(&self, interval: Duration) -> JoinHandle<()> {
        let desk = self.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(interval).await;
                match desk.start(WorkKind::Verify, LogSource::Ledger) {
                    Ok(()) => {}
                    Err(NotStarted::Closing) => return,
                    Err(reason) => tracing::info!(?reason, "a comparison that was due is left out"),
                }
            }
        })
    }

    /// Cancels what is under way, waits for its end, and starts nothing more.
    pub async fn close(&self) {
        let task = {
            let mut state = self.0.state();
            state.closing = true;
            if let Some(running) = &state.running {
                running.trigger.cancel();
            }
            state.task.take()
        };
        if let Some(task) = task {
            // It ends at its next safe point; a panic of it is its own.
            let _ended = task.await;
        }
    }
}

impl ProjectionAdmin for Desk {
    fn status(&self) -> Pending<'_, ProjectionStatus> {
        Box::pin(async move {
            let setup = &self.0.setup;
            let position = setup.model.position().await?;
            let parked = setup.model.parked(0, 1).await?.total;
            let head = setup.ledger.head().await.ok().map(|head| head.size);
            let state = self.0.state();
            Ok(ProjectionStatus {
                projection: PROJECTION,
                engine: setup.engine,
                version: PROJECTION_VERSION,
                position,
                head,
                parked,
                halt: state.halt.clone(),
                work: state.running.as_ref().map(|running| running.work),
                last: state.last.clone(),
            })
        })
    }

    fn parked(&self, from: u64, limit: u16) -> Pending<'_, Parked> {
        self.0.setup.model.parked(from, limit)
    }

    fn retry(&self) -> Pending<'_, Retried> {
        self.0.setup.model.retry_parked()
    }

    fn start(&self, kind: WorkKind, from: LogSource) -> Result<(), NotStarted> {
        let mut state = self.0.state();
        if state.closing {
            return Err(NotStarted::Closing);
        }
        if let Some(running) = &state.running {
            return Err(NotStarted::Busy(running.work.kind));
        }
        let source = match (from, &self.0.setup.stream) {
            (LogSource::Ledger, _) => (self.0.setup.records)(),
            (LogSource::Stream, Some(stream)) => stream(),
            (LogSource::Stream, None) => return Err(NotStarted::NoStream),
        };
        let (trigger, cancel) = Trigger::new();
        let work = Work {
            kind,
            from,
            stage: None,
            position: 0,
            head: 0,
            records_per_second: 0,
            eta_seconds: None,
        };
        state.running = Some(Running {
            work,
            pace: None,
            trigger,
        });
        let inner = Arc::clone(&self.0);
        state.task = Some(tokio::spawn(async move { inner.work(kind, source, &cancel).await }));
        Ok(())
    }

    fn cancel(&self) -> bool {
        let state = self.0.state();
        if let Some(running) = &state.running {
            running.trigger.cancel();
        }
        state.running.is_some()
    }
}

/// The name of the one projection.
pub const PROJECTION: &str = "timeline";

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn work(&self, kind: WorkKind, mut source: Box<dyn Source>, cancel: &Cancel) {
        tracing::info!(work = kind.as_str(), "work on the projection has begun");
        let mut show = |progress: Progress| self.show(progress);
        let ended = match kind {
            WorkKind::Rebuild => {
                let rebuilt = self.setup.model.rebuild(&mut *source, &mut show, cancel).await;
                ended(kind, rebuilt.map(|()| None))
            }
            WorkKind::Verify => {
                let (setup, scratch) = (&self.setup, &self.setup.scratch);
                let found = compare(&*setup.model, scratch, &setup.origin, &mut *source, &mut show, cancel).await;
                self.report(ended(kind, found.map(Some))).await
            }
        };
        let outcome = ended.failure.as_deref().unwrap_or("done");
        tracing::info!(work = kind.as_str(), outcome, "work on the projection has ended");
        let whole = ended.failure.is_none() && !ended.cancelled;
        let mut state = self.state();
        state.running = None;
        state.last = Some(ended);
        drop(state);
        if kind == WorkKind::Rebuild && whole {
            self.rebuilt.send_modify(|count| *count += 1);
        }
    }

    fn show(&self, progress: Progress) {
        let (now, mut state) = (Instant::now(), self.state());
        let Some(running) = &mut state.running else { return };
        let pace = running.pace.get_or_insert(Pace::new(now, 0));
        let measured = pace.measure(now, progress.position, progress.head);
        running.work.stage = Some(progress.stage);
        (running.work.position, running.work.head) = (progress.position, progress.head);
        running.work.records_per_second = measured.records_per_second;
        running.work.eta_seconds = measured.eta_seconds;
    }

    /// Appends the outcome of a comparison to the log.
    async fn report(&self, mut ended: Ended) -> Ended {
        let Some(found) = &ended.verification else { return ended };
        if !found.equal() {
            let rows: Vec<String> = found.rows.iter().map(ToString::to_string).collect();
            tracing::error!(
                position = found.position,
                damaged = found.damaged,
                ?rows,
                "the read model differs from the log: rebuild it"
            );
        }
        match self.setup.ledger.report(verified(found, self.setup.engine)).await {
            Ok(receipt) => ended.reported = Some(receipt.committed.offset),
            Err(error) => ended.failure = Some(format!("the outcome was not appended to the log: {error}")),
        }
        ended
    }
}

fn ended(kind: WorkKind, outcome: Result<Option<projector::Verification>, Error>) -> Ended {
    let cancelled = matches!(outcome, Err(Error::Cancelled));
    let (verification, failure) = match outcome {
        Ok(found) => (found, None),
        Err(error) => (None, Some(chain(&error))),
    };
    projections::Ended {
        kind,
        failure,
        cancelled,
        verification,
        reported: None,
    }
}
