//! The configuration as it is in force, with where each value comes from: valid TOML, and nothing secret.

use super::load::source_of;
use super::{Loaded, Role};
use serde_json::{Value, json};

impl Loaded {
    /// Every key that `role` reads: key, value, and where it comes from (`None`: the default).
    pub fn entries(&self, role: Role) -> Vec<(String, Value, Option<String>)> {
        let whole = serde_json::to_value(&self.settings).unwrap_or_default();
        let mut keys = Vec::new();
        for section in role.sections() {
            let value = section.split('.').try_fold(&whole, |value, key| value.get(key));
            value.into_iter().for_each(|value| flatten(section, value, &mut keys));
        }
        let sourced = keys.into_iter().map(|(key, value)| {
            let source = source_of(&self.figment, &key);
            (key, redact(value), source)
        });
        sourced.collect()
    }

    /// The entries as text, one key a line; a key without a value is a comment.
    pub fn text(&self, role: Role) -> String {
        let lines = self.entries(role).into_iter().map(|(key, value, source)| {
            let source = source.map(|source| format!("  # {source}")).unwrap_or_default();
            match value {
                Value::Null => format!("# {key} is not set"),
                value => format!("{key} = {value}{source}"),
            }
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    /// The entries as one JSON object by key.
    pub fn json(&self, role: Role) -> Value {
        let entries = self.entries(role).into_iter().map(|(key, value, source)| {
            let source = source.unwrap_or_else(|| "default".to_owned());
            (key, json!({"value": value, "source": source}))
        });
        Value::Object(entries.collect())
    }
}

fn flatten(path: &str, value: &Value, out: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(members) => {
            for (name, below) in members {
                flatten(&format!("{path}.{name}"), below, out);
            }
        }
        leaf => out.push((path.to_owned(), leaf.clone())),
    }
}

/// A URL without what stands before an `@`: the check refuses it there, and printing must not be the one that shows it.
fn redact(value: Value) -> Value {
    let Value::String(text) = &value else { return value };
    match text.split_once("://") {
        Some((scheme, rest)) if rest.split('/').next().unwrap_or_default().contains('@') => {
            let (user, after) = rest.rsplit_once('@').unwrap_or(("", rest));
            let user = user.split(':').next().unwrap_or_default();
            Value::String(format!("{scheme}://{user}@{after}"))
        }
        _ => value,
    }
}
