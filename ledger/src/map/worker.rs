//! The thread that keeps the maps and asks for checkpoints.
//!
//! A cycle: the maps over all n records taken in are written, `ledger.map_root {size: n}` goes through the sequencer like
//! any other record, and the state of the log right behind it is offered to be signed. One is due while any record but
//! such a root lies at or above the n of the newest one; there is one per interval, begun early by what it takes, and one
//! more before the log is closed in order. Nobody waits for this thread but whoever closes the log.
//!
//! Faults: a write that fails takes the engine out of service, as a failed commit does: it is the same disk and journal. A
//! damaged page does not: the maps are thrown away and made again from the log, which goes on meanwhile. So is what came
//! while the maps were too far behind the log to be told of it.

use super::catch_up::{STEP, catch_up};
use super::delta::Delta;
use super::notes::{Note, Told};
use super::pace::Pace;
use super::pending::Pending;
use super::writer::Writer;
use crate::Error;
use crate::checkpoint::{Candidate, Publisher};
use crate::engine::{Message, Outcome, Request, Shared};
use crate::init::own_record;
use domain::payload::MapRoot;
use domain::state::Authority;
use record::Tenant;
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};
use tlog::Node;
use tokio::sync::{mpsc, oneshot};

/// How often it looks whether the engine is still in service while it waits.
const LOOK: Duration = Duration::from_millis(100);
/// Cycles before a close, while records still come in beside it.
const LAST_CYCLES: usize = 3;

/// The worker's own state.
pub(crate) struct Worker {
    shared: Arc<Shared>,
    notes: Told,
    requests: mpsc::UnboundedSender<Message>,
    publisher: Publisher,
    pace: Pace,
    writer: Writer,
    pending: Pending,
    /// Number of records taken in.
    absorbed: u64,
    /// Behind the last record that is not a map root.
    others: u64,
    /// Number of records that the newest map root covers.
    named: u64,
    /// Whether the maps that it names are gone, so that another is due whatever came since.
    lost: bool,
    closing: bool,
    /// Why the last cycle led to nothing; said once.
    failure: Option<String>,
}

/// Why the worker ends before the log is closed.
enum End {
    /// The engine is out of service, or its other threads are gone.
    Stopped,
    /// The maps or the log failed.
    Failed(Error),
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// What the worker is started with.
pub(crate) struct Start {
    pub(crate) shared: Arc<Shared>,
    pub(crate) notes: Told,
    pub(crate) requests: mpsc::UnboundedSender<Message>,
    pub(crate) interval: Duration,
    /// Number of records that the newest `ledger.map_root` covers.
    pub(crate) named: u64,
}

impl Worker {
    pub(crate) fn new(start: Start) -> Self {
        Self {
            lost: false,
            writer: Writer::new(Arc::clone(&start.shared)),
            publisher: Publisher::new(Arc::clone(&start.shared)),
            shared: start.shared,
            notes: start.notes,
            requests: start.requests,
            pace: Pace::new(start.interval),
            pending: Pending::default(),
            absorbed: 0,
            others: 0,
            named: start.named,
            closing: false,
            failure: None,
        }
    }

    /// Runs until the log is closed or the engine is out of service.
    pub(crate) fn run(mut self) {
        match self.work() {
            Ok(()) | Err(End::Stopped) => {}
            Err(End::Failed(error)) if is_damage(&error) => {
                tracing::error!(%error, "no maps and no checkpoints are made any more: the log itself does not read");
            }
            Err(End::Failed(error)) => {
                tracing::error!(%error, "the map of timelines failed: the log is opened again before the next append");
                self.shared.set_poison(error.reason());
            }
        }
    }

