//! Connections: a pool for questions, and single ones for whoever applies, rebuilds, or reads everything.
//!
//! Sessions that answer questions are read-only and plan for pages: always with the values at hand, always by an index.
//! What a table's statistics happen to say must not turn a page into a scan.

use crate::config::Config;
use crate::fault::{fault, no_answer};
use projector::Error;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, PgConnection};
use std::time::Duration;

/// A server that is checked after this many seconds of silence, and given up after three times no answer.
const KEEPALIVE: [(&str, &str); 3] = [
    ("tcp_keepalives_idle", "10"),
    ("tcp_keepalives_interval", "5"),
    ("tcp_keepalives_count", "3"),
];

/// How long a connection that was used may take to say that it is ready again.
const READY: Duration = Duration::from_secs(5);

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
            // What can come in order from an index does; what cannot is sorted all the same.
            .options([("enable_sort", "off"), ("enable_incremental_sort", "off")])
            .options([("max_parallel_workers_per_gather", "0")]);
        let readers = PgPoolOptions::new()
            .max_connections(config.readers)
            .acquire_timeout(config.acquire_timeout)
            // A dead connection is found by the question itself, which then takes another one.
            .test_before_acquire(false)
            // One that does not answer, because its question was given up, is not kept.
            .after_release(|connection, _| Box::pin(is_alive(connection)))
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

    /// A connection for a projector: the server ends it when it hears nothing for as long as a lease lasts.
    pub(crate) async fn connect_leased(&self) -> Result<PgConnection, Error> {
        let timeout = self.config.lease_timeout.as_millis().to_string();
        let ends = ["idle_session_timeout", "idle_in_transaction_session_timeout"];
        self.connect_with("projector", ends.map(|name| (name, timeout.as_str())))
            .await
    }

    /// A connection of its own that may write, for `purpose`.
    pub(crate) async fn connect(&self, purpose: &str) -> Result<PgConnection, Error> {
        self.connect_with(purpose, [("idle_in_transaction_session_timeout", "60s")])
            .await
    }

    /// Transactions that stand still end, and the server notices when we are gone.
    async fn connect_with<const N: usize>(
        &self,
        purpose: &str,
        ends: [(&str, &str); N],
    ) -> Result<PgConnection, Error> {
        if self.readers.is_closed() {
            return Err(fault(sqlx::Error::PoolClosed));
        }
        let options = self
            .options
            .clone()
            .application_name(&format!("sigil {purpose}"))
            .options(ends)
            .options([("client_connection_check_interval", "1s")])
            // The rows of a batch are looked up one by one, whatever size the tables are believed to have.
            .options([("enable_hashjoin", "off"), ("enable_mergejoin", "off")]);
        options.connect().await.map_err(fault)
    }
}

async fn is_alive(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let answer = tokio::time::timeout(READY, connection.ping()).await;
    answer.unwrap_or_else(|_| Err(no_answer(READY))).map(|()| true)
}
