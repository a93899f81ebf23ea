//! Payload types, one file per aggregate. They generate the schemas; unknown members are refused.

pub mod audit_event;
pub mod canon_write;
pub mod genesis;
pub mod key_rotated;
pub mod tenant_created;

pub use audit_event::{AuditEvent, Outcome};
pub use canon_write::CanonWrite;
pub use genesis::Genesis;
pub use key_rotated::KeyRotated;
pub use tenant_created::TenantCreated;
