//! `gateway.revoked` 1: the ledger takes no more commands under this name. What was written before stays as it is.

use super::Payload;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The end of an enrolment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GatewayRevoked {
    /// The name that was enrolled.
    #[schemars(regex(pattern = r"^[a-z0-9][a-z0-9-]{0,62}$"))]
    pub gateway: String,
}

impl Payload for GatewayRevoked {}
