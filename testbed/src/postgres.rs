//! Postgres for tests: a fresh database in a shared server, or a server of a test's own that it may break.
//!
//! Invariant: two tests never share a database. The shared server is the one that `SIGIL_TEST_POSTGRES_URL` names, else
//! one that this process starts when it is first asked for.

mod address;
mod client;
mod cluster;
mod database;
mod ready;
mod setup;

pub use cluster::{Cluster, ClusterOptions};
pub use database::Database;

use anyhow::{Context, Result};
use tokio::sync::OnceCell;

use crate::or_fail;
use address::Address;

const URL: &str = "SIGIL_TEST_POSTGRES_URL";

/// Lives as long as the process; its leash sees that end.
static SHARED: OnceCell<Cluster> = OnceCell::const_new();

/// Where a test's Postgres comes from.
#[derive(Debug)]
pub struct Postgres;

impl Postgres {
    /// A fresh database in the shared server, dropped at the end of the test.
    ///
    /// # Panics
    /// When no server can be had, or the one that `SIGIL_TEST_POSTGRES_URL` names does not answer.
    pub async fn database() -> Database {
        or_fail(match shared().await {
            Ok(address) => Database::create(&address).await,
            Err(error) => Err(error),
        })
    }

    /// A server of the test's own, which it may stop and kill.
    ///
    /// # Panics
    /// When there is no Postgres on this machine or it does not start.
    pub async fn cluster() -> Cluster {
        Cluster::with(ClusterOptions::default()).await
    }
}

async fn shared() -> Result<Address> {
    if let Ok(url) = std::env::var(URL) {
        return Address::parse(&url).context(URL);
    }
    let cluster = SHARED
        .get_or_try_init(|| Cluster::create(ClusterOptions::default()))
        .await?;
    Ok(cluster.server().clone())
}
