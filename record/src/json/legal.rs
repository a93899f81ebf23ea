//! The rules of the parser for a value that no parser has seen: one that an importer or the ledger itself built.
//!
//! What passes here has canonical bytes that [`super::parse`] accepts. Depth beyond the parser's own is refused as well,
//! so that every later walk over the value is bounded.

use super::PRIVATE_PREFIX;
use crate::fault::{Code, Fault};
use crate::limits::{PARSE_DEPTH, SAFE_INTEGER};
use serde_json::{Number, Value};

/// Checks that `value` holds nothing that [`super::parse`] would have refused.
///
/// # Errors
/// [`Code::NumberOutOfRange`], [`Code::NulCharacter`], [`Code::ReservedName`] or [`Code::TooDeep`], with the pointer
/// from `value`.
pub fn check(value: &Value) -> Result<(), Fault> {
    at_level(value, 1)
}

fn at_level(value: &Value, level: usize) -> Result<(), Fault> {
    let nested = value.is_array() || value.is_object();
    if nested && level > PARSE_DEPTH {
        return Err(super::too_deep());
    }
    match value {
        Value::Null | Value::Bool(_) => Ok(()),
        Value::Number(number) => check_number(number),
        Value::String(text) => check_text(text),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .try_for_each(|(at, item)| at_level(item, level + 1).map_err(|fault| fault.under(&at.to_string()))),
        Value::Object(members) => members.iter().try_for_each(|(name, member)| {
            let checked = check_name(name).and_then(|()| at_level(member, level + 1));
            checked.map_err(|fault| fault.under(name))
        }),
    }
}

/// Refuses a name that changes meaning when serde_json reads it as a `Value`, and U+0000.
pub(super) fn check_name(name: &str) -> Result<(), Fault> {
    if name.starts_with(PRIVATE_PREFIX) {
        let detail = "this member name is reserved and never enters a record";
        return Err(Fault::new(Code::ReservedName, "", detail));
    }
    check_text(name)
}

fn check_text(text: &str) -> Result<(), Fault> {
    if text.as_bytes().contains(&0) {
        return Err(super::text::nul());
    }
    Ok(())
}

fn check_number(number: &Number) -> Result<(), Fault> {
    let safe = match (number.as_i64(), number.as_f64()) {
        (Some(integer), _) => integer.unsigned_abs() <= SAFE_INTEGER,
        (None, Some(double)) => double.abs() <= SAFE_INTEGER as f64,
        (None, None) => false,
    };
    if safe {
        Ok(())
    } else {
        Err(super::number::out_of_range())
    }
}
