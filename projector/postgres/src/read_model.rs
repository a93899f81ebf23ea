//! The read model: what a projector opens and a gateway connects to.
//!
//! Which generation is current is asked anew in every transaction, so a switch by another process is seen by the next
//! question, and one that has begun keeps its tables until it is answered.

use crate::config::Config;
use crate::fault::{fault, passes};
use crate::generation;
use crate::lease::{Lease, Pause};
use crate::live::Standing;
use crate::server::Server;
use crate::{scan, snapshot};
use domain::Catalogue;
use projector::digest::Row;
use projector::query::Pending;
use projector::{Cancel, Error, Parked, Progress, Retried, Source};
use record::Origin;
use sqlx::Connection as _;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::watch;

/// How often one that only reads asks how far the tables are.
const LOOK: Duration = Duration::from_millis(50);

/// Schemas in a Postgres database that answer questions about one log. Clones share the connections.
#[derive(Clone)]
pub struct ReadModel(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) server: Server,
    pub(crate) origin: Origin,
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) positions: watch::Sender<u64>,
    pub(crate) standing: watch::Sender<Standing>,
    /// Whether records may be applied through it.
    writes: bool,
}

impl ReadModel {
    /// Opens the read model of `origin` for a projector, or begins an empty one: makes role, schemas and tables where they
    /// are missing, and removes what an unfinished rebuild left. Any number of projectors may have it open. Waits while the
    /// server cannot be reached; dropping the future gives up.
    ///
    /// # Errors
    /// [`Error::Configuration`]; [`Error::ForeignLog`]; [`Error::Outdated`] and [`Error::Damaged`], after which
    /// [`ReadModel::reset`] begins anew; [`Error::Database`].
    pub async fn open(config: Config, origin: Origin) -> Result<Self, Error> {
        Self::prepared(config, origin, builtin().await?, false).await
    }

    /// [`ReadModel::open`] with the kinds of another build than this one.
    ///
    /// # Errors
    /// As [`ReadModel::open`].
    pub async fn open_with(config: Config, origin: Origin, catalogue: Arc<Catalogue>) -> Result<Self, Error> {
        Self::prepared(config, origin, catalogue, false).await
    }

    /// Begins an empty read model of `origin`, whatever is there: nothing in it is more than a copy of the log. Projectors
    /// that have the old one open go on in the new one.
    ///
    /// # Errors
    /// [`Error::Configuration`], [`Error::Database`].
    pub async fn reset(config: Config, origin: Origin) -> Result<Self, Error> {
        Self::prepared(config, origin, builtin().await?, true).await
    }

    /// The read model of `origin` for a gateway, whose login need not own anything: it reads only, and never migrates.
    /// Contacts nothing: while the server cannot be reached, or no projector has made the tables, questions fail, and are
    /// answered as soon as they can be.
    ///
    /// # Errors
    /// [`Error::Configuration`]; later, with every question, [`Error::ForeignLog`] and [`Error::Outdated`].
    pub async fn connect(config: Config, origin: Origin) -> Result<Self, Error> {
        let model = Self::with(Server::new(config)?, origin, builtin().await?, false);
        tokio::spawn(watch_positions(Arc::downgrade(&model.0)));
        Ok(model)
    }

    /// What a projector is doing; [`Standing::Idle`] for one that only reads.
    #[must_use]
    pub fn standing(&self) -> watch::Receiver<Standing> {
        self.0.standing.subscribe()
    }

    async fn prepared(config: Config, origin: Origin, catalogue: Arc<Catalogue>, anew: bool) -> Result<Self, Error> {
        let server = Server::new(config)?;
        let mut pause = Pause::new(Duration::from_millis(100), Duration::from_secs(5));
        // A loop and not a closure: the future of this function has to be `Send`.
        while let Err(error) = prepare(&server, &origin, anew).await {
            if !passes(&error) {
                return Err(error);
            }
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::warn!(cause, "the read model's database cannot be reached: trying again");
            pause.wait().await;
        }
        let model = Self::with(server, origin, catalogue, true);
        model.note_position().await;
        Ok(model)
    }

    fn with(server: Server, origin: Origin, catalogue: Arc<Catalogue>, writes: bool) -> Self {
        Self(Arc::new(Inner {
            server,
            origin,
            catalogue,
            positions: watch::Sender::new(0),
            standing: watch::Sender::new(Standing::Idle),
            writes,
        }))
    }

    pub(crate) fn may_write(&self) -> Result<(), Error> {
        if self.0.writes {
            return Ok(());
        }
        let detail = "the read model is connected to for reading: open it to apply records";
        Err(Error::Configuration(detail.to_owned()))
    }
}

/// The kinds of this build; compiling their schemas takes a while.
async fn builtin() -> Result<Arc<Catalogue>, Error> {
    let catalogue = tokio::task::spawn_blocking(|| Arc::new(Catalogue::builtin()));
    catalogue.await.map_err(|error| Error::Database(Box::new(error)))
}

/// Makes everything that a read model needs, once for all processes that try.
async fn prepare(server: &Server, origin: &Origin, anew: bool) -> Result<(), Error> {
    let mut connection = server.connect("projector").await?;
    Lease::Migrating.take(&mut connection, server.schema()).await?;
    generation::prepare_control(server, &mut connection).await?;
    match generation::current(&mut connection).await? {
        Some(current) if !anew => generation::check(server, &mut connection, origin, current).await?,
        _ => {
            let number = generation::unused(server, &mut connection).await?;
            generation::create(server, &mut connection, origin, number).await?;
            generation::point_to(&mut connection, number).await?;
        }
    }
    generation::tidy(server, &mut connection).await?;
    connection.close().await.map_err(fault)
}

/// Follows the position for one that only reads, as long as it is there.
async fn watch_positions(inner: Weak<Inner>) {
    while let Some(inner) = inner.upgrade() {
        if inner.server.readers.is_closed() {
            return;
        }
        ReadModel(inner).note_position().await;
        tokio::time::sleep(LOOK).await;
    }
}

impl projector::ReadModel for ReadModel {
    fn run<'a>(&'a self, source: &'a mut dyn Source, cancel: &'a Cancel) -> Pending<'a, ()> {
        Box::pin(async move {
            self.may_write()?;
            self.follow_log(source, cancel).await
        })
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
            let mut connection = self.0.server.connect("scan").await?;
            let mut snapshot = snapshot::scan(&self.0.server, &self.0.origin, &mut connection).await?;
            scan::visit_all(&mut snapshot.transaction, visit).await?;
            Ok(snapshot.position)
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
        Box::pin(async move { self.0.server.readers.close().await })
    }
}
