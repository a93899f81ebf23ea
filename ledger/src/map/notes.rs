//! What the map's worker is told, bounded: maps that are slower than the log cost time, and no memory.
//!
//! Invariant: the worker is told of every group commit, or there is a [`Note::Overrun`] on its way to it and the commit is
//! in the log for whoever looks at it after [`Told::again`]. Roots of the maps are told in any case.

use super::delta::Delta;
use crate::checkpoint::Candidate;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SendError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What the map's worker is told.
#[derive(Debug)]
pub(crate) enum Note {
    /// A group commit is published.
    Grown(Box<Delta>),
    /// From here on group commits were published that nobody tells of: they are to be read from the log.
    Overrun,
    /// One of these holds a map root, and this is the log behind it.
    Named(Candidate),
    /// The log is about to be closed in order.
    Close,
}

/// What waits, on both sides.
#[derive(Debug, Default)]
struct Waiting {
    leaves: usize,
    /// Nothing is told until the worker reads the log.
    overrun: bool,
}

/// Who tells.
#[derive(Debug, Clone)]
pub(crate) struct Teller {
    notes: Sender<Note>,
    waiting: Arc<Mutex<Waiting>>,
    most: usize,
}

/// Who is told.
#[derive(Debug)]
pub(crate) struct Told {
    notes: Receiver<Note>,
    waiting: Arc<Mutex<Waiting>>,
}

/// A way from the committer to the map's worker, with room for so many leaves of timelines. With the heads that come with
/// them, each takes about 200 bytes.
pub(crate) fn notes(most: usize) -> (Teller, Told) {
    let (notes, told) = channel();
    let waiting = Arc::new(Mutex::default());
    let teller = Teller {
        notes,
        waiting: Arc::clone(&waiting),
        most,
    };
    (teller, Told { notes: told, waiting })
}

fn lock(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Teller {
    /// Tells of a group commit, which is published. Never waits.
    ///
    /// # Errors
    /// The worker has ended.
    pub(super) fn grown(&self, delta: Delta) -> Result<(), SendError<Note>> {
        // Held until it is sent: who clears `overrun` finds the commit in the log or is told of it.
        let mut waiting = lock(&self.waiting);
        let leaves = delta.leaves();
        if !waiting.overrun && waiting.leaves > 0 && waiting.leaves + leaves > self.most {
            waiting.overrun = true;
            self.notes.send(Note::Overrun)?;
        }
        if waiting.overrun {
            return delta
                .candidate
                .map_or(Ok(()), |candidate| self.notes.send(Note::Named(candidate)));
        }
        waiting.leaves += leaves;
        self.notes.send(Note::Grown(Box::new(delta)))
    }

    /// Tells that the log is about to be closed.
    ///
    /// # Errors
    /// The worker has ended.
    pub(crate) fn close(&self) -> Result<(), SendError<Note>> {
        self.notes.send(Note::Close)
    }
}

impl Told {
    /// The next note, if one comes in time.
    pub(super) fn next_within(&self, at_most: Duration) -> Result<Note, RecvTimeoutError> {
        let note = self.notes.recv_timeout(at_most)?;
        self.took(&note);
        Ok(note)
    }

    /// A note that is here already.
    pub(super) fn next(&self) -> Option<Note> {
        let note = self.notes.try_recv().ok()?;
        self.took(&note);
        Some(note)
    }

    /// Wants to be told again. What was not told before is in the log for whoever looks at it from now on.
    pub(super) fn again(&self) {
        lock(&self.waiting).overrun = false;
    }

    fn took(&self, note: &Note) {
        if let Note::Grown(delta) = note {
            lock(&self.waiting).leaves -= delta.leaves();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tlog::Node;

    fn delta(first: u64, leaves: usize, candidate: Option<Candidate>) -> Delta {
        Delta {
            first,
            records: Vec::new(),
            positions: vec![0; leaves],
            nodes: Vec::new(),
            frontiers: Vec::new(),
            candidate,
        }
    }

    /// What waits: offsets of commits, and other notes by name.
    fn waiting(told: &Told) -> Vec<String> {
        let name = |note| match note {
            Note::Grown(delta) => delta.first.to_string(),
            Note::Overrun => "overrun".to_owned(),
            Note::Named(candidate) => format!("named {}", candidate.map_size),
            Note::Close => "close".to_owned(),
        };
        std::iter::from_fn(|| told.next()).map(name).collect()
    }

    #[test]
    fn no_more_waits_than_there_is_room_for() {
        let (teller, told) = notes(10);
        let root = Candidate {
            size: 8,
            root: Node::from([0; 32]),
            map_size: 7,
        };
        for first in 0..100 {
            let candidate = (first == 50).then_some(root);
            teller.grown(delta(first, 4, candidate)).expect("is told");
        }
        assert_eq!(waiting(&told), ["0", "1", "overrun", "named 7"]);
        teller.grown(delta(100, 4, None)).expect("is told");
        assert!(waiting(&told).is_empty(), "the log has not been looked at");
        told.again();
        for first in 101..110 {
            teller.grown(delta(first, 4, None)).expect("is told");
            assert_eq!(
                waiting(&told),
                [first.to_string()],
                "who keeps up is told of everything"
            );
        }
        teller.grown(delta(110, 11, None)).expect("is told");
        teller.close().expect("is told");
        assert_eq!(waiting(&told), ["110", "close"], "one commit always has room");
    }

    #[test]
    fn a_worker_that_has_ended_shows() {
        let (teller, told) = notes(10);
        drop(told);
        assert!(teller.grown(delta(0, 4, None)).is_err());
    }
}
