//! Witnesses of this process's log: the client of room `witness` with a ledger on one side and HTTP on the other.
//!
//! ```text
//! Handle::checkpoints ──> witness::Client ──> add-checkpoint over HTTP ──> Handle::add_cosignatures
//! ```
//!
//! Nothing here holds up a commit. Where the configuration asks for it, [`Required`] holds back the *answer* to a write
//! until a quorum has cosigned; the record is stored before.

mod http;
pub mod local;
mod required;
mod show;

pub use required::Required;

use crate::command::cosigner::seconds;
use crate::config::{Settings, Witnesses};
use crate::exit::{Exit, Failure};
use crate::http::Url;
use crate::policy;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gateway::ops::Board;
use http::Http;
use ledger::Handle;
use ledger_client::LedgerClient as _;
use ledger_client::proof::{Answer, Question, SignedCheckpoint};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tlog::{Line, Node, Note, Policy};
use tokio::sync::watch;
use tokio::task::JoinSet;
use witness::{Client, Head, Log, NoProof, Pending};

/// How long the last checkpoint of a log that closes waits for its witnesses.
const LAST: Duration = Duration::from_secs(3);

/// How witnesses are asked.
#[derive(Debug, Clone)]
pub struct Asking {
    /// Who, and how many are enough.
    pub policy: Policy,
    /// How long one may take.
    pub timeout: Duration,
    /// Authorities of their certificates.
    pub ca_file: Option<PathBuf>,
}

/// Witnesses that are being asked; ends when it is dropped.
pub struct Witnessing {
    tasks: JoinSet<()>,
}

impl Asking {
    /// What the configuration asks for; `None` where nobody is asked.
    ///
    /// # Errors
    /// The policy cannot be read, or an address in it cannot be used.
    pub fn configured(settings: &Settings) -> Result<Option<Self>, Failure> {
        let Witnesses {
            policy_file,
            ca_file,
            timeout_ms,
            ..
        } = &settings.witnesses;
        let Some(path) = policy_file else { return Ok(None) };
        let key = "witnesses.policy_file";
        let policy = policy::read(path, key, Exit::Usage)?.policy;
        let wrong =
            |error: &dyn std::fmt::Display| Failure::new(Exit::Usage, format!("{key} {}: {error}", path.display()));
        for witness in policy.witnesses() {
            if let Some(Err(reason)) = witness.url.as_deref().map(Url::parse) {
                return Err(wrong(&format!("the address of {}: {reason}", witness.name)));
            }
        }
        Ok(Some(Self {
            policy,
            timeout: Duration::from_millis(*timeout_ms),
            ca_file: ca_file.clone(),
        }))
    }

    /// Begins to ask about every checkpoint of `handle`, and shows on `board` how it goes.
    ///
    /// # Errors
    /// The authorities cannot be read.
    pub fn start(self, handle: &Handle, board: Option<&Arc<Board>>) -> Result<Witnessing, Failure> {
        let transport = Http::new(&self)?;
        let client = Client::new(self.policy.clone(), self.timeout);
        let mut tasks = JoinSet::new();
        if let Some(board) = board {
            show::meters(board, &client.watching(), &self.policy);
            tasks.spawn(show::keep(Arc::clone(board), client.watching(), self.policy));
        }
        let (heads, receiver) = watch::channel(None);
        tasks.spawn(follow(handle.checkpoints(), heads));
        let log: Arc<dyn Log> = Arc::new(OfHandle(handle.clone()));
        tasks.spawn(client.run(receiver, log, Arc::new(transport), Arc::new(seconds)));
        Ok(Witnessing { tasks })
    }
}

impl Witnessing {
    /// Does this beside the asking, and as long.
    pub fn beside(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task);
    }

    /// Waits, but not long, until a quorum has cosigned a checkpoint that covers every record, then ends. Call it before the
    /// log is closed: the checkpoint of its end is cosigned then.
    pub async fn finish(self, handle: &Handle) {
        let size = *handle.committed().borrow();
        let question = Question::Checkpoint {
            covering: size,
            witnessed: true,
            wait_ms: u64::try_from(LAST.as_millis()).unwrap_or(u64::MAX),
        };
        let answered = tokio::time::timeout(2 * LAST, handle.prove(question)).await;
        if !matches!(answered, Ok(Ok(answer)) if is_met(&answer, size)) {
            tracing::warn!("the log is closed before a quorum of witnesses has cosigned its last checkpoint");
        }
    }
}

/// Whether a quorum has cosigned a checkpoint that covers the first `size` records. What was waited for in vain is answered
/// with the newest one, whoever has cosigned it.
fn is_met(answer: &Answer, size: u64) -> bool {
    let Answer::Checkpoint(Some(checkpoint)) = answer else {
        return false;
    };
    checkpoint.size >= size && checkpoint.witnessed == Some(true)
}

/// Passes on each new checkpoint once; cosignatures that are added to one are no news.
async fn follow(
    mut checkpoints: watch::Receiver<Option<Arc<SignedCheckpoint>>>,
    heads: watch::Sender<Option<Arc<Head>>>,
) {
    let mut last = None;
    loop {
        let newest = checkpoints.borrow_and_update().clone();
        if let Some(checkpoint) = newest.filter(|checkpoint| last.is_none_or(|size| size < checkpoint.size)) {
            match Note::parse(&checkpoint.note) {
                Ok(note) => {
                    last = Some(checkpoint.size);
                    let size = checkpoint.size;
                    heads.send_replace(Some(Arc::new(Head { size, note })));
                }
                Err(error) => tracing::error!(%error, "a checkpoint does not read: no witness is asked about it"),
            }
        }
        if checkpoints.changed().await.is_err() {
            return;
        }
    }
}

/// The ledger as the client of witnesses knows it.
struct OfHandle(Handle);

impl Log for OfHandle {
    fn consistency(&self, from: u64, to: u64) -> Pending<'_, Result<Vec<Node>, NoProof>> {
        Box::pin(async move {
            let answer = self.0.prove(Question::Consistency { from, to }).await;
            let failed = |reason: String| NoProof(format!("no consistency proof from {from} to {to}: {reason}"));
            match answer.map_err(|error| failed(error.to_string()))? {
                Answer::Path(path) => {
                    let nodes = path.nodes.iter().map(|text| node(text)).collect::<Option<Vec<_>>>();
                    nodes.ok_or_else(|| failed("a node does not read".to_owned()))
                }
                Answer::Unprovable(why) => Err(failed(why.to_string())),
                _ => Err(failed("the ledger answers something else".to_owned())),
            }
        })
    }

    fn cosigned(&self, size: u64, lines: Vec<Line>) -> Pending<'_, ()> {
        Box::pin(async move {
            if let Err(error) = self.0.add_cosignatures(size, lines).await {
                tracing::warn!(%error, size, "a cosignature was not kept");
            }
        })
    }
}

fn node(text: &str) -> Option<Node> {
    <[u8; 32]>::try_from(STANDARD.decode(text).ok()?).ok().map(Node::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_last_checkpoint_without_its_quorum_is_not_taken_for_one_with_it() {
        let of = |size, witnessed| {
            let note = String::new();
            Answer::Checkpoint(Some(SignedCheckpoint {
                size,
                map_size: 0,
                signed_at: 0,
                witnessed,
                note,
            }))
        };
        assert!(is_met(&of(5, Some(true)), 5));
        for answer in [
            of(5, Some(false)),
            of(5, None),
            of(4, Some(true)),
            Answer::Checkpoint(None),
        ] {
            assert!(!is_met(&answer, 5), "{answer:?}");
        }
    }
}
