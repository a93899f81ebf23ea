//! The reply to whatever writes: one result for each record, in the order they were sent in.

use super::committed;
use crate::wire::{read_error, write_error};
use crate::{Error, Receipt};
use record::canonical::write_integer;
use record::{Hash, RecordId};
use serde::Deserialize;
use serde_json::value::RawValue;

/// The reply to an append or to `tenant`: one result for each item.
#[must_use]
pub fn results(results: &[Result<Receipt, Error>]) -> Vec<u8> {
    let bytes: usize = results
        .iter()
        .flatten()
        .map(|receipt| receipt.committed.bytes.len() + 256)
        .sum();
    let mut out = Vec::with_capacity(bytes + 64);
    out.extend_from_slice(b"{\"results\":[");
    for (at, result) in results.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        match result {
            Ok(receipt) => write_receipt(receipt, &mut out),
            Err(error) => {
                out.extend_from_slice(b"{\"error\":");
                write_error(error, &mut out);
            }
        }
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
    out
}

fn write_receipt(receipt: &Receipt, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"receipt\":{\"hash\":\"");
    out.extend_from_slice(&receipt.hash.to_hex());
    out.extend_from_slice(b"\",\"id\":\"");
    out.extend_from_slice(&receipt.id.to_text());
    out.extend_from_slice(b"\",\"offset\":");
    write_integer(receipt.committed.offset, out);
    out.extend_from_slice(format!(",\"published\":{}", receipt.published).as_bytes());
    out.extend_from_slice(b",\"record\":");
    out.extend_from_slice(&receipt.committed.bytes);
    out.extend_from_slice(format!(",\"replayed\":{}", receipt.replayed).as_bytes());
    out.extend_from_slice(format!(",\"sealed_unchecked\":{}}}", receipt.sealed_unchecked).as_bytes());
}

#[derive(Deserialize)]
struct Results<'a> {
    #[serde(borrow)]
    results: Vec<OneResult<'a>>,
}

#[derive(Deserialize)]
struct OneResult<'a> {
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    receipt: Option<OneReceipt<'a>>,
}

#[derive(Deserialize)]
struct OneReceipt<'a> {
    hash: &'a str,
    id: &'a str,
    offset: u64,
    published: bool,
    #[serde(borrow)]
    record: &'a RawValue,
    replayed: bool,
    sealed_unchecked: bool,
}

/// Reads the results; `None` when the body is something else.
#[must_use]
pub fn read_results(body: &[u8]) -> Option<Vec<Result<Receipt, Error>>> {
    let read: Results<'_> = serde_json::from_slice(body).ok()?;
    let one = |result: OneResult<'_>| match (result.receipt, result.error) {
        (Some(receipt), None) => Some(Ok(Receipt {
            committed: committed(receipt.offset, receipt.record),
            id: RecordId::parse(receipt.id)?,
            hash: Hash::from_hex(receipt.hash)?,
            replayed: receipt.replayed,
            sealed_unchecked: receipt.sealed_unchecked,
            published: receipt.published,
        })),
        (None, Some(error)) => Some(Err(read_error(error.get().as_bytes()))),
        _ => None,
    };
    read.results.into_iter().map(one).collect()
}
