//! The check of records that come from a copy: each must be the next one of this log, and signed by it.
//!
//! Form and hash, the kind's schema, place and chain, the rules of the log's state, key and signature. Nothing is believed
//! because of where it lay. What depends on no other record is done on all cores.

use crate::Error;
use domain::state::{Authority, Body, Command, Fact, State};
use domain::{Catalogue, KindSpec};
use rayon::prelude::*;
use record::{Fault, PublicKey, Record};
use std::sync::Arc;

/// A record that is whole in itself.
struct Whole<'a> {
    record: Record,
    body: Body,
    spec: &'a KindSpec,
}

/// Checks the records that follow `state`, and folds them into it. `keys` collects every record key of the log.
///
/// # Errors
/// [`Error::Corrupt`] naming the first record that is wrong. The state is void then.
pub(super) fn admit(
    catalogue: &Catalogue,
    state: &mut State,
    keys: &mut Vec<PublicKey>,
    batch: &[Arc<[u8]>],
) -> Result<Vec<Record>, Error> {
    let read: Vec<Result<Whole<'_>, Fault>> = batch.par_iter().map(|bytes| whole(catalogue, bytes)).collect();
    let mut admitted: Vec<(Record, PublicKey)> = Vec::with_capacity(batch.len());
    for whole in read {
        let offset = state.size();
        let Whole { record, body, spec } = whole.map_err(|fault| wrong(offset, &fault.to_string()))?;
        follows(state, &record).map_err(|detail| wrong(offset, &detail))?;
        let key = allowed(state, &record, &body, spec).map_err(|detail| wrong(offset, &detail))?;
        state.evolve(&Fact {
            tenant: &record.tenant,
            hash: &record.hash,
            ts: record.ts,
            body: &body,
        });
        if let Some(current) = state.keys().filter(|current| keys.last() != Some(&current.record)) {
            keys.push(current.record);
        }
        admitted.push((record, key));
    }
    let unsigned = admitted
        .par_iter()
        .find_map_first(|(record, key)| record.verify_signature(key).err().map(|fault| (record.offset, fault)));
    match unsigned {
        Some((offset, fault)) => Err(wrong(offset, &fault.to_string())),
        None => Ok(admitted.into_iter().map(|(record, _)| record).collect()),
    }
}

fn wrong(offset: u64, detail: &str) -> Error {
    Error::corrupt(format!("the record at offset {offset}"), detail)
}

fn whole<'a>(catalogue: &'a Catalogue, bytes: &[u8]) -> Result<Whole<'a>, Fault> {
    let record = Record::parse(bytes.to_vec())?;
    let spec = catalogue.find(&record.kind, record.schema_version)?;
    if let Some(fault) = spec.check_stored(&record.payload).into_iter().next() {
        return Err(fault);
    }
    let body = Body::of(&record).map_err(|_| {
        Fault::new(
            record::Code::SchemaInvalid,
            "/payload",
            "the payload does not match its kind",
        )
    })?;
    Ok(Whole { record, body, spec })
}

/// Whether the record continues the log and its tenant's chain.
fn follows(state: &State, record: &Record) -> Result<(), String> {
    if record.log != *state.log() {
        return Err(format!("it belongs to log {}", record.log));
    }
    if record.offset != state.size() {
        return Err(format!("the copy has offset {} here", record.offset));
    }
    if state.last_ts().is_some_and(|last| last > record.ts) {
        return Err("it is earlier than the record before".to_owned());
    }
    let chain = state.chain(&record.tenant).copied().unwrap_or_default();
    if (record.seq, record.prev.as_ref()) != (chain.length(), chain.last()) {
        return Err("it does not continue its tenant's chain".to_owned());
    }
    Ok(())
}

/// The key that must have signed it, when the log's rules allow it at all.
fn allowed(state: &State, record: &Record, body: &Body, spec: &KindSpec) -> Result<PublicKey, String> {
    let command = Command {
        tenant: &record.tenant,
        ledger_authored: spec.ledger_authored,
        body,
        authority: Authority::Ledger,
    };
    state.decide(&command).map_err(|denial| denial.to_string())?;
    if record.space != spec.space {
        return Err("it lies in another space than its kind".to_owned());
    }
    let key = match body {
        Body::Genesis(genesis) => PublicKey::from_base64(&genesis.record_key),
        _ => state.keys().map(|keys| keys.record),
    };
    key.filter(|key| *key == record.pub_key)
        .ok_or_else(|| "it names another key than the log's at this offset".to_owned())
}
