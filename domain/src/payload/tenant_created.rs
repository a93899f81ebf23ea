//! `tenant.created` 1: the first record of a tenant's chain.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A tenant begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TenantCreated {
    /// The tenant, the same as the record's.
    #[schemars(regex(pattern = r"^[a-z0-9][a-z0-9-]{0,62}$"))]
    pub tenant: String,
    /// A name for people, 1 to 256 characters.
    #[schemars(length(min = 1, max = 256))]
    pub name: String,
}

impl super::Payload for TenantCreated {}
