//! Every row of the digest's tables, in one snapshot, streamed to whoever visits them.
//!
//! Tables by offset are read in the order of their offsets, so that a digest's memory stays flat; the two with other keys
//! take one hash per row.

use crate::fault::fault;
use crate::statements;
use futures_util::TryStreamExt as _;
use projector::Error;
use projector::digest::{Column, Row};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};

/// Rows between two yields to other tasks.
const BREATH: usize = 256;

/// How the rows of one table are read.
struct Table {
    name: &'static str,
    statement: &'static str,
    columns: &'static [(&'static str, Form)],
}

/// What a column holds.
#[derive(Debug, Clone, Copy)]
enum Form {
    Integer,
    Text,
    OptionalText,
    Bytes,
    Micros,
}

use Form::{Bytes, Integer, Micros, OptionalText, Text};

/// The digest's tables, by name.
const TABLES: [Table; 6] = [
    Table {
        name: "canon_entries",
        statement: statements::SCAN_CANON,
        columns: &[
            ("tenant", Text),
            ("key", Text),
            ("value", Bytes),
            ("min_loa", Integer),
            ("offset", Integer),
        ],
    },
    Table {
        name: "links",
        statement: statements::SCAN_LINKS,
        columns: &[
            ("timeline", Integer),
            ("offset", Integer),
            ("position", Integer),
            ("at", Micros),
        ],
    },
    Table {
        name: "parked",
        statement: statements::SCAN_PARKED,
        columns: &[
            ("offset", Integer),
            ("tenant", Text),
            ("kind", Text),
            ("schema_version", Integer),
            ("code", Text),
        ],
    },
    Table {
        name: "records",
        statement: statements::SCAN_RECORDS,
        columns: &[
            ("offset", Integer),
            ("tenant", Text),
            ("seq", Integer),
            ("id", Bytes),
            ("kind", Text),
            ("hash", Bytes),
            ("bytes", Bytes),
        ],
    },
    Table {
        name: "timeline",
        statement: statements::SCAN_TIMELINE,
        columns: &[
            ("offset", Integer),
            ("tenant", Text),
            ("kind", Text),
            ("at", Micros),
            ("ts", Micros),
            ("action", OptionalText),
            ("outcome", OptionalText),
        ],
    },
    Table {
        name: "timelines",
        statement: statements::SCAN_TIMELINES,
        columns: &[
            ("id", Integer),
            ("tenant", Text),
            ("label", Text),
            ("target", Text),
            ("count", Integer),
        ],
    },
];

/// Visits every row that `snapshot` sees.
pub(crate) async fn visit_all(
    snapshot: &mut PgConnection,
    visit: &mut (dyn FnMut(&Row<'_>) + Send),
) -> Result<(), Error> {
    for table in &TABLES {
        visit_table(snapshot, table, visit).await?;
    }
    Ok(())
}

async fn visit_table(
    snapshot: &mut PgConnection,
    table: &Table,
    visit: &mut (dyn FnMut(&Row<'_>) + Send),
) -> Result<(), Error> {
    let mut rows = sqlx::query(table.statement).fetch(snapshot);
    let mut seen = 0_usize;
    while let Some(row) = rows.try_next().await.map_err(fault)? {
        let columns = table
            .columns
            .iter()
            .map(|(name, form)| Ok((*name, form.read(&row, name)?)));
        let columns: Vec<(&'static str, Column<'_>)> = columns.collect::<Result<_, _>>().map_err(fault)?;
        visit(&Row {
            table: table.name,
            columns: &columns,
        });
        seen += 1;
        if seen.is_multiple_of(BREATH) {
            tokio::task::yield_now().await;
        }
    }
    Ok(())
}

impl Form {
    fn read<'r>(self, row: &'r PgRow, name: &str) -> Result<Column<'r>, sqlx::Error> {
        Ok(match self {
            Integer => Column::Integer(row.try_get(name)?),
            Text => Column::Text(row.try_get(name)?),
            OptionalText => row.try_get::<Option<&str>, _>(name)?.map_or(Column::Null, Column::Text),
            Bytes => Column::Bytes(row.try_get(name)?),
            Micros => Column::Micros(row.try_get(name)?),
        })
    }
}
