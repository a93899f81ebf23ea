//! Payload types, one file per aggregate. They generate the schemas; unknown members are refused.
//!
//! A detail never repeats a value, only what it should have been.

pub mod audit_event;
pub mod canon_write;
pub mod checkpoint_anchored;
pub mod gateway_enrolled;
pub mod gateway_revoked;
pub mod genesis;
pub mod key_rotated;
pub mod ledger_recovered;
pub mod map_root;
pub mod projection_verified;
pub mod tenant_created;

pub use audit_event::{AuditEvent, Outcome};
pub use canon_write::CanonWrite;
pub use checkpoint_anchored::{AnchorError, AnchorKind, CheckpointAnchorFailed, CheckpointAnchored};
pub use gateway_enrolled::{GatewayEnrolled, GatewayRole};
pub use gateway_revoked::GatewayRevoked;
pub use genesis::Genesis;
pub use key_rotated::KeyRotated;
pub use ledger_recovered::LedgerRecovered;
pub use map_root::MapRoot;
pub use projection_verified::ProjectionVerified;
pub use tenant_created::TenantCreated;

use record::{Code, Fault};
use schemars::JsonSchema;
use serde_json::Value;

/// What the payload of a kind is checked against: the schema of its type, then what no schema can say.
pub trait Payload: JsonSchema {
    /// Findings in a payload that has passed the schema, intake or stored alike; none unless a kind needs it.
    fn findings(payload: &Value) -> Vec<Fault> {
        let _passed = payload;
        Vec::new()
    }
}

/// A finding at `member` of the payload, unless the text there passes `check`; an absent member passes.
fn unless(payload: &Value, member: &str, check: impl Fn(&str) -> bool, detail: &str) -> Option<Fault> {
    let text = payload.pointer(member).and_then(Value::as_str)?;
    (!check(text)).then(|| Fault::new(Code::SchemaInvalid, format!("/payload{member}"), detail))
}
