//! A record on its way to the ledger, with its values in the clear: the one place where a `NewRecord` is written down.

use record::canonical::{self, write_string};
use record::key::decode_base64;
use record::{Auth, Author, Fault, Kind, NewRecord, Opening, RecordId, Space, Tenant, link};
use serde_json::{Map, Value};

/// Why an item of a request is not a record.
pub(super) enum Unreadable {
    /// No gateway writes this.
    Malformed,
    /// The record breaks a rule, and its sender is told which.
    Fault(Fault),
}

/// Writes the canonical form of `record`, whose values passed `NewRecord::check_values`.
pub(super) fn write(record: &NewRecord, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"author\":");
    canonical::write(&record.author.to_json(), out);
    out.extend_from_slice(b",\"disclosures\":[");
    for (at, opening) in record.disclosures.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.extend_from_slice(&opening.to_canonical());
    }
    out.extend_from_slice(b"],\"id\":\"");
    out.extend_from_slice(&record.id.to_text());
    out.extend_from_slice(b"\",\"kind\":");
    write_string(record.kind.as_str(), out);
    out.extend_from_slice(b",\"links\":");
    out.extend_from_slice(&link::to_canonical(&record.links));
    out.extend_from_slice(b",\"payload\":");
    canonical::write(&record.payload, out);
    out.extend_from_slice(b",\"schema_version\":");
    canonical::write_integer(record.schema_version.into(), out);
    out.extend_from_slice(b",\"space\":");
    write_string(record.space.as_str(), out);
    out.extend_from_slice(b",\"tenant\":");
    write_string(record.tenant.as_str(), out);
    out.push(b'}');
}

/// Reads what [`write`] wrote.
pub(super) fn read(value: Value) -> Result<NewRecord, Unreadable> {
    let Value::Object(mut members) = value else {
        return Err(Unreadable::Malformed);
    };
    if members.len() != 9 {
        return Err(Unreadable::Malformed);
    }
    let links = members.get("links").ok_or(Unreadable::Malformed)?;
    let links = link::parse_array(links).map_err(Unreadable::Fault)?;
    let read = || {
        let payload = members.remove("payload")?;
        let text = |name: &str| members.get(name)?.as_str();
        Some(NewRecord {
            tenant: Tenant::parse(text("tenant")?)?,
            kind: Kind::parse(text("kind")?)?,
            schema_version: u32::try_from(members.get("schema_version")?.as_u64()?).ok()?,
            id: RecordId::parse(text("id")?)?,
            space: Space::parse(text("space")?)?,
            disclosures: members
                .get("disclosures")?
                .as_array()?
                .iter()
                .map(opening)
                .collect::<Option<_>>()?,
            author: author(members.get_mut("author")?.as_object_mut()?)?,
            payload,
            links,
        })
    };
    read().ok_or(Unreadable::Malformed)
}

fn opening(value: &Value) -> Option<Opening> {
    Opening::from_json(value).ok()
}

/// The author as the gateway knows him: evidence is still in the clear here.
fn author(members: &mut Map<String, Value>) -> Option<Author> {
    let evidence = members.remove("evidence");
    let optional = |name: &str| match members.get(name) {
        None => Some(None),
        Some(value) => value.as_str().map(Some),
    };
    let sig = match optional("sig")? {
        None => None,
        Some(sig) => Some(decode_base64(sig)?),
    };
    let author = Author {
        id: optional("id")??.to_owned(),
        auth: Auth::parse(optional("auth")??)?,
        key_id: optional("key_id")?.map(str::to_owned),
        sig,
        evidence,
    };
    let known = 2 + usize::from(author.key_id.is_some()) + usize::from(author.sig.is_some());
    (members.len() == known).then_some(author)
}

/// An opening as it crosses the bus.
pub(super) fn write_openings(openings: &[Opening], out: &mut Vec<u8>) {
    out.push(b'[');
    for (at, opening) in openings.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.extend_from_slice(&opening.to_canonical());
    }
    out.push(b']');
}

#[cfg(test)]
mod tests {
    use super::*;
    use record::key::encode_base64;
    use serde_json::json;

    #[test]
    fn the_author_is_written_as_it_is_read() {
        let author_of = Author {
            id: "local:a".to_owned(),
            auth: Auth::ApiKey,
            key_id: Some("k".to_owned()),
            sig: Some([7; 64]),
            evidence: Some(json!({"base": "x"})),
        };
        let Value::Object(mut members) = author_of.to_json() else {
            panic!("an object")
        };
        assert_eq!(members.get("sig"), Some(&json!(encode_base64(&[7; 64]))));
        assert_eq!(author(&mut members.clone()), Some(author_of));
        members.insert("more".to_owned(), json!(1));
        assert_eq!(author(&mut members), None);
    }
}
