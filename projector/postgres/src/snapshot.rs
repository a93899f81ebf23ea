//! Reading: one transaction, one snapshot, the tables of the generation that was current when it began.
//!
//! A question runs in the reader's role with its tenant set, both until the transaction ends: what a statement forgets to
//! ask for, the policies ask. An operator's reading sees all tenants, or fails.

use crate::fault::{fault, is_lost, is_missing};
use crate::generation::judge_state;
use crate::server::Server;
use crate::statements;
use projector::Error;
use record::Origin;
use sqlx::{Connection as _, PgConnection, Postgres, Transaction};

/// Everything that a transaction reads is of one moment.
pub(crate) const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// A read transaction and the position that it sees.
pub(crate) struct Snapshot<'c> {
    pub(crate) transaction: Transaction<'c, Postgres>,
    pub(crate) position: u64,
    pub(crate) generation: i64,
}

/// Why a snapshot was not to be had.
enum Refusal {
    /// The connection is gone.
    Lost(sqlx::Error),
    /// The generation is gone, or damaged.
    Missing(i64, sqlx::Error),
    /// There is no read model.
    Nothing,
    /// All else.
    Other(Error),
}

/// There is no read model in the schema, or not yet.
#[derive(Debug, thiserror::Error)]
#[error("there is no read model in the schema {0}: a projector makes it")]
struct NoReadModel(String);

/// A snapshot in which one tenant's rows are to be seen; without a tenant, none.
pub(crate) async fn question(
    server: &Server,
    origin: &Origin,
    tenant: Option<&str>,
) -> Result<Snapshot<'static>, Error> {
    let mut missing = None;
    let mut lost = 0;
    loop {
        match try_question(server, origin, tenant.unwrap_or_default()).await {
            // Every connection of the pool may be dead after a restart of the server, and each is found so only once.
            Err(Refusal::Lost(_)) if lost < server.config.readers => lost += 1,
            // Dropped between the pointer and the tables: the pointer names another one now.
            Err(Refusal::Missing(generation, _)) if missing != Some(generation) => missing = Some(generation),
            outcome => return outcome.map_err(|refusal| refusal.into_error(server)),
        }
    }
}

async fn try_question(server: &Server, origin: &Origin, tenant: &str) -> Result<Snapshot<'static>, Refusal> {
    let transaction = server.readers.begin_with(BEGIN).await;
    let mut transaction = transaction.map_err(|error| match error {
        // The server does not answer at all: the next attempt would wait as long.
        sqlx::Error::PoolTimedOut => Refusal::Other(fault(error)),
        error => Refusal::of(error),
    })?;
    let entered = sqlx::query_as(statements::BEGIN_QUESTION)
        .bind(server.schema())
        .bind(tenant)
        .bind(&server.config.reader_role)
        .fetch_optional(&mut *transaction)
        .await;
    let entered = entered.map(|row: Option<(i64, String, String, String)>| row.map(|row| row.0));
    enter(transaction, entered, origin).await
}

/// A snapshot in which all rows are to be seen.
pub(crate) async fn scan<'c>(
    server: &Server,
    origin: &Origin,
    connection: &'c mut PgConnection,
) -> Result<Snapshot<'c>, Error> {
    let mut transaction = connection.begin_with(BEGIN).await.map_err(fault)?;
    let entered = sqlx::query_as(statements::BEGIN_SCAN)
        .bind(server.schema())
        .fetch_optional(&mut *transaction)
        .await;
    let entered = entered.map(|row: Option<(i64, String, String)>| row.map(|row| row.0));
    let entered = enter(transaction, entered, origin).await;
    entered.map_err(|refusal| refusal.into_error(server))
}

/// Looks at the generation that a first statement has found.
async fn enter<'c>(
    mut transaction: Transaction<'c, Postgres>,
    entered: Result<Option<i64>, sqlx::Error>,
    origin: &Origin,
) -> Result<Snapshot<'c>, Refusal> {
    let generation = match entered {
        Ok(Some(generation)) => generation,
        Ok(None) => return Err(Refusal::Nothing),
        Err(error) if is_missing(&error) => return Err(Refusal::Nothing),
        Err(error) => return Err(Refusal::of(error)),
    };
    // This holds the generation until the transaction ends: whoever drops it locks this table first.
    let state = sqlx::query_as(statements::SELECT_STATE).fetch_optional(&mut *transaction);
    let state = state.await.map_err(|error| match error {
        error if is_missing(&error) => Refusal::Missing(generation, error),
        error => Refusal::of(error),
    })?;
    Ok(Snapshot {
        position: judge_state(state, origin).map_err(Refusal::Other)?,
        transaction,
        generation,
    })
}

impl Refusal {
    fn of(error: sqlx::Error) -> Self {
        if is_lost(&error) {
            Self::Lost(error)
        } else {
            Self::Other(fault(error))
        }
    }

    fn into_error(self, server: &Server) -> Error {
        match self {
            Self::Lost(error) | Self::Missing(_, error) => fault(error),
            Self::Nothing => Error::Database(Box::new(NoReadModel(server.schema().to_owned()))),
            Self::Other(error) => error,
        }
    }
}
