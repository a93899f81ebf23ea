//! A rebuild: every record from offset zero into a fresh generation, which then becomes the current one.
//!
//! The old tables answer, and follow the log, until the switch. An error, a cancel or a crash at any point before it
//! leaves them current; what was built is removed, at the latest when the read model is opened again.

use crate::ReadModel;
use crate::apply::LiveSink;
use crate::generation::Generation;
use crate::load::load;
use crate::store::Store;
use domain::State;
use projector::{Cancel, Checker, Consumer, Error, Progress, Source, pump};
use std::sync::Arc;

impl ReadModel {
    /// Builds new tables from offset zero, checking every record, and switches to them. One rebuild runs at a time.
    ///
    /// # Errors
    /// [`Error::Cancelled`]; [`Error::LogBehind`] when the log is shorter than what the read model has; what a record or
    /// the database fails with. The old tables stand in every case.
    pub(crate) async fn rebuild_all(
        &self,
        source: &mut dyn Source,
        progress: &mut (dyn FnMut(Progress) + Send),
        cancel: &Cancel,
    ) -> Result<(), Error> {
        let _one = self.0.rebuilding.lock().await;
        let unfinished = Unfinished::begin(&self.0.store)?;
        let build = cancel.guard(self.build(unfinished.number, source, progress));
        let old = build.await.unwrap_or(Err(Error::Cancelled))?;
        unfinished.keep();
        old.close().await;
        self.0.store.remove(old.number)
    }

    async fn build(
        &self,
        number: u64,
        source: &mut dyn Source,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Arc<Generation>, Error> {
        let checker = Checker::new(Arc::clone(&self.0.catalogue), State::new(self.0.origin.clone()));
        let consumer = Consumer::new(source, checker).await?;
        self.check_head(consumer.head()).await?;
        let path = self.0.store.path(number);
        let (mut consumer, applier) = load(&path, &self.0.origin, consumer, progress).await?;
        let generation = Generation::open(number, &path, &self.0.origin).await?;
        let mut sink = LiveSink::with(&generation, applier);
        // What came while the indexes were made, without holding up the live loop.
        let head = consumer.refresh_head().await?;
        consumer = pump(consumer, &mut sink, head).await?;
        let _held = self.0.applying.lock().await;
        let served = self.served().await;
        consumer = pump(consumer, &mut sink, served).await?;
        self.switch(generation, consumer.position())
    }

    async fn check_head(&self, head: u64) -> Result<(), Error> {
        let position = self.served().await;
        if position > head {
            return Err(Error::LogBehind { position, head });
        }
        Ok(())
    }

    /// How far the tables are that answer now; zero when they are too damaged to say.
    async fn served(&self) -> u64 {
        self.current().position().await.unwrap_or_else(|error| {
            tracing::warn!(%error, "the tables to be replaced do not say how far they are");
            0
        })
    }
}

/// The files of a generation that is not current yet; removed unless kept.
struct Unfinished<'a> {
    store: &'a Store,
    number: u64,
    kept: bool,
}

impl<'a> Unfinished<'a> {
    fn begin(store: &'a Store) -> Result<Self, Error> {
        let number = store.unused()?;
        Ok(Self {
            store,
            number,
            kept: false,
        })
    }

    fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        // After a switch that was cut off between CURRENT and here, the files are in use.
        if !self.kept && self.store.current().is_ok_and(|current| current != Some(self.number)) {
            // What cannot be removed now is removed at the next open.
            drop(self.store.remove(self.number));
        }
    }
}
