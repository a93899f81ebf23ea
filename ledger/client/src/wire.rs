//! The protocol between a gateway and a ledger on a bus: signed documents, cut into parts. No I/O.
//!
//! A request or reply is one JCS document; its BLAKE3 is what is signed, behind a domain string. The bytes that were
//! sent are hashed as they came: nothing is parsed before the signature has been checked. Header fields of a message
//! say whose document it is and which part; the signed document repeats what they say, and must agree.

pub mod body;
pub mod chunk;
mod error;
pub mod frame;
pub mod key;
mod new_record;
mod reply;
mod request;
mod verb;

pub use chunk::{Assembly, PART_BYTES};
pub use error::{read_error, write_error};
pub use frame::{Frame, Part};
pub use key::{GatewayKey, KeyFileError};
pub use reply::{OpenedReply, Reply, Status, reply_message};
pub use request::{Command, Request, command_message};
pub use verb::{Verb, subject};

use std::fmt;

/// Version of the protocol.
pub const VERSION: u64 = 1;
/// Bytes of one request at most: a record at its limits with its disclosures, and room for what is around it.
pub const REQUEST_BYTES: usize = 4 * 1_024 * 1_024;
/// Bytes of one reply at most.
pub const REPLY_BYTES: usize = 16 * 1_024 * 1_024;
/// Records in one request at most.
pub const REQUEST_RECORDS: usize = 256;

/// What names a request for as long as it lives: 16 random bytes, as 32 hex digits on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId([u8; 16]);

impl RequestId {
    /// An id of these random bytes.
    #[must_use]
    pub const fn new(entropy: [u8; 16]) -> Self {
        Self(entropy)
    }

    /// Reads 32 lower-case hex digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let lower = text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        let bytes = hex::decode(text).ok().filter(|_| lower)?;
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestId({self})")
    }
}

/// Whether `text` may be the name of a gateway: `[a-z0-9][a-z0-9-]{0,62}`.
#[must_use]
pub fn is_gateway_name(text: &str) -> bool {
    record::Tenant::parse(text).is_some()
}

/// `domain` followed by the BLAKE3 of `document`: what is signed.
fn message(domain: &[u8], document: &[u8]) -> Vec<u8> {
    [domain, record::Hash::of(document).as_bytes()].concat()
}
