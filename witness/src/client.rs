//! Asking the witnesses of a policy to cosign checkpoints.
//!
//! ```text
//! newest checkpoint ──> round: one checkpoint for all ──> each witness: ask, retry, wait ──> lines ──> the log
//! ```
//!
//! All witnesses are asked for the same checkpoint, in parallel, so that a quorum comes together on it even when
//! checkpoints are faster than witnesses. A round is over when the quorum is met, when every witness has answered or
//! failed, or when its time is up; then the newest checkpoint is next. A witness that is slow or down holds up no round
//! for longer than the timeout, and is tried again after a growing pause, also when the log stands still.
//!
//! Invariant: only lines that verify under the key that the policy has for the asked witness are handed on.

mod ask;
mod standing;
mod task;

pub use ask::{Failing, Failure, Reply as Answered};
pub use standing::Standing;

use ask::Asker;
use standing::Board;
use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tlog::{Line, Node, Note, Policy, PolicyWitness};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Something under way.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A signed checkpoint that witnesses may be asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Number of leaves.
    pub size: u64,
    /// The log's note.
    pub note: Note,
}

/// The log cannot prove that one of its trees continues another, at the moment or at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoProof(pub String);

/// The log whose checkpoints are cosigned.
pub trait Log: Send + Sync + 'static {
    /// That the tree of `to` leaves continues the tree of `from` leaves; 0 < `from` <= `to`.
    fn consistency(&self, from: u64, to: u64) -> Pending<'_, Result<Vec<Node>, NoProof>>;

    /// Takes verified cosignature lines for the checkpoint of `size` leaves.
    fn cosigned(&self, size: u64, lines: Vec<Line>) -> Pending<'_, ()>;
}

/// A witness that can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// Its name in the policy.
    pub name: String,
    /// Its key.
    pub key: tlog::VerifierKey,
    /// The submission prefix.
    pub url: String,
}

/// Why a request has no answer: one sentence for operators, without secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TransportError(pub String);

/// Carries requests to witnesses.
pub trait Transport: Send + Sync + 'static {
    /// `POST <submission prefix>/add-checkpoint` with this body.
    fn add_checkpoint<'a>(
        &'a self,
        witness: &'a Witness,
        body: String,
    ) -> Pending<'a, Result<Answered, TransportError>>;
}

/// Asks the witnesses of one policy about one log.
pub struct Client {
    policy: Policy,
    timeout: Duration,
    board: Arc<Board>,
}

/// How the witnesses are, for whoever shows it.
#[derive(Clone)]
pub struct Watching(Arc<Board>);

impl Client {
    /// A client under `policy`. One request to a witness, with its retry after a 409, may take `timeout`.
    #[must_use]
    pub fn new(policy: Policy, timeout: Duration) -> Self {
        let askable = policy.witnesses().iter().filter_map(askable);
        let board = Arc::new(Board::new(askable.map(|witness| witness.name)));
        Self { policy, timeout, board }
    }

    /// How the witnesses are, from now on.
    #[must_use]
    pub fn watching(&self) -> Watching {
        Watching(Arc::clone(&self.board))
    }

    /// Asks about each new checkpoint until `heads` has no sender any more. Times of standings come from `clock`, in
    /// seconds since the Unix epoch.
    pub async fn run(
        self,
        heads: watch::Receiver<Option<Arc<Head>>>,
        log: Arc<dyn Log>,
        transport: Arc<dyn Transport>,
        clock: Arc<dyn Fn() -> u64 + Send + Sync>,
    ) {
        let (target, targets) = watch::channel(None);
        let (report, reports) = mpsc::channel(64);
        let mut tasks = JoinSet::new();
        for witness in self.policy.witnesses().iter().filter_map(askable) {
            let asker = Asker {
                witness,
                log: Arc::clone(&log),
                transport: Arc::clone(&transport),
                timeout: self.timeout,
            };
            let one = task::One::new(asker, Arc::clone(&self.board), Arc::clone(&clock), report.clone());
            tasks.spawn(one.run(targets.clone()));
        }
        drop(report);
        let rounds = Rounds {
            policy: self.policy,
            timeout: self.timeout,
            target,
            reports,
            asked: tasks.len(),
        };
        rounds.run(heads).await;
        // With the set, the tasks end: what is under way was for a log that is closing.
        tasks.shutdown().await;
    }
}

/// A witness that the policy says how to reach.
fn askable(witness: &PolicyWitness) -> Option<Witness> {
    Some(Witness {
        name: witness.name.clone(),
        key: witness.key.clone(),
        url: witness.url.clone()?,
    })
}

impl Watching {
    /// Every witness that can be asked, in the policy's order.
    #[must_use]
    pub fn standings(&self) -> Vec<Standing> {
        self.0.read()
    }
}

/// What a witness's task says about one checkpoint: that it cosigned, or that it will not for now.
struct Report {
    name: String,
    size: u64,
    cosigned: bool,
}

/// Which checkpoint the witnesses are asked about.
struct Rounds {
    policy: Policy,
    timeout: Duration,
    target: watch::Sender<Option<Arc<Head>>>,
    reports: mpsc::Receiver<Report>,
    /// Number of witnesses.
    asked: usize,
}

impl Rounds {
    async fn run(mut self, mut heads: watch::Receiver<Option<Arc<Head>>>) {
        let mut last: Option<u64> = None;
        loop {
            let newest = heads.borrow_and_update().clone();
            if let Some(head) = newest.filter(|head| last.is_none_or(|size| size < head.size)) {
                last = Some(head.size);
                let size = head.size;
                self.target.send_replace(Some(head));
                self.round(size).await;
                // What came meanwhile is next at once.
                continue;
            }
            tokio::select! {
                changed = heads.changed() => if changed.is_err() { return },
                // Late answers: the tasks have handed them to the log already.
                report = self.reports.recv() => if report.is_none() { return },
            }
        }
    }

    /// Waits until nothing more is to be had of this checkpoint soon.
    async fn round(&mut self, size: u64) {
        let until = Instant::now() + self.timeout;
        let (mut cosigned, mut answered) = (BTreeSet::new(), BTreeSet::new());
        while answered.len() < self.asked {
            let Ok(Some(report)) = tokio::time::timeout_at(until, self.reports.recv()).await else {
                return;
            };
            if report.size != size {
                continue;
            }
            if report.cosigned {
                cosigned.insert(report.name.clone());
            }
            answered.insert(report.name);
            let names: BTreeSet<&str> = cosigned.iter().map(String::as_str).collect();
            if self.policy.asks_for_witnesses() && self.policy.is_met_by(&names) {
                return;
            }
        }
    }
}
