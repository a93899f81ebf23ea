//! Writing changes down: the rows of a batch and the position that covers them, in one transaction.
//!
//! The position moves only from where the batch starts. So two projectors over the same tables cannot both apply a
//! batch, and a batch is never applied twice. Rows go in by multi-row statements that stay prepared.

use crate::dictionary::{Dictionary, PlacedLink};
use crate::fault::{fault, integer};
use crate::generation::Generation;
use crate::statements::{self, MultiRow};
use projector::query::Pending;
use projector::{Batch, CanonRow, Change, Error, LinkRow, ParkedRow, RecordRow, Sink, TimelineRow};
use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments as _, Connection as _, SqliteConnection};
use std::collections::BTreeMap;

/// When the counts of timelines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counts {
    /// With every batch: somebody reads these tables.
    EachBatch,
    /// When memory runs full: nobody reads before the end, and then [`Applier::finish`] is called.
    AtTheEnd,
}

/// Applies batches through one connection, inside the caller's transaction.
#[derive(Debug)]
pub(crate) struct Applier {
    dictionary: Dictionary,
}

/// The rows of a batch, by table.
#[derive(Default)]
struct Rows {
    records: Vec<RecordRow>,
    timeline: Vec<TimelineRow>,
    links: Vec<LinkRow>,
    canon: BTreeMap<(record::Tenant, String), CanonRow>,
    parked: Vec<ParkedRow>,
}

impl Applier {
    /// An applier for the tables that `connection` writes to.
    pub(crate) async fn open(connection: &mut SqliteConnection) -> Result<Self, Error> {
        let dictionary = Dictionary::open(connection).await?;
        Ok(Self { dictionary })
    }

    /// Writes a batch. After an error neither the transaction nor the applier is of use.
    pub(crate) async fn apply(
        &mut self,
        connection: &mut SqliteConnection,
        batch: Batch,
        counts: Counts,
    ) -> Result<(), Error> {
        advance(connection, batch.from, batch.until).await?;
        let rows = Rows::of(batch.changes);
        let mut links = self.dictionary.place(connection, rows.links).await?;
        // One timeline after the other: neighbours in the table.
        links.sort_unstable();
        insert_records(connection, rows.records).await?;
        insert_timeline(connection, rows.timeline).await?;
        insert_links(connection, links).await?;
        put_canon(connection, rows.canon.into_values().collect()).await?;
        insert_parked(connection, rows.parked).await?;
        if counts == Counts::EachBatch || self.dictionary.is_full() {
            self.dictionary.write(connection).await?;
        }
        Ok(())
    }

    /// Writes the counts that [`Counts::AtTheEnd`] left in memory.
    pub(crate) async fn finish(&mut self, connection: &mut SqliteConnection) -> Result<(), Error> {
        self.dictionary.write(connection).await
    }
}

impl Rows {
    fn of(changes: Vec<Change>) -> Self {
        let mut rows = Self::default();
        for change in changes {
            match change {
                Change::Record(row) => rows.records.push(row),
                Change::Timeline(row) => rows.timeline.push(row),
                Change::Link(row) => rows.links.push(row),
                // The newest write of a key counts, and it comes last.
                Change::Canon(row) => drop(rows.canon.insert((row.tenant.clone(), row.key.clone()), row)),
                Change::Parked(row) => rows.parked.push(row),
            }
        }
        rows
    }
}

/// Applies each batch in a transaction of its own, as the live path does.
pub(crate) struct LiveSink<'a> {
    generation: &'a Generation,
    applier: Applier,
}

impl<'a> LiveSink<'a> {
    /// A sink for the tables of `generation`.
    pub(crate) async fn open(generation: &'a Generation) -> Result<Self, Error> {
        let mut connection = generation.writer.acquire().await.map_err(fault)?;
        let applier = Applier::open(&mut connection).await?;
        Ok(Self { generation, applier })
    }

    /// A sink that goes on with what `applier` knows of the same tables.
    pub(crate) const fn with(generation: &'a Generation, applier: Applier) -> Self {
        Self { generation, applier }
    }

    async fn apply_on(&mut self, connection: &mut SqliteConnection, batch: Batch) -> Result<(), Error> {
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(fault)?;
        self.applier.apply(&mut transaction, batch, Counts::EachBatch).await?;
        // Nothing is visible before this, and rows and position together after it.
        transaction.commit().await.map_err(fault)
    }
}

