//! Every row of the digest's tables, in one snapshot, streamed into the digest.
//!
//! Tables by offset are read in the order of their offsets, so that memory stays flat; the two with other keys take one
//! hash per row.

use crate::fault::{fault, number};
use crate::statements;
use futures_util::TryStreamExt as _;
use projector::digest::{Column, TableDigest, hash_row};
use projector::{Digest, Error};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

/// Rows between two yields to other tasks.
const BREATH: usize = 256;

/// The digest of what `snapshot` sees.
pub(crate) async fn digest(snapshot: &mut SqliteConnection) -> Result<Digest, Error> {
    let mut digest = Digest::default();
    digest.add_table(scan(snapshot, "canon_entries", statements::SCAN_CANON, canon).await?);
    digest.add_table(scan(snapshot, "links", statements::SCAN_LINKS, link).await?);
    digest.add_table(scan(snapshot, "records", statements::SCAN_RECORDS, record).await?);
    digest.add_table(scan(snapshot, "timeline", statements::SCAN_TIMELINE, timeline).await?);
    digest.add_table(scan(snapshot, "timelines", statements::SCAN_TIMELINES, timelines).await?);
    Ok(digest)
}

async fn scan(
    snapshot: &mut SqliteConnection,
    table: &'static str,
    statement: &'static str,
    add: fn(&mut TableDigest, &SqliteRow) -> Result<(), sqlx::Error>,
) -> Result<TableDigest, Error> {
    let mut digest = TableDigest::new(table);
    let mut rows = sqlx::query(statement).fetch(snapshot);
    let mut seen = 0_usize;
    while let Some(row) = rows.try_next().await.map_err(fault)? {
        add(&mut digest, &row).map_err(fault)?;
        seen += 1;
        if seen.is_multiple_of(BREATH) {
            tokio::task::yield_now().await;
        }
    }
    Ok(digest)
}

fn offset(row: &SqliteRow) -> Result<u64, sqlx::Error> {
    number(row.try_get("offset")?).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

fn record(digest: &mut TableDigest, row: &SqliteRow) -> Result<(), sqlx::Error> {
    let columns = [
        ("offset", Column::Integer(row.try_get("offset")?)),
        ("tenant", Column::Text(row.try_get("tenant")?)),
        ("seq", Column::Integer(row.try_get("seq")?)),
        ("id", Column::Bytes(row.try_get("id")?)),
        ("kind", Column::Text(row.try_get("kind")?)),
        ("hash", Column::Bytes(row.try_get("hash")?)),
        ("bytes", Column::Bytes(row.try_get("bytes")?)),
    ];
    digest.add_at(offset(row)?, hash_row("records", &columns));
    Ok(())
}

fn timeline(digest: &mut TableDigest, row: &SqliteRow) -> Result<(), sqlx::Error> {
    let optional = |name: &str| -> Result<Column<'_>, sqlx::Error> {
        let text: Option<&str> = row.try_get(name)?;
        Ok(text.map_or(Column::Null, Column::Text))
    };
    let columns = [
        ("offset", Column::Integer(row.try_get("offset")?)),
        ("tenant", Column::Text(row.try_get("tenant")?)),
        ("kind", Column::Text(row.try_get("kind")?)),
        ("at", Column::Micros(row.try_get("at")?)),
        ("ts", Column::Micros(row.try_get("ts")?)),
        ("action", optional("action")?),
        ("outcome", optional("outcome")?),
    ];
    digest.add_at(offset(row)?, hash_row("timeline", &columns));
    Ok(())
}

fn link(digest: &mut TableDigest, row: &SqliteRow) -> Result<(), sqlx::Error> {
    let columns = [
        ("timeline", Column::Integer(row.try_get("timeline")?)),
        ("offset", Column::Integer(row.try_get("offset")?)),
        ("position", Column::Integer(row.try_get("position")?)),
        ("at", Column::Micros(row.try_get("at")?)),
    ];
    digest.add_at(offset(row)?, hash_row("links", &columns));
    Ok(())
}

fn timelines(digest: &mut TableDigest, row: &SqliteRow) -> Result<(), sqlx::Error> {
    let id = Column::Integer(row.try_get("id")?);
    let columns = [
        ("id", id),
        ("tenant", Column::Text(row.try_get("tenant")?)),
        ("label", Column::Text(row.try_get("label")?)),
        ("target", Column::Text(row.try_get("target")?)),
        ("count", Column::Integer(row.try_get("count")?)),
    ];
    digest.add_keyed(&[id], hash_row("timelines", &columns));
    Ok(())
}

fn canon(digest: &mut TableDigest, row: &SqliteRow) -> Result<(), sqlx::Error> {
    let (tenant, key) = (Column::Text(row.try_get("tenant")?), Column::Text(row.try_get("key")?));
    let columns = [
        ("tenant", tenant),
        ("key", key),
        ("value", Column::Bytes(row.try_get("value")?)),
        ("min_loa", Column::Integer(row.try_get("min_loa")?)),
        ("offset", Column::Integer(row.try_get("offset")?)),
    ];
    digest.add_keyed(&[tenant, key], hash_row("canon_entries", &columns));
    Ok(())
}
