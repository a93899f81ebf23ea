//! The witness policy, kept for a while: anybody may ask for it, and the ledger is not asked each time.

use super::refusal;
use crate::Shared;
use crate::error::Problem;
use ledger_client::proof::{Answer, Question};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long an answer of the ledger stands. A policy changes when the ledger is started with another one.
pub(crate) const KEPT: Duration = Duration::from_secs(60);

/// What the ledger answered last.
#[derive(Default)]
pub(crate) struct Kept(Mutex<Option<(Instant, Option<String>)>>);

/// The tlog-policy by which the ledger asks witnesses; `None` where it asks none.
///
/// # Errors
/// What the ledger answers; `PROOF_UNAVAILABLE`.
pub(crate) async fn policy(shared: &Shared) -> Result<Option<String>, Problem> {
    let kept = || shared.policy.0.lock().unwrap_or_else(PoisonError::into_inner);
    let known = kept().clone().filter(|(at, _)| at.elapsed() < KEPT);
    if let Some((_, policy)) = known {
        return Ok(policy);
    }
    match shared.ledger.prove(Question::Policy).await? {
        Answer::Policy(policy) => {
            *kept() = Some((Instant::now(), policy.clone()));
            Ok(policy)
        }
        other => Err(refusal(&other)),
    }
}
