//! What stands around a document: the header fields of its messages.
//!
//! ```text
//! Sigil-Request: <32 hex>   Sigil-Gateway: <name>   Sigil-Signature: <base64 of 64 bytes>
//! Sigil-Part: <index>/<number of parts>/<bytes of the whole document>
//! ```

use super::{RequestId, is_gateway_name};
use async_nats::HeaderMap;
use record::Signature;
use record::key::{decode_base64, encode_base64};

const REQUEST: &str = "Sigil-Request";
const GATEWAY: &str = "Sigil-Gateway";
const SIGNATURE: &str = "Sigil-Signature";
const PART: &str = "Sigil-Part";

/// Which part of which document a message holds. Nothing here is believed before the signature is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The request.
    pub request_id: RequestId,
    /// Who asks, and who is answered.
    pub gateway: String,
    /// Over the whole document.
    pub signature: Signature,
    /// Which part.
    pub part: Part,
}

/// A place in a document that was cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// From 0.
    pub index: usize,
    /// Number of parts.
    pub count: usize,
    /// Bytes of the whole document.
    pub total: usize,
}

impl Frame {
    /// Reads the fields of a message; `None` unless each is there, once, in its form.
    #[must_use]
    pub fn read(headers: Option<&HeaderMap>) -> Option<Self> {
        let headers = headers?;
        let text = |name: &str| {
            let mut values = headers.get_all(name);
            let first = values.next()?;
            values.next().is_none().then_some(first.as_str())
        };
        Some(Self {
            request_id: RequestId::parse(text(REQUEST)?)?,
            gateway: text(GATEWAY).filter(|name| is_gateway_name(name))?.to_owned(),
            signature: decode_base64(text(SIGNATURE)?)?,
            part: Part::parse(text(PART)?)?,
        })
    }

    /// The fields of the message that holds `part`.
    #[must_use]
    pub fn headers(&self, part: Part) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST, self.request_id.to_string());
        headers.insert(GATEWAY, self.gateway.as_str());
        headers.insert(SIGNATURE, encode_base64(&self.signature));
        headers.insert(PART, format!("{}/{}/{}", part.index, part.count, part.total));
        headers
    }
}

impl Part {
    /// The only part of a document that is not cut.
    #[must_use]
    pub const fn whole(total: usize) -> Self {
        Self {
            index: 0,
            count: 1,
            total,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split('/').map(|number| {
            let plain = number.bytes().all(|byte| byte.is_ascii_digit()) && (number == "0" || !number.starts_with('0'));
            number.parse::<usize>().ok().filter(|_| plain)
        });
        let part = Self {
            index: numbers.next()??,
            count: numbers.next()??,
            total: numbers.next()??,
        };
        (numbers.next().is_none() && part.index < part.count && part.count <= part.total).then_some(part)
    }
}
