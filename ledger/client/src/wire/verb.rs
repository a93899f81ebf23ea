//! The commands: what may be asked, and by whom.

use domain::payload::GatewayRole;
use record::Slug;
use std::fmt;

/// One command, the last token of its subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Append records.
    Append,
    /// Begin a tenant.
    Tenant,
    /// Write down what a role did.
    Report,
    /// The end of the log.
    Head,
    /// Records from an offset on.
    Read,
    /// One record by its id.
    Find,
    /// Salts and values of a record's sealed members.
    Open,
    /// Answer when the log has grown, or after a while.
    Wait,
    /// Answer a question about the log's signed trees; one about the newest checkpoint may be held back for a while.
    Prove,
    /// Genesis and the key rotations: what leads from a pinned genesis to the key that signs replies. Anybody may ask.
    Keys,
}

impl Verb {
    /// Every verb.
    pub const ALL: [Self; 10] = [
        Self::Append,
        Self::Tenant,
        Self::Report,
        Self::Head,
        Self::Read,
        Self::Find,
        Self::Open,
        Self::Wait,
        Self::Prove,
        Self::Keys,
    ];

    /// The token in the subject, and `op` in the signed document.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Append => "append",
            Self::Tenant => "tenant",
            Self::Report => "report",
            Self::Head => "head",
            Self::Read => "read",
            Self::Find => "find",
            Self::Open => "open",
            Self::Wait => "wait",
            Self::Prove => "prove",
            Self::Keys => "keys",
        }
    }

    /// Reads the token.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| verb.as_str() == text)
    }

    /// Whether an enrolment with `role` includes this verb.
    #[must_use]
    pub const fn permitted(self, role: GatewayRole) -> bool {
        match (self, role) {
            (_, GatewayRole::Gateway) => true,
            // A projector reports what it verified; the words are closed and the ledger checks them.
            (Self::Report, GatewayRole::Reader) => true,
            // Whoever may read every record learns no more from a proof about them.
            (Self::Head | Self::Read | Self::Find | Self::Wait | Self::Prove | Self::Keys, GatewayRole::Reader) => true,
            (Self::Append | Self::Tenant | Self::Open, GatewayRole::Reader) => false,
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where requests for the log with this slug are sent; `*` for all verbs.
#[must_use]
pub fn subject(slug: &Slug, verb: Option<Verb>) -> String {
    format!("sigil.rpc.{slug}.{}", verb.map_or("*", Verb::as_str))
}
