//! The OpenAPI 3.1 document, generated from the handlers and registered together with them: a route cannot be described
//! and missing, or the other way round.

use crate::Shared;
use crate::routes::{
    append, audit, canon, checkpoints, disclosures, events, head, probes, projections, proof, record, stream, tenants,
    timeline, tlog,
};
use serde_json::Value;
use std::sync::Arc;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Components, InfoBuilder, OpenApi, OpenApiBuilder, SecurityRequirement};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The document that `schemas/openapi.json` holds and `/openapi.json` answers.
#[must_use]
pub fn openapi() -> Value {
    let (_, document) = routes().split_for_parts();
    let mut document = serde_json::to_value(document).expect("an OpenAPI document is plain JSON");
    // The router's spelling of a path that goes on to the end is not OpenAPI's.
    if let Some(paths) = document.get_mut("paths").and_then(Value::as_object_mut)
        && let Some(described) = paths.remove("/tlog/tile/{*path}")
    {
        paths.insert("/tlog/tile/{path}".to_owned(), described);
    }
    document
}

/// Every described route with its description.
pub(crate) fn routes() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::with_openapi(frame())
        .routes(routes!(append::append))
        .routes(routes!(record::record))
        .routes(routes!(proof::proof))
        .routes(routes!(disclosures::disclosures))
        .routes(routes!(audit::audit))
        .routes(routes!(timeline::timeline))
        .routes(routes!(stream::stream))
        .routes(routes!(events::events))
        .routes(routes!(head::head))
        .routes(routes!(checkpoints::list))
        .routes(routes!(checkpoints::consistency))
        .routes(routes!(checkpoints::policy))
        .routes(routes!(tlog::checkpoint))
        .routes(routes!(tlog::tile))
        .routes(routes!(canon::write))
        .routes(routes!(tenants::create))
        .merge(projection_routes())
        .routes(routes!(probes::livez))
        .routes(routes!(probes::readyz))
        .routes(routes!(probes::healthz))
        .routes(routes!(probes::metrics))
}

/// The described routes below `/admin/projections`.
pub(crate) fn projection_routes() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::new()
        .routes(routes!(projections::list))
        .routes(routes!(projections::parked))
        .routes(routes!(projections::retry))
        .routes(routes!(projections::rebuild))
        .routes(routes!(projections::verify))
        .routes(routes!(projections::cancel))
}

fn frame() -> OpenApi {
    let info = InfoBuilder::new()
        .title("Sigil Ledger")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "An audit ledger for systems in which software agents act: signed, hash-chained records, and timelines of them. \
             Every failure is RFC 9457 problem details; codes are described under /docs/errors/.",
        ))
        .build();
    let mut components = Components::new();
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    OpenApiBuilder::new()
        .info(info)
        .components(Some(components))
        .security(Some([SecurityRequirement::new("bearer", Vec::<String>::new())]))
        .build()
}
