//! What every read does: wait for the position it needs, and say how far the read model and the log are.
//!
//! Positions and heads are numbers of records: after a write at offset `N`, a read that must see it asks for the minimum
//! position `N + 1`.

use crate::Shared;
use crate::error::{Code, Problem};
use crate::query::Query;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use std::time::Duration;
use tokio::time::Instant;

/// Number of records that the read model has applied.
pub(crate) const POSITION: HeaderName = HeaderName::from_static("sigil-position");
/// Number of records that the log holds.
pub(crate) const HEAD: HeaderName = HeaderName::from_static("sigil-head");
/// Number of parked records of the tenant: what the answer may lack.
pub(crate) const PARKED: HeaderName = HeaderName::from_static("sigil-parked");
const MIN_POSITION: &str = "sigil-min-position";

/// Parameters that every read takes.
pub(crate) const PARAMETERS: [&str; 2] = ["min_position", "timeout"];

/// Waits until the read model has applied as many records as the request asks for, and returns how many it has.
///
/// # Errors
/// `PROJECTION_LAGGING` when it has not come so far in time; `HEADER_INVALID`, `PARAMETER_INVALID`; what the read model
/// answers.
pub(crate) async fn await_position(shared: &Shared, headers: &HeaderMap, query: &Query) -> Result<u64, Problem> {
    let wanted = wanted(headers, query)?;
    let patience = patience(shared, query)?;
    // Half a second before the request's own deadline, so that the answer says what was waited for.
    let patience = patience.min(shared.deadline().saturating_sub(Duration::from_millis(500)));
    let until = Instant::now() + patience;
    let mut pause = Duration::from_millis(2);
    loop {
        let position = shared.queries.position().await?;
        let now = Instant::now();
        if wanted.is_none_or(|wanted| position >= wanted) {
            return Ok(position);
        }
        if now >= until {
            let (wanted, ms) = (wanted.unwrap_or_default(), patience.as_millis());
            let detail = format!("the read model is at {position} and did not reach {wanted} within {ms} ms");
            return Err(Problem::new(Code::ProjectionLagging, detail));
        }
        tokio::time::sleep_until(until.min(now + pause)).await;
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// Puts position and head on an answer.
pub(crate) fn stamp(shared: &Shared, position: u64, response: &mut Response) {
    let head = *shared.ledger.committed().borrow();
    response.headers_mut().insert(POSITION, HeaderValue::from(position));
    response.headers_mut().insert(HEAD, HeaderValue::from(head));
}

fn wanted(headers: &HeaderMap, query: &Query) -> Result<Option<u64>, Problem> {
    if let Some(wanted) = query.read("min_position", "a number of records, such as 42", |text| {
        text.parse().ok()
    })? {
        return Ok(Some(wanted));
    }
    let Some(value) = headers.get(MIN_POSITION) else {
        return Ok(None);
    };
    let wanted = value.to_str().ok().and_then(|text| text.parse().ok());
    wanted
        .map(Some)
        .ok_or_else(|| Problem::new(Code::HeaderInvalid, "`Sigil-Min-Position` is a number of records"))
}

fn patience(shared: &Shared, query: &Query) -> Result<Duration, Problem> {
    let most = Duration::from_millis(shared.config.min_position_timeout_max_ms);
    let form = format!("a time up to {} ms, such as 2s or 500ms", most.as_millis());
    let asked = query.read("timeout", &form, |text| duration(text).filter(|asked| *asked <= most))?;
    Ok(asked.unwrap_or(Duration::from_millis(shared.config.min_position_timeout_ms)))
}

/// `2s` or `500ms`.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let digits = |text: &str| {
        text.bytes()
            .all(|b| b.is_ascii_digit())
            .then(|| text.parse::<u64>().ok())
            .flatten()
    };
    match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(ms), _) => digits(ms).map(Duration::from_millis),
        (None, Some(seconds)) => digits(seconds).map(Duration::from_secs),
        (None, None) => None,
    }
}

/// The entity tag of an answer that is named by its bytes.
pub(crate) fn content_tag(bytes: &[u8]) -> String {
    format!("\"{}\"", blake3::hash(bytes).to_hex())
}

/// Whether `If-None-Match` names `etag` (weak comparison, RFC 9110 section 13.1.2).
pub(crate) fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let strong = |text: &str| text.trim().trim_start_matches("W/").to_owned();
    let values = headers.get_all(axum::http::header::IF_NONE_MATCH).iter();
    let mut tags = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    tags.any(|tag| tag.trim() == "*" || strong(tag) == strong(etag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(duration("2s"), Some(Duration::from_secs(2)));
        assert_eq!(duration("500ms"), Some(Duration::from_millis(500)));
        for wrong in ["2", "s", "-1s", "1.5s", "2m", "+2s"] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn tags_are_compared_weakly() {
        let headers: HeaderMap = [(axum::http::header::IF_NONE_MATCH, "\"a\", W/\"b\"".parse().unwrap())]
            .into_iter()
            .collect();
        assert!(is_known(&headers, "\"a\"") && is_known(&headers, "\"b\"") && is_known(&headers, "W/\"a\""));
        assert!(!is_known(&headers, "\"c\"") && !is_known(&HeaderMap::new(), "\"a\""));
    }
}