    fn work(&mut self) -> Result<(), End> {
        self.mended(Self::begin)?;
        while !self.closing {
            let begun = Instant::now();
            let wait = if self.is_due() { self.pace.left(begun) } else { LOOK };
            if wait.is_zero() {
                self.mended(Self::take_waiting)?;
                self.mended(Self::cycle)?;
                self.pace.ran(begun, Instant::now());
            } else {
                self.mended(|worker| worker.wait(wait.min(LOOK)))?;
            }
            self.publisher.tick();
        }
        // What was answered before the close is told before it, or about to be.
        while self.absorbed < self.shared.committed_size() {
            self.mended(|worker| worker.wait(LOOK))?;
        }
        for _ in 0..LAST_CYCLES {
            if self.is_due() {
                self.mended(Self::cycle)?;
            }
        }
        Ok(())
    }

    fn is_due(&self) -> bool {
        !self.shared.standing.is_closed() && self.is_compared() && (self.others > self.named || self.lost)
    }

    /// Whether the log is known not to lie behind its stream, where it has one. A log that was restored may, and would give
    /// offsets again that others have seen.
    fn is_compared(&self) -> bool {
        let checkpoints = self.shared.config.checkpoints.as_ref();
        let after_stream = checkpoints.is_some_and(|checkpoints| checkpoints.after_stream);
        !after_stream || self.shared.published.borrow().is_some_and(|published| published > 0)
    }

    /// Takes in what came before there was anybody to take it in.
    fn begin(&mut self) -> Result<(), End> {
        self.writer.load()?;
        self.lost |= self.named > 0 && !self.writer.has(self.named)?;
        self.read_log(true)
    }

    /// Takes in from the log what was not told. `may_stop`: a close ends it.
    fn read_log(&mut self, may_stop: bool) -> Result<(), End> {
        loop {
            let (shared, notes) = (Arc::clone(&self.shared), &self.notes);
            let (mut missed, mut closing, mut root) = (false, self.closing, None);
            let mut go_on = || {
                // What is told here is in the log by then: it is read from there in another round.
                while let Some(note) = notes.next() {
                    match note {
                        Note::Grown(delta) => root = delta.candidate.or(root),
                        Note::Named(candidate) => root = Some(candidate),
                        Note::Overrun => {}
                        Note::Close => closing = true,
                    }
                    missed = true;
                }
                let closes = may_stop && closing;
                !(closes || shared.is_poisoned())
            };
            // Before the log is looked at: what is not told by then is found in it.
            notes.again();
            let reached = catch_up(&self.shared, &mut self.writer, self.named, &mut go_on)?;
            self.closing = closing;
            let reached = reached.ok_or(End::Stopped)?;
            self.pending.clear();
            self.others = self.others.max(reached.others);
            self.named = reached.named.unwrap_or(self.named);
            if let (Some(root), false) = (root, self.lost) {
                self.publisher.offer(root);
            }
            let Some(tip) = reached.tip else { return Ok(()) };
            self.absorbed = tip.size;
            if missed {
                continue;
            }
            if self.others < tip.size && !self.lost {
                // The log ends in a map root; whether it was signed is not known here.
                self.publisher.offer(Candidate {
                    size: tip.size,
                    root: Node::from(tip.root),
                    map_size: self.named,
                });
            }
            return Ok(());
        }
    }

    /// Does something with the maps; when they turn out to be damaged, once more with new ones.
    fn mended(&mut self, work: impl Fn(&mut Self) -> Result<(), End>) -> Result<(), End> {
        match work(self) {
            Err(End::Failed(error @ Error::Corrupt { .. })) => {
                tracing::error!(%error, "the map of timelines is damaged: it is made again from the log");
                self.writer.reset()?;
                self.lost = true;
                self.begin()?;
                work(self)
            }
            done => done,
        }
    }

