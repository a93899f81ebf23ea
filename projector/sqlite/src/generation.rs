//! One generation: a database file, one connection that writes and a few that read.
//!
//! Readers cannot write (`query_only`). The log is the truth, so a commit need not reach the disk at once
//! (`synchronous = NORMAL`): what a power cut takes from the tail is applied again.

use crate::fault::{damaged, fault, number};
use crate::{schema, statements};
use projector::{Error, PROJECTION_VERSION};
use record::Origin;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, SqliteConnection};
use std::path::Path;
use std::time::Duration;

/// Connections that answer questions.
const READERS: u32 = 4;
/// Bytes of a page: a record of about 1 KB with its envelope fits without an overflow page.
pub(crate) const PAGE_BYTES: u32 = 8_192;

/// An open database.
#[derive(Debug)]
pub(crate) struct Generation {
    pub(crate) number: u64,
    pub(crate) writer: SqlitePool,
    pub(crate) readers: SqlitePool,
}

/// Options that every connection shares.
pub(crate) fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(Duration::from_secs(10))
        .foreign_keys(false)
        .disable_statement_logging()
}

impl Generation {
    /// Makes an empty database for `origin`.
    pub(crate) async fn create(number: u64, path: &Path, origin: &Origin) -> Result<Self, Error> {
        let options = options(path).create_if_missing(true).page_size(PAGE_BYTES);
        let mut connection = options.connect().await.map_err(fault)?;
        prepare(&mut connection, origin).await?;
        sqlx::Connection::close(connection).await.map_err(fault)?;
        Self::open(number, path, origin).await
    }

    /// Opens a database that is there and checks that it is a read model of `origin`, built by this version and whole as
    /// far as its ends show.
    pub(crate) async fn open(number: u64, path: &Path, origin: &Origin) -> Result<Self, Error> {
        if !path.is_file() {
            return Err(damaged(
                "the database that CURRENT names is missing: rebuild it from the log",
            ));
        }
        let writing = options(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .pragma("cache_size", "-65536")
            .pragma("wal_autocheckpoint", "8000");
        let reading = options(path).pragma("query_only", "1").pragma("cache_size", "-16384");
        let generation = Self {
            number,
            writer: pool(1).connect_lazy_with(writing),
            readers: pool(READERS).connect_lazy_with(reading),
        };
        match generation.check(origin).await {
            Ok(()) => Ok(generation),
            Err(error) => {
                generation.close().await;
                Err(error)
            }
        }
    }

    async fn check(&self, origin: &Origin) -> Result<(), Error> {
        let mut connection = self.writer.acquire().await.map_err(fault)?;
        if schema::version(&mut connection).await? == 0 {
            return Err(damaged("the database holds no tables: rebuild it from the log"));
        }
        schema::migrate(&mut connection).await?;
        let state = sqlx::query_as(statements::SELECT_STATE).fetch_optional(&mut *connection);
        let state: Option<(String, i64, u32)> = state.await.map_err(fault)?;
        let (log, position, version) =
            state.ok_or_else(|| damaged("it does not say how far it is: rebuild it from the log"))?;
        if log != origin.as_str() {
            return Err(Error::ForeignLog {
                expected: origin.to_string(),
                found: log,
            });
        }
        if version != PROJECTION_VERSION {
            return Err(Error::Outdated {
                expected: PROJECTION_VERSION,
                found: version,
            });
        }
        check_ends(&mut connection, position).await
    }

    /// Number of records applied.
    pub(crate) async fn position(&self) -> Result<u64, Error> {
        let position = sqlx::query_scalar(statements::SELECT_POSITION).fetch_one(&self.readers);
        number(position.await.map_err(fault)?)
    }

    /// Closes every connection; waits for the questions that are under way.
    pub(crate) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// Makes the tables and the state of a read model that has applied nothing.
pub(crate) async fn prepare(connection: &mut SqliteConnection, origin: &Origin) -> Result<(), Error> {
    schema::migrate(connection).await?;
    let state = sqlx::query(statements::INSERT_STATE)
        .bind(origin.as_str())
        .bind(PROJECTION_VERSION);
    state.execute(connection).await.map(drop).map_err(fault)
}

async fn check_ends(connection: &mut SqliteConnection, position: i64) -> Result<(), Error> {
    let last = sqlx::query_as(statements::SELECT_LAST).fetch_one(connection);
    let (records, timeline, links): (Option<i64>, Option<i64>, Option<i64>) = last.await.map_err(fault)?;
    let expected = position.checked_sub(1).filter(|last| *last >= 0);
    if [records, timeline, links].iter().any(|last| *last != expected) {
        let detail = format!("its position is {position}, but its tables end elsewhere: rebuild it from the log");
        return Err(damaged(&detail));
    }
    Ok(())
}

fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
}
