//! Real servers for tests: a nats-server and a Postgres of a test's own, a proxy that breaks connections, and
//! certificates. Nothing here imitates a server.
//!
//! Invariant: what a test started is gone, with its files, when the test ends in whatever way, also when its process
//! is killed. Everything listens on 127.0.0.1 alone. A server that cannot be had fails the test with the sentence that
//! says what to do: nothing is skipped, and nothing is installed from here (`cargo xtask test` does that).
//!
//! ```no_run
//! # async fn example() {
//! let mut nats = testbed::Nats::start().await;
//! let postgres = testbed::Postgres::database().await;
//! let proxy = testbed::Proxy::before(nats.address()).await;
//! let through_the_proxy = proxy.url(&nats.url());
//! proxy.cut();
//! nats.kill().await;
//! nats.restart().await;
//! # }
//! ```

mod account;
mod certificates;
mod leash;
mod nats;
mod port;
mod postgres;
mod programs;
mod proxy;
mod wait;

pub use certificates::{Certificates, Identity};
pub use nats::{Nats, NatsOptions};
pub use postgres::{Cluster, ClusterOptions, Database, Postgres};
pub use proxy::Proxy;

/// A test that cannot have what it needs fails, with the whole chain of reasons.
fn or_fail<T>(result: anyhow::Result<T>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{error:#}"),
    }
}
