//! The bodies of requests and replies, verb by verb; each is written here by one end and read here by the other.

mod append;
mod receipts;

pub use append::{Item, append, check, read_append, write_item};
pub use receipts::{read_results, results};

use super::new_record;
use crate::proof::{Answer, Question};
use crate::{Committed, Head, Refusal, Report};
use domain::payload::KeyRotated;
use record::canonical::{self, write_integer};
use record::{Hash, Opening, Origin, RecordId, Tenant, Timestamp, json};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

/// The body of a `tenant` request: the id of the record is made by the gateway.
#[must_use]
pub fn tenant(tenant: &Tenant, name: &str, id: RecordId) -> Vec<u8> {
    canonical::to_vec(&json!({"id": id.to_string(), "name": name, "tenant": tenant.as_str()}))
}

/// Reads the body of a `tenant` request.
///
/// # Errors
/// [`Refusal::Malformed`].
pub fn read_tenant(body: &Map<String, Value>) -> Result<(Tenant, String, RecordId), Refusal> {
    let read = || Some((read_tenant_name(body)?, text(body, "name")?.to_owned(), read_id(body)?));
    read().filter(|_| body.len() == 3).ok_or(Refusal::Malformed)
}

/// The body of a `report` request: the id of the record is made by the sender.
///
/// # Errors
/// None of today's reports has one.
pub fn report(report: &Report, id: RecordId) -> Result<Vec<u8>, serde_json::Error> {
    let report = serde_json::to_value(report)?;
    Ok(canonical::to_vec(&json!({"id": id.to_string(), "report": report})))
}

/// Reads the body of a `report` request.
///
/// # Errors
/// [`Refusal::Malformed`], also for a report of a newer build.
pub fn read_report(body: &Map<String, Value>) -> Result<(Report, RecordId), Refusal> {
    let read = || {
        Some((
            serde_json::from_value(body.get("report")?.clone()).ok()?,
            read_id(body)?,
        ))
    };
    read().filter(|_| body.len() == 2).ok_or(Refusal::Malformed)
}

/// The body of a `find` or `open` request.
#[must_use]
pub fn one_record(tenant: &Tenant, id: &RecordId) -> Vec<u8> {
    canonical::to_vec(&json!({"id": id.to_string(), "tenant": tenant.as_str()}))
}

/// Reads the body of a `find` or `open` request.
///
/// # Errors
/// [`Refusal::Malformed`].
pub fn read_one_record(body: &Map<String, Value>) -> Result<(Tenant, RecordId), Refusal> {
    let read = || Some((read_tenant_name(body)?, read_id(body)?));
    read().filter(|_| body.len() == 2).ok_or(Refusal::Malformed)
}

/// A body of two numbers, by name: `read` has `from` and `limit`, `wait` has `above` and `for_ms`.
#[must_use]
pub fn numbers(first: (&str, u64), second: (&str, u64)) -> Vec<u8> {
    canonical::to_vec(&json!({first.0: first.1, second.0: second.1}))
}

/// Reads a body of two numbers.
///
/// # Errors
/// [`Refusal::Malformed`].
pub fn read_numbers(body: &Map<String, Value>, first: &str, second: &str) -> Result<(u64, u64), Refusal> {
    let read = || Some((body.get(first)?.as_u64()?, body.get(second)?.as_u64()?));
    read().filter(|_| body.len() == 2).ok_or(Refusal::Malformed)
}

fn text<'a>(body: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    body.get(name)?.as_str()
}

fn read_tenant_name(body: &Map<String, Value>) -> Option<Tenant> {
    Tenant::parse(text(body, "tenant")?)
}

fn read_id(body: &Map<String, Value>) -> Option<RecordId> {
    RecordId::parse(text(body, "id")?)
}

fn committed(offset: u64, record: &RawValue) -> Committed {
    Committed {
        offset,
        bytes: record.get().as_bytes().into(),
    }
}

/// The reply to `head`.
#[must_use]
pub fn head(head: &Head) -> Vec<u8> {
    let mut members = Map::new();
    members.insert("log".to_owned(), json!(head.log.as_str()));
    members.insert("size".to_owned(), json!(head.size));
    members.insert("root".to_owned(), json!(hex::encode(head.root)));
    if let Some(hash) = head.hash {
        members.insert("hash".to_owned(), json!(hash.to_string()));
    }
    if let Some(ts) = head.ts {
        members.insert("ts".to_owned(), json!(ts.to_string()));
    }
    canonical::to_vec(&Value::Object(members))
}

/// Reads the reply to `head`.
#[must_use]
pub fn read_head(body: &[u8]) -> Option<Head> {
    let Value::Object(body) = json::parse(body).ok()? else {
        return None;
    };
    let hash = match body.get("hash") {
        None => None,
        Some(hash) => Some(Hash::from_hex(hash.as_str()?)?),
    };
    let ts = match body.get("ts") {
        None => None,
        Some(ts) => Some(Timestamp::parse(ts.as_str()?)?),
    };
    Some(Head {
        log: Origin::parse(text(&body, "log")?)?,
        size: body.get("size")?.as_u64()?,
        root: record::hash::decode_hex(text(&body, "root")?)?,
        hash,
        ts,
    })
}

/// The reply to `read`: records from an offset on, without gaps.
#[must_use]
pub fn records(records: &[Committed]) -> Vec<u8> {
    let bytes: usize = records.iter().map(|record| record.bytes.len() + 1).sum();
    let mut out = Vec::with_capacity(bytes + 64);
    out.extend_from_slice(b"{\"records\":[");
    for (at, record) in records.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.extend_from_slice(&record.bytes);
    }
    out.extend_from_slice(b"]}");
    out
}

