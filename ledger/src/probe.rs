//! Named steps of a commit, of the map and of a checkpoint at which tests make I/O fail. In a product build every step succeeds at no cost.

use std::sync::Arc;

/// A step of a commit, of the map or of a checkpoint, in order. `After...` fails a step that was applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    /// New scope keys are about to be synced.
    Scopes,
    /// The batch is about to be written.
    Commit,
    /// The batch is durable, nobody knows yet.
    AfterCommit,
    /// HEAD is about to be updated.
    Head,
    /// A signed checkpoint is about to be written.
    Checkpoint,
    /// The checkpoint is durable, nobody knows yet.
    AfterCheckpoint,
    /// A version of the maps is about to be written.
    Map,
    /// It is written, and the map's thread does not know yet.
    AfterMap,
}

type Fail = dyn Fn(Step) -> Option<std::io::Error> + Send + Sync;

/// What happens at a step.
#[derive(Clone, Default)]
pub(crate) struct Probe(Option<Arc<Fail>>);

impl Probe {
    #[cfg(test)]
    pub(crate) fn failing(fail: impl Fn(Step) -> Option<std::io::Error> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(fail)))
    }

    pub(crate) fn at(&self, step: Step) -> Result<(), crate::Error> {
        match self.0.as_ref().and_then(|fail| fail(step)) {
            None => Ok(()),
            Some(error) => Err(crate::Error::io("write", format!("{step:?}"))(error)),
        }
    }
}

impl std::fmt::Debug for Probe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Probe")
    }
}