impl Sink for LiveSink<'_> {
    fn apply(&mut self, batch: Batch) -> Pending<'_, ()> {
        Box::pin(async move {
            let mut connection = self.generation.writer.acquire().await.map_err(fault)?;
            let applied = self.apply_on(&mut connection, batch).await;
            if applied.is_err() {
                // SQLite rolls back by itself when the disk is full; the driver would count that transaction for ever.
                connection.close_on_drop();
            }
            applied
        })
    }
}

async fn advance(connection: &mut SqliteConnection, from: u64, until: u64) -> Result<(), Error> {
    let moved = sqlx::query(statements::ADVANCE)
        .bind(integer(until))
        .bind(integer(from));
    let moved = moved.execute(connection).await.map_err(fault)?;
    match moved.rows_affected() {
        1 => Ok(()),
        _ => Err(Error::PositionConflict { expected: from }),
    }
}

async fn insert_records(connection: &mut SqliteConnection, rows: Vec<RecordRow>) -> Result<(), Error> {
    execute(connection, &statements::INSERT_RECORDS, rows, |row, record| {
        row.integer(integer(record.offset));
        row.text(record.tenant.as_str());
        row.integer(integer(record.seq));
        row.bytes(record.id.as_bytes().to_vec());
        row.text(record.kind.as_str());
        row.bytes(record.hash.as_bytes().to_vec());
        row.bytes(record.bytes);
    })
    .await
}

async fn insert_timeline(connection: &mut SqliteConnection, rows: Vec<TimelineRow>) -> Result<(), Error> {
    execute(connection, &statements::INSERT_TIMELINE, rows, |row, event| {
        row.integer(integer(event.offset));
        row.text(event.tenant.as_str());
        row.text(event.kind.as_str());
        row.integer(event.at.micros());
        row.integer(event.ts.micros());
        row.optional(event.action);
        row.optional(event.outcome);
    })
    .await
}

async fn insert_links(connection: &mut SqliteConnection, rows: Vec<PlacedLink>) -> Result<(), Error> {
    execute(connection, &statements::INSERT_LINKS, rows, |row, link| {
        row.integer(link.timeline);
        row.integer(integer(link.offset));
        row.integer(integer(link.position));
        row.integer(link.at);
    })
    .await
}

async fn insert_parked(connection: &mut SqliteConnection, rows: Vec<ParkedRow>) -> Result<(), Error> {
    execute(connection, &statements::INSERT_PARKED, rows, |row, parked| {
        row.integer(integer(parked.offset));
        row.text(parked.tenant.as_str());
        row.text(parked.kind.as_str());
        row.integer(i64::from(parked.schema_version));
        row.text(&parked.code);
        row.text(&parked.detail);
        row.integer(i64::from(parked.version));
    })
    .await
}

pub(crate) async fn put_canon(connection: &mut SqliteConnection, rows: Vec<CanonRow>) -> Result<(), Error> {
    execute(connection, &statements::PUT_CANON, rows, |row, entry| {
        row.text(entry.tenant.as_str());
        row.text(&entry.key);
        row.bytes(entry.value);
        row.integer(i64::from(entry.min_loa));
        row.integer(integer(entry.offset));
    })
    .await
}

/// The values of a multi-row statement, in order.
#[derive(Default)]
pub(crate) struct Values(SqliteArguments);

impl Values {
    fn put<'t>(&mut self, value: impl sqlx::Encode<'t, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>) {
        self.0.add(value).expect("integers, texts and bytes always encode");
    }

    pub(crate) fn integer(&mut self, integer: i64) {
        self.put(integer);
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.put(text);
    }

    fn optional(&mut self, text: Option<String>) {
        self.put(text);
    }

    fn bytes(&mut self, bytes: Vec<u8>) {
        self.put(bytes);
    }
}

/// Runs `statement` over all `rows`, in as few chunks as there are; `bind` adds the values of one row.
pub(crate) async fn execute<T>(
    connection: &mut SqliteConnection,
    statement: &'static MultiRow,
    rows: Vec<T>,
    bind: impl Fn(&mut Values, T),
) -> Result<(), Error> {
    let mut rows = rows.into_iter();
    for (size, text) in statement.chunks() {
        while rows.len() >= size {
            let mut values = Values::default();
            rows.by_ref().take(size).for_each(|row| bind(&mut values, row));
            let run = sqlx::query_with(text, values.0).execute(&mut *connection);
            run.await.map_err(fault)?;
        }
    }
    Ok(())
}
