//! A parked record, looked at again by a build that may know more.
//!
//! Its envelope was checked when it was parked and its bytes lie in `records`, so only the payload is in question. Of
//! the changes that [`project`] makes of it, the record and its places in timelines are in the tables already: what is
//! new is its time, what the payload puts in `timeline`, and what its kind adds. So the applier changes rows in place,
//! and where a kind needs more than that, its build has another projection version and is rebuilt.

use crate::check::read_payload;
use crate::project::parked_row;
use crate::{Change, Error, ParkedRow, project};
use domain::Catalogue;
use record::Record;

/// What to do with one parked record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Retry {
    /// Its payload can be read: these are all of its changes.
    Project(Vec<Change>),
    /// It stays parked, for this reason.
    Keep(ParkedRow),
}

impl Retry {
    /// Reads the payload of the parked record with these canonical bytes again.
    ///
    /// # Errors
    /// [`Error::Damaged`] when the bytes are no record: the tables were changed by hand.
    pub fn of(catalogue: &Catalogue, bytes: Vec<u8>) -> Result<Self, Error> {
        let damaged = |fault| {
            Error::Damaged(format!(
                "a parked record cannot be read: {fault}: rebuild it from the log"
            ))
        };
        let record = Record::parse(bytes).map_err(damaged)?;
        let Err(refusal) = read_payload(catalogue, &record) else {
            return Ok(Self::Project(project(&record)));
        };
        Ok(Self::Keep(parked_row(&record, &refusal)))
    }
}
