//! Writing changes down: the rows of a batch and the position that covers them, in one transaction.
//!
//! The position moves only from where the batch starts. So two projectors over the same tables cannot both apply a
//! batch, and a batch is never applied twice. Rows go in by multi-row statements that stay prepared.

use crate::fault::{fault, integer, number};
use crate::generation::Generation;
use crate::statements::{self, MultiRow};
use projector::query::Pending;
use projector::{
    Batch, CanonRow, Dictionary, DictionaryRow, Error, LinkRow, ParkedRow, PlacedLink, RecordRow, Rows, Sink,
    TimelineKey, TimelineRow,
};
use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments as _, Connection as _, SqliteConnection};

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

impl Applier {
    /// An applier for the tables that `connection` writes to.
    pub(crate) async fn open(connection: &mut SqliteConnection) -> Result<Self, Error> {
        let next_id = sqlx::query_scalar(statements::SELECT_NEXT_TIMELINE).fetch_one(connection);
        let dictionary = Dictionary::new(next_id.await.map_err(fault)?);
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
        self.look_up(connection, &rows.links).await?;
        let links = self.dictionary.place(rows.links);
        insert_records(connection, rows.records).await?;
        insert_timeline(connection, rows.timeline).await?;
        insert_links(connection, links).await?;
        put_canon(connection, rows.canon).await?;
        insert_parked(connection, rows.parked).await?;
        if counts == Counts::EachBatch || self.dictionary.is_full() {
            self.finish(connection).await?;
        }
        Ok(())
    }

    /// Writes the counts that [`Counts::AtTheEnd`] left in memory.
    pub(crate) async fn finish(&mut self, connection: &mut SqliteConnection) -> Result<(), Error> {
        put_timelines(connection, self.dictionary.take_unwritten()).await
    }

    async fn look_up(&mut self, connection: &mut SqliteConnection, links: &[LinkRow]) -> Result<(), Error> {
        let mut unknown: Vec<&TimelineKey> = self.dictionary.unknown(links);
        for (size, text) in statements::FIND_TIMELINES.chunks() {
            while unknown.len() >= size {
                let mut find = sqlx::query_as(text);
                for key in unknown.drain(unknown.len() - size..) {
                    find = find.bind(key.tenant.as_str()).bind(key.label).bind(key.target.as_str());
                }
                let found: Vec<(String, String, String, i64, i64)> =
                    find.fetch_all(&mut *connection).await.map_err(fault)?;
                for (tenant, label, target, id, count) in found {
                    self.dictionary.learn(&tenant, &label, target, id, number(count)?);
                }
            }
        }
        Ok(())
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

async fn put_timelines(connection: &mut SqliteConnection, rows: Vec<DictionaryRow>) -> Result<(), Error> {
    execute(connection, &statements::PUT_TIMELINES, rows, |row, timeline| {
        row.integer(timeline.id);
        row.text(timeline.key.tenant.as_str());
        row.text(timeline.key.label);
        row.text(&timeline.key.target);
        row.integer(integer(timeline.count));
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
struct Values(SqliteArguments);

impl Values {
    fn put<'t>(&mut self, value: impl sqlx::Encode<'t, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>) {
        self.0.add(value).expect("integers, texts and bytes always encode");
    }

    fn integer(&mut self, integer: i64) {
        self.put(integer);
    }

    fn text(&mut self, text: &str) {
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
async fn execute<T>(
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
