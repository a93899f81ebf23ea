//! Reading members of foreign events: texts, whatever type the exporter chose for them.

use serde_json::{Map, Value};
use std::borrow::Cow;

/// A string that is not blank, or a number in decimal; `None` for anything else.
pub fn as_text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Some(Cow::Borrowed(text)),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        _ => None,
    }
}

/// The member `name` as [`as_text`] reads it.
pub fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Option<Cow<'a, str>> {
    members.get(name).and_then(as_text)
}

/// The member at the end of `path`, where every step is an object.
pub fn text_at<'a>(members: &'a Map<String, Value>, path: &[&str]) -> Option<Cow<'a, str>> {
    let (last, steps) = path.split_last()?;
    let inner = steps
        .iter()
        .try_fold(members, |members, step| members.get(*step)?.as_object());
    text(inner?, last)
}
