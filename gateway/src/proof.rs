//! What the gateway asks the ledger about its signed trees, and how it passes the answers on.
//!
//! Nothing here verifies, and nothing here is believed by whoever checks an answer: proofs are carried, not judged. What
//! cannot be proven is a problem with a reason, or says so in its place.

mod name;
mod policy;
mod reach;
mod reason;
mod timeline;

pub(crate) use name::Name;
pub(crate) use policy::{KEPT as POLICY_KEPT, Kept as KeptPolicy, policy};
pub(crate) use reach::{Reached, State, UNTIL, Until, reach};
pub(crate) use timeline::{Completeness, note_tag, prove, read};

use crate::Shared;
use crate::error::{Code, Problem};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ledger_client::proof::{Answer, NodeText, Question, SignedCheckpoint, Unprovable};
use record::Timestamp;
use serde_json::{Map, Value, json};
use std::time::Duration;
use tlog::Node;

/// The newest checkpoint, after waiting up to `patience` for one that covers `covering` records (and, with `witnessed`,
/// that a quorum has cosigned); whatever is there when the time is over.
///
/// # Errors
/// What the ledger answers; `PROOF_UNAVAILABLE`.
pub(crate) async fn newest(
    shared: &Shared,
    covering: u64,
    witnessed: bool,
    patience: Duration,
) -> Result<Option<SignedCheckpoint>, Problem> {
    let question = Question::Checkpoint {
        covering,
        witnessed,
        wait_ms: u64::try_from(patience.as_millis()).unwrap_or(u64::MAX),
    };
    match shared.ledger.prove(question).await? {
        Answer::Checkpoint(newest) => Ok(newest),
        other => Err(refusal(&other)),
    }
}

/// The problem of an answer that does not hold what was asked for.
pub(crate) fn refusal(answer: &Answer) -> Problem {
    match answer {
        Answer::Unprovable(why) => unprovable(*why),
        _ => unreadable(),
    }
}

/// The problem of a ledger whose answer cannot be read: another version, or damage on the way.
pub(crate) fn unreadable() -> Problem {
    Problem::new(Code::LedgerUnavailable, "the ledger's answer cannot be read")
}

fn unprovable(why: Unprovable) -> Problem {
    let code = match why {
        Unprovable::Disabled => Code::ProofUnavailable,
        Unprovable::NotYet | Unprovable::TenantUnknown => Code::ProofNotYet,
        Unprovable::BeyondEnd => Code::PositionAhead,
        Unprovable::Expired => Code::ProofExpired,
    };
    Problem::new(code, why.to_string())
}

/// Nodes as they travel, for `tlog`.
///
/// # Errors
/// `LEDGER_UNAVAILABLE` when one is not base64 of 32 bytes.
pub(crate) fn nodes(texts: &[NodeText]) -> Result<Vec<Node>, Problem> {
    let node = |text: &NodeText| {
        let bytes: [u8; 32] = STANDARD.decode(text).ok()?.try_into().ok()?;
        Some(Node::from(bytes))
    };
    texts.iter().map(|text| node(text).ok_or_else(unreadable)).collect()
}

/// A checkpoint in an answer; times have the form that they have in records.
pub(crate) fn checkpoint_json(checkpoint: &SignedCheckpoint) -> Value {
    let signed_at = Timestamp::from_micros(checkpoint.signed_at).map(|at| at.to_string());
    let mut members = Map::new();
    members.insert("size".to_owned(), json!(checkpoint.size));
    members.insert("map_size".to_owned(), json!(checkpoint.map_size));
    members.insert("signed_at".to_owned(), json!(signed_at));
    if let Some(witnessed) = checkpoint.witnessed {
        members.insert("witnessed".to_owned(), json!(witnessed));
    }
    members.insert("note".to_owned(), json!(checkpoint.note));
    Value::Object(members)
}
