//! HTTP: routes, authentication, errors, query API, the web page, health and metrics.
//!
//! A request passes one outer function ([`edge`]: request id, version, policy, authentication, deadline, panics, metrics),
//! then one handler in [`routes`], one file per endpoint. The room asks a [`LedgerClient`] to write and a [`Queries`] to
//! read; it never sees a store or a database. No answer of this room but problem+json says that something failed.

mod accept;
mod assets;
mod auth;
mod body;
mod caller;
mod clock;
mod config;
pub mod cosigner;
mod edge;
mod error;
mod id;
mod metrics;
mod openapi;
pub mod ops;
mod policy;
mod prefer;
pub mod projections;
mod proof;
mod query;
mod reading;
mod routes;
mod schema;
mod serve;
mod splice;
mod sse;
mod tail;
mod tenancy;
mod timeline;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod trial;

pub use auth::LocalAuth;
pub use caller::{Caller, CallerKind, Role};
pub use config::Config;
pub use error::{catalogue, catalogue_pages};
pub use openapi::openapi;
pub use projections::ProjectionAdmin;
pub use serve::{Door, serve};
pub use timeline::timeline_request;

use ledger_client::LedgerClient;
use projector::query::Queries;
use std::sync::Arc;

/// What the gateway is made of: a ledger, a read model, who may call, and limits.
pub struct App {
    /// Where records are written.
    pub ledger: Arc<dyn LedgerClient>,
    /// Where questions are answered.
    pub queries: Arc<dyn Queries>,
    /// How callers are known.
    pub auth: LocalAuth,
    /// Authenticates cursors: 32 random bytes, the same on every gateway of a log and across restarts, or cursors that
    /// were handed out are refused.
    pub cursor_key: [u8; 32],
    /// Limits.
    pub config: Config,
    /// What the process says of its parts, for the probes; `None` where ledger and read model are in this process.
    pub board: Option<Arc<ops::Board>>,
}

/// [`App`] with what the gateway keeps beside it, shared by all requests.
pub(crate) struct Shared {
    pub(crate) ledger: Arc<dyn LedgerClient>,
    pub(crate) queries: Arc<dyn Queries>,
    pub(crate) auth: LocalAuth,
    pub(crate) cursor_key: [u8; 32],
    pub(crate) config: Config,
    pub(crate) board: Option<Arc<ops::Board>>,
    /// The projections of this process, where it runs a projector.
    pub(crate) projections: Option<Arc<dyn ProjectionAdmin>>,
    pub(crate) ids: id::Source,
    pub(crate) metrics: metrics::Registry,
    pub(crate) tail: Arc<tail::Tail>,
    pub(crate) policy: proof::KeptPolicy,
}

impl App {
    /// The router with every route and the outer function around them; [`serve`] runs it.
    pub fn router(self) -> axum::Router {
        let (router, _) = openapi::routes().split_for_parts();
        edge::around(routes::undocumented(router), self.shared())
    }

    /// The same, with the projections that run in this process.
    pub fn router_with(self, projections: Arc<dyn ProjectionAdmin>) -> axum::Router {
        let (router, _) = openapi::routes().split_for_parts();
        edge::around(routes::undocumented(router), self.shared_with(projections))
    }

    /// The routes below `/admin/projections` alone, with the same outer function: for the port of a projector that has no
    /// other API.
    pub fn projection_router(self, projections: Arc<dyn ProjectionAdmin>) -> axum::Router {
        let (router, _) = openapi::projection_routes().split_for_parts();
        edge::around(router, self.shared_with(projections))
    }

    fn shared_with(self, projections: Arc<dyn ProjectionAdmin>) -> Arc<Shared> {
        let mut shared = self.shared();
        if let Some(alone) = Arc::get_mut(&mut shared) {
            alone.projections = Some(projections);
        }
        shared
    }

    pub(crate) fn shared(self) -> Arc<Shared> {
        let tail = tail::Tail::new(Arc::clone(&self.ledger), &self.config);
        Arc::new(Shared {
            tail: Arc::new(tail),
            ledger: self.ledger,
            queries: self.queries,
            auth: self.auth,
            cursor_key: self.cursor_key,
            config: self.config,
            board: self.board,
            projections: None,
            ids: id::Source::new(),
            metrics: metrics::Registry::new(),
            policy: proof::KeptPolicy::default(),
        })
    }
}
