//! One condition of a timeline: which field, and a value that the field can have at all.

use projector::query::{Field, Pattern, Term};
use record::{Kind, limits};

/// Fields by the name that parameters and qualifiers use.
pub(crate) const FIELDS: [(&str, Field); 8] = [
    ("actor", Field::Actor),
    ("subject", Field::Subject),
    ("resource", Field::Resource),
    ("session", Field::Session),
    ("proposal", Field::Proposal),
    ("kind", Field::Kind),
    ("action", Field::Action),
    ("outcome", Field::Outcome),
];

/// The values that `outcome` can have.
const OUTCOMES: [&str; 4] = ["success", "failure", "denied", "unknown"];

/// A condition on `field`; `literal` takes a trailing `*` as it stands.
///
/// # Errors
/// What is wrong with the value.
pub(crate) fn term(field: Field, value: &str, literal: bool, negated: bool) -> Result<Term, String> {
    let prefix = value.strip_suffix('*').filter(|_| !literal);
    let text = prefix.unwrap_or(value);
    if value.is_empty() || text.len() > limits::TARGET_BYTES || value.chars().any(char::is_control) {
        return Err(format!(
            "a value is 1 to {} bytes without control characters",
            limits::TARGET_BYTES
        ));
    }
    if !literal && text.contains('*') {
        return Err("`*` stands only at the end; put a value that holds one in quotes".to_owned());
    }
    match (field, prefix) {
        (Field::Outcome, None) if !OUTCOMES.contains(&text) => {
            return Err(format!("an outcome is {}", OUTCOMES.join(", ")));
        }
        (Field::Kind, None) if Kind::parse(text).is_none() => {
            return Err("a kind is [a-z][a-z0-9_]*(.[a-z][a-z0-9_]*)+, such as audit.event or audit.*".to_owned());
        }
        _ => {}
    }
    let text = text.to_owned();
    Ok(Term {
        field,
        pattern: if prefix.is_some() {
            Pattern::Prefix(text)
        } else {
            Pattern::Exact(text)
        },
        negated,
    })
}
