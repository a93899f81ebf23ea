//! The live loop: one of several projectors holds the lease and applies, the others stand by.
//!
//! The lease, the transaction and the position all hang on one connection. Losing it means losing the lease; what was
//! being committed then is either in the tables or not, and whoever leads next goes on from the position that it finds
//! there. The position is the fence behind the lease: a batch that does not start at it is never applied. A leader that is
//! alive shows itself to the server; one that does not, such as a suspended machine, loses its connection.

use crate::ReadModel;
use crate::apply::{Applier, Counts};
use crate::fault::{fault, no_answer, passes};
use crate::lease::{Lease, Pause};
use crate::{generation, resume, snapshot, statements};
use futures_util::future::{Either, select};
use projector::query::{Pending, Queries as _};
use projector::{Batch, Cancel, Checker, Consumer, Error, Sink, Source, pump};
use sqlx::{Connection as _, PgConnection};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// What a projector is doing about the current tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing: [`projector::ReadModel::run`] does not run.
    Idle,
    /// It has no connection, and tries to get one.
    Unconnected,
    /// Another projector applies; this one takes over when that one is gone.
    Standby,
    /// It holds the lease and applies.
    Applying,
}

impl ReadModel {
    /// Applies what `source` has and then what it gets, until cancelled; while another projector does, stands by.
    pub(crate) async fn follow_log(&self, source: &mut dyn Source, cancel: &Cancel) -> Result<(), Error> {
        let _idle = Idle(self);
        let mut pause = Pause::new(Duration::from_millis(50), Duration::from_secs(5));
        loop {
            let error = match cancel.guard(self.lead(source, &mut pause)).await {
                None => return Ok(()),
                // The tables were replaced: go on in the new ones.
                Some(Ok(())) => continue,
                Some(Err(error)) if passes(&error) => error,
                Some(Err(error)) => return Err(error),
            };
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::warn!(cause, "applying to the read model was interrupted: trying again");
            self.stand(Standing::Unconnected);
            if cancel.guard(pause.wait()).await.is_none() {
                return Ok(());
            }
        }
    }

    /// Takes the lease and applies, until the tables are replaced or something fails.
    async fn lead(&self, source: &mut dyn Source, pause: &mut Pause) -> Result<(), Error> {
        let server = &self.0.server;
        let mut connection = self.in_batch_time(server.connect_leased()).await?;
        self.stand_by(&mut connection).await?;
        pause.reset();
        self.retry_parked_on(&mut connection).await?;
        let (generation, checker, applier) = self.in_batch_time(self.begin(&mut connection)).await?;
        generation::enter(server, &mut connection, generation).await?;
        let consumer = Consumer::new(source, checker).await?;
        self.0.positions.send_replace(consumer.position());
        self.stand(Standing::Applying);
        let term = Term {
            model: self,
            connection: Mutex::new(connection),
            generation,
        };
        let mut sink = LiveSink {
            term: &term,
            applier,
            replaced: false,
        };
        let applying = async {
            match pump(consumer, &mut sink, u64::MAX).await {
                Err(Error::PositionConflict { .. }) if sink.replaced => Ok(()),
                outcome => outcome.map(drop),
            }
        };
        match select(pin!(term.keep()), pin!(applying)).await {
            Either::Left((ended, _)) => ended,
            Either::Right((ended, _)) => ended,
        }
    }

    /// Waits for the lease; says meanwhile how far the one that has it has come.
    async fn stand_by(&self, connection: &mut PgConnection) -> Result<(), Error> {
        let schema = self.0.server.schema();
        let mut pause = Pause::new(Duration::from_millis(10), Duration::from_millis(250));
        while !self.in_batch_time(Lease::Applying.try_take(connection, schema)).await? {
            self.stand(Standing::Standby);
            self.note_position().await;
            pause.wait().await;
        }
        Ok(())
    }

