//! The endpoints, one file each, with the tests of each in its own file.

pub(crate) mod append;
pub(crate) mod audit;
pub(crate) mod canon;
pub(crate) mod checkpoints;
pub(crate) mod disclosures;
pub(crate) mod docs;
pub(crate) mod events;
pub(crate) mod head;
mod intake;
mod ndjson;
pub(crate) mod page;
pub(crate) mod probes;
pub(crate) mod projections;
pub(crate) mod proof;
pub(crate) mod record;
pub(crate) mod stream;
pub(crate) mod tenants;
pub(crate) mod timeline;
pub(crate) mod tlog;

use crate::Shared;
use axum::Router;
use axum::routing::get;
use std::sync::Arc;

/// Adds the routes that are not part of the described API: aliases of probes, documentation and the page.
pub(crate) fn undocumented(router: Router<Arc<Shared>>) -> Router<Arc<Shared>> {
    let router = router
        .route("/health", get(probes::healthz))
        .route("/health/live", get(probes::livez))
        .route("/health/ready", get(probes::readyz))
        .route("/openapi.json", get(docs::openapi_json))
        .route("/docs/errors/{code}", get(docs::error_page));
    page::add(router)
}
