//! The JSON Schema of the configuration: what `schemas/config.schema.json` holds, and what values are checked against.

use super::Settings;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

/// The schema, with every section written out in its place.
#[must_use]
pub fn schema() -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    let mut schema = settings.into_generator().into_root_schema_for::<Settings>();
    schema.insert(
        "$id".to_owned(),
        json!("https://sigil-ledger.dev/schemas/config.schema.json"),
    );
    schema.insert("title".to_owned(), json!("Sigil Ledger configuration"));
    schema.to_value()
}

/// The schema of the key at this path.
pub(in crate::config) fn at<'a>(schema: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter()
        .try_fold(schema, |schema, key| schema.get("properties")?.get(key))
}

/// Whether the key takes values of this JSON type.
pub(super) fn takes(schema: &Value, kind: &str) -> bool {
    match schema.get("type") {
        Some(Value::String(only)) => only == kind,
        Some(Value::Array(several)) => several.iter().any(|one| one == kind),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every key with its schema, sections left out.
    fn leaves(schema: &Value, path: &str, found: &mut Vec<(String, Value)>) {
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
            found.push((path.to_owned(), schema.clone()));
            return;
        };
        assert_eq!(schema["additionalProperties"], false, "{path} takes unknown keys");
        for (name, below) in properties {
            leaves(below, &format!("{path}.{name}"), found);
        }
    }

    #[test]
    fn every_key_is_described_and_says_its_default() {
        let mut found = Vec::new();
        leaves(&schema(), "", &mut found);
        assert!(found.len() > 50, "{}", found.len());
        for (path, leaf) in found {
            let text = leaf["description"].as_str().unwrap_or_default();
            assert!(!text.is_empty(), "{path} has no description");
            let optional = leaf["default"].is_null();
            assert!(
                optional || text.contains("Default"),
                "{path} does not say its default: {text}"
            );
        }
    }

    #[test]
    fn a_key_is_found_by_its_path() {
        let schema = schema();
        assert!(takes(at(&schema, &["nats", "url"]).unwrap(), "string"));
        assert!(takes(
            at(&schema, &["limits", "http", "connections"]).unwrap(),
            "integer"
        ));
        assert!(at(&schema, &["nats", "uri"]).is_none());
    }
}