#[derive(Deserialize)]
struct Records<'a> {
    #[serde(borrow)]
    records: Vec<&'a RawValue>,
}

/// Reads the reply to `read` from `from` on.
#[must_use]
pub fn read_records(body: &[u8], from: u64) -> Option<Vec<Committed>> {
    let read: Records<'_> = serde_json::from_slice(body).ok()?;
    Some(
        (from..)
            .zip(read.records)
            .map(|(offset, record)| committed(offset, record))
            .collect(),
    )
}

/// The reply to `find`: `{}` when there is no such record.
#[must_use]
pub fn found(found: Option<&Committed>) -> Vec<u8> {
    let mut out = b"{".to_vec();
    if let Some(found) = found {
        out.extend_from_slice(b"\"offset\":");
        write_integer(found.offset, &mut out);
        out.extend_from_slice(b",\"record\":");
        out.extend_from_slice(&found.bytes);
    }
    out.push(b'}');
    out
}

#[derive(Deserialize)]
struct Found<'a> {
    offset: Option<u64>,
    #[serde(borrow)]
    record: Option<&'a RawValue>,
}

/// Reads the reply to `find`.
#[must_use]
pub fn read_found(body: &[u8]) -> Option<Option<Committed>> {
    let read: Found<'_> = serde_json::from_slice(body).ok()?;
    match (read.offset, read.record) {
        (None, None) => Some(None),
        (Some(offset), Some(record)) => Some(Some(committed(offset, record))),
        _ => None,
    }
}

/// The reply to `open`: `{}` when there is no such record.
#[must_use]
pub fn openings(openings: Option<&[Opening]>) -> Vec<u8> {
    let mut out = b"{".to_vec();
    if let Some(openings) = openings {
        out.extend_from_slice(b"\"openings\":");
        new_record::write_openings(openings, &mut out);
    }
    out.push(b'}');
    out
}

/// Reads the reply to `open`.
#[must_use]
pub fn read_openings(body: &[u8]) -> Option<Option<Vec<Opening>>> {
    let Value::Object(body) = json::parse(body).ok()? else {
        return None;
    };
    let Some(openings) = body.get("openings") else {
        return Some(None);
    };
    let read = openings
        .as_array()?
        .iter()
        .map(|opening| Opening::from_json(opening).ok());
    read.collect::<Option<Vec<_>>>().map(Some)
}

/// The reply to `wait`.
#[must_use]
pub fn size(size: u64) -> Vec<u8> {
    format!("{{\"size\":{size}}}").into_bytes()
}

/// Reads the reply to `wait`.
#[must_use]
pub fn read_size(body: &[u8]) -> Option<u64> {
    json::parse(body).ok()?.get("size")?.as_u64()
}

/// The largest number that JSON carries exactly. No log has so many records, so a larger one in a question means the same.
const LARGEST: u64 = (1 << 53) - 1;

/// The body of a `prove` request: the question itself.
///
/// # Errors
/// None of today's questions has one.
pub fn question(question: &Question) -> Result<Vec<u8>, serde_json::Error> {
    let mut question = serde_json::to_value(question)?;
    bound_numbers(&mut question);
    Ok(canonical::to_vec(&question))
}

fn bound_numbers(value: &mut Value) {
    match value {
        Value::Number(number) if number.as_u64().is_some_and(|number| number > LARGEST) => *value = json!(LARGEST),
        Value::Object(members) => members.values_mut().for_each(bound_numbers),
        _ => {}
    }
}

/// Reads the body of a `prove` request.
///
/// # Errors
/// [`Refusal::Malformed`], also for a question of a newer build.
pub fn read_question(body: Map<String, Value>) -> Result<Question, Refusal> {
    let question: Option<Question> = serde_json::from_value(Value::Object(body)).ok();
    question.filter(Question::is_sound).ok_or(Refusal::Malformed)
}

/// The reply to `prove`.
///
/// # Errors
/// None of today's answers has one.
pub fn answer(answer: &Answer) -> Result<Vec<u8>, serde_json::Error> {
    // A record inside is canonical, and stays what it is byte for byte.
    Ok(canonical::to_vec(&serde_json::to_value(answer)?))
}

/// Reads the reply to `prove`.
#[must_use]
pub fn read_answer(body: &[u8]) -> Option<Answer> {
    serde_json::from_slice(body).ok()
}

/// The reply to `keys`.
#[must_use]
pub fn keys(genesis: &[u8], rotations: &[KeyRotated]) -> Vec<u8> {
    let mut out = b"{\"genesis\":".to_vec();
    out.extend_from_slice(genesis);
    out.extend_from_slice(b",\"rotations\":");
    let rotations: Value = rotations.iter().map(|rotated| json!(rotated)).collect();
    canonical::write(&rotations, &mut out);
    out.push(b'}');
    out
}

#[derive(Deserialize)]
struct Keys<'a> {
    #[serde(borrow)]
    genesis: &'a RawValue,
    rotations: Vec<KeyRotated>,
}

/// Reads the reply to `keys`: the bytes of genesis, and every rotation in order.
#[must_use]
pub fn read_keys(body: &[u8]) -> Option<(Vec<u8>, Vec<KeyRotated>)> {
    let read: Keys<'_> = serde_json::from_slice(body).ok()?;
    Some((read.genesis.get().as_bytes().to_vec(), read.rotations))
}
