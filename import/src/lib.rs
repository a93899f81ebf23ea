//! Mappers from foreign audit logs to audit.event.