    /// Where applying goes on, read in one snapshot.
    async fn begin(&self, connection: &mut PgConnection) -> Result<(i64, Checker, Applier), Error> {
        generation::leave(&self.0.server, connection).await?;
        let mut snapshot = snapshot::scan(&self.0.server, &self.0.origin, connection).await?;
        let resume = resume::read(&mut snapshot, &self.0.origin).await?;
        let applier = Applier::open(&mut snapshot.transaction).await?;
        let checker = Checker::new(Arc::clone(&self.0.catalogue), resume.into_state()?);
        let number = snapshot.generation;
        snapshot.transaction.commit().await.map_err(fault)?;
        Ok((number, checker, applier))
    }

    /// The outcome of `work`, or an error when the server has not answered for as long as a batch may take.
    async fn in_batch_time<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let limit = self.0.server.config.apply_timeout;
        let outcome = tokio::time::timeout(limit, work).await;
        outcome.unwrap_or_else(|_| Err(fault(no_answer(limit))))
    }

    pub(crate) fn stand(&self, standing: Standing) {
        let changed = |old: &mut Standing| std::mem::replace(old, standing) != standing;
        self.0.standing.send_if_modified(changed);
    }

    /// Takes over the position that the tables name, where they can be read.
    pub(crate) async fn note_position(&self) {
        if let Ok(position) = self.position().await {
            let changed = |old: &mut u64| std::mem::replace(old, position) != position;
            self.0.positions.send_if_modified(changed);
        }
    }
}

/// Says that nothing runs any more, however it ended.
struct Idle<'a>(&'a ReadModel);

impl Drop for Idle<'_> {
    fn drop(&mut self) {
        self.0.stand(Standing::Idle);
    }
}

/// The time of one projector with the lease.
struct Term<'a> {
    model: &'a ReadModel,
    connection: Mutex<PgConnection>,
    generation: i64,
}

impl Term<'_> {
    /// Shows the server, while there is nothing to apply, that we are there. Returns when the tables were replaced, and
    /// fails when the connection is gone: another projector may have the lease then.
    async fn keep(&self) -> Result<(), Error> {
        let lease = self.model.0.server.config.lease_timeout;
        loop {
            tokio::time::sleep(lease / 4).await;
            // Held by a batch, which shows it as well.
            let Ok(mut connection) = self.connection.try_lock() else {
                continue;
            };
            let current = sqlx::query_scalar(statements::SELECT_POINTER).fetch_optional(&mut *connection);
            let current = tokio::time::timeout(lease, current).await;
            let current: Option<i64> = current.unwrap_or_else(|_| Err(no_answer(lease))).map_err(fault)?;
            if current != Some(self.generation) {
                return Ok(());
            }
        }
    }
}

/// Applies each batch to a generation for as long as it is the current one.
struct LiveSink<'a> {
    term: &'a Term<'a>,
    applier: Applier,
    /// Another generation has become the current one.
    replaced: bool,
}

impl LiveSink<'_> {
    async fn apply_on(&mut self, batch: Batch) -> Result<(), Error> {
        let expected = batch.from;
        let mut connection = self.term.connection.lock().await;
        let mut transaction = connection.begin().await.map_err(fault)?;
        let current = sqlx::query_scalar(statements::SHARE_POINTER).fetch_optional(&mut *transaction);
        let current: Option<i64> = current.await.map_err(fault)?;
        if current != Some(self.term.generation) {
            self.replaced = true;
            return Err(Error::PositionConflict { expected });
        }
        self.applier.apply(&mut transaction, batch, Counts::EachBatch).await?;
        // Nothing is visible before this, and rows and position together after it. When the connection breaks here, the
        // server has done one or the other, and the position tells which.
        transaction.commit().await.map_err(fault)
    }
}

impl Sink for LiveSink<'_> {
    fn apply(&mut self, batch: Batch) -> Pending<'_, ()> {
        Box::pin(async move {
            let (model, until) = (self.term.model, batch.until);
            model.in_batch_time(self.apply_on(batch)).await?;
            model.0.positions.send_replace(until);
            Ok(())
        })
    }
}
