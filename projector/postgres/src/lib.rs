//! The Postgres read model.
