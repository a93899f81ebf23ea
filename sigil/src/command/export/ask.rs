//! Questions to the ledger, with answers of the right kind or a failure that says why there is none.

use super::Name;
use crate::exit::{Exit, Failure};
use ledger_client::LedgerClient;
use ledger_client::proof::{Answer, NodeText, Question, Stretch, TimelineProof, Unprovable};
use serde_json::Value;
use std::time::{Duration, Instant};

/// How long a checkpoint is waited for that covers what was there at the start.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long one answer may take; the ledger bounds it too.
const WAIT_MS: u64 = 10_000;

/// Waits until the newest checkpoint's map covers everything that the log holds now.
pub async fn everything_covered(client: &dyn LedgerClient) -> Result<(), Failure> {
    covered(client, settled(client).await?).await
}

/// Waits until the newest checkpoint's map covers the first `records` records.
async fn covered(client: &dyn LedgerClient, records: u64) -> Result<(), Failure> {
    let (begin, mut covering) = (Instant::now(), records);
    loop {
        let question = Question::Checkpoint {
            covering,
            witnessed: false,
            wait_ms: WAIT_MS,
        };
        match client.prove(question).await? {
            Answer::Checkpoint(Some(newest)) if newest.map_size >= records => return Ok(()),
            Answer::Checkpoint(newest) if begin.elapsed() < PATIENCE => {
                // What it does not cover yet, the next one does.
                covering = newest.map_or(records, |newest| newest.size + 1);
            }
            Answer::Unprovable(why) => return Err(unprovable(why)),
            _ => return Err(unprovable(Unprovable::NotYet)),
        }
    }
}

/// Number of records up to the last one that is not of the map itself: a map covers them soon.
async fn settled(client: &dyn LedgerClient) -> Result<u64, Failure> {
    let mut size = client.head().await?.size;
    while size > 0 {
        let record = client.read(size - 1, 1).await?;
        let kind = record.first().and_then(|record| {
            let value: Value = serde_json::from_slice(&record.bytes).ok()?;
            Some(value.get("kind")?.as_str()? == "ledger.map_root")
        });
        if kind != Some(true) {
            break;
        }
        size -= 1;
    }
    Ok(size)
}

/// The proof of a timeline by the newest map that covers at most `at_most` records.
pub async fn timeline(
    client: &dyn LedgerClient,
    name: &Name,
    at_most: u64,
    stretch: Option<Stretch>,
) -> Result<TimelineProof, Failure> {
    let question = Question::Timeline {
        tenant: name.tenant.clone(),
        label: name.label.to_owned(),
        target: name.target.clone(),
        at_most,
        stretch,
    };
    match client.prove(question).await? {
        Answer::Timeline(proof) => Ok(*proof),
        Answer::Unprovable(why) => Err(unprovable(why)),
        _ => Err(unexpected()),
    }
}

/// The nodes of a range or inclusion proof in the log's tree of `size` leaves.
pub async fn path(client: &dyn LedgerClient, question: Question, size: u64) -> Result<Vec<NodeText>, Failure> {
    match client.prove(question).await? {
        Answer::Path(path) if path.size == size => Ok(path.nodes),
        Answer::Unprovable(why) => Err(unprovable(why)),
        _ => Err(unexpected()),
    }
}

/// Nothing is wrong with the log; it could not be proven.
pub fn unprovable(why: Unprovable) -> Failure {
    let exit = match why {
        Unprovable::NotYet => Exit::Unavailable,
        _ => Exit::Failure,
    };
    Failure::new(exit, why)
}

/// The ledger answers with what it was not asked for.
pub fn unexpected() -> Failure {
    Failure::new(
        Exit::Failure,
        "the ledger's answer does not belong to the question: is it of another version?",
    )
}
