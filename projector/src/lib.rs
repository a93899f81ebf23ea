//! From the log to read models: a consumer that checks every record, a pure `project`, and the traits of a read model.

mod error;
pub mod query;

pub use error::Error;
