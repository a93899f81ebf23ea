//! Request bodies: content type and size are checked before bytes are kept.

use crate::error::{Code, Problem};
use axum::body::{Body, Bytes, HttpBody as _};
use axum::http::{HeaderMap, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use std::time::Duration;

/// What a body of records holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Media {
    /// `application/json`: one document.
    Json,
    /// `application/x-ndjson`: one document a line.
    Ndjson,
}

/// The declared content type; parameters (`charset`) are ignored.
///
/// # Errors
/// `UNSUPPORTED_MEDIA_TYPE`, also when there is none.
pub(crate) fn media(headers: &HeaderMap) -> Result<Media, Problem> {
    let declared = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = declared
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    if essence.eq_ignore_ascii_case("application/json") {
        Ok(Media::Json)
    } else if essence.eq_ignore_ascii_case("application/x-ndjson") {
        Ok(Media::Ndjson)
    } else {
        let detail = "the body is application/json, or application/x-ndjson where many records are taken";
        Err(Problem::new(Code::UnsupportedMediaType, detail))
    }
}

/// [`media`], where only one document is taken.
///
/// # Errors
/// `UNSUPPORTED_MEDIA_TYPE` for anything but `application/json`.
pub(crate) fn expect_json(headers: &HeaderMap) -> Result<(), Problem> {
    match media(headers)? {
        Media::Json => Ok(()),
        Media::Ndjson => Err(Problem::new(
            Code::UnsupportedMediaType,
            "this route takes one application/json document",
        )),
    }
}

/// The whole body.
///
/// # Errors
/// `PAYLOAD_TOO_LARGE` beyond `limit` bytes, without reading on; `REQUEST_TIMEOUT`; `BAD_REQUEST` when the body breaks
/// off.
pub(crate) async fn read(body: Body, limit: usize, deadline: Duration) -> Result<Bytes, Problem> {
    let too_large = || Problem::new(Code::PayloadTooLarge, format!("a body here is at most {limit} bytes"));
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large());
    }
    let collected = tokio::time::timeout(deadline, Limited::new(body, limit).collect()).await;
    match collected {
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(Problem::new(Code::BadRequest, "the body broke off")),
        Err(_elapsed) => Err(Problem::new(Code::RequestTimeout, "the body did not arrive in time")),
    }
}
