//! One anchor and the checkpoints of one log: when one is due, what happens when it cannot be given, and the last one.
//!
//! A checkpoint is due when anything came since the last anchored one but map roots and records of anchoring itself, which
//! every anchoring brings about: an idle log is anchored once, not for ever. Of a log with witnesses one is given that a
//! quorum has cosigned, where there is one soon.

mod past;

use super::show::Standing;
use super::{NotAnchored, Placed, Target};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::payload::{AnchorKind, CheckpointAnchorFailed, CheckpointAnchored};
use gateway::ops::Board;
use ledger::{Clock as _, Handle, SystemClock};
use ledger_client::proof::{Answer, Question, SignedCheckpoint};
use ledger_client::{Error, LedgerClient as _, Report};
use record::{Record, Timestamp};
use std::sync::Arc;
use std::time::Duration;
use tlog::CheckpointText;
use tokio::sync::watch;
use tokio::time::Instant;

/// How long a checkpoint waits for its witnesses before it is anchored without them.
const WITNESSES: Duration = Duration::from_secs(5);
/// Pauses after failures, doubling.
const RETRY: Duration = Duration::from_secs(5);
const LONGEST_RETRY: Duration = Duration::from_secs(600);
/// How long the end of a log waits for the checkpoint of its last records, and for all of the last anchoring.
const COVERED: Duration = Duration::from_secs(3);
const LAST: Duration = Duration::from_secs(10);
/// Records of one look.
const PAGE: u64 = 64;

/// Keeps one anchor up to date.
pub(super) struct Keeper {
    handle: Handle,
    target: Target,
    every: Duration,
    standing: Arc<Standing>,
    board: Option<Arc<Board>>,
    /// Records that the newest anchored checkpoint covers.
    anchored: u64,
    /// Whether the log says that this anchor fails.
    failing: bool,
}

/// What became of one attempt.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Round {
    /// The anchor has it, and the log says so.
    Anchored,
    /// Nothing came that is worth it.
    Nothing,
    /// To be tried again.
    Failed,
}

impl Keeper {
    pub(super) const fn new(
        handle: Handle,
        target: Target,
        every: Duration,
        standing: Arc<Standing>,
        board: Option<Arc<Board>>,
    ) -> Self {
        Self {
            handle,
            target,
            every,
            standing,
            board,
            anchored: 0,
            failing: false,
        }
    }

