//! Connections: a pool for questions, and single ones for whoever applies, rebuilds, or reads everything.
//!
//! Sessions that answer questions are read-only and plan for pages: always with the values at hand, always by an index.
//! What a table's statistics happen to say must not turn a page into a scan.

use crate::config::Config;
use crate::fault::fault;
use projector::Error;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions as _, PgConnection};

/// A server that is checked after this many seconds of silence, and given up after three times no answer.
const KEEPALIVE: [(&str, &str); 3] = [
    ("tcp_keepalives_idle", "10"),
    ("tcp_keepalives_interval", "5"),
    ("tcp_keepalives_count", "3"),
];

/// Where a read model is, and how to get there.
pub(crate) struct Server {
    pub(crate) config: Config,
    pub(crate) readers: PgPool,
    options: PgConnectOptions,
}

impl Server {
    /// Checks the configuration; contacts nothing.
    pub(crate) fn new(config: Config) -> Result<Self, Error> {
        let options = config
            .options()?
            .disable_statement_logging()
            .options(KEEPALIVE)
            .options([("search_path", config.schema.as_str()), ("jit", "off")])
            .options([("plan_cache_mode", "force_custom_plan")]);
        let timeout = config.statement_timeout.as_millis().to_string();
        let reading = options
            .clone()
            .application_name("sigil questions")
            .options([("default_transaction_read_only", "on"), ("statement_timeout", &timeout)])
            .options([("enable_seqscan", "off"), ("enable_bitmapscan", "off")])
            .options([("enable_hashjoin", "off"), ("enable_mergejoin", "off")])
            .options([("max_parallel_workers_per_gather", "0")]);
        let readers = PgPoolOptions::new()
            .max_connections(config.readers)
            .acquire_timeout(config.acquire_timeout)
            // A dead connection is found by the question itself, which then takes another one.
            .test_before_acquire(false)
            .connect_lazy_with(reading);
        Ok(Self {
            config,
            readers,
            options,
        })
    }

    /// The control schema.
    pub(crate) fn schema(&self) -> &str {
        &self.config.schema
    }

    /// The schema of a generation.
    pub(crate) fn generation(&self, number: i64) -> String {
        format!("{}_g{number}", self.config.schema)
    }

    /// A connection of its own that may write, for `purpose`. Its transactions end when they stand still, and it notices
    /// when we are gone.
    pub(crate) async fn connect(&self, purpose: &str) -> Result<PgConnection, Error> {
        if self.readers.is_closed() {
            return Err(fault(sqlx::Error::PoolClosed));
        }
        let options = self
            .options
            .clone()
            .application_name(&format!("sigil {purpose}"))
            .options([("idle_in_transaction_session_timeout", "60s")])
            .options([("client_connection_check_interval", "1s")])
            // The rows of a batch are looked up one by one, whatever size the tables are believed to have.
            .options([("enable_hashjoin", "off"), ("enable_mergejoin", "off")]);
        options.connect().await.map_err(fault)
    }
}
