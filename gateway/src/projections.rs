//! What an operator may ask of the projections beside this gateway: how they are, what is parked, a rebuild, a check.
//!
//! [`ProjectionAdmin`] is implemented by whoever runs the projector: in the embedded process beside the API, in the role
//! `projector` on a port of its own ([`App::projection_router`](crate::App::projection_router)). Long work is started and
//! looked at, never waited for.

use projector::query::Pending;
use projector::{Error, Parked, Retried, Stage};
use serde_json::{Value, json};

/// The projections of one process.
pub trait ProjectionAdmin: Send + Sync + 'static {
    /// How the projection is.
    fn status(&self) -> Pending<'_, ProjectionStatus>;

    /// Parked records from offset `from` on.
    fn parked(&self, from: u64, limit: u16) -> Pending<'_, Parked>;

    /// Tries every parked record again.
    fn retry(&self) -> Pending<'_, Retried>;

    /// Starts long work and returns at once.
    ///
    /// # Errors
    /// [`NotStarted`], and nothing was begun.
    fn start(&self, work: WorkKind, from: LogSource) -> Result<(), NotStarted>;

    /// Asks the work under way to stop at its next safe point; false when there is none.
    fn cancel(&self) -> bool;
}

/// Long work on a projection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkKind {
    /// New tables from offset zero, then a switch to them.
    Rebuild,
    /// A comparison with a replay.
    Verify,
}

/// Where the records of long work come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogSource {
    /// The ledger.
    #[default]
    Ledger,
    /// The stream that the ledger publishes to.
    Stream,
}

/// Why work was not started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotStarted {
    /// One at a time, and this one is under way.
    Busy(WorkKind),
    /// This process is not connected to a stream.
    NoStream,
    /// The process ends.
    Closing,
}

/// How a projection is.
#[derive(Debug, Clone, PartialEq)]
pub struct ProjectionStatus {
    /// Its name.
    pub projection: &'static str,
    /// The database that holds it.
    pub engine: &'static str,
    /// Version of the projection.
    pub version: u32,
    /// Number of records applied.
    pub position: u64,
    /// Number of records in the log, when the ledger answers.
    pub head: Option<u64>,
    /// Number of parked records.
    pub parked: u64,
    /// Why it follows the log no more; `None` while it does.
    pub halt: Option<Halt>,
    /// The work under way.
    pub work: Option<Work>,
    /// How the last work ended.
    pub last: Option<Ended>,
}

/// Why a projection stands still.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Halt {
    /// The failure.
    pub reason: String,
    /// The record that it stopped before, where it is one.
    pub offset: Option<u64>,
}

/// Long work and how far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work {
    /// What is done.
    pub kind: WorkKind,
    /// Where the records come from.
    pub from: LogSource,
    /// What it is at; `None` until the first records are in.
    pub stage: Option<Stage>,
    /// Number of records done.
    pub position: u64,
    /// Number of records to do, as far as is known.
    pub head: u64,
    /// Records a second, lately.
    pub records_per_second: u64,
    /// Seconds until the records are in; `None` when there is no telling.
    pub eta_seconds: Option<u64>,
}

/// Long work that has ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    /// What was done.
    pub kind: WorkKind,
    /// Why it did not come to its end: `None` when it did.
    pub failure: Option<String>,
    /// Whether somebody cancelled it.
    pub cancelled: bool,
    /// What a comparison found.
    pub verification: Option<projector::Verification>,
    /// Offset of the `projection.verified` that says so in the log.
    pub reported: Option<u64>,
}

impl WorkKind {
    /// One word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rebuild => "rebuild",
            Self::Verify => "verify",
        }
    }
}

impl LogSource {
    /// One word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ledger => "ledger",
            Self::Stream => "stream",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Ledger, Self::Stream]
            .into_iter()
            .find(|source| source.as_str() == text)
    }
}

impl Halt {
    /// What `error` says.
    #[must_use]
    pub fn of(error: &Error) -> Self {
        let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
        Self {
            reason: causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}")),
            offset: error.offset(),
        }
    }
}

impl ProjectionStatus {
    /// The status as the API and the command line show it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let state = match (&self.halt, &self.work) {
            (_, Some(work)) if work.kind == WorkKind::Rebuild => "rebuilding",
            (Some(_), _) => "halted",
            _ => "live",
        };
        json!({
            "projection": self.projection, "engine": self.engine, "version": self.version, "state": state,
            "position": self.position, "head": self.head,
            "lag": self.head.map(|head| head.saturating_sub(self.position)), "parked": self.parked,
            "halt": self.halt.as_ref().map(|halt| json!({"reason": halt.reason, "offset": halt.offset})),
            "work": self.work.map(Work::to_json), "last": self.last.as_ref().map(Ended::to_json),
        })
    }
}

impl Work {
    fn to_json(self) -> Value {
        json!({
            "what": self.kind.as_str(), "from": self.from.as_str(), "stage": self.stage.map_or("starting", Stage::as_str),
            "position": self.position, "head": self.head, "records_per_second": self.records_per_second,
            "eta_seconds": self.eta_seconds,
        })
    }
}

impl Ended {
    fn to_json(&self) -> Value {
        let outcome = match (&self.failure, self.cancelled) {
            (_, true) => "cancelled",
            (Some(_), false) => "failed",
            (None, false) => "done",
        };
        json!({
            "what": self.kind.as_str(), "outcome": outcome, "detail": self.failure,
            "verification": self.verification.as_ref().map(verification_to_json), "reported": self.reported,
        })
    }
}

/// A comparison as the API and the command line show it.
#[must_use]
pub fn verification_to_json(found: &projector::Verification) -> Value {
    let differences: Vec<String> = found.differences.iter().map(ToString::to_string).collect();
    let row = |row: &projector::Damage| json!({"table": row.table, "key": row.key, "is": row.what.as_str()});
    json!({
        "position": found.position, "digest": found.digest.to_string(), "replayed_digest": found.replayed.to_string(),
        "equal": found.equal(), "parked": found.parked, "differences": differences, "damaged": found.damaged,
        "rows": found.rows.iter().map(row).collect::<Vec<_>>(),
        "complete": !found.cut && found.rows.len() as u64 == found.damaged,
    })
}
