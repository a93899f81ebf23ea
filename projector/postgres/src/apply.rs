//! Writing changes down: the rows of a batch and the position that covers them, in one transaction.
//!
//! The position moves only from where the batch starts. So two projectors over the same tables cannot both apply a
//! batch, and a batch is never applied twice. Each table gets its rows in one statement, as arrays.

use crate::fault::{fault, integer, number};
use crate::statements;
use projector::{
    Batch, CanonRow, Dictionary, DictionaryRow, Error, LinkRow, ParkedRow, PlacedLink, RecordRow, Rows, TimelineRow,
};
use record::Tenant;
use sqlx::PgConnection;
use std::collections::HashMap;

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
    /// An applier for the tables that `connection` sees.
    pub(crate) async fn open(connection: &mut PgConnection) -> Result<Self, Error> {
        let next_id = sqlx::query_scalar(statements::SELECT_NEXT_TIMELINE).fetch_one(connection);
        let dictionary = Dictionary::new(next_id.await.map_err(fault)?);
        Ok(Self { dictionary })
    }

    /// Writes a batch. After an error neither the transaction nor the applier is of use.
    pub(crate) async fn apply(
        &mut self,
        connection: &mut PgConnection,
        batch: Batch,
        counts: Counts,
    ) -> Result<(), Error> {
        advance(connection, batch.from, batch.until).await?;
        let rows = Rows::of(batch.changes);
        self.look_up(connection, &rows.links).await?;
        let tenants: HashMap<u64, Tenant> = rows
            .records
            .iter()
            .map(|record| (record.offset, record.tenant.clone()))
            .collect();
        let links = self.dictionary.place(rows.links);
        insert_records(connection, rows.records).await?;
        insert_timeline(connection, rows.timeline).await?;
        insert_links(connection, &links, &tenants).await?;
        put_canon(connection, rows.canon).await?;
        insert_parked(connection, rows.parked).await?;
        if counts == Counts::EachBatch || self.dictionary.is_full() {
            self.finish(connection).await?;
        }
        Ok(())
    }

    /// Writes the counts that [`Counts::AtTheEnd`] left in memory.
    pub(crate) async fn finish(&mut self, connection: &mut PgConnection) -> Result<(), Error> {
        put_timelines(connection, self.dictionary.take_unwritten()).await
    }

    async fn look_up(&mut self, connection: &mut PgConnection, links: &[LinkRow]) -> Result<(), Error> {
        let unknown = self.dictionary.unknown(links);
        if unknown.is_empty() {
            return Ok(());
        }
        let texts = |text: for<'k> fn(&'k projector::TimelineKey) -> &'k str| -> Vec<String> {
            unknown.iter().map(|key| text(key).to_owned()).collect()
        };
        let find = sqlx::query_as(statements::FIND_TIMELINES)
            .bind(texts(|key| key.tenant.as_str()))
            .bind(texts(|key| key.label))
            .bind(texts(|key| &key.target));
        let found: Vec<(String, String, String, i64, i64)> = find.fetch_all(connection).await.map_err(fault)?;
        for (tenant, label, target, id, count) in found {
            self.dictionary.learn(&tenant, &label, target, id, number(count)?);
        }
        Ok(())
    }
}

async fn advance(connection: &mut PgConnection, from: u64, until: u64) -> Result<(), Error> {
    let moved = sqlx::query(statements::ADVANCE)
        .bind(integer(until))
        .bind(integer(from));
    let moved = moved.execute(connection).await.map_err(fault)?;
    match moved.rows_affected() {
        1 => Ok(()),
        _ => Err(Error::PositionConflict { expected: from }),
    }
}

/// One column of a list of rows.
fn column<'r, R, T>(rows: &'r [R], value: impl Fn(&'r R) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}

async fn insert_records(connection: &mut PgConnection, rows: Vec<RecordRow>) -> Result<(), Error> {
    let insert = sqlx::query(statements::INSERT_RECORDS)
        .bind(column(&rows, |row| integer(row.offset)))
        .bind(column(&rows, |row| row.tenant.as_str()))
        .bind(column(&rows, |row| integer(row.seq)))
        .bind(column(&rows, |row| row.id.as_bytes().as_slice()))
        .bind(column(&rows, |row| row.kind.as_str()))
        .bind(column(&rows, |row| row.hash.as_bytes().as_slice()))
        .bind(column(&rows, |row| row.bytes.as_slice()));
    insert.execute(connection).await.map(drop).map_err(fault)
}

async fn insert_timeline(connection: &mut PgConnection, rows: Vec<TimelineRow>) -> Result<(), Error> {
    let insert = sqlx::query(statements::INSERT_TIMELINE)
        .bind(column(&rows, |row| integer(row.offset)))
        .bind(column(&rows, |row| row.tenant.as_str()))
        .bind(column(&rows, |row| row.kind.as_str()))
        .bind(column(&rows, |row| row.at.micros()))
        .bind(column(&rows, |row| row.ts.micros()))
        .bind(column(&rows, |row| row.action.as_deref()))
        .bind(column(&rows, |row| row.outcome.as_deref()));
    insert.execute(connection).await.map(drop).map_err(fault)
}

/// A link belongs to the tenant of its record.
async fn insert_links(
    connection: &mut PgConnection,
    rows: &[PlacedLink],
    tenants: &HashMap<u64, Tenant>,
) -> Result<(), Error> {
    let insert = sqlx::query(statements::INSERT_LINKS)
        .bind(column(rows, |row| row.timeline))
        .bind(column(rows, |row| integer(row.offset)))
        .bind(column(rows, |row| integer(row.position)))
        .bind(column(rows, |row| row.at))
        .bind(column(rows, |row| tenants.get(&row.offset).map(Tenant::as_str)));
    insert.execute(connection).await.map(drop).map_err(fault)
}

async fn put_timelines(connection: &mut PgConnection, rows: Vec<DictionaryRow>) -> Result<(), Error> {
    let put = sqlx::query(statements::PUT_TIMELINES)
        .bind(column(&rows, |row| row.id))
        .bind(column(&rows, |row| row.key.tenant.as_str()))
        .bind(column(&rows, |row| row.key.label))
        .bind(column(&rows, |row| row.key.target.as_str()))
        .bind(column(&rows, |row| integer(row.count)));
    put.execute(connection).await.map(drop).map_err(fault)
}

async fn insert_parked(connection: &mut PgConnection, rows: Vec<ParkedRow>) -> Result<(), Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let insert = sqlx::query(statements::INSERT_PARKED)
        .bind(column(&rows, |row| integer(row.offset)))
        .bind(column(&rows, |row| row.tenant.as_str()))
        .bind(column(&rows, |row| row.kind.as_str()))
        .bind(column(&rows, |row| i64::from(row.schema_version)))
        .bind(column(&rows, |row| row.code.as_str()))
        .bind(column(&rows, |row| row.detail.as_str()))
        .bind(column(&rows, |row| i64::from(row.version)));
    insert.execute(connection).await.map(drop).map_err(fault)
}

pub(crate) async fn put_canon(connection: &mut PgConnection, rows: Vec<CanonRow>) -> Result<(), Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let put = sqlx::query(statements::PUT_CANON)
        .bind(column(&rows, |row| row.tenant.as_str()))
        .bind(column(&rows, |row| row.key.as_str()))
        .bind(column(&rows, |row| row.value.as_slice()))
        .bind(column(&rows, |row| i64::from(row.min_loa)))
        .bind(column(&rows, |row| integer(row.offset)));
    put.execute(connection).await.map(drop).map_err(fault)
}
