//! One look into one stream: an ephemeral consumer of the server's, pulled request by request.
//!
//! Invariant: no more is in memory than one request asked for. A message is named by its stream sequence here; what it
//! holds is the checker's to judge.

use async_nats::jetstream::consumer::{AckPolicy, Consumer, DeliverPolicy, pull};
use async_nats::jetstream::stream::Stream;
use async_nats::jetstream::{self, Context};
use async_nats::{StatusCode, Subscriber};
use futures_util::{FutureExt as _, StreamExt as _};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Messages and bytes of one request.
const REQUEST: usize = 1_024;
const REQUEST_BYTES: usize = 4 * 1_024 * 1_024;
/// How long the server keeps a request that it has nothing for. It answers then, so that silence means something.
const EXPIRES: Duration = Duration::from_secs(5);
/// Silence after which a request counts as lost.
const SILENCE: Duration = Duration::from_secs(8);
/// The server forgets a consumer that nobody asks for this long.
const FORGOTTEN: Duration = Duration::from_secs(60);

/// A consumer of a stream and what it has received.
pub(super) struct Reading {
    /// Offset of the record at sequence 1.
    pub(super) base: u64,
    context: Context,
    consumer: Consumer<pull::Config>,
    inbox: async_nats::Subject,
    subscriber: Subscriber,
    received: VecDeque<(u64, Arc<[u8]>)>,
    received_bytes: usize,
    /// Messages before this sequence will not come again.
    passed: u64,
    /// Messages that the request under way may still bring; 0 when there is none.
    asked: usize,
    heard: Instant,
    /// Connections that the client had made when this began: after another one the request is lost.
    connects: u64,
}

/// Why nothing comes any more: look for the stream again.
#[derive(Debug)]
pub(super) struct Ended(pub(super) String);

impl Reading {
    /// Reads `stream` from the record at `offset` on, which it has room for.
    pub(super) async fn begin(context: Context, stream: &Stream, base: u64, sequence: u64) -> Result<Self, Ended> {
        let client = context.client();
        let connects = client.statistics().connects.load(Ordering::Relaxed);
        let config = pull::Config {
            deliver_policy: DeliverPolicy::ByStartSequence {
                start_sequence: sequence,
            },
            ack_policy: AckPolicy::None,
            inactive_threshold: FORGOTTEN,
            memory_storage: true,
            num_replicas: 1,
            ..pull::Config::default()
        };
        let inbox = async_nats::Subject::from(client.new_inbox());
        let subscriber = client.subscribe(inbox.clone()).await.map_err(ended)?;
        let consumer = stream.create_consumer(config).await.map_err(ended)?;
        Ok(Self {
            base,
            context,
            consumer,
            inbox,
            subscriber,
            received: VecDeque::new(),
            received_bytes: 0,
            passed: sequence,
            asked: 0,
            heard: Instant::now(),
            connects,
        })
    }

    /// The sequence of the first message received and not taken.
    pub(super) fn first(&self) -> Option<u64> {
        self.received.front().map(|(sequence, _)| *sequence)
    }

    /// Whether the message at `sequence` was given already and will not come again.
    pub(super) const fn has_passed(&self, sequence: u64) -> bool {
        sequence < self.passed
    }

    /// Whether what was received and not taken is enough for a batch.
    pub(super) fn is_full(&self) -> bool {
        self.received.len() >= REQUEST || self.received_bytes >= REQUEST_BYTES
    }

    /// Forgets messages before `sequence`.
    pub(super) fn skip_to(&mut self, sequence: u64) {
        while self.first().is_some_and(|first| first < sequence) {
            self.pop();
        }
    }

    fn pop(&mut self) -> Option<Arc<[u8]>> {
        let (sequence, bytes) = self.received.pop_front()?;
        self.passed = sequence + 1;
        self.received_bytes -= bytes.len();
        Some(bytes)
    }

    /// Takes the messages that follow one another from `sequence` on: one batch at most.
    pub(super) fn take(&mut self, sequence: u64) -> Vec<Arc<[u8]>> {
        let mut taken: Vec<Arc<[u8]>> = Vec::with_capacity(self.received.len());
        let mut bytes = 0;
        while self.first() == Some(sequence + taken.len() as u64) && bytes < REQUEST_BYTES {
            let record = self.pop();
            bytes += record.as_ref().map_or(0, |record| record.len());
            taken.extend(record);
        }
        taken
    }

    /// Waits for one more message, asking for more when nothing is under way. Dropping the future loses nothing.
    pub(super) async fn receive(&mut self) -> Result<(), Ended> {
        loop {
            if self.asked == 0 {
                self.request().await?;
            }
            let message = self.subscriber.next().await;
            if self.hear(message)? {
                return Ok(());
            }
        }
    }

    /// Receives what is here already.
    pub(super) fn drain(&mut self) -> Result<(), Ended> {
        while self.asked > 0
            && let Some(message) = self.subscriber.next().now_or_never()
        {
            self.hear(message)?;
        }
        Ok(())
    }

    /// Whether the server was silent for too long, or the connection is another one. What came while nobody asked is
    /// heard first.
    pub(super) fn check(&mut self) -> Result<(), Ended> {
        self.drain()?;
        let connects = self.context.client().statistics().connects.load(Ordering::Relaxed);
        if connects != self.connects {
            return Err(Ended("the connection was made anew".to_owned()));
        }
        if self.asked > 0 && self.heard.elapsed() > SILENCE {
            return Err(Ended("the server is silent".to_owned()));
        }
        Ok(())
    }

    async fn request(&mut self) -> Result<(), Ended> {
        let batch = pull::BatchConfig {
            batch: REQUEST,
            expires: Some(EXPIRES),
            max_bytes: REQUEST_BYTES,
            ..pull::BatchConfig::default()
        };
        self.heard = Instant::now();
        self.asked = REQUEST;
        self.consumer
            .request_batch(batch, self.inbox.clone())
            .await
            .map_err(ended)
    }

    /// Notes a message, and whether it is one of the stream's.
    fn hear(&mut self, message: Option<async_nats::Message>) -> Result<bool, Ended> {
        let message = message.ok_or_else(|| Ended("the connection is closed".to_owned()))?;
        self.heard = Instant::now();
        match message.status {
            None | Some(StatusCode::OK) => {}
            Some(StatusCode::IDLE_HEARTBEAT) => return Ok(false),
            Some(StatusCode::NO_RESPONDERS) => return Err(Ended("its consumer is gone".to_owned())),
            Some(status) => {
                let text = message.description.unwrap_or_default();
                // Time or bytes are up; a server that deletes the consumer says so with the same number.
                self.asked = 0;
                return if text.contains("Deleted") || text.contains("Shutdown") {
                    Err(Ended(format!("{status} {text}")))
                } else {
                    Ok(false)
                };
            }
        }
        let message = jetstream::Message {
            message,
            context: self.context.clone(),
        };
        // Who answers in the server's name without its form is not heard.
        let Ok(sequence) = message.info().map(|info| info.stream_sequence) else {
            return Ok(false);
        };
        self.asked = self.asked.saturating_sub(1);
        // Repetitions end here. A sequence that is left out shows when it is taken.
        if self.received.back().is_none_or(|(last, _)| *last < sequence) {
            self.received_bytes += message.payload.len();
            self.received.push_back((sequence, message.payload.as_ref().into()));
        }
        Ok(true)
    }
}

fn ended(error: impl std::fmt::Display) -> Ended {
    Ended(error.to_string())
}
