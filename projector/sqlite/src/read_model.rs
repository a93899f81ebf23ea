//! The read model: the current generation, the live loop that fills it, and the switch to another one.
//!
//! Who applies to the current generation, or switches it, holds `applying`; so the position never steps back, a switch
//! included. Questions take no lock: they hold the generation they began with until they are answered.

use crate::apply::LiveSink;
use crate::fault::fault;
use crate::generation::Generation;
use crate::store::Store;
use crate::{resume, scan};
use domain::Catalogue;
use futures_util::future::{Either, select};
use projector::digest::Row;
use projector::query::Pending;
use projector::{Batch, Cancel, Checker, Consumer, Error, Parked, Progress, Retried, Sink, Source, pump};
use record::Origin;
use sqlx::{Sqlite, Transaction};
use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::{Mutex, watch};

/// A directory of SQLite databases that answers questions about one log. Clones share it.
#[derive(Clone)]
pub struct ReadModel(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) store: Store,
    pub(crate) origin: Origin,
    pub(crate) catalogue: Arc<Catalogue>,
    current: RwLock<Arc<Generation>>,
    /// Held while a batch is applied to the current generation, or while another one becomes current.
    pub(crate) applying: Mutex<()>,
    /// Held by the one rebuild under way.
    pub(crate) rebuilding: Mutex<()>,
    positions: watch::Sender<u64>,
    generations: watch::Sender<u64>,
}

impl ReadModel {
    /// Opens the read model of `origin` in `dir`, or begins an empty one, and removes what an unfinished rebuild left.
    ///
    /// # Errors
    /// [`Error::Locked`] when another process has it open; [`Error::ForeignLog`]; [`Error::Outdated`] and
    /// [`Error::Damaged`], after which [`ReadModel::reset`] begins anew; [`Error::Database`].
    pub async fn open(dir: &Path, origin: Origin) -> Result<Self, Error> {
        Self::open_with(dir, origin, builtin().await?).await
    }

    /// [`ReadModel::open`] with the kinds of another build than this one.
    ///
    /// # Errors
    /// As [`ReadModel::open`].
    pub async fn open_with(dir: &Path, origin: Origin, catalogue: Arc<Catalogue>) -> Result<Self, Error> {
        let store = Store::open(dir)?;
        let generation = match store.current()? {
            Some(number) => Generation::open(number, &store.path(number), &origin).await?,
            None => begin(&store, &origin).await?,
        };
        store.remove_others(generation.number)?;
        Self::with(store, origin, generation, catalogue).await
    }

    /// Begins an empty read model in `dir`, whatever is there: nothing in it is more than a copy of the log.
    ///
    /// # Errors
    /// [`Error::Locked`], [`Error::Database`].
    pub async fn reset(dir: &Path, origin: Origin) -> Result<Self, Error> {
        let store = Store::open(dir)?;
        let generation = begin(&store, &origin).await?;
        store.remove_others(generation.number)?;
        Self::with(store, origin, generation, builtin().await?).await
    }

    async fn with(
        store: Store,
        origin: Origin,
        generation: Generation,
        catalogue: Arc<Catalogue>,
    ) -> Result<Self, Error> {
        let position = generation.position().await?;
        Ok(Self(Arc::new(Inner {
            store,
            origin,
            catalogue,
            positions: watch::Sender::new(position),
            generations: watch::Sender::new(generation.number),
            current: RwLock::new(Arc::new(generation)),
            applying: Mutex::new(()),
            rebuilding: Mutex::new(()),
        })))
    }

    /// Applies what `source` has and then what it gets, until cancelled. Goes on in the new tables after a rebuild.
    ///
    /// # Errors
    /// [`Error::LogBehind`] at the start; what a record or the database fails with: the position stays before that batch.
    pub(crate) async fn follow_log(&self, source: &mut dyn Source, cancel: &Cancel) -> Result<(), Error> {
        if let Some(retried) = cancel.guard(self.retry_all_parked()).await {
            retried?;
        }
        loop {
            let generation = self.current();
            let mut generations = self.0.generations.subscribe();
            let switched = pin!(generations.wait_for(|number| *number != generation.number));
            let follow = pin!(self.follow(&generation, &mut *source));
            match cancel.guard(select(switched, follow)).await {
                None => return Ok(()),
                Some(Either::Left(_)) => {}
                Some(Either::Right((outcome, _))) => return outcome,
            }
        }
    }

