//! The client itself: the trait, verb by verb.

use super::call::{Failed, Wire};
use super::dispatch::Waiting;
use super::follow::{advance, follow};
use super::queue::{self, Item};
use super::{Config, fresh_id, protect};
use crate::proof::{Answer, LONGEST_WAIT_MS, Question};
use crate::wire::{Verb, body};
use crate::{Append, Committed, Error, Head, LedgerClient, Pending, Receipt, Refusal, Report, trace};
use domain::Catalogue;
use record::{NewRecord, Opening, RecordId, Tenant};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// Bytes that one permit of the queue stands for.
const PERMIT_BYTES: usize = 1_024;
/// What every message of the protocol fits into.
const PAYLOAD_BYTES: usize = 1_024 * 1_024;
/// Records that one `read` asks for at most.
const READ_RECORDS: usize = 100_000;

/// A ledger behind a bus. Clones share everything; the last one to go ends its tasks.
#[derive(Clone)]
pub struct NatsClient(Arc<Inner>);

struct Inner {
    wire: Arc<Wire>,
    catalogue: Catalogue,
    items: mpsc::UnboundedSender<Item>,
    room: Arc<Semaphore>,
    committed: watch::Sender<u64>,
    tasks: Vec<AbortHandle>,
}

/// Why a client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The server takes smaller messages than the protocol has.
    #[error("the NATS server takes messages of {found} bytes, 1 MiB are needed: raise its max_payload")]
    MaxPayload {
        /// What the server says.
        found: usize,
    },
    /// The inbox could not be subscribed to.
    #[error("subscribe to the inbox")]
    Subscribe(#[source] async_nats::SubscribeError),
}

