//! Filling a fresh database as fast as SQLite goes: one transaction, no journal, indexes after the rows.
//!
//! Nobody reads the file before it is finished, and a crash, an error or a cancel leaves a file that no CURRENT names.

use crate::apply::{Applier, Counts};
use crate::fault::fault;
use crate::generation::{options, prepare};
use crate::{statements, store};
use projector::query::Pending;
use projector::{Batch, Consumer, Error, Progress, Sink, Stage, pump};
use record::Origin;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteLockingMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, SqliteConnection};
use std::path::Path;

/// A database under construction.
struct Load<'p> {
    connection: SqliteConnection,
    applier: Applier,
    head: u64,
    progress: &'p mut (dyn FnMut(Progress) + Send),
}

/// Builds the database at `path` from the records that `consumer` gives, up to the log's end. Returns the consumer and
/// the applier where they stand.
pub(crate) async fn load<'a>(
    path: &Path,
    origin: &Origin,
    mut consumer: Consumer<'a>,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<(Consumer<'a>, Applier), Error> {
    let mut connection = bulk_options(path).connect().await.map_err(fault)?;
    prepare(&mut connection, origin).await?;
    let indexes = drop_late_indexes(&mut connection).await?;
    run(&mut connection, "BEGIN").await?;
    let applier = Applier::open(&mut connection).await?;
    let mut load = Load {
        connection,
        applier,
        head: consumer.head(),
        progress,
    };
    while consumer.position() < load.head {
        let until = load.head;
        consumer = pump(consumer, &mut load, until).await?;
        load.head = consumer.refresh_head().await?;
    }
    load.applier.finish(&mut load.connection).await?;
    run(&mut load.connection, "COMMIT").await?;
    for index in indexes {
        load.report(Stage::Indexing, consumer.position());
        run(&mut load.connection, AssertSqlSafe(index)).await?;
    }
    let applier = load.applier;
    load.connection.close().await.map_err(fault)?;
    store::sync(path)?;
    Ok((consumer, applier))
}

fn bulk_options(path: &Path) -> SqliteConnectOptions {
    options(path)
        .create_if_missing(true)
        .page_size(crate::generation::PAGE_BYTES)
        .journal_mode(SqliteJournalMode::Off)
        .synchronous(SqliteSynchronous::Off)
        .locking_mode(SqliteLockingMode::Exclusive)
        .pragma("cache_size", "-131072")
        .pragma("threads", "2")
}

/// Drops every index that the rows can do without, and returns what creates them again.
async fn drop_late_indexes(connection: &mut SqliteConnection) -> Result<Vec<String>, Error> {
    let indexes = sqlx::query_as(statements::SELECT_LATE_INDEXES).fetch_all(&mut *connection);
    let indexes: Vec<(String, String)> = indexes.await.map_err(fault)?;
    let mut texts = Vec::with_capacity(indexes.len());
    for (name, text) in indexes {
        // Names and texts are those of our own migrations, just run on this file.
        run(connection, AssertSqlSafe(format!("DROP INDEX {name}"))).await?;
        texts.push(text);
    }
    Ok(texts)
}

async fn run(connection: &mut SqliteConnection, statement: impl sqlx::SqlSafeStr) -> Result<(), Error> {
    sqlx::raw_sql(statement)
        .execute(connection)
        .await
        .map(drop)
        .map_err(fault)
}

impl Load<'_> {
    fn report(&mut self, stage: Stage, position: u64) {
        let head = self.head.max(position);
        (self.progress)(Progress { stage, position, head });
    }
}

impl Sink for Load<'_> {
    fn apply(&mut self, batch: Batch) -> Pending<'_, ()> {
        Box::pin(async move {
            let until = batch.until;
            self.applier
                .apply(&mut self.connection, batch, Counts::AtTheEnd)
                .await?;
            self.report(Stage::Loading, until);
            Ok(())
        })
    }
}
