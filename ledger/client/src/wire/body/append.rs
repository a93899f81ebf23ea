//! The body of an append: items, each a record with the idempotency key that it may have.

use crate::wire::REQUEST_RECORDS;
use crate::wire::new_record::{self, Unreadable};
use crate::{Append, Guard, Refusal};
use record::canonical::write_string;
use record::{Fault, NewRecord, json};
use serde_json::{Map, Value};

/// An item of an append as the ledger reads it; a fault refuses the item and no other.
pub type Item = Result<Append, Fault>;

/// Writes one item of an append.
pub fn write_item(append: &Append, out: &mut Vec<u8>) {
    out.push(b'{');
    if let Some(Guard { caller, key, own_id }) = &append.guard {
        out.extend_from_slice(b"\"guard\":{\"caller\":");
        write_string(caller, out);
        out.extend_from_slice(b",\"key\":");
        write_string(key, out);
        out.extend_from_slice(if *own_id {
            b",\"own_id\":true"
        } else {
            b",\"own_id\":false"
        });
        out.extend_from_slice(b"},");
    }
    out.extend_from_slice(b"\"record\":");
    new_record::write(&append.record, out);
    out.push(b'}');
}

/// The body of an append of these written items.
#[must_use]
pub fn append<'a>(items: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out = b"{\"items\":[".to_vec();
    for (at, item) in items.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.extend_from_slice(item);
    }
    out.extend_from_slice(b"]}");
    out
}

/// Reads the body of an append.
///
/// # Errors
/// [`Refusal::Malformed`], [`Refusal::TooLarge`].
pub fn read_append(mut body: Map<String, Value>) -> Result<Vec<Item>, Refusal> {
    let Some(Value::Array(items)) = body.remove("items").filter(|_| body.is_empty()) else {
        return Err(Refusal::Malformed);
    };
    if items.len() > REQUEST_RECORDS {
        return Err(Refusal::TooLarge);
    }
    items.into_iter().map(item).collect()
}

fn item(value: Value) -> Result<Item, Refusal> {
    let Value::Object(mut members) = value else {
        return Err(Refusal::Malformed);
    };
    let record = members.remove("record").ok_or(Refusal::Malformed)?;
    let guard = match members.remove("guard") {
        None => None,
        Some(guard) => Some(read_guard(&guard).ok_or(Refusal::Malformed)?),
    };
    match new_record::read(record) {
        Ok(record) if members.is_empty() => Ok(Ok(Append { record, guard })),
        Err(Unreadable::Fault(fault)) => Ok(Err(fault)),
        _ => Err(Refusal::Malformed),
    }
}

fn read_guard(value: &Value) -> Option<Guard> {
    let members = value.as_object().filter(|members| members.len() == 3)?;
    Some(Guard {
        caller: members.get("caller")?.as_str()?.to_owned(),
        key: members.get("key")?.as_str()?.to_owned(),
        own_id: members.get("own_id")?.as_bool()?,
    })
}

/// A record that may be written down, or why not: what the ledger's parser would refuse must not reach it.
///
/// # Errors
/// Everything of [`NewRecord::check_values`].
pub fn check(record: &NewRecord) -> Result<(), Fault> {
    record.check_values()?;
    // Far above every legal record and below the parser's end: what lies between is the ledger's to judge.
    if json::depth(&record.payload) > 100 {
        let detail = "a record is at most 64 levels deep";
        return Err(Fault::new(record::Code::TooDeep, "/payload", detail));
    }
    Ok(())
}
