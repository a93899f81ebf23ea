//! From a tree head that the committer captured to a signed, durable, announced checkpoint.
//!
//! Lives on the thread that makes the maps; the sequencer and the committer never wait for it.

use super::{Candidate, kept, keys, read};
use crate::Error;
use crate::engine::Shared;
use crate::probe::Step;
use crate::proofs::LogTree;
use ledger_client::proof::SignedCheckpoint;
use std::collections::VecDeque;
use std::sync::Arc;
use tlog::{prove_consistency, verify_consistency};

/// Candidates that wait for the stream at most; beyond that the newest but one is given up.
const WAITING: usize = 1_024;

/// Signs candidates, in order of their size.
pub(crate) struct Publisher {
    shared: Arc<Shared>,
    waiting: VecDeque<Candidate>,
}

impl Publisher {
    pub(crate) const fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            waiting: VecDeque::new(),
        }
    }

    /// Takes a candidate, and publishes it at once unless it has to wait for the stream.
    pub(crate) fn offer(&mut self, candidate: Candidate) {
        if self.waiting.len() >= WAITING {
            self.waiting.pop_back();
        }
        self.waiting.push_back(candidate);
        self.tick();
    }

    /// Publishes the newest candidate that may be published. A failure takes the engine out of service, as a failed commit
    /// does.
    pub(crate) fn tick(&mut self) {
        let Some(candidate) = self.due() else { return };
        if self.shared.is_poisoned() {
            return;
        }
        match publish(&self.shared, &candidate) {
            Ok(()) => {}
            Err(error @ Error::Key { .. }) => tracing::error!(%error, "no checkpoint can be signed"),
            Err(error) => {
                tracing::error!(%error, size = candidate.size, "a checkpoint failed: the log is opened again before the next append");
                self.shared.set_poison(error.reason());
            }
        }
    }

    /// The newest candidate whose records the stream holds, where that is asked for; older ones are given up for it.
    fn due(&mut self) -> Option<Candidate> {
        let after_stream = self
            .shared
            .config
            .checkpoints
            .as_ref()
            .is_some_and(|config| config.after_stream);
        let held = if after_stream {
            self.shared.published.borrow().unwrap_or(0)
        } else {
            u64::MAX
        };
        let mut due = None;
        while let Some(next) = self.waiting.front().copied().filter(|next| next.size <= held) {
            due = Some(next);
            self.waiting.pop_front();
        }
        due
    }
}

fn publish(shared: &Shared, candidate: &Candidate) -> Result<(), Error> {
    let checkpoints = &shared.checkpoints;
    let mut thinned = checkpoints.write();
    let before = checkpoints.newest();
    let size_before = before.as_ref().map_or(0, |before| before.size);
    if candidate.size <= size_before {
        return Ok(());
    }
    check(shared, candidate, before.as_deref())?;
    // Who knows the records below the map's size alone has to find the key that was in force there.
    let known = size_before.min(candidate.map_size);
    let signed = keys::sign(shared, known, candidate.size, candidate.root)?;
    let signed_at = shared.clock.read().wall.micros();
    let policy = shared
        .config
        .checkpoints
        .as_ref()
        .and_then(|config| config.policy.as_ref());
    let judged = policy.map(|policy| policy.judge(signed.note())).transpose();
    let judged = judged.map_err(|error| Error::corrupt("the policy", error.to_string()))?;
    let checkpoint = Arc::new(SignedCheckpoint {
        size: candidate.size,
        map_size: candidate.map_size,
        signed_at,
        witnessed: judged.map(|judged| judged.is_met),
        note: signed.note().to_text(),
    });
    let mut batch = shared.store.batch();
    kept::put(&shared.store, &mut batch, &checkpoint)?;
    thinned.thin(&shared.store, &mut batch, signed_at)?;
    shared.probe.at(Step::Checkpoint)?;
    // Synced before anybody sees it: what was announced must still be there after a crash.
    batch.commit()?;
    shared.probe.at(Step::AfterCheckpoint)?;
    checkpoints.announced.tell(&checkpoint);
    Ok(())
}

/// Whether the store still holds the tree that the candidate names, and that tree continues the newest checkpoint's.
fn check(shared: &Shared, candidate: &Candidate, before: Option<&SignedCheckpoint>) -> Result<(), Error> {
    let forked = |detail: &str| Error::corrupt("the log tree", detail);
    let (tree, size) = (LogTree(shared), candidate.size);
    if size > shared.committed_size() || tree.root(size)? != candidate.root {
        return Err(forked("it is not the tree that was committed: no checkpoint is signed"));
    }
    let Some(before) = before else { return Ok(()) };
    let old = read(before)?;
    let mut failed = None;
    let proof = prove_consistency(old.size(), size, |place| {
        tree.node(place).map_err(|error| {
            failed = Some(error);
            tlog::Error::RootMismatch
        })
    });
    if let Some(error) = failed {
        return Err(error);
    }
    let verified = proof.and_then(|proof| verify_consistency(old.size(), old.root(), size, &candidate.root, &proof));
    verified.map_err(|_| forked("it does not continue the newest checkpoint: no other one is signed"))
}
