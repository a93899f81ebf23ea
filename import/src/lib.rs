//! Mappers from foreign audit logs to `audit.event` records.
//!
//! The original event stays member for member under the payload's `data`; what is well known in its format (who, what,
//! when, how it ended) becomes the payload's own members and the record's links. `docs/IMPORT.md` has the tables.
//!
//! Pure: the caller reads the file, [`Events`] splits its bytes, [`Mapper`] turns each event into a record or refuses it
//! with its number and a reason. Nothing here has a clock, I/O or randomness, so importing a file again makes the same
//! records with the same ids, and a ledger that has them adds nothing.

mod cloudevents;
mod cloudtrail;
mod event;
mod events;
mod format;
mod ident;
mod jsonl;
mod lenient;
mod mapper;
mod member;
mod moment;
mod scan;
mod target;
mod windows;

pub use events::{Events, Line};
pub use format::Format;
pub use mapper::{Mapped, Mapper, Refused};
