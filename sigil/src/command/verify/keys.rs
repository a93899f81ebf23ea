//! The record keys of a closed log, for the check of one record.
//!
//! Invariant: with a trust file, every key comes from the pinned genesis, or from a rotation that the pinned root key
//! agreed to. A store that names itself after another log gets no key in. Without a trust file the keys are the log's own
//! word, and the outcome says so.

use super::store::contains;
use crate::exit::{Exit, Failure};
use domain::payload::{Genesis, KeyRotated};
use domain::state::{Body, Keys};
use ledger::inspect::Inspection;
use record::{PublicKey, Record, Tenant};
use verifier::{Outcome, Trust};

/// The record keys that signed the log, one after another.
pub fn of_log(inspection: &Inspection, trust: Option<&Trust>) -> Result<Vec<PublicKey>, Failure> {
    let stored = inspection.record(0)?.ok_or_else(|| failed("the log has no genesis"))?;
    let (genesis, record) = read_genesis(&stored.bytes)?;
    let mut keys = Keys::from_genesis(&genesis).ok_or_else(|| failed("the genesis names no usable keys"))?;
    if let Some(trust) = trust {
        pinned(&stored.bytes, &record, &keys, trust)?;
    }
    let mut known = vec![keys.record];
    for rotated in rotations(inspection)? {
        keys = keys
            .check_rotation(inspection.origin(), &rotated)
            .map_err(|denial| failed(&format!("a key rotation of the log is not right: {denial}")))?;
        known.push(keys.record);
    }
    Ok(known)
}

fn failed(message: &str) -> Failure {
    Failure::new(Exit::VerificationFailed, message)
}

fn read_genesis(bytes: &[u8]) -> Result<(Genesis, Record), Failure> {
    let record = Record::parse(bytes.to_vec()).map_err(|fault| failed(&format!("the genesis: {fault}")))?;
    match Body::of(&record) {
        Ok(Body::Genesis(genesis)) => Ok((genesis, record)),
        _ => Err(failed("the first record is no genesis")),
    }
}

/// Refuses a genesis that is not the one of the trust file, bytes and keys.
fn pinned(bytes: &[u8], record: &Record, keys: &Keys, trust: &Trust) -> Result<(), Failure> {
    if record.hash != trust.genesis_hash || keys.root != trust.root_key {
        let message = format!(
            "this is not the log of the trust file: its genesis is {}, the pinned one is {}",
            record.hash, trust.genesis_hash
        );
        return Err(failed(&message));
    }
    match verifier::verify_record(bytes, &[keys.record], Some(trust)).outcome() {
        Outcome::Verified => Ok(()),
        _ => Err(failed("the genesis claims the pinned hash and is not what was pinned")),
    }
}

/// Every rotation in the order of the log.
fn rotations(inspection: &Inspection) -> Result<Vec<KeyRotated>, Failure> {
    let own = format!("\"tenant\":\"{}\"", Tenant::ledger());
    let mut rotations = Vec::new();
    for block in inspection.blocks() {
        for stored in block?.1 {
            if contains(&stored.bytes, &own) {
                let record = Record::parse(stored.bytes.to_vec()).map_err(|fault| failed(&fault.to_string()))?;
                if let Ok(Body::KeyRotated(rotated)) = Body::of(&record) {
                    rotations.push(rotated);
                }
            }
        }
    }
    Ok(rotations)
}