    async fn follow(&self, generation: &Arc<Generation>, source: &mut dyn Source) -> Result<(), Error> {
        let consumer = Consumer::new(source, self.checker(generation).await?).await?;
        let mut sink = CurrentSink {
            model: self,
            generation,
            live: LiveSink::open(generation).await?,
        };
        self.0.positions.send_replace(consumer.position());
        pump(consumer, &mut sink, u64::MAX).await.map(drop)
    }

    /// A checker that goes on where `generation` is.
    pub(crate) async fn checker(&self, generation: &Generation) -> Result<Checker, Error> {
        let resume = resume::read(generation, &self.0.origin).await?;
        Ok(Checker::new(Arc::clone(&self.0.catalogue), resume.into_state()?))
    }

    pub(crate) fn current(&self) -> Arc<Generation> {
        Arc::clone(&self.0.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes `generation` current, on disk first. The caller holds `applying`. Returns the one before.
    pub(crate) fn switch(&self, generation: Generation, position: u64) -> Result<Arc<Generation>, Error> {
        self.0.store.switch(generation.number)?;
        let number = generation.number;
        let old = {
            let mut current = self.0.current.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *current, Arc::new(generation))
        };
        self.0.generations.send_replace(number);
        self.0.positions.send_replace(position);
        Ok(old)
    }

    /// A read transaction and the position that it sees.
    pub(crate) async fn snapshot(&self) -> Result<(Transaction<'static, Sqlite>, u64), Error> {
        loop {
            let generation = self.current();
            match generation.readers.begin().await {
                // Closed because a rebuild has just replaced it.
                Err(sqlx::Error::PoolClosed) if self.current().number != generation.number => {}
                begun => {
                    let mut snapshot = begun.map_err(fault)?;
                    let position = sqlx::query_scalar(crate::statements::SELECT_POSITION).fetch_one(&mut *snapshot);
                    let position = crate::fault::number(position.await.map_err(fault)?)?;
                    return Ok((snapshot, position));
                }
            }
        }
    }
}

impl projector::ReadModel for ReadModel {
    fn run<'a>(&'a self, source: &'a mut dyn Source, cancel: &'a Cancel) -> Pending<'a, ()> {
        Box::pin(self.follow_log(source, cancel))
    }

    fn rebuild<'a>(
        &'a self,
        source: &'a mut dyn Source,
        progress: &'a mut (dyn FnMut(Progress) + Send),
        cancel: &'a Cancel,
    ) -> Pending<'a, ()> {
        Box::pin(self.rebuild_all(source, progress, cancel))
    }

    fn scan<'a>(&'a self, visit: &'a mut (dyn FnMut(&Row<'_>) + Send)) -> Pending<'a, u64> {
        Box::pin(async move {
            let (mut snapshot, position) = self.snapshot().await?;
            scan::visit_all(&mut snapshot, visit).await?;
            Ok(position)
        })
    }

    fn parked(&self, from: u64, limit: u16) -> Pending<'_, Parked> {
        Box::pin(self.list_parked(from, limit))
    }

    fn retry_parked(&self) -> Pending<'_, Retried> {
        Box::pin(self.retry_all_parked())
    }

    fn positions(&self) -> watch::Receiver<u64> {
        self.0.positions.subscribe()
    }

    fn close(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move { self.current().close().await })
    }
}

/// The kinds of this build; compiling their schemas takes a while.
async fn builtin() -> Result<Arc<Catalogue>, Error> {
    let catalogue = tokio::task::spawn_blocking(|| Arc::new(Catalogue::builtin()));
    catalogue.await.map_err(|error| Error::Database(Box::new(error)))
}

async fn begin(store: &Store, origin: &Origin) -> Result<Generation, Error> {
    let number = store.unused()?;
    let path = store.path(number);
    let generation = Generation::create(number, &path, origin).await?;
    crate::store::sync(&path)?;
    store.switch(number)?;
    Ok(generation)
}

/// Applies to a generation for as long as it is the current one.
struct CurrentSink<'a> {
    model: &'a ReadModel,
    generation: &'a Arc<Generation>,
    live: LiveSink<'a>,
}

impl Sink for CurrentSink<'_> {
    fn apply(&mut self, batch: Batch) -> Pending<'_, ()> {
        Box::pin(async move {
            let _held = self.model.0.applying.lock().await;
            if self.model.current().number != self.generation.number {
                // The loop in `run` sees the switch too, drops this future and begins again.
                return std::future::pending().await;
            }
            let until = batch.until;
            self.live.apply(batch).await?;
            self.model.0.positions.send_replace(until);
            Ok(())
        })
    }
}
