//! Proofs that travel: a saved answer, one record with its proof, checkpoints, and bundles, checked without the log.
//!
//! What is believed comes from the trust file: origin, genesis hash, checkpoint keys and policy. Everything else has to
//! lead to a checkpoint that such a key signed. A key that is not pinned counts when a chain of `key.rotated` from the
//! pinned genesis brings it, each agreed to by the pinned root key.
//!
//! Every report has a verdict for each check of its kind. [`Verdict::NotAsked`](crate::Verdict::NotAsked) is for what the
//! caller's options leave open, such as an age limit; what could not be made otherwise keeps the outcome from being
//! "verified". No clock here: who wants to know an age says what time it is.

mod answer;
mod bundle;
mod case;
mod climb;
mod form;
mod keys;
mod notes;
mod page;
mod query;
mod report;
mod rows;
mod scope;
mod single;

pub use answer::verify_answer;
pub use bundle::verify_bundle;
pub use notes::{verify_checkpoint, verify_consistency};
pub use report::{Dated, Facts, ProofReport, Quorum, Subject};
pub use single::{verify_disclosures, verify_record_proof};

use crate::log::Progress;
use crate::trust::Trust;
use record::PublicKey;
use tlog::Policy;

/// How a proof is verified.
#[derive(Clone, Copy)]
pub struct ProofOptions<'a> {
    /// What is pinned; without it the outcome is never "verified".
    pub trust: Option<&'a Trust>,
    /// Which witnesses must have cosigned, in place of the trust file's policy.
    pub policy: Option<&'a Policy>,
    /// The time, in seconds since the Unix epoch.
    pub now: Option<i64>,
    /// How old the checkpoint may be, in seconds; without it its age is told and not judged.
    pub max_age: Option<u64>,
    /// Record keys of the log that the caller believes in. Without any, the checkpoint alone vouches for the key that a
    /// record names.
    pub keys: &'a [PublicKey],
    /// How many findings are kept.
    pub findings: usize,
    /// Told how far the work is.
    pub progress: Option<Progress<'a>>,
}

impl Default for ProofOptions<'_> {
    fn default() -> Self {
        Self {
            trust: None,
            policy: None,
            now: None,
            max_age: None,
            keys: &[],
            findings: 20,
            progress: None,
        }
    }
}
