//! A database of a test's own in a server that others use too.

use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;

use anyhow::{Context, Result};

use super::address::Address;
use super::client;
use crate::or_fail;

/// A fresh database, dropped with this value, whoever is still connected.
#[derive(Debug)]
pub struct Database {
    server: Address,
    address: Address,
}

impl Database {
    /// The address for a client, with a role that owns the server.
    pub fn url(&self) -> String {
        self.address.url()
    }

    /// The same address without its password, for a configuration that keeps passwords apart.
    pub fn url_without_password(&self) -> String {
        self.address.url_without_password()
    }

    /// The password of every role that `url` and `url_as` name, as it is typed; `None` where none is needed.
    pub fn password(&self) -> Option<String> {
        self.address.plain_password()
    }

    /// The address for a client that is only `role`. The role is created, without any right, when it does not exist.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn url_as(&self, role: &str) -> String {
        let server = or_fail(client::role(&self.server, role).await);
        server.database(&self.address.database).url()
    }

    /// Where the server listens, for a proxy before it.
    ///
    /// # Panics
    /// When the server is not reached by a host and a port.
    pub fn address(&self) -> SocketAddr {
        or_fail(resolve(&self.address.place))
    }

    /// Runs statements and gives what they printed: one line per row, columns between `|`.
    ///
    /// # Panics
    /// When a statement fails.
    pub async fn psql(&self, sql: &str) -> String {
        or_fail(client::psql(&self.address, sql).await)
    }

    /// The same for statements that may fail.
    ///
    /// # Errors
    /// What the server said.
    pub async fn try_psql(&self, sql: &str) -> Result<String> {
        client::psql(&self.address, sql).await
    }

    pub(super) async fn create(server: &Address) -> Result<Self> {
        let random = RandomState::new().hash_one(0);
        let name = format!("sigil_test_{}_{random:016x}", std::process::id());
        client::psql(server, &format!("create database {name}")).await?;
        Ok(Self {
            server: server.clone(),
            address: server.database(&name),
        })
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let sql = format!("drop database if exists {} with (force)", self.address.database);
        // Best effort: a server that the test killed has nothing to drop any more.
        drop(client::psql_now(&self.server, &sql));
    }
}

fn resolve(place: &str) -> Result<SocketAddr> {
    use std::net::ToSocketAddrs;
    let mut found = match place.to_socket_addrs() {
        Ok(found) => found,
        Err(_) => format!("{place}:5432").to_socket_addrs()?,
    };
    found.next().context("the host of Postgres has no address")
}
