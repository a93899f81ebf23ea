//! The SQLite read model.
