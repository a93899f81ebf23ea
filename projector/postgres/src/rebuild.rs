//! A rebuild: every record from offset zero into a fresh generation, which then becomes the current one.
//!
//! The old tables answer, and follow the log, until the switch, whichever process applies to them. The switch is one row
//! in one transaction. An error, a cancel or a crash at any point before it leaves the old tables current; what was built
//! is removed, at the latest when the read model is opened again.

use crate::ReadModel;
use crate::apply::{Applier, Counts};
use crate::fault::{fault, no_answer};
use crate::lease::Lease;
use crate::load::{Load, load};
use crate::server::Server;
use crate::{generation, statements};
use domain::State;
use projector::query::Pending;
use projector::{Batch, Cancel, Checker, Consumer, Error, Progress, Sink, Source, pump};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use std::sync::Arc;
use std::time::Duration;

/// How long a rebuild that was cut off waits for its own session to end, to remove what it left.
const AFTERMATH: Duration = Duration::from_secs(10);

impl ReadModel {
    /// Builds new tables from offset zero, checking every record, and switches to them. One rebuild runs at a time, over
    /// all processes.
    pub(crate) async fn rebuild_all(
        &self,
        source: &mut dyn Source,
        progress: &mut (dyn FnMut(Progress) + Send),
        cancel: &Cancel,
    ) -> Result<(), Error> {
        self.may_write()?;
        let mut building = None;
        let built = cancel.guard(self.build(&mut building, source, progress)).await;
        match (built, building) {
            (Some(Ok(())), _) => Ok(()),
            (Some(Err(error)), None) => Err(error),
            (None, None) => Err(Error::Cancelled),
            // The connection may have broken, or the cancel come, while the switch was being committed: then the pointer
            // says whether it was.
            (cut, Some(number)) => match self.clear_away(number).await {
                Ok(true) => Ok(()),
                Ok(false) => Err(cut.and_then(Result::err).unwrap_or(Error::Cancelled)),
                Err(error) => {
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::warn!(cause, "what an unfinished rebuild left is removed later");
                    Err(cut.and_then(Result::err).unwrap_or(Error::Cancelled))
                }
            },
        }
    }

    /// `building` is the number of the generation under construction, once there is one.
    async fn build(
        &self,
        building: &mut Option<i64>,
        source: &mut dyn Source,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<(), Error> {
        let server = &self.0.server;
        let mut connection = server.connect("rebuild").await?;
        Lease::Rebuilding.take(&mut connection, server.schema()).await?;
        let checker = Checker::new(Arc::clone(&self.0.catalogue), State::new(self.0.origin.clone()));
        let consumer = Consumer::new(source, checker).await?;
        let (position, head) = (served(server, &mut connection).await?, consumer.head());
        if position > head {
            return Err(Error::LogBehind { position, head });
        }
        generation::drop_others(server, &mut connection).await?;
        let number = generation::unused(server, &mut connection).await?;
        *building = Some(number);
        generation::create(server, &mut connection, &self.0.origin, number).await?;
        let (mut consumer, mut load) = load(server, connection, number, consumer, progress).await?;
        // What came while the indexes were made, without holding up whoever applies.
        let head = consumer.refresh_head().await?;
        consumer = pump(consumer, &mut load, head).await?;
        let position = switch(server, &mut load, number, consumer).await?;
        self.0.positions.send_replace(position);
        let mut connection = load.connection;
        generation::drop_others(server, &mut connection).await?;
        connection.close().await.map_err(fault)
    }

    /// Removes generation `number` unless it has become the current one, which is then said.
    async fn clear_away(&self, number: i64) -> Result<bool, Error> {
        let server = &self.0.server;
        let clear = async {
            let mut connection = server.connect("rebuild").await?;
            // Our own session of before holds it until the server has noticed that it is over.
            Lease::Rebuilding.take(&mut connection, server.schema()).await?;
            let switched = generation::current(&mut connection).await? == Some(number);
            generation::drop_others(server, &mut connection).await?;
            if switched {
                self.note_position().await;
            }
            connection.close().await.map_err(fault)?;
            Ok(switched)
        };
        tokio::time::timeout(AFTERMATH, clear)
            .await
            .unwrap_or_else(|_| Err(fault(no_answer(AFTERMATH))))
    }
}

/// Brings the new tables to where the old ones are, while nobody applies to those, and makes them the current ones. Returns
/// the position.
async fn switch(server: &Server, load: &mut Load<'_>, number: i64, mut consumer: Consumer<'_>) -> Result<u64, Error> {
    let mut transaction = load.connection.begin().await.map_err(fault)?;
    let durable = sqlx::query(statements::SET_LOCAL).bind("synchronous_commit").bind("on");
    durable.execute(&mut *transaction).await.map_err(fault)?;
    let old = sqlx::query_scalar(statements::LOCK_POINTER).fetch_optional(&mut *transaction);
    let old: Option<i64> = old.await.map_err(fault)?;
    let served = match old {
        Some(old) => position_of(server, &mut transaction, old).await?,
        None => 0,
    };
    let mut sink = LastSink {
        connection: &mut transaction,
        applier: &mut load.applier,
    };
    consumer = pump(consumer, &mut sink, served).await?;
    generation::point_to(&mut transaction, number).await?;
    // Before this the old tables are current, after it the new ones, and both are whole and on disk.
    transaction.commit().await.map_err(fault)?;
    Ok(consumer.position())
}

/// How far the tables are that answer now; zero when they are too damaged to say.
async fn served(server: &Server, connection: &mut PgConnection) -> Result<u64, Error> {
    match generation::current(connection).await? {
        Some(current) => position_of(server, connection, current).await,
        None => Ok(0),
    }
}

async fn position_of(server: &Server, connection: &mut PgConnection, number: i64) -> Result<u64, Error> {
    let state = format!("{}.projection_state", server.generation(number));
    let exists = sqlx::query_scalar(statements::SELECT_EXISTS).bind(&state);
    let exists: bool = exists.fetch_one(&mut *connection).await.map_err(fault)?;
    let position: Option<i64> = if exists {
        // The name of the schema was checked; the number is a number.
        let select = AssertSqlSafe(format!("SELECT position FROM {state} WHERE name = 'timeline'"));
        sqlx::query_scalar(select)
            .fetch_optional(connection)
            .await
            .map_err(fault)?
    } else {
        None
    };
    Ok(position
        .and_then(|position| u64::try_from(position).ok())
        .unwrap_or_else(|| {
            tracing::warn!("the tables to be replaced do not say how far they are");
            0
        }))
}

/// Applies inside the transaction of the switch.
struct LastSink<'a> {
    connection: &'a mut PgConnection,
    applier: &'a mut Applier,
}

impl Sink for LastSink<'_> {
    fn apply(&mut self, batch: Batch) -> Pending<'_, ()> {
        Box::pin(self.applier.apply(self.connection, batch, Counts::EachBatch))
    }
}
