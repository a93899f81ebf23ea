//! The state that a checker goes on from, out of what a read model holds.
//!
//! Only the ends of the chains and the records that set keys are needed. Keys are folded again from these records, never
//! stored: a row changed by hand must not become a key that signs.

use crate::Error;
use domain::State;
use domain::state::{Body, Fact};
use record::{Hash, Origin, Record, Tenant, Timestamp};
use serde_json::{Value, json};

/// What a read model knows about the records that it has applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resume {
    /// The log.
    pub log: Origin,
    /// Number of records applied.
    pub position: u64,
    /// Sequencing time of the last one.
    pub last_ts: Option<Timestamp>,
    /// Canonical bytes of every `ledger.genesis` and `key.rotated` of the ledger's own tenant, by offset.
    pub key_records: Vec<Vec<u8>>,
    /// The end of every tenant's chain.
    pub chains: Vec<ChainEnd>,
}

/// The last record of a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainEnd {
    /// Whose chain.
    pub tenant: Tenant,
    /// The last record's position in it.
    pub seq: u64,
    /// The last record's hash.
    pub hash: Hash,
}

impl Resume {
    /// The state after these records.
    ///
    /// # Errors
    /// [`Error::Damaged`] when a record that sets keys cannot be read or the parts do not fit together.
    pub fn into_state(self) -> Result<State, Error> {
        let mut keys = State::new(self.log.clone());
        // Folded without what lies between them: their own offsets are put back below.
        let mut rotated_at = Vec::new();
        for bytes in self.key_records {
            let record = Record::parse(bytes).map_err(|fault| damaged("a record that sets keys", &fault))?;
            let body = Body::of(&record).map_err(|error| damaged("a record that sets keys", &error))?;
            if matches!(body, Body::KeyRotated(_)) {
                rotated_at.push(record.offset);
            }
            let (tenant, hash, ts) = (&record.tenant, &record.hash, record.ts);
            keys.evolve(&Fact {
                tenant,
                hash,
                ts,
                body: &body,
            });
        }
        let total: u64 = self.chains.iter().map(|end| end.seq + 1).sum();
        if total != self.position {
            let detail = format!("its chains hold {total} records, its position is {}", self.position);
            return Err(Error::Damaged(detail));
        }
        let chain = |end: &ChainEnd| json!([end.tenant.as_str(), end.seq + 1, end.hash.to_string()]);
        let rotations = rotated_at.iter().zip(keys.rotations());
        let rotations: Value = rotations
            .map(|(offset, (_, rotated))| json!([offset, rotated]))
            .collect();
        let mut snapshot = keys.to_snapshot();
        if let Some(members) = snapshot.as_object_mut() {
            members.insert("size".to_owned(), json!(self.position));
            members.insert("rotations".to_owned(), rotations);
            members.insert("last_ts".to_owned(), json!(self.last_ts.map(Timestamp::micros)));
            members.insert("chains".to_owned(), self.chains.iter().map(chain).collect::<Value>());
        }
        State::from_snapshot(&snapshot).map_err(|error| damaged("the state to resume from", &error))
    }
}

fn damaged(what: &str, error: &dyn std::fmt::Display) -> Error {
    Error::Damaged(format!("{what} cannot be read: {error}"))
}
