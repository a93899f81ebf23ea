//! The feed to JetStream: what is committed is published, record by record, to the log's stream.
//!
//! The log is its own outbox: the feed reads committed records and keeps no queue of its own. Where it stands, the stream
//! itself says: at every start, and after every failure, the end of the stream is compared with the log, and publishing
//! goes on behind it. A broker that is down holds nothing up: appends go on, and the feed catches up. A stream that does
//! not hold this log stops the feed ([`Phase::Diverged`]) until it is rebuilt.
//!
//! What a feed relies on, in this order: [`Config`], `stream` (the server's side), `compare`, `pump` (the pipeline),
//! `rebuild`.

mod compare;
mod config;
mod failure;
mod marker;
mod message;
mod pump;
mod rebuild;
mod status;
mod stream;

pub use config::Config;
pub use failure::Error;
pub use marker::{Consent, agree, consent, remembered, withdraw};
pub use status::{Divergence, Phase, Reason, Status};
pub use stream::{Found, MAX_PAYLOAD_BYTES, survey};

use crate::Handle;
use async_nats::Client;
use async_nats::jetstream::Context;
use async_nats::jetstream::context::ContextBuilder;
use compare::Comparison;
use failure::Failure;
use futures_util::future::{Either, select};
use ledger_client::LedgerClient as _;
use marker::Marker;
use pump::{Place, Pump};
use record::{Record, Slug, wire};
use std::pin::pin;
use std::time::Duration;
use tokio::sync::watch;

/// Records that may be unacknowledged at once, and so the length of a stream's end that a start compares: a foreign
/// message that slipped in between ours lies there. Part of the protocol between two runs, not a setting.
const WINDOW: u64 = 1_024;
/// The first and the longest pause after a failure.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);
/// Time between two looks at a stream that diverged or is unfit.
const LOOK: Duration = Duration::from_secs(2);

/// Publishes one log to its stream.
pub struct Feed {
    handle: Handle,
    client: Client,
    config: Config,
    marker: Marker,
    status: watch::Sender<Status>,
    /// Whether the stream was once found right: from then on nothing but the ledger's own damage ends the feed.
    started: bool,
}

impl Feed {
    /// The feed of the log behind `handle` over a connected `client`. One feed per log: the ledger that holds the data
    /// directory runs it.
    #[must_use]
    pub fn new(handle: Handle, client: Client, config: Config) -> Self {
        let marker = Marker::new(&handle.inner.config.data_dir);
        let (phase, stream, published) = (Phase::Starting, None, 0);
        let status = watch::Sender::new(Status {
            phase,
            stream,
            published,
        });
        handle.inner.published.send_replace(Some(0));
        Self {
            handle,
            client,
            config,
            marker,
            status,
            started: false,
        }
    }

    /// What the feed is doing, updated as it changes.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// Publishes until `stop` resolves. It may be stopped at any point: the next run finds in the stream what was
    /// published.
    ///
    /// # Errors
    /// [`Error::Unfit`] only when the server or the stream is unfit from the start; [`Error::LogBehind`];
    /// [`Error::Ledger`]. A broker that is not there is no error.
    pub async fn run(mut self, stop: impl Future<Output = ()>) -> Result<(), Error> {
        let ended = match select(pin!(stop), pin!(self.follow())).await {
            Either::Left(((), _)) => Ok(()),
            Either::Right((error, _)) => Err(error),
        };
        self.enter(Phase::Stopped);
        ended
    }

