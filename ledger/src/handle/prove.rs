//! Questions about the log's trees: one may be waited for, the others are read from the store.

use super::Handle;
use crate::proofs::Prover;
use ledger_client::proof::{Answer, LONGEST_WAIT_MS, Question, SignedCheckpoint, Unprovable};
use ledger_client::{Error, Refusal};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

impl Handle {
    /// The newest signed checkpoint, durable before it is seen here; `None` while there is none.
    #[must_use]
    pub fn checkpoints(&self) -> watch::Receiver<Option<Arc<SignedCheckpoint>>> {
        self.inner.announced.newest.subscribe()
    }

    /// The newest one that a quorum of witnesses has cosigned; `None` while there is none.
    #[must_use]
    pub fn witnessed(&self) -> watch::Receiver<Option<Arc<SignedCheckpoint>>> {
        self.inner.announced.witnessed.subscribe()
    }

    pub(super) async fn answer(&self, question: Question) -> Result<Answer, Error> {
        if !question.is_sound() {
            return Err(Error::CommandRefused(Refusal::Malformed));
        }
        let Some(config) = &self.inner.config.checkpoints else {
            return Ok(Answer::Unprovable(Unprovable::Disabled));
        };
        if question == Question::Policy {
            return Ok(Answer::Policy(config.policy.as_ref().map(tlog::Policy::to_text)));
        }
        if let Question::Checkpoint {
            covering,
            witnessed,
            wait_ms,
        } = question
        {
            return Ok(Answer::Checkpoint(self.awaited(covering, witnessed, wait_ms).await));
        }
        let (shared, newest) = (self.reader()?, self.inner.announced.newest.borrow().clone());
        let answer = move || {
            let prover = Prover {
                shared: &shared,
                newest,
            };
            prover.answer(&question)
        };
        // A stretch whose ends are not in the timeline, for example.
        let answer = self.blocking(answer).await?;
        answer.ok_or(Error::CommandRefused(Refusal::Malformed))
    }

    /// The checkpoint that is waited for, or the newest one when it did not come in time.
    async fn awaited(&self, covering: u64, witnessed: bool, wait_ms: u64) -> Option<SignedCheckpoint> {
        let announced = &self.inner.announced;
        let policy = self
            .inner
            .config
            .checkpoints
            .as_ref()
            .map(|config| config.policy.is_some());
        let mut awaited = if witnessed {
            announced.witnessed.subscribe()
        } else {
            announced.newest.subscribe()
        };
        // Without a policy no witness is asked: there is nothing to wait for.
        let wait_ms = if witnessed && policy != Some(true) { 0 } else { wait_ms };
        let covers = |checkpoint: &Option<Arc<SignedCheckpoint>>| {
            checkpoint
                .as_ref()
                .is_some_and(|checkpoint| checkpoint.size >= covering)
        };
        let patience = Duration::from_millis(wait_ms.min(LONGEST_WAIT_MS));
        if let Ok(Ok(found)) = tokio::time::timeout(patience, awaited.wait_for(covers)).await {
            return found.as_deref().cloned();
        }
        announced.newest.borrow().as_deref().cloned()
    }
}
