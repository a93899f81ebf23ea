//! The service: one subscription, a bounded number of requests in work, signed replies, and an end that finishes what was
//! taken.

use super::intake::{Arrival, Intake, Taken};
use super::judge::Bench;
use super::{Config, Counters};
use crate::access::Access;
use crate::handle::{Handle, Turn, Turns};
use async_nats::{HeaderMap, Subject, Subscriber};
use bytes::Bytes;
use domain::payload::Genesis;
use ed25519_dalek::Signer as _;
use futures_util::StreamExt as _;
use ledger_client::trace::{self, TraceContext};
use ledger_client::wire::{Frame, Part, Reply, Status, Verb, chunk, reply_message, subject, write_error};
use ledger_client::{Error, LedgerClient as _, Refusal};
use record::Slug;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// At the end of a service: how long nothing must come before it stops listening, and how long that is waited for.
const QUIET: Duration = Duration::from_millis(50);
const LINGER: Duration = Duration::from_secs(1);
/// Bytes that one permit for bytes stands for.
const PERMIT_BYTES: usize = 1_024;

/// A service that listens.
pub struct Service {
    shared: Arc<Shared>,
    requests: Subscriber,
    intake: Intake,
    turns: HashMap<String, Turns>,
    working: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
}

/// What the tasks of a service share.
pub(super) struct Shared {
    pub(super) handle: Handle,
    pub(super) config: Config,
    pub(super) counters: Arc<Counters>,
    /// Becomes true when the service ends: nobody is kept waiting.
    pub(super) ending: watch::Sender<bool>,
    nats: async_nats::Client,
    /// What was in force when the log could last be read.
    last_access: Mutex<Option<Arc<Access>>>,
}

/// Why a service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The log cannot be read.
    #[error("read the log's genesis")]
    Log(#[source] Error),
    /// The log has no genesis.
    #[error("the log has no genesis that names its slug")]
    NoGenesis,
    /// The server takes smaller messages than the protocol has.
    #[error("the NATS server takes messages of {found} bytes, 1 MiB are needed: raise its max_payload")]
    MaxPayload {
        /// What the server says.
        found: usize,
    },
    /// The subjects of the log could not be subscribed to.
    #[error("subscribe to the log's commands")]
    Subscribe(#[source] async_nats::SubscribeError),
}

impl Service {
    /// Listens for the commands of the log that `handle` holds.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(handle: Handle, nats: async_nats::Client, config: Config) -> Result<Self, StartError> {
        let found = nats.max_payload();
        if found < 1_024 * 1_024 {
            return Err(StartError::MaxPayload { found });
        }
        let slug = slug(&handle).await?;
        let requests = nats.subscribe(subject(&slug, None)).await;
        let shared = Shared {
            handle,
            counters: Arc::new(Counters::default()),
            ending: watch::channel(false).0,
            nats,
            last_access: Mutex::new(None),
            config,
        };
        let config = &shared.config;
        Ok(Self {
            intake: Intake::new(config),
            turns: HashMap::new(),
            working: Arc::new(Semaphore::new(config.requests)),
            waiting: Arc::new(Semaphore::new(config.waits)),
            bytes: Arc::new(Semaphore::new(config.bytes / PERMIT_BYTES)),
            requests: requests.map_err(StartError::Subscribe)?,
            shared: Arc::new(shared),
        })
    }

    /// What the service counts.
    #[must_use]
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.shared.counters)
    }

    /// Serves until `stop` resolves, then takes nothing new, finishes what it took, and returns.
    pub async fn run(mut self, stop: impl Future<Output = ()> + Send) {
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                message = self.requests.next() => match message {
                    Some(message) => self.take(message).await,
                    // The connection was closed for good.
                    None => break,
                },
            }
        }
        self.shared.ending.send_replace(true);
        let patience = Duration::from_millis(self.shared.config.drain_ms);
        if tokio::time::timeout(patience, self.drain()).await.is_err() {
            tracing::warn!("commands were still in work when the service had to end");
        }
    }

    /// Turns away what still comes, until nothing does, so that a request that crosses the end gets an answer; then waits for
    /// what is in work.
    async fn drain(&mut self) {
        let until = Instant::now() + LINGER;
        while let Ok(Some(message)) = tokio::time::timeout(QUIET, self.requests.next()).await {
            self.turn_away(message).await;
            if Instant::now() > until {
                break;
            }
        }
        // Without a connection nothing more comes.
        if self.requests.drain().await.is_ok() {
            while let Some(message) = self.requests.next().await {
                self.turn_away(message).await;
            }
        }
        let all = |permits: usize| u32::try_from(permits).unwrap_or(u32::MAX);
        let (requests, waits) = (self.shared.config.requests, self.shared.config.waits);
        let _working = self.working.acquire_many(all(requests)).await;
        let _waiting = self.waiting.acquire_many(all(waits)).await;
        // Replies are on the wire before the connection is closed.
        let _disconnected = self.shared.nats.flush().await;
    }

    async fn turn_away(&self, message: async_nats::Message) {
        if let (Some(reply), Some(frame)) = (message.reply, Frame::read(message.headers.as_ref())) {
            let reason = "the ledger is closing".to_owned();
            self.shared.refuse(&reply, &frame, Error::Unavailable { reason }).await;
        }
    }

    async fn take(&mut self, message: async_nats::Message) {
        match self.intake.take(message, Instant::now()) {
            Taken::Whole(arrival) => self.begin(arrival).await,
            Taken::Partial => {}
            Taken::Refused(reply, frame, error) => self.shared.refuse(&reply, &frame, error).await,
            Taken::Dropped => self.shared.counters.dropped(),
        }
    }

    async fn begin(&mut self, arrival: Arrival) {
        // Who asks for the keys needs them to read the answer `Overloaded`.
        let places = match arrival.verb {
            // A question about the newest checkpoint is waited for; the others are short reads.
            Some(Verb::Wait | Verb::Prove | Verb::Keys) => &self.waiting,
            _ => &self.working,
        };
        let size = u32::try_from(arrival.document.len().div_ceil(PERMIT_BYTES)).unwrap_or(u32::MAX);
        let place = Arc::clone(places).try_acquire_owned();
        let room = Arc::clone(&self.bytes).try_acquire_many_owned(size);
        let (Ok(place), Ok(room)) = (place, room) else {
            return self
                .shared
                .refuse(&arrival.reply, &arrival.frame, Error::Overloaded)
                .await;
        };
        let shared = Arc::clone(&self.shared);
        // Only the enrolled have a line: a stranger's names must not fill the memory.
        let enrolled = shared
            .access()
            .is_some_and(|access| access.gateways.find(&arrival.frame.gateway).is_some());
        let turn = (enrolled && arrival.verb == Some(Verb::Append))
            .then(|| self.turns.entry(arrival.frame.gateway.clone()).or_default().next());
        tokio::spawn(async move { shared.serve(arrival, turn, [place, room]).await });
    }
}