    /// One cycle: write, name, offer.
    fn cycle(&mut self) -> Result<(), End> {
        let n = self.absorbed;
        if self.writer.cursor() < n {
            self.writer.write(n, true, &mut self.pending)?;
        }
        let root = self.writer.root()?;
        match self.append(n, root)? {
            Ok(offset) => {
                self.failure = None;
                while self.absorbed <= offset {
                    self.wait(LOOK)?;
                }
                self.lost = false;
            }
            Err(reason) if self.failure.as_ref() != Some(&reason) => {
                tracing::warn!(%reason, "the root of the maps could not be appended; it is tried again");
                self.failure = Some(reason);
            }
            Err(_) => {}
        }
        Ok(())
    }

    /// Appends `ledger.map_root` on the ledger's own authority; gives its offset, or why it was not taken.
    fn append(&self, n: u64, root: Node) -> Result<Result<u64, String>, End> {
        let payload = MapRoot {
            size: n,
            root: root.to_string(),
        };
        let record = own_record(Tenant::ledger(), "ledger.map_root", &payload)?;
        let prepared = match self.shared.preparer.prepare(record, Authority::Ledger, None) {
            Ok(prepared) => prepared,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let (reply, answer) = oneshot::channel();
        let request = Request {
            bytes: prepared.draft.size_bound(),
            records: vec![prepared],
            once: None,
            reply,
        };
        self.requests.send(Message::Append(request)).map_err(|_| End::Stopped)?;
        match answer.blocking_recv().map_err(|_| End::Stopped)?.pop() {
            Some(Outcome::New(receipt)) => Ok(Ok(receipt.committed.offset)),
            Some(Outcome::Failed(error)) => Ok(Err(error.to_string())),
            _ => Ok(Err("it was not answered as a new record".to_owned())),
        }
    }

    /// Takes in the next note, if one comes in time.
    fn wait(&mut self, at_most: Duration) -> Result<(), End> {
        if self.shared.is_poisoned() {
            return Err(End::Stopped);
        }
        match self.notes.next_within(at_most) {
            Ok(note) => self.take(note),
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Err(RecvTimeoutError::Disconnected) => Err(End::Stopped),
        }
    }

    /// Takes in what is waiting.
    fn take_waiting(&mut self) -> Result<(), End> {
        while let Some(note) = self.notes.next() {
            self.take(note)?;
        }
        Ok(())
    }

    fn take(&mut self, note: Note) -> Result<(), End> {
        match note {
            Note::Close => self.closing = true,
            Note::Grown(delta) => self.absorb(*delta)?,
            Note::Overrun => {
                tracing::warn!(
                    behind = self.shared.committed_size().saturating_sub(self.absorbed),
                    "the map of timelines is behind the log: it is brought up from there, and proofs wait for it"
                );
                self.pending.clear();
                self.read_log(false)?;
            }
            Note::Named(candidate) => self.publisher.offer(candidate),
        }
        Ok(())
    }

    fn absorb(&mut self, delta: Delta) -> Result<(), End> {
        let until = delta.first + delta.records.len() as u64;
        if until <= self.absorbed {
            // It was read from the log, which does not say what a root's tree was.
            if let (Some(root), false) = (delta.candidate, self.lost) {
                self.publisher.offer(root);
            }
            return Ok(());
        }
        if delta.first != self.absorbed {
            let detail = format!("the records from {} on were not told to the map", self.absorbed);
            return Err(Error::corrupt("keyspace map", detail).into());
        }
        let others = delta.records.iter().zip(delta.first + 1..);
        let others = others
            .filter(|(record, _)| !record.is_map_root)
            .map(|(_, behind)| behind);
        self.others = others.last().unwrap_or(self.others);
        self.absorbed = until;
        let candidate = delta.candidate;
        self.pending.absorb(delta);
        if let Some(candidate) = candidate {
            self.named = candidate.map_size;
            self.publisher.offer(candidate);
        }
        if self.pending.len() >= STEP {
            self.writer.write(until, true, &mut self.pending)?;
        }
        Ok(())
    }
}

const fn is_damage(error: &Error) -> bool {
    matches!(error, Error::Corrupt { .. } | Error::LogBehind { .. })
}
