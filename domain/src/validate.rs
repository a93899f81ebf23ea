//! One compiled JSON Schema (2020-12), and its findings as faults with pointers.
//!
//! Findings name the rule that was broken, never the value: a value may be one that is about to be sealed.

use record::{Code, Fault};
use serde_json::Value;

/// Findings reported for one payload; more would hide the first.
const FINDINGS: usize = 16;

pub(crate) struct Validator {
    schema: Value,
    compiled: jsonschema::Validator,
}

impl Validator {
    pub(crate) fn new(schema: Value) -> Self {
        let compiled = jsonschema::draft202012::new(&schema);
        Self {
            compiled: compiled.expect("generated schemas compile, a test builds the catalogue"),
            schema,
        }
    }

    pub(crate) const fn schema(&self) -> &Value {
        &self.schema
    }

    pub(crate) fn check(&self, payload: &Value) -> Vec<Fault> {
        if self.compiled.is_valid(payload) {
            return Vec::new();
        }
        self.compiled
            .iter_errors(payload)
            .take(FINDINGS)
            .map(|error| fault(&error))
            .collect()
    }
}

fn fault(error: &jsonschema::ValidationError<'_>) -> Fault {
    let detail = error.masked_with("the value").to_string();
    Fault::new(
        Code::SchemaInvalid,
        format!("/payload{}", error.instance_path().as_str()),
        detail,
    )
}
