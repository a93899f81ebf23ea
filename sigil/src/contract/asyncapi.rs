//! The AsyncAPI 3.1 document: what somebody who subscribes to the log's stream on NATS has to know.
//!
//! Made from the catalogue and from the functions that name streams and headers, so that it cannot say something else
//! than the feed does. What AsyncAPI has no words for (JetStream) stands under `x-jetstream`.

use domain::{Catalogue, KindSpec};
use record::cloud_event::ATTRIBUTES;
use record::{Slug, wire};
use serde_json::{Map, Value, json};

/// The document that `schemas/asyncapi.json` holds.
pub fn document() -> Value {
    let catalogue = Catalogue::builtin();
    let messages: Map<String, Value> = catalogue.iter().map(|spec| (name(spec), message(spec))).collect();
    let refer = |place: &'static str| move |name: &String| json!({"$ref": format!("{place}/{name}")});
    let listed: Map<String, Value> = messages
        .keys()
        .map(|name| (name.clone(), refer("#/components/messages")(name)))
        .collect();
    let received: Vec<Value> = messages.keys().map(refer("#/channels/records/messages")).collect();
    json!({
        "asyncapi": "3.1.0",
        "info": {
            "title": "Sigil Ledger: the stream of records",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Every committed record, once, in the order of the log. The stream is a copy that can be made \
                again: a subscriber keeps the offset that comes next, checks each record's hash, signature and chain, \
                and believes the record, not the broker. docs/examples/subscriber is a whole one.",
        },
        "defaultContentType": "application/json",
        "servers": {"nats": {
            "host": "localhost:4222",
            "protocol": "nats",
            "description": "A nats-server with JetStream. Elsewhere than on the same machine: TLS with client certificates.",
        }},
        "channels": {"records": {
            "address": "sigil.v1.{log}.{tenant}.{kind}",
            "description": "A kind has dots and so covers several tokens: all of a tenant's records are \
                sigil.v1.{log}.{tenant}.>, one kind of everybody sigil.v1.{log}.*.audit.event.",
            "parameters": {
                "log": {"description": "The slug that the log's genesis pins: [a-z0-9-]{1,32}."},
                "tenant": {"description": "[a-z0-9][a-z0-9-]{0,62}"},
                "kind": {"description": "[a-z][a-z0-9_]*(.[a-z][a-z0-9_]*)+, at most 64 bytes."},
            },
            "messages": listed,
            "x-jetstream": jetstream(),
        }},
        "operations": {"receiveRecords": {
            "action": "receive",
            "channel": {"$ref": "#/channels/records"},
            "messages": received,
        }},
        "components": {
            "messages": messages,
            "messageTraits": {"record": {"headers": headers()}},
            "schemas": {"record": envelope()},
        },
    })
}

fn name(spec: &KindSpec) -> String {
    format!("{}.v{}", spec.kind, spec.schema_version)
}

fn message(spec: &KindSpec) -> Value {
    let (kind, version) = (spec.kind.as_str(), spec.schema_version);
    json!({
        "name": name(spec),
        "title": format!("{kind} {version}"),
        "contentType": "application/json",
        "traits": [{"$ref": "#/components/messageTraits/record"}],
        "payload": {"allOf": [
            {"$ref": "#/components/schemas/record"},
            {"type": "object", "properties": {
                "kind": {"const": kind},
                "schema_version": {"const": version},
                "payload": {"$ref": format!("kinds/{kind}/{version}.stored.json")},
            }},
        ]},
    })
}

fn jetstream() -> Value {
    // The names of an example log, with its slug and base put back as parameters.
    let log = Slug::parse("log").expect("it follows the grammar");
    let general = |text: String| {
        text.replace("LOG", "{LOG}")
            .replace("log", "{log}")
            .replace(&format!("{:020}", 0), "{base}")
    };
    json!({
        "stream": general(wire::stream_name(&log, 0)),
        "subjects": [general(wire::subjects(&log))],
        "retiredSubjects": [general(wire::retired_subjects(&log, 0))],
        "base": "20 digits: the offset of the stream's first record. Several streams of a log may stand side by side; the one \
            with the highest base is the current one, and holds what follows its base. What lies below is in an older \
            stream or in the ledger (GET /v1/events).",
        "sequence": "offset - base + 1",
        "storage": "file",
        "retention": "limits",
        "discard": "new",
        "denyDelete": true,
        "denyPurge": true,
        "publisher": "The ledger alone, with Nats-Expected-Last-Sequence and without Nats-Msg-Id.",
        "identity": "The offset inside the signed record. A message that comes again has the same one.",
    })
}