impl Shared {
    async fn serve(&self, arrival: Arrival, turn: Option<Turn>, _room: [OwnedSemaphorePermit; 2]) {
        let verb = arrival.verb.map_or("unknown", Verb::as_str);
        let parent = traced(&arrival.headers);
        let context = TraceContext::begin(parent.as_ref());
        let span = ledger_client::span!("rpc", "server", &context, parent.as_ref(), rpc.method = verb);
        let work = async {
            let outcome = match arrival.verb {
                // Anybody may know the keys: whoever is refused has to be able to believe it.
                Some(Verb::Keys) => self.keys().await,
                _ => self.judge_and_carry_out(&arrival, turn).await,
            };
            match outcome {
                Ok(body) => self.reply(&arrival.reply, &arrival.frame, Status::Ok, &body).await,
                Err(error) => self.refuse(&arrival.reply, &arrival.frame, error).await,
            }
        };
        tracing::Instrument::instrument(trace::within(context, work), span).await;
    }

    async fn judge_and_carry_out(&self, arrival: &Arrival, turn: Option<Turn>) -> Result<Vec<u8>, Error> {
        let (verb, command) = self.judge(arrival).map_err(Error::CommandRefused)?;
        self.counters.taken();
        self.carry_out(verb, command, turn).await
    }

    fn judge(&self, arrival: &Arrival) -> Result<(Verb, ledger_client::wire::Command), Refusal> {
        let access = self.access().ok_or(Refusal::GatewayUnknown)?;
        let bench = Bench {
            log: self.handle.origin(),
            access: &access,
            config: &self.config,
            now: self.handle.inner.clock.read().wall,
            standing: self.handle.reader().ok().map(|shared| shared.standing),
        };
        bench.judge(arrival)
    }

    /// Who may send commands; while the log is being opened again, what was in force before.
    pub(super) fn access(&self) -> Option<Arc<Access>> {
        let mut last = self.last_access.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(reader) = self.handle.reader() {
            *last = reader.access();
        }
        last.clone()
    }

    async fn refuse(&self, reply: &Subject, frame: &Frame, error: Error) {
        match &error {
            Error::CommandRefused(refusal) => {
                self.counters.refused(*refusal);
                tracing::debug!(
                    gateway = frame.gateway,
                    refusal = refusal.code(),
                    "a command was refused"
                );
            }
            Error::Overloaded => self.counters.overloaded(),
            _ => {}
        }
        let mut body = Vec::new();
        write_error(&error, &mut body);
        self.reply(reply, frame, Status::Error, &body).await;
    }

    /// Signs and sends a reply. Who asked may have gone; then nobody receives it.
    async fn reply(&self, to: &Subject, frame: &Frame, status: Status, body: &[u8]) {
        let Some(key) = self.access().and_then(|access| access.key.clone()) else {
            tracing::error!("the ledger does not hold its record key: a command gets no answer");
            return;
        };
        let reply = Reply {
            log: self.handle.origin(),
            gateway: &frame.gateway,
            id: frame.request_id,
            status,
            body,
        };
        let document = Bytes::from(reply.document());
        let frame = Frame {
            signature: key.sign(&reply_message(&document)).to_bytes(),
            part: Part::whole(document.len()),
            ..frame.clone()
        };
        for (part, bytes) in chunk::split(&document) {
            let sent = self
                .nats
                .publish_with_headers(to.clone(), frame.headers(part), bytes)
                .await;
            if let Err(error) = sent {
                tracing::warn!(%error, "a reply could not be sent");
                return;
            }
        }
    }
}

/// The trace that a request belongs to.
fn traced(headers: &HeaderMap) -> Option<TraceContext> {
    let text = |name: &str| headers.get(name).map(async_nats::HeaderValue::as_str);
    TraceContext::parse(text(trace::TRACEPARENT)?, text(trace::TRACESTATE))
}

/// The slug that genesis pins.
async fn slug(handle: &Handle) -> Result<Slug, StartError> {
    let genesis = handle.read(0, 1).await.map_err(StartError::Log)?.into_iter().next();
    let read = |bytes: &[u8]| {
        let record = record::Record::parse(bytes.to_vec()).ok()?;
        let genesis: Genesis = serde_json::from_value(record.payload).ok()?;
        Slug::parse(&genesis.slug)
    };
    genesis
        .and_then(|genesis| read(&genesis.bytes))
        .ok_or(StartError::NoGenesis)
}
