//! Requests to witnesses over HTTPS, or over HTTP on this machine.

use super::Asking;
use crate::exit::Failure;
use crate::http::{Client, Options, Url};
use std::collections::BTreeMap;
use witness::{Answered, Pending, Transport, TransportError, Witness};

/// Reaches the witnesses of one policy.
pub struct Http {
    client: Client,
    /// `<submission prefix>/add-checkpoint`, by the witness's name.
    urls: BTreeMap<String, Url>,
}

impl Http {
    pub(super) fn new(asking: &Asking) -> Result<Self, Failure> {
        let client = Client::new(Options {
            ca_file: asking.ca_file.clone(),
            timeout: asking.timeout,
            ..Options::default()
        });
        let mut urls = BTreeMap::new();
        for witness in asking.policy.witnesses() {
            // The policy's addresses were judged when it was read.
            if let Some(url) = witness.url.as_deref().and_then(|url| Url::parse(url).ok()) {
                client.prepare(&url)?;
                urls.insert(witness.name.clone(), url.below("add-checkpoint"));
            }
        }
        Ok(Self { client, urls })
    }
}

impl Transport for Http {
    fn add_checkpoint<'a>(
        &'a self,
        witness: &'a Witness,
        body: String,
    ) -> Pending<'a, Result<Answered, TransportError>> {
        Box::pin(async move {
            let url = self.urls.get(&witness.name);
            let url = url.ok_or_else(|| TransportError("its address cannot be used".to_owned()))?;
            let answer = self.client.post(url, "text/plain; charset=utf-8", body).await;
            let answer = answer.map_err(|error| TransportError(error.to_string()))?;
            let (status, body) = (answer.status().as_u16(), answer.into_body().to_vec());
            Ok(Answered { status, body })
        })
    }
}