/// CloudEvents 1.0.2 in binary mode; values outside U+0021 to U+007E, and `\"` and `%`, are percent-encoded.
fn headers() -> Value {
    let one = |name: &&str| {
        let schema = match *name {
            "specversion" => json!({"const": "1.0"}),
            "id" => {
                json!({"type": "string", "format": "uuid", "description": "The record's id, unique within ce-source."})
            }
            "source" => json!({"type": "string", "description": "//<origin of the log>/<tenant>"}),
            "type" => {
                json!({"type": "string", "pattern": "^sigil\\..+\\.v[0-9]+$", "description": "sigil.<kind>.v<schema_version>"})
            }
            "subject" => {
                json!({"type": "string", "description": "Target of the record's first subject link; absent without one."})
            }
            "time" => {
                json!({"type": "string", "format": "date-time", "description": "Sequencing time, the record's ts."})
            }
            "dataschema" => json!({"type": "string", "description": "sigil:kind/<kind>/<schema_version>"}),
            "sequence" => json!({"type": "string", "pattern": "^[0-9]{20}$", "description": "The record's offset."}),
            _ => json!({"type": "string", "pattern": "^[0-9a-f]{64}$", "description": "The record's hash."}),
        };
        (format!("ce-{name}"), schema)
    };
    let mut properties: Map<String, Value> = ATTRIBUTES.iter().map(one).collect();
    let required: Vec<String> = properties
        .keys()
        .filter(|name| *name != "ce-subject")
        .cloned()
        .collect();
    let trace = json!({"type": "string", "description": "W3C trace context of the append, where there is one."});
    properties.insert("traceparent".to_owned(), trace);
    json!({"type": "object", "properties": properties, "required": required})
}

/// CanonicalRecord v1 around the payload, which each kind describes.
fn envelope() -> Value {
    let (text, object) = (json!({"type": "string"}), json!({"type": "object"}));
    let count = |least: u64| json!({"type": "integer", "minimum": least});
    let hash = json!({"type": "string", "pattern": "^[0-9a-f]{64}$"});
    let properties = json!({
        "author": object,
        "hash": hash,
        "id": {"type": "string", "format": "uuid"},
        "kind": text,
        "links": {"type": "array", "maxItems": 64, "items": {
            "type": "object",
            "properties": {"label": text, "target": text},
            "required": ["label", "target"],
        }},
        "log": text,
        "offset": count(0),
        "payload": object,
        "prev": {"type": ["string", "null"], "pattern": "^[0-9a-f]{64}$"},
        "pub_key": text,
        "schema_version": count(1),
        "seq": count(0),
        "sig": text,
        "space": {"enum": ["user", "system"]},
        "tenant": text,
        "ts": {"type": "string", "format": "date-time"},
        "v": {"const": 1},
        "witnesses": {"type": "array", "items": object},
    });
    let required: Vec<&String> = properties.as_object().into_iter().flat_map(Map::keys).collect();
    json!({
        "type": "object",
        "title": "CanonicalRecord v1",
        "description": "The message's body: RFC 8785 bytes, as they were hashed and signed. docs/FORMAT.md says how to check them.",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every `$ref` below `value`.
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str));
                members.values().for_each(|member| references(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 10);
        let schemas = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas");
        for reference in found {
            match reference.strip_prefix('#') {
                Some(pointer) => assert!(document.pointer(pointer).is_some(), "{reference}"),
                None => assert!(schemas.join(reference).is_file(), "{reference}"),
            }
        }
    }

    #[test]
    fn names_are_those_of_the_wire() {
        let document = document();
        let stream = &document["channels"]["records"]["x-jetstream"];
        assert_eq!(stream["stream"], "SIGIL_{LOG}_{base}");
        assert_eq!(stream["subjects"][0], "sigil.v1.{log}.>");
        assert_eq!(stream["retiredSubjects"][0], "sigil.old.{log}.{base}.>");
        let headers = &document["components"]["messageTraits"]["record"]["headers"];
        assert_eq!(
            headers["properties"].as_object().map(Map::len),
            Some(ATTRIBUTES.len() + 1)
        );
        assert_eq!(headers["required"].as_array().map(Vec::len), Some(ATTRIBUTES.len() - 1));
    }
}
