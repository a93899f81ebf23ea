//! One failure on its way out: a code, a sentence, findings; rendered when the request around it is known.

use super::code::Code;
use super::table::{Entry, entry};
use crate::clock;
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// A failure of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    code: &'static str,
    detail: String,
    findings: Vec<Finding>,
    /// The offset of a record that is stored although its write failed.
    committed: Option<u64>,
}

/// One thing that is wrong in a request, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// RFC 6901 pointer into the body, or the name of a query parameter.
    pub(crate) place: Place,
    /// The closed reason.
    pub(crate) code: &'static str,
    /// A sentence.
    pub(crate) detail: String,
}

/// Where a finding lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the body.
    Pointer(String),
    /// In the query.
    Parameter(String),
}

/// What of a request its problem repeats.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scene<'a> {
    /// The request's id.
    pub(crate) request_id: &'a str,
    /// The path, without the query: a query may hold what somebody searches for.
    pub(crate) path: &'a str,
    /// What stands before a code in `type`.
    pub(crate) docs: &'a str,
    /// Whether an existing client also expects `success`.
    pub(crate) union: bool,
}

impl Problem {
    /// A problem of this room.
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self::coded(code.as_str(), detail)
    }

    /// A problem with the code of another room.
    pub(crate) fn coded(code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            findings: Vec::new(),
            committed: None,
        }
    }

    /// A problem with one query parameter.
    pub(crate) fn parameter(code: Code, name: &str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self::new(code, format!("`{name}`: {detail}")).with(Finding {
            place: Place::Parameter(name.to_owned()),
            code: code.as_str(),
            detail,
        })
    }

    /// The same problem with one more finding.
    pub(crate) fn with(mut self, finding: Finding) -> Self {
        self.findings.push(finding);
        self
    }

    /// The same problem of a record that is stored at this offset all the same.
    pub(crate) const fn committed(mut self, offset: u64) -> Self {
        self.committed = Some(offset);
        self
    }

    /// The problem that a bare error status of the framework stands for.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::new(Code::RouteNotFound, "no route has this path"),
            StatusCode::METHOD_NOT_ALLOWED => Self::new(Code::MethodNotAllowed, "the route does not have this method"),
            StatusCode::PAYLOAD_TOO_LARGE => Self::new(Code::PayloadTooLarge, "the body is too large"),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::new(Code::UnsupportedMediaType, "this type is not accepted"),
            status if status.is_client_error() => Self::new(Code::BadRequest, "the request cannot be read"),
            _ => Self::new(Code::Internal, "the server failed"),
        }
    }

    /// The detail, for a caller without HTTP.
    pub(crate) fn sentence(self) -> String {
        self.detail
    }

    /// The detail.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// The code.
    pub(crate) const fn code(&self) -> &'static str {
        self.code
    }

    /// The row of the table.
    pub(crate) fn entry(&self) -> &'static Entry {
        entry(self.code)
    }

    /// The problem object, with all its members.
    pub(crate) fn to_json(&self, scene: &Scene<'_>) -> Map<String, Value> {
        let entry = self.entry();
        let docs = format!("{}{}", scene.docs, super::page_name(entry.code));
        let mut members = Map::new();
        let mut put = |name: &str, value: Value| members.insert(name.to_owned(), value);
        put("type", json!(docs));
        put("title", json!(entry.title));
        put("status", json!(entry.status));
        put("detail", json!(self.detail));
        put("instance", json!(scene.path));
        put("code", json!(entry.code));
        put("error", json!(self.detail));
        put("request_id", json!(scene.request_id));
        put("timestamp", json!(clock::now().to_string()));
        put("docs_url", json!(docs));
        put("action", json!(entry.action));
        put("retryable", json!(entry.retry_after_s.is_some()));
        if !self.findings.is_empty() {
            put("errors", self.findings.iter().map(Finding::to_json).collect());
        }
        if let Some(offset) = self.committed {
            put("offset", json!(offset));
            put("state", json!("committed"));
        }
        if scene.union {
            put("success", json!(false));
        }
        members
    }

    /// The response.
    pub(crate) fn render(&self, scene: &Scene<'_>) -> Response {
        let body = Value::Object(self.to_json(scene)).to_string();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(seconds) = self.entry().retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(offset) = self.committed {
            headers.insert("sigil-offset", HeaderValue::from(offset));
        }
        if self.status() == StatusCode::UNAUTHORIZED {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"sigil\""),
            );
        }
        response
    }

    fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.entry().status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl Finding {
    fn to_json(&self) -> Value {
        match &self.place {
            Place::Pointer(pointer) => json!({"pointer": pointer, "code": self.code, "detail": self.detail}),
            Place::Parameter(name) => json!({"parameter": name, "code": self.code, "detail": self.detail}),
        }
    }
}

impl IntoResponse for Problem {
    /// A response that only carries the problem; the outer function renders it.
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}
