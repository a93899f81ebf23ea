//! An endpoint that is given checkpoints by POST. Its answer is the receipt, whatever it means.
//!
//! The address is an operator's wish that may have come from anywhere, so it leads to the public internet or nowhere: HTTPS
//! only, no credentials, no redirects, and no address that is not public, whatever the name resolves to. Receipts are
//! small; neither a receipt nor the token is ever in an error.

use super::NotAnchored;
use crate::config::Anchors;
use crate::exit::{Exit, Failure};
use crate::http::{Client, Error, Options, Reach, Url, is_public};
use crate::secret;
use bytes::Bytes;
use domain::payload::AnchorError;
use std::net::IpAddr;
use std::time::Duration;

/// Bytes of a receipt at most.
pub const RECEIPT_BYTES: usize = 32 * 1_024;

/// An endpoint.
pub struct Https {
    client: Client,
    url: Url,
    place: String,
}

/// Reads the address of an endpoint.
///
/// # Errors
/// What is wrong, with its code and without the text: it may hold a secret in the wrong place.
pub fn accept_url(text: &str) -> Result<Url, String> {
    let rejected = |reason: &str| Err(format!("ANCHOR_URL_REJECTED: {reason}"));
    let url = match Url::parse(text) {
        Ok(url) if !url.tls => return rejected("over https only"),
        Ok(url) => url,
        Err(reason) => return rejected(&reason),
    };
    if url.path().contains('?') {
        return rejected("a URL without a query: what is secret belongs into https_token_file");
    }
    let host = url.host.trim_end_matches('.').to_ascii_lowercase();
    let is_local = ["localhost", "local", "internal"]
        .iter()
        .any(|name| host == *name || host.ends_with(&format!(".{name}")));
    let is_private = host.parse::<IpAddr>().is_ok_and(|ip| !is_public(ip));
    if is_local || is_private {
        return rejected("a host of the public internet, not of this machine or a private network");
    }
    Ok(url)
}

impl Https {
    /// The endpoint at `url`, with the files that the configuration names.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn new(url: Url, anchors: &Anchors) -> Result<Self, Failure> {
        let bearer = match &anchors.https_token_file {
            Some(path) => Some(secret::first_line(path)?).filter(|token| !token.is_empty()),
            None => None,
        };
        if anchors.https_token_file.is_some() && bearer.is_none() {
            return Err(Failure::new(
                Exit::Usage,
                "anchors.https_token_file: its first line is empty",
            ));
        }
        let client = Client::new(Options {
            ca_file: anchors.https_ca_file.clone(),
            timeout: Duration::from_millis(anchors.https_timeout_ms),
            answer_bytes: RECEIPT_BYTES,
            bearer,
            reach: Reach::Public,
        });
        client.prepare(&url)?;
        Ok(Self::with(client, url))
    }

    /// The same with a client that is there.
    pub(super) fn with(client: Client, url: Url) -> Self {
        let place = if url.host.contains(':') {
            format!("[{}]:{}", url.host, url.port)
        } else {
            format!("{}:{}", url.host, url.port)
        };
        Self { client, url, place }
    }

    /// Host and port.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Gives it a checkpoint; what it answered, unless that is nothing.
    pub(super) async fn post(&self, note: String) -> Result<Option<Bytes>, NotAnchored> {
        let answer = self.client.post(&self.url, "text/plain; charset=utf-8", note).await;
        let answer = answer.map_err(|error| NotAnchored::new(class(&error), error.to_string()))?;
        let status = answer.status();
        if status.is_redirection() {
            let detail = format!("{} answers {}: redirects are not followed", self.place, status.as_u16());
            return Err(NotAnchored::new(AnchorError::Status, detail));
        }
        if !status.is_success() {
            let detail = format!("{} answers {}", self.place, status.as_u16());
            return Err(NotAnchored::new(AnchorError::Status, detail));
        }
        Ok(Some(answer.into_body()).filter(|receipt| !receipt.is_empty()))
    }
}

const fn class(error: &Error) -> AnchorError {
    match error {
        Error::Private { .. } | Error::Plain { .. } => AnchorError::Rejected,
        Error::TooLarge { .. } => AnchorError::Oversized,
        Error::Timeout(_) => AnchorError::Timeout,
        Error::Resolve { .. } | Error::Connect(_) | Error::Authorities(_) | Error::Tls(_) | Error::Http(_) => {
            AnchorError::Unreachable
        }
    }
}
