//! Parked records: listed, counted, and tried again.
//!
//! A retry takes a few records at a time, each few in one transaction in which nobody applies to these tables and nobody
//! switches to others. Any process may do it, also while another one holds the lease.

use crate::ReadModel;
use crate::apply::put_canon;
use crate::fault::{damaged, fault, number};
use crate::{generation, snapshot, statements};
use projector::{Change, Error, Parked, ParkedRow, Retried, Retry};
use record::{Kind, Tenant};
use sqlx::{Connection as _, PgConnection};

/// Records of one transaction of a retry.
const FEW: i64 = 128;

/// A row of `parked` as it is read.
type Read = (i64, String, String, i64, String, String, i64);

impl ReadModel {
    pub(crate) async fn list_parked(&self, from: u64, limit: u16) -> Result<Parked, Error> {
        let server = &self.0.server;
        let mut connection = server.connect("parked").await?;
        let mut snapshot = snapshot::scan(server, &self.0.origin, &mut connection).await?;
        let connection = &mut *snapshot.transaction;
        // No offset is beyond the largest that Postgres holds.
        let from = i64::try_from(from).unwrap_or(i64::MAX);
        let rows = sqlx::query_as(statements::SELECT_PARKED)
            .bind(from)
            .bind(i64::from(limit));
        let rows: Vec<Read> = rows.fetch_all(&mut *connection).await.map_err(fault)?;
        let total = sqlx::query_scalar(statements::COUNT_PARKED).fetch_one(&mut *connection);
        Ok(Parked {
            rows: rows.into_iter().map(row).collect::<Result<_, _>>()?,
            total: number(total.await.map_err(fault)?)?,
        })
    }

    /// Tries every parked record again.
    pub(crate) async fn retry_all_parked(&self) -> Result<Retried, Error> {
        self.may_write()?;
        let mut connection = self.0.server.connect("parked").await?;
        self.retry_parked_on(&mut connection).await
    }

    pub(crate) async fn retry_parked_on(&self, connection: &mut PgConnection) -> Result<Retried, Error> {
        let mut retried = Retried::default();
        let mut from = Some(0);
        while let Some(next) = from {
            from = self.retry_few(connection, next, &mut retried).await?;
        }
        if retried != Retried::default() {
            let Retried { projected, left } = retried;
            tracing::info!(projected, left, "parked records were tried again");
        }
        Ok(retried)
    }

    /// Tries the parked records from offset `from` on, as many as one transaction takes; where the next ones begin.
    async fn retry_few(
        &self,
        connection: &mut PgConnection,
        from: i64,
        retried: &mut Retried,
    ) -> Result<Option<i64>, Error> {
        generation::leave(&self.0.server, connection).await?;
        let mut transaction = connection.begin().await.map_err(fault)?;
        // Who applies or switches waits until this transaction ends.
        let current = sqlx::query_scalar(statements::LOCK_POINTER).fetch_one(&mut *transaction);
        let current: i64 = current.await.map_err(fault)?;
        generation::enter(&self.0.server, &mut transaction, current).await?;
        let few = sqlx::query_as(statements::SELECT_PARKED_BYTES).bind(from).bind(FEW);
        let few: Vec<(i64, Vec<u8>)> = few.fetch_all(&mut *transaction).await.map_err(fault)?;
        let Some(last) = few.last().map(|(offset, _)| *offset) else {
            return Ok(None);
        };
        let mut done = Retried::default();
        for (offset, bytes) in few {
            match Retry::of(&self.0.catalogue, bytes)? {
                Retry::Project(changes) => {
                    fill(&mut transaction, offset, changes).await?;
                    done.projected += 1;
                }
                Retry::Keep(row) => {
                    keep(&mut transaction, offset, &row).await?;
                    done.left += 1;
                }
            }
        }
        transaction.commit().await.map_err(fault)?;
        retried.projected += done.projected;
        retried.left += done.left;
        Ok(Some(last + 1))
    }
}

/// Writes what the payload says into the rows that are there, and takes the record out of `parked`.
async fn fill(connection: &mut PgConnection, offset: i64, changes: Vec<Change>) -> Result<(), Error> {
    for change in changes {
        match change {
            Change::Timeline(row) => {
                let at = row.at.micros();
                let timeline = sqlx::query(statements::FILL_TIMELINE)
                    .bind(at)
                    .bind(row.action)
                    .bind(row.outcome)
                    .bind(row.tenant.as_str())
                    .bind(offset);
                timeline.execute(&mut *connection).await.map_err(fault)?;
                let links = sqlx::query(statements::FILL_LINKS).bind(at).bind(offset);
                links.execute(&mut *connection).await.map_err(fault)?;
            }
            Change::Canon(row) => put_canon(connection, vec![row]).await?,
            // They come from the envelope, and are there since the record was parked.
            Change::Record(_) | Change::Link(_) | Change::Parked(_) => {}
        }
    }
    let unpark = sqlx::query(statements::UNPARK).bind(offset);
    unpark.execute(connection).await.map(drop).map_err(fault)
}

async fn keep(connection: &mut PgConnection, offset: i64, row: &ParkedRow) -> Result<(), Error> {
    let keep = sqlx::query(statements::KEEP_PARKED)
        .bind(&row.code)
        .bind(&row.detail)
        .bind(i64::from(row.version))
        .bind(offset);
    keep.execute(connection).await.map(drop).map_err(fault)
}

/// Number of parked records of `tenant` that a transaction sees.
pub(crate) async fn count(connection: &mut PgConnection, tenant: &str) -> Result<u64, Error> {
    let count = sqlx::query_scalar(statements::COUNT_PARKED_OF).bind(tenant);
    number(count.fetch_one(connection).await.map_err(fault)?)
}

fn row((offset, tenant, kind, schema_version, code, detail, version): Read) -> Result<ParkedRow, Error> {
    let wrong = || damaged("a row of `parked` cannot be read: rebuild it from the log");
    Ok(ParkedRow {
        offset: number(offset)?,
        tenant: Tenant::parse(&tenant).ok_or_else(wrong)?,
        kind: Kind::parse(&kind).ok_or_else(wrong)?,
        schema_version: u32::try_from(schema_version).map_err(|_| wrong())?,
        code,
        detail,
        version: u32::try_from(version).map_err(|_| wrong())?,
    })
}
