//! Who is asking: the one form that every authenticator produces and every policy judges.

use record::{Auth, Tenant};

/// An authenticated caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The tenant that the credential is bound to; `None` when the request may name any.
    pub tenant: Option<Tenant>,
    /// A pseudonymous handle, written into records as their author.
    pub id: String,
    /// What kind of caller it is.
    pub kind: CallerKind,
    /// Level of assurance, 0 to 5.
    pub loa: u8,
    /// What it may do.
    pub roles: &'static [Role],
    /// How it was proven.
    pub auth: Auth,
    /// The key that proved it, when one did.
    pub key_id: Option<String>,
}

/// What kind of caller it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallerKind {
    /// A person or script that operates the ledger.
    Operator,
    /// The web page of an open demonstration.
    Page,
}

/// What a caller may do. Roles do not include one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Read records and timelines.
    Reader,
    /// Append records.
    Writer,
    /// Create tenants and see sealed values.
    Admin,
}

impl Role {
    /// The name in messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Writer => "writer",
            Self::Admin => "admin",
        }
    }
}

impl Caller {
    /// Whether the caller has `role`.
    #[must_use]
    pub fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }
}
