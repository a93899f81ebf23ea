//! One compiled JSON Schema (2020-12), and its findings as faults with pointers.
//!
//! Findings name the rule that was broken, never the value: a value may be one that is about to be sealed.

use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind;
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
            .flat_map(faults)
            .take(FINDINGS)
            .collect()
    }
}

/// One fault for each member that a finding is about: a missing or unknown member is pointed at by its own name.
fn faults(error: ValidationError<'_>) -> Vec<Fault> {
    let place = format!("/payload{}", error.instance_path().as_str());
    let at = |name: &str, detail: &str| Fault::new(Code::SchemaInvalid, "", detail).under(name).within(&place);
    match error.kind() {
        ValidationErrorKind::Required { property } => {
            vec![at(property.as_str().unwrap_or_default(), "this member is required")]
        }
        ValidationErrorKind::AdditionalProperties { unexpected } => unexpected
            .iter()
            .map(|name| at(name, "this member is unknown here"))
            .collect(),
        ValidationErrorKind::OneOfNotValid { context } => {
            vec![Fault::new(Code::SchemaInvalid, place, choices(context))]
        }
        _ => vec![Fault::new(
            Code::SchemaInvalid,
            place,
            error.masked_with("the value").to_string(),
        )],
    }
}

/// The constants that the schema offers.
fn choices(context: &[Vec<ValidationError<'static>>]) -> String {
    let constant = |error: &ValidationError<'static>| match error.kind() {
        ValidationErrorKind::Constant { expected_value } => Some(expected_value.to_string()),
        _ => None,
    };
    let constants: Vec<String> = context.iter().flatten().filter_map(constant).collect();
    format!("the value is one of {}", constants.join(", "))
}
