//! A log in another process: what is pinned, who we are, and a client that is there before the broker is.

use crate::bus::{self, chain};
use crate::config::{Postgres, Role, Settings};
use crate::exit::{Exit, Failure};
use ::gateway::ops::Board;
use ledger_client::nats::{self, NatsClient, Pin};
use ledger_client::wire::GatewayKey;
use projector_postgres as postgres;
use record::{Origin, Slug};
use std::sync::Arc;
use std::time::Duration;
use verifier::Trust;

/// Pause before a client is made again.
const RETRY: Duration = Duration::from_secs(1);

/// What this process knows of the log, with every file read.
#[derive(Clone)]
pub struct Peer {
    /// The log's origin.
    pub origin: Origin,
    /// Its short name.
    pub slug: Slug,
    key: GatewayKey,
    pin: Pin,
}

impl Peer {
    /// Reads what the configuration names.
    pub fn of(settings: &Settings) -> Result<Self, Failure> {
        let peer = &settings.peer;
        let usage = |message: String| Failure::new(Exit::Usage, message);
        let trust_file = peer.trust_file.clone().unwrap_or_default();
        let read = std::fs::read(&trust_file);
        let bytes = read.map_err(|error| usage(format!("read {}: {error}", trust_file.display())))?;
        let trust = Trust::parse(&bytes).map_err(|error| usage(format!("{}: {error}", trust_file.display())))?;
        let key_file = peer.command_key_file.clone().unwrap_or_default();
        let key = GatewayKey::read(&key_file).map_err(|error| usage(chain(&error)))?;
        let slug = peer.slug.as_deref().unwrap_or("audit");
        let slug = Slug::parse(slug).ok_or_else(|| usage("peer.slug: [a-z0-9-]{1,32}".to_owned()))?;
        Ok(Self {
            origin: trust.origin.clone(),
            slug,
            key,
            pin: Pin {
                log: trust.origin,
                genesis: trust.genesis_hash,
                root: trust.root_key,
            },
        })
    }

    /// A client of the ledger over the broker, however long that takes to come; and the connection.
    pub async fn connect(
        &self,
        settings: &Settings,
        role: Role,
        board: &Arc<Board>,
    ) -> Result<(NatsClient, bus::Bus), Failure> {
        let bus = bus::connect(&settings.nats, role, board).await?;
        loop {
            let config = self.client_config(settings, bus.confidential);
            match NatsClient::new(bus.client.clone(), config).await {
                Ok(client) => return Ok((client, bus)),
                Err(error) => board.waits(bus::PART, chain(&error)),
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    fn client_config(&self, settings: &Settings, protected: bool) -> nats::Config {
        let limits = &settings.limits.client;
        nats::Config {
            timeout_ms: settings.nats.request_timeout_ms,
            in_flight: limits.in_flight,
            request_records: limits.request_records,
            queue_bytes: limits.queue_bytes,
            queue_wait_ms: limits.queue_wait_ms,
            ..nats::Config::new(self.key.clone(), self.pin.clone(), self.slug.clone(), protected)
        }
    }

    /// How the read model is reached.
    pub fn postgres(&self, section: &Postgres) -> postgres::Config {
        let usual = postgres::Config::new(section.url.clone().unwrap_or_default(), self.slug.as_str());
        let files = &section.tls;
        // Whoever names certificates wants them used, on this machine, too.
        let asked = files.ca_file.is_some() || files.cert_file.is_some();
        let schema = section.schema.clone().unwrap_or(usual.schema.clone());
        postgres::Config {
            password_file: section.password_file.clone(),
            reader_role: section
                .reader_role
                .clone()
                .unwrap_or_else(|| format!("{schema}_reader")),
            schema,
            readers: section.readers,
            acquire_timeout: Duration::from_millis(section.acquire_timeout_ms),
            statement_timeout: Duration::from_millis(section.statement_timeout_ms),
            apply_timeout: Duration::from_millis(section.apply_timeout_ms),
            tls: asked.then_some(postgres::Tls::VerifyFull),
            ca: files.ca_file.clone(),
            client_certificate: files.cert_file.clone(),
            client_key: files.key_file.clone(),
            ..usual
        }
    }
}
