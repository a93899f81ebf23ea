//! Base64 as C2SP writes it: standard alphabet, padded. A text that another spelling would stand for is refused.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

pub(crate) fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// The bytes; `None` for anything but the one canonical spelling of some bytes.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    STANDARD
        .decode(text)
        .ok()
        .filter(|bytes| STANDARD.encode(bytes) == text)
}

/// Exactly 32 bytes, as hashes are.
pub(crate) fn decode_node(text: &str) -> Option<crate::Node> {
    <[u8; 32]>::try_from(decode(text)?).ok().map(crate::Node::from)
}
