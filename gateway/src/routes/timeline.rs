//! `GET /v1/audit/timeline`: one page of records that match a filter, each byte for byte as it was signed.

use super::record::tenant;
use crate::Shared;
use crate::edge::Context;
use crate::error::Problem;
use crate::query::Query;
use crate::timeline::{PARAMETERS, mint, question_tag, read, redeem};
use crate::{reading, schema, splice};
use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use projector::query::{Page, Place};
use std::sync::Arc;

/// One page of a timeline.
///
/// `from` and `to` mean when it happened (`occurred_at`, else `ts`), `recorded_from` and `recorded_to` mean `ts`. `from` is
/// inclusive and `to` exclusive, except that a plain date means that whole day. `q` is a phrase of qualifiers
/// (`actor:agent:a1 -kind:trust.* outcome:denied created:2026-11-01..2026-11-20`).
#[utoipa::path(
    get, path = "/v1/audit/timeline", tag = "audit",
    params(
        ("tenant" = Option<String>, Query, description = "The tenant; `Sigil-Tenant` does the same."),
        ("actor" = Option<String>, Query, description = "Target of an `actor` link, exactly."),
        ("subject" = Option<String>, Query, description = "Target of a `subject` link, exactly."),
        ("session" = Option<String>, Query, description = "Target of a `session` link, exactly."),
        ("resource" = Option<String>, Query, description = "Target of a `resource` link, exactly."),
        ("kind" = Option<String>, Query, description = "Kind, or `audit.*`."),
        ("action" = Option<String>, Query, description = "Action of an audit event, exactly."),
        ("outcome" = Option<String>, Query, description = "success, failure, denied or unknown."),
        ("from" = Option<String>, Query, description = "RFC 3339 time or date, inclusive."),
        ("to" = Option<String>, Query, description = "RFC 3339 time, exclusive, or date, inclusive."),
        ("recorded_from" = Option<String>, Query, description = "As `from`, for `ts`."),
        ("recorded_to" = Option<String>, Query, description = "As `to`, for `ts`."),
        ("q" = Option<String>, Query, description = "Qualifiers; `-` negates, `*` ends a prefix, quotes keep spaces."),
        ("order" = Option<String>, Query, description = "desc (default), asc, occurred_desc (default with from or to), occurred_asc."),
        ("limit" = Option<u16>, Query, description = "1 to 500, 50 by default."),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before; the rest stays the same."),
        ("proof" = Option<bool>, Query, description = "Refused until checkpoints are published."),
        ("min_position" = Option<u64>, Query, description = "Records that the read model must have applied."),
        ("timeout" = Option<String>, Query, description = "How long to wait for that, `2s` by default."),
    ),
    responses(
        (status = 200, description = "The page.", body = schema::TimelinePage),
        (status = 304, description = "Nothing was recorded since `ETag`."),
        (status = "4XX", description = "Refused.", body = schema::Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed.", body = schema::Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn timeline(
    State(shared): State<Arc<Shared>>,
    Extension(context): Extension<Context>,
    request: Request,
) -> Result<Response, Problem> {
    let headers = request.headers();
    let query = Query::parse(request.uri().query(), &PARAMETERS)?;
    let tenant = tenant(context.caller()?, headers, &query)?;
    let mut asked = read(&query, &shared.config)?.about(tenant);
    if let Some(cursor) = query.value("cursor") {
        asked.after = Some(redeem(&shared.cursor_key, &asked, cursor)?);
    }
    let position = reading::await_position(&shared, headers, &query).await?;
    let question = question_tag(&asked);
    if reading::is_known(headers, &etag(question, position)) {
        let mut unchanged = Response::default();
        *unchanged.status_mut() = StatusCode::NOT_MODIFIED;
        reading::stamp(&shared, position, &mut unchanged);
        return Ok(unchanged);
    }
    let page = shared.queries.timeline(asked.clone()).await?;
    let next = page.rows.last().filter(|_| page.more).map(|row| {
        let place = Place {
            at: row.at,
            offset: row.offset,
        };
        mint(&shared.cursor_key, &asked, &place)
    });
    let mut response = splice::json(body(&page, next.as_deref()));
    reading::stamp(&shared, page.position, &mut response);
    let headers = response.headers_mut();
    if let Ok(etag) = HeaderValue::from_str(&etag(question, page.position)) {
        headers.insert(header::ETAG, etag);
    }
    if let Some(next) = next {
        let link = format!("</v1/audit/timeline?{}>; rel=\"next\"", query.with("cursor", &next));
        if let Ok(link) = HeaderValue::from_str(&link) {
            headers.insert(header::LINK, link);
        }
    }
    Ok(response)
}

/// The answer changes only when the read model moves on, so question and position name it.
fn etag(question: u64, position: u64) -> String {
    format!("W/\"{question:016x}-{position}\"")
}

fn body(page: &Page, next: Option<&str>) -> Vec<u8> {
    let records: usize = page.rows.iter().map(|row| row.bytes.len() + 1).sum();
    let mut out = Vec::with_capacity(records + 128);
    out.extend_from_slice(b"{\"data\":[");
    for (at, row) in page.rows.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.extend_from_slice(&row.bytes);
    }
    let more = next.is_some();
    // A cursor is base64url: nothing in it needs an escape.
    let next = next.map_or_else(|| "null".to_owned(), |next| format!("\"{next}\""));
    out.extend_from_slice(format!("],\"has_more\":{more},\"next_cursor\":{next}}}").as_bytes());
    out
}
