//! Names with a grammar: tenant, kind, the log's origin and slug, and the two spaces.
//!
//! A value of these types has passed its grammar; there is no other way to make one.

use std::fmt;
use std::sync::Arc;

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $check:path) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name, when `text` follows the grammar.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                $check(text).then(|| Self(text.into()))
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

name! {
    /// Isolation boundary: `[a-z0-9][a-z0-9-]{0,62}`.
    Tenant, is_tenant
}
name! {
    /// Kind of a record: `[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+`, at most 64 bytes.
    Kind, is_kind
}
name! {
    /// The log's origin, `example.com/audit`: also the first line of its checkpoints, so it holds no space, no plus
    /// sign and no control character; 1 to 255 bytes of printable ASCII.
    Origin, is_origin
}
name! {
    /// The log's short name in NATS subjects: `[a-z0-9-]{1,32}`.
    Slug, is_slug
}

impl Tenant {
    /// The tenant of the ledger's own records.
    pub const LEDGER: &'static str = "sigil-ledger";

    /// The ledger's own tenant.
    #[must_use]
    pub fn ledger() -> Self {
        Self(Self::LEDGER.into())
    }

    /// Whether only the ledger itself may write here.
    #[must_use]
    pub fn is_ledger(&self) -> bool {
        &*self.0 == Self::LEDGER
    }
}

/// Who may write: `user` records come from callers, `system` records from a quorum or the ledger itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Space {
    /// Written by a caller.
    User,
    /// Written by a quorum, or by the ledger for the kinds that `domain` lists.
    System,
}

impl Space {
    /// The text in the record.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::System => "system",
        }
    }

    /// Reads `user` or `system`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "user" => Some(Self::User),
            "system" => Some(Self::System),
            _ => None,
        }
    }
}

fn is_tenant(text: &str) -> bool {
    let lower_or_digit = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    text.len() <= 63
        && text.bytes().next().is_some_and(lower_or_digit)
        && text.bytes().all(|b| lower_or_digit(b) || b == b'-')
}

fn is_kind(text: &str) -> bool {
    let part = |part: &str| {
        part.bytes().next().is_some_and(|b| b.is_ascii_lowercase())
            && part
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    text.len() <= 64 && text.contains('.') && text.split('.').all(part)
}

fn is_origin(text: &str) -> bool {
    (1..=255).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic() && b != b'+')
}

fn is_slug(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}
