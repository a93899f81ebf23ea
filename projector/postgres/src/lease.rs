//! Leases: what only one session at a time may do.
//!
//! A lease is an advisory lock of the session: it ends with the connection, however that ends, and not before the server
//! has finished what the session had begun. So whoever gets it sees the outcome of everything its predecessor did.

use crate::fault::fault;
use crate::statements;
use projector::Error;
use sqlx::PgConnection;
use std::time::Duration;

/// The longest wait between two attempts.
const LONGEST: Duration = Duration::from_millis(250);

/// What a lease is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lease {
    /// Applying records to the current generation.
    Applying,
    /// Building a new generation, and removing old ones.
    Rebuilding,
    /// Making schemas, tables and roles.
    Migrating,
}

impl Lease {
    fn name(self, schema: &str) -> String {
        let what = match self {
            Self::Applying => "applying",
            Self::Rebuilding => "rebuilding",
            Self::Migrating => "migrating",
        };
        format!("sigil {schema} {what}")
    }

    /// Takes the lease if it is free.
    pub(crate) async fn try_take(self, connection: &mut PgConnection, schema: &str) -> Result<bool, Error> {
        let taken = sqlx::query_scalar(statements::TRY_LEASE).bind(self.name(schema));
        taken.fetch_one(connection).await.map_err(fault)
    }

    /// Takes the lease once it is free.
    pub(crate) async fn take(self, connection: &mut PgConnection, schema: &str) -> Result<(), Error> {
        let mut pause = Pause::new(Duration::from_millis(10), LONGEST);
        while !self.try_take(connection, schema).await? {
            pause.wait().await;
        }
        Ok(())
    }

    /// Gives the lease back.
    pub(crate) async fn end(self, connection: &mut PgConnection, schema: &str) -> Result<(), Error> {
        let ended = sqlx::query(statements::END_LEASE).bind(self.name(schema));
        ended.execute(connection).await.map(drop).map_err(fault)
    }
}

/// Waits that get longer.
#[derive(Debug)]
pub(crate) struct Pause {
    first: Duration,
    next: Duration,
    longest: Duration,
}

impl Pause {
    pub(crate) const fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            next: first,
            longest,
        }
    }

    pub(crate) async fn wait(&mut self) {
        tokio::time::sleep(self.next).await;
        self.next = (self.next * 2).min(self.longest);
    }

    pub(crate) const fn reset(&mut self) {
        self.next = self.first;
    }
}