    /// Attaches and publishes, again and again, until something is beyond repair.
    async fn follow(&mut self) -> Error {
        let mut pause = PAUSE;
        loop {
            let before = self.published();
            let failure = self.attach_and_publish().await;
            if self.published() > before {
                pause = PAUSE;
            }
            match failure {
                Failure::Passing(reason) => {
                    if !matches!(self.status.borrow().phase, Phase::Waiting { .. }) {
                        tracing::warn!(reason, "publishing waits; appends go on");
                    }
                    self.enter(Phase::Waiting { reason });
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST);
                }
                Failure::Unfit(reason) if !self.started => return Error::Unfit(reason),
                Failure::Unfit(reason) => {
                    tracing::error!(reason, "the stream is unfit: nothing is published");
                    self.enter(Phase::Unfit { reason });
                    tokio::time::sleep(LOOK).await;
                }
                Failure::Diverged(divergence) => self.diverged(divergence).await,
                Failure::LogBehind { found, signed } => return Error::LogBehind { found, signed },
                Failure::Ledger(error) => return Error::Ledger(error),
            }
        }
    }

    async fn attach_and_publish(&mut self) -> Failure {
        match self.attach().await {
            Err(failure) => failure,
            Ok((slug, base, next)) => {
                let stream = wire::stream_name(&slug, base);
                self.started = true;
                let place = Place {
                    handle: &self.handle,
                    client: &self.client,
                    config: &self.config,
                    slug: &slug,
                    stream: &stream,
                    base,
                };
                self.note(next);
                match Pump::new(place, next).await {
                    Err(failure) => failure,
                    Ok(pump) => {
                        self.enter(Phase::Live);
                        pump.run(|published| self.note(published)).await
                    }
                }
            }
        }
    }

    /// Finds or creates the stream, and compares its end with the log. Gives slug, base and the offset to go on with.
    async fn attach(&self) -> Result<(Slug, u64, u64), Failure> {
        stream::check_server(&self.client)?;
        let (context, slug) = (self.context(), self.slug().await?);
        let highest = stream::bases(&context, &slug).await?.last().copied();
        let remembered = self.marker.stream()?.map(|(_, base)| base);
        let base = match (highest, remembered) {
            (None, None) => 0,
            (Some(highest), remembered) if remembered.is_none_or(|base| base <= highest) => highest,
            (_, remembered) => {
                let name = wire::stream_name(&slug, remembered.unwrap_or(0));
                return Err(Failure::diverged(&name, Reason::Lost));
            }
        };
        self.status
            .send_modify(|status| status.stream = Some(wire::stream_name(&slug, base)));
        let found = match stream::find(&context, &slug, base).await? {
            Some(found) if stream::is_retired(found.cached_info(), &slug, base) => {
                self.succeed(&context, &slug, Consent::Rebuild).await?;
                return Err(Failure::Passing("a rebuild was finished".to_owned()));
            }
            Some(found) => found,
            None => stream::create(&context, &slug, base, self.config.replicas).await?,
        };
        stream::check(&found, &slug, base, self.config.replicas)?;
        let last = found.cached_info().state.last_sequence;
        let comparison = Comparison {
            handle: &self.handle,
            slug: &slug,
            stream: &found,
            base,
            timeout: self.config.timeout(),
        };
        if let Some((sequence, reason)) = comparison.first_wrong(last.saturating_sub(WINDOW) + 1, last).await? {
            self.note(wire::offset(base, sequence).unwrap_or(0));
            return Err(Failure::diverged(&found.cached_info().config.name, reason));
        }
        self.marker.remember(&slug, base)?;
        self.marker.withdraw()?;
        Ok((slug, base, base + last))
    }

    /// Says that the stream diverged, and rebuilds it once somebody agrees.
    async fn diverged(&self, divergence: Divergence) {
        let phase = Phase::Diverged(divergence.clone());
        if self.status.borrow().phase != phase {
            tracing::error!(reason = %divergence, "nothing is published until the stream is rebuilt: `sigil stream rebuild`");
        }
        if matches!(divergence.reason, Reason::Lost) {
            self.note(0);
        }
        self.enter(phase);
        let consent = match self.consent(&divergence) {
            Ok(Some(consent)) => consent,
            Ok(None) => return tokio::time::sleep(LOOK).await,
            Err(failure) => return self.wait_after(&failure).await,
        };
        let rebuilt = match self.slug().await {
            Ok(slug) => self.rebuild(&self.context(), &slug, consent).await,
            Err(failure) => Err(failure),
        };
        if let Err(failure) = rebuilt {
            self.wait_after(&failure).await;
        }
    }

    async fn wait_after(&self, failure: &Failure) {
        tracing::error!(?failure, "the stream could not be rebuilt");
        tokio::time::sleep(LOOK).await;
    }

    fn context(&self) -> Context {
        ContextBuilder::new()
            .timeout(self.config.timeout())
            .build(self.client.clone())
    }

    /// The slug that genesis pins.
    async fn slug(&self) -> Result<Slug, Failure> {
        let damaged = || crate::Error::corrupt("the log at offset 0", "it holds no genesis");
        let genesis = self.handle.read(0, 1).await?.into_iter().next().ok_or_else(damaged)?;
        let genesis = Record::parse(genesis.bytes.to_vec()).map_err(|_| damaged())?;
        let slug = genesis.payload.get("slug").and_then(serde_json::Value::as_str);
        Ok(slug.and_then(Slug::parse).ok_or_else(damaged)?)
    }

    fn published(&self) -> u64 {
        self.status.borrow().published
    }

    fn note(&self, published: u64) {
        self.handle.inner.published.send_replace(Some(published));
        self.status.send_modify(|status| status.published = published);
    }

    fn enter(&self, phase: Phase) {
        self.status.send_modify(|status| status.phase = phase);
    }
}