    /// Anchors until told to stop, and then what came since.
    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        tokio::select! {
            () = self.keep() => {}
            told = stop.wait_for(|stop| *stop) => if told.is_err() {
                // Nobody waits for a last one.
                return;
            },
        }
        if tokio::time::timeout(LAST, self.last()).await.is_err() {
            tracing::warn!(
                anchor = self.part(),
                "the log is closed before its last checkpoint is anchored"
            );
        }
    }

    async fn keep(&mut self) {
        let mut next = Instant::now() + self.resume().await;
        let mut checkpoints = self.handle.checkpoints();
        let mut pause = RETRY;
        loop {
            tokio::time::sleep_until(next).await;
            checkpoints.mark_unchanged();
            match self.round().await {
                Round::Anchored => {
                    pause = RETRY;
                    next = Instant::now() + self.every;
                }
                Round::Nothing => {
                    if checkpoints.changed().await.is_err() {
                        return;
                    }
                }
                Round::Failed => {
                    next = Instant::now() + pause;
                    pause = (pause * 2).min(LONGEST_RETRY);
                }
            }
        }
    }

    async fn last(&mut self) {
        let question = Question::Checkpoint {
            covering: *self.handle.committed().borrow(),
            witnessed: false,
            wait_ms: u64::try_from(COVERED.as_millis()).unwrap_or(u64::MAX),
        };
        // Without it, the newest one is anchored all the same.
        let _covered = self.handle.prove(question).await;
        self.round().await;
    }

    /// Anchors the newest checkpoint, if it is due.
    pub(super) async fn round(&mut self) -> Round {
        let newest = self.handle.checkpoints().borrow().clone();
        let Some(newest) = newest else { return Round::Nothing };
        match self.has_grown(newest.size).await {
            Ok(true) => {}
            Ok(false) => return Round::Nothing,
            Err(error) => {
                tracing::warn!(%error, anchor = self.part(), "the log cannot be read: nothing is anchored");
                return Round::Failed;
            }
        }
        let checkpoint = self.cosigned(&newest).await;
        let origin = self.handle.origin().clone();
        match self.target.put(&origin, &checkpoint).await {
            Ok(placed) => self.succeed(&checkpoint, placed).await,
            Err(failed) => self.fail(&checkpoint, &failed).await,
        }
    }

    /// Whether a record lies between the newest anchored checkpoint and the first `size` records' end that is no
    /// consequence of anchoring.
    async fn has_grown(&self, size: u64) -> Result<bool, Error> {
        let mut until = size;
        while until > self.anchored {
            let from = until.saturating_sub(PAGE).max(self.anchored);
            if self.records(from, until).await?.iter().any(is_worth_it) {
                return Ok(true);
            }
            until = from;
        }
        Ok(false)
    }

    async fn records(&self, from: u64, until: u64) -> Result<Vec<Record>, Error> {
        let mut records = Vec::new();
        let mut next = from;
        while next < until {
            let limit = usize::try_from(until - next).unwrap_or(usize::MAX);
            let page = self.handle.read(next, limit).await?;
            let Some(last) = page.last() else { break };
            next = last.offset.saturating_add(1);
            for committed in &page {
                let record = Record::parse(committed.bytes.to_vec());
                records.push(record.map_err(|fault| Error::Corrupt(fault.to_string()))?);
            }
        }
        Ok(records)
    }

    /// The checkpoint that is given: `newest`, or a later one, cosigned by a quorum where the log has witnesses.
    async fn cosigned(&self, newest: &Arc<SignedCheckpoint>) -> SignedCheckpoint {
        if newest.witnessed != Some(false) {
            return SignedCheckpoint::clone(newest);
        }
        let question = Question::Checkpoint {
            covering: newest.size,
            witnessed: true,
            wait_ms: u64::try_from(WITNESSES.as_millis()).unwrap_or(u64::MAX),
        };
        match self.handle.prove(question).await {
            Ok(Answer::Checkpoint(Some(found))) if found.size >= newest.size => found,
            _ => SignedCheckpoint::clone(newest),
        }
    }

    async fn succeed(&mut self, checkpoint: &SignedCheckpoint, placed: Placed) -> Round {
        let (size, now) = (checkpoint.size, SystemClock.read().wall);
        let root = CheckpointText::parse(&checkpoint.note).map(|text| text.root().to_string());
        let place = placed.place.clone();
        let anchored = CheckpointAnchored {
            size,
            root: root.unwrap_or_default(),
            anchor: self.target.kind(),
            place: placed.place,
            note: checkpoint.note.clone(),
            receipt: placed.receipt.map(|receipt| STANDARD.encode(receipt)),
            anchored_at: now.to_string(),
        };
        if let Err(error) = self.handle.report(Report::CheckpointAnchored(anchored)).await {
            // Given again, to the same effect, until the log says so.
            self.standing.failed();
            self.limps(format!(
                "a checkpoint is anchored, and the log does not say so: {error}"
            ));
            return Round::Failed;
        }
        tracing::info!(
            event = "transparency.anchor",
            anchor = self.part(),
            size,
            place,
            "a checkpoint is anchored"
        );
        self.standing.succeeded();
        self.reach(size, now);
        self.failing = false;
        if let Some(board) = &self.board {
            board.works(self.part());
        }
        Round::Anchored
    }

    async fn fail(&mut self, checkpoint: &SignedCheckpoint, failed: &NotAnchored) -> Round {
        let class = failed.class.as_str();
        tracing::warn!(
            event = "transparency.anchor_failed",
            anchor = self.part(),
            class,
            "{failed}"
        );
        self.standing.failed();
        self.limps(failed.to_string());
        if !self.failing {
            let report = Report::CheckpointAnchorFailed(CheckpointAnchorFailed {
                size: checkpoint.size,
                anchor: self.target.kind(),
                place: self.target.place().to_owned(),
                error_class: failed.class,
            });
            match self.handle.report(report).await {
                Ok(_) => self.failing = true,
                Err(error) => tracing::warn!(%error, "the log does not say that an anchor fails"),
            }
        }
        Round::Failed
    }

    fn reach(&mut self, size: u64, at: Timestamp) {
        self.anchored = size;
        self.standing.reached(size, at.micros());
    }

    fn limps(&self, reason: String) {
        if let Some(board) = &self.board {
            board.limps(self.part(), reason);
        }
    }

    const fn part(&self) -> &'static str {
        match self.target.kind() {
            AnchorKind::Dir => "anchor_dir",
            AnchorKind::Https => "anchor_https",
        }
    }
}

/// Whether a record is reason enough to anchor.
fn is_worth_it(record: &Record) -> bool {
    !matches!(
        record.kind.as_str(),
        "ledger.map_root" | "checkpoint.anchored" | "checkpoint.anchor_failed"
    )
}
