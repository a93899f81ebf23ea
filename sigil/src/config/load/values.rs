//! Values on their way to types: one that a variable or a flag gives, and the whole, of which every wrong key is reported.

use super::Problem;
use crate::config::Settings;
use figment::providers::Serialized;
use figment::value::{Dict, Map};
use figment::{Figment, Metadata, Profile, Provider};
use serde_json::Value;
use std::collections::BTreeSet;

/// The values as types. A key that is wrong is reported and left at its default, so that the others are checked, too.
pub(super) fn typed(figment: &Figment, schema: &Value, problems: &mut Vec<Problem>) -> Settings {
    let mut values: Value = figment.extract().unwrap_or_default();
    let mut wrong = BTreeSet::new();
    let validator = jsonschema::validator_for(schema).expect("the generated schema is a schema");
    for error in validator.iter_errors(&values) {
        let at = error.instance_path().to_string();
        match error.kind() {
            jsonschema::error::ValidationErrorKind::AdditionalProperties { unexpected } => {
                wrong.extend(
                    unexpected
                        .iter()
                        .map(|name| (format!("{at}/{name}"), "no key has this name".to_owned())),
                );
            }
            _ => {
                let words = words(schema, &at);
                // Without the value: it may have been meant for another key, and be secret.
                wrong.insert((at, words.unwrap_or_else(|| error.masked().to_string())));
            }
        }
    }
    let defaults = serde_json::to_value(Settings::default()).expect("the defaults are plain values");
    for (pointer, message) in wrong {
        problems.push(Problem {
            key: dotted(&pointer),
            source: None,
            message,
        });
        reset(&mut values, &defaults, &pointer);
    }
    // What the schema cannot say (the form of an address), one after the other.
    loop {
        match serde_path(&values) {
            Ok(settings) => return settings,
            Err((pointer, message)) => {
                problems.push(Problem {
                    key: dotted(&pointer),
                    source: None,
                    message,
                });
                if !reset(&mut values, &defaults, &pointer) {
                    return Settings::default();
                }
            }
        }
    }
}

/// The settings, or where they are wrong.
fn serde_path(values: &Value) -> Result<Settings, (String, String)> {
    let figment = Figment::from(Serialized::defaults(values));
    figment.extract().map_err(|error| {
        let pointer: String = error.path.iter().map(|key| format!("/{key}")).collect();
        (pointer, error.kind.to_string())
    })
}

/// Puts the default in the place of a wrong value; false when there is nothing there to put right.
fn reset(values: &mut Value, defaults: &Value, pointer: &str) -> bool {
    let Some((parent, name)) = pointer.rsplit_once('/') else {
        return false;
    };
    let Some(Value::Object(members)) = values.pointer_mut(parent) else {
        return false;
    };
    let before = members.get(name).cloned();
    match defaults.pointer(pointer) {
        Some(default) => members.insert(name.to_owned(), default.clone()),
        None => members.remove(name),
    };
    members.get(name) != before.as_ref()
}

fn dotted(pointer: &str) -> String {
    let key = pointer.trim_start_matches('/').replace('/', ".");
    if key.is_empty() {
        "the configuration".to_owned()
    } else {
        key
    }
}

/// One value with the name of who gave it.
pub(super) struct One {
    from: String,
    values: Dict,
}

impl One {
    pub(super) fn new(from: String, path: &[String], value: Value) -> Self {
        let nested = path.iter().rev().fold(value, |below, key| {
            Value::Object([(key.clone(), below)].into_iter().collect())
        });
        // Without tags of their own, values get the name of who gives them.
        let values = figment::value::Value::serialize(nested)
            .ok()
            .and_then(figment::value::Value::into_dict)
            .unwrap_or_default();
        Self { from, values }
    }
}

impl Provider for One {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.from.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.values.clone()))
    }
}

/// The words that the key at `pointer` takes, when it takes nothing else.
fn words(schema: &Value, pointer: &str) -> Option<String> {
    let path: Vec<&str> = pointer.trim_start_matches('/').split('/').collect();
    let listed = crate::config::schema::at(schema, &path)?.get("oneOf")?.as_array()?;
    let words: Option<Vec<&str>> = listed.iter().map(|one| one.get("const")?.as_str()).collect();
    Some(format!("one of {}", words?.join(", ")))
}
