//! Cosignatures: lines that witnesses give for a checkpoint that is kept already.

use super::kept;
use crate::Error;
use crate::engine::Shared;
use crate::handle::Handle;
use ledger_client::proof::SignedCheckpoint;
use std::sync::Arc;
use tlog::{Cosignature, Line, Note, Policy};

impl Handle {
    /// Adds what witnesses answered for the checkpoint of `size` records: those lines that are of a witness of the policy,
    /// verify, and are the first of their witness. The checkpoint as it is then; `None` when none of this size is kept.
    ///
    /// They are durable with the next commit. Who was told of a quorum need not ask again after a crash: he holds the note.
    ///
    /// # Errors
    /// [`ledger_client::Error::Unavailable`] or [`ledger_client::Error::Corrupt`].
    pub async fn add_cosignatures(
        &self,
        size: u64,
        lines: Vec<Line>,
    ) -> Result<Option<Arc<SignedCheckpoint>>, ledger_client::Error> {
        let shared = self.reader()?;
        self.blocking(move || add(&shared, size, lines)).await
    }
}

fn add(shared: &Shared, size: u64, lines: Vec<Line>) -> Result<Option<Arc<SignedCheckpoint>>, Error> {
    let checkpoints = &shared.checkpoints;
    let _one_at_a_time = checkpoints.write();
    let Some(mut checkpoint) = kept::at(&shared.store, size)? else {
        return Ok(None);
    };
    let config = shared.config.checkpoints.as_ref();
    let Some(policy) = config.and_then(|config| config.policy.as_ref()) else {
        return Ok(Some(Arc::new(checkpoint)));
    };
    let damaged = |error: tlog::Error| Error::corrupt(format!("the checkpoint of {size} records"), error.to_string());
    let mut note = Note::parse(&checkpoint.note).map_err(damaged)?;
    let before = note.lines().len();
    for line in lines {
        if counts(&note, &line, policy) {
            note.extend([line]);
        }
    }
    if note.lines().len() > before {
        checkpoint.witnessed = Some(policy.judge(&note).map_err(damaged)?.is_met);
        checkpoint.note = note.to_text();
        let mut batch = shared.store.bulk_batch();
        kept::put(&shared.store, &mut batch, &checkpoint)?;
        batch.commit()?;
        let checkpoint = Arc::new(checkpoint);
        checkpoints.announced.tell(&checkpoint);
        return Ok(Some(checkpoint));
    }
    Ok(Some(Arc::new(checkpoint)))
}

/// Whether a line is the first cosignature of a witness of the policy, and verifies.
fn counts(note: &Note, line: &Line, policy: &Policy) -> bool {
    let is_of = |line: &Line, key: &tlog::VerifierKey| line.name() == key.name() && line.id() == key.id();
    let witness = policy.witnesses().iter().find(|witness| is_of(line, &witness.key));
    let Some(witness) = witness.filter(|witness| !note.lines().iter().any(|line| is_of(line, &witness.key))) else {
        return false;
    };
    let mut with = note.clone();
    with.extend([line.clone()]);
    matches!(Cosignature::find(&with, &witness.key), Ok(Some(_)))
}