impl NatsClient {
    /// A client over a connection. The ledger need not be there yet.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub async fn new(nats: async_nats::Client, config: Config) -> Result<Self, ConnectError> {
        let found = nats.max_payload();
        if found < PAYLOAD_BYTES {
            return Err(ConnectError::MaxPayload { found });
        }
        let inbox = nats.new_inbox();
        let replies = nats.subscribe(format!("{inbox}.*")).await;
        let replies = replies.map_err(ConnectError::Subscribe)?;
        let waiting = Waiting::default();
        let room = Arc::new(Semaphore::new(config.queue_bytes / PERMIT_BYTES));
        let wire = Arc::new(Wire {
            config,
            nats,
            inbox,
            waiting: waiting.clone(),
            reply_key: super::keys::ReplyKey::default(),
            keys_asked: tokio::sync::Mutex::new(None),
        });
        let (items, received) = mpsc::unbounded_channel();
        let (committed, _) = watch::channel(0);
        let tasks = vec![
            tokio::spawn(waiting.receive(replies)).abort_handle(),
            tokio::spawn(queue::run(Arc::clone(&wire), received, committed.clone())).abort_handle(),
            tokio::spawn(follow(Arc::clone(&wire), committed.clone())).abort_handle(),
        ];
        Ok(Self(Arc::new(Inner {
            wire,
            catalogue: Catalogue::builtin(),
            items,
            room,
            committed,
            tasks,
        })))
    }

    /// Whether the connection to the bus stands.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.0.wire.nats.connection_state() == async_nats::connection::State::Connected
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl Inner {
    /// Writes the record down and queues it; the receiver gets its result.
    async fn queue(&self, append: Append) -> Result<Queued, Error> {
        body::check(&append.record)?;
        if !self.wire.config.protected && protect::holds_secrets(&self.catalogue, &append.record) {
            return Err(Error::CommandRefused(Refusal::Unprotected));
        }
        let id = append.record.id;
        let guard = append.guard.as_ref();
        let caller = guard.map_or(&append.record.author.id, |guard| &guard.caller).clone();
        let mut bytes = Vec::with_capacity(1_024);
        body::write_item(&append, &mut bytes);
        if bytes.len() > ITEM_BYTES {
            let detail = "a record is at most 786,432 bytes in canonical form, and so are its disclosures";
            return Err(record::Fault::new(record::Code::RecordTooLarge, "", detail).into());
        }
        let room = self.admit(bytes.len()).await?;
        let (answer, result) = oneshot::channel();
        let item = Item {
            id,
            bytes,
            caller,
            trace: trace::current(),
            since: Instant::now(),
            room,
            answer,
        };
        let ended = |_| Error::Unavailable {
            reason: "the client of the ledger has ended".to_owned(),
        };
        self.items.send(item).map_err(ended)?;
        Ok(Queued { id, result })
    }

    /// Room in the queue, or a refusal after the configured wait.
    async fn admit(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Error> {
        let config = &self.wire.config;
        let permits = bytes
            .div_ceil(PERMIT_BYTES)
            .clamp(1, (config.queue_bytes / PERMIT_BYTES).max(1));
        let acquire = Arc::clone(&self.room).acquire_many_owned(u32::try_from(permits).unwrap_or(u32::MAX));
        match tokio::time::timeout(Duration::from_millis(config.queue_wait_ms), acquire).await {
            Ok(Ok(room)) => Ok(room),
            _ => Err(Error::Overloaded),
        }
    }

    async fn read<T>(&self, verb: Verb, body: &[u8], read: impl FnOnce(&[u8]) -> Option<T>) -> Result<T, Error> {
        let answer = self.wire.call(verb, body).await.map_err(Failed::of_read)?;
        read(&answer).ok_or_else(|| Error::Corrupt(format!("the ledger's answer to `{verb}` cannot be read")))
    }

    /// Asks a question; one that is waited for gets the time for it on top.
    async fn prove(&self, question: Question) -> Result<Answer, Error> {
        let unreadable = |what: &str| Error::Corrupt(format!("{what} `{}` cannot be read", Verb::Prove));
        if !question.is_sound() {
            return Err(Error::CommandRefused(Refusal::Malformed));
        }
        let wait_ms = match &question {
            Question::Checkpoint { wait_ms, .. } => (*wait_ms).min(LONGEST_WAIT_MS),
            _ => 0,
        };
        let body = body::question(&question).map_err(|_| unreadable("the question of"))?;
        let (wire, timeout) = (&self.wire, Duration::from_millis(self.wire.config.timeout_ms + wait_ms));
        let name = wire.config.key.name();
        let sent = wire.send(Verb::Prove, name, &body, timeout, trace::current()).await;
        let answer = match sent {
            Ok(sent) => wire.answer(sent).await,
            Err(failed) => Err(failed),
        };
        let answer = answer.map_err(Failed::of_read)?;
        body::read_answer(&answer).ok_or_else(|| unreadable("the ledger's answer to"))
    }

    async fn create_tenant(&self, tenant: Tenant, name: String) -> Result<Receipt, Error> {
        let id = fresh_id().map_err(|_| Error::Unavailable {
            reason: "the operating system gives no randomness".to_owned(),
        })?;
        self.write(Verb::Tenant, &body::tenant(&tenant, &name, id), id).await
    }

    async fn report(&self, report: Report) -> Result<Receipt, Error> {
        let id = fresh_id().map_err(|_| Error::Unavailable {
            reason: "the operating system gives no randomness".to_owned(),
        })?;
        let body = body::report(&report, id).map_err(|error| Error::Unavailable {
            reason: error.to_string(),
        })?;
        self.write(Verb::Report, &body, id).await
    }

    /// Asks for one record of the ledger's own, with this id.
    async fn write(&self, verb: Verb, body: &[u8], id: RecordId) -> Result<Receipt, Error> {
        let answer = self.wire.call(verb, body).await;
        let answer = answer.map_err(|failed| failed.of_write(id))?;
        let result = body::read_results(&answer).and_then(|results| results.into_iter().next());
        let unreadable = || Error::Corrupt(format!("the ledger's answer to `{verb}` cannot be read"));
        let receipt = result
            .ok_or_else(unreadable)?
            .map_err(|error| Failed::Answered(error).of_write(id))?;
        advance(&self.committed, receipt.committed.offset + 1);
        Ok(receipt)
    }
}

/// Bytes of one item at most: a record and its disclosures at their limits, and what is around them.
const ITEM_BYTES: usize = 2 * 1_024 * 1_024;

/// A record whose result is under way.
struct Queued {
    id: RecordId,
    result: oneshot::Receiver<Result<Receipt, Error>>,
}

impl Queued {
    async fn wait(self) -> Result<Receipt, Error> {
        let id = self.id;
        let ended = |_| Error::CommitUnknown {
            id,
            reason: "the client of the ledger has ended".to_owned(),
        };
        self.result.await.map_err(ended)?
    }
}

impl LedgerClient for NatsClient {
    fn append(&self, append: Append) -> Pending<'_, Receipt> {
        Box::pin(async move { self.0.queue(append).await?.wait().await })
    }

    fn append_many(&self, records: Vec<NewRecord>) -> Pending<'_, Vec<Result<Receipt, Error>>> {
        Box::pin(async move {
            let mut queued = Vec::with_capacity(records.len());
            for record in records {
                queued.push(self.0.queue(Append { record, guard: None }).await);
            }
            let wait = |queued: Result<Queued, Error>| async move { queued?.wait().await };
            Ok(futures_util::future::join_all(queued.into_iter().map(wait)).await)
        })
    }

    fn create_tenant(&self, tenant: Tenant, name: String) -> Pending<'_, Receipt> {
        Box::pin(self.0.create_tenant(tenant, name))
    }

    fn report(&self, report: Report) -> Pending<'_, Receipt> {
        Box::pin(self.0.report(report))
    }

    fn head(&self) -> Pending<'_, Head> {
        Box::pin(self.0.read(Verb::Head, b"{}", body::read_head))
    }

    fn read(&self, from: u64, limit: usize) -> Pending<'_, Vec<Committed>> {
        Box::pin(async move {
            let limit = limit.min(READ_RECORDS) as u64;
            let question = body::numbers(("from", from), ("limit", limit));
            self.0
                .read(Verb::Read, &question, |answer| body::read_records(answer, from))
                .await
        })
    }

    fn find(&self, tenant: Tenant, id: RecordId) -> Pending<'_, Option<Committed>> {
        Box::pin(async move {
            let question = body::one_record(&tenant, &id);
            self.0.read(Verb::Find, &question, body::read_found).await
        })
    }

    fn open_sealed(&self, tenant: Tenant, id: RecordId) -> Pending<'_, Option<Vec<Opening>>> {
        Box::pin(async move {
            if !self.0.wire.config.protected {
                return Err(Error::CommandRefused(Refusal::Unprotected));
            }
            let question = body::one_record(&tenant, &id);
            self.0.read(Verb::Open, &question, body::read_openings).await
        })
    }

    fn prove(&self, question: Question) -> Pending<'_, Answer> {
        Box::pin(self.0.prove(question))
    }

    fn committed(&self) -> watch::Receiver<u64> {
        self.0.committed.subscribe()
    }
}
