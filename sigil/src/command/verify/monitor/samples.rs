//! Which answers a monitor asks for: timelines of records that it has just read, a few at a time.

use record::Record;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::fmt::Write as _;

/// Answers of one look.
const MOST: usize = 3;

/// Timelines that wait.
#[derive(Default)]
pub struct Samples {
    waiting: VecDeque<Sample>,
}

/// The newest page of one timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    tenant: String,
    label: String,
    target: String,
}

impl Samples {
    /// Notes a timeline of the record: by a link where it has one, else by its kind.
    pub fn see(&mut self, bytes: &[u8]) {
        // What does not parse is for the walk over the records to report.
        let Ok(record) = Record::parse(bytes.to_vec()) else {
            return;
        };
        let links = record.links.iter().filter(|link| link.has_timeline());
        // Which of them follows from the record's hash: nobody who writes the record chooses it.
        let choice = usize::from(record.hash.as_bytes().first().copied().unwrap_or_default());
        let all: Vec<(&str, &str)> = links.map(|link| (link.label(), link.target())).collect();
        let (label, target) = match all.get(choice % all.len().max(1)) {
            Some(found) => *found,
            None => ("kind", record.kind.as_str()),
        };
        let sample = Sample {
            tenant: record.tenant.to_string(),
            label: label.to_owned(),
            target: target.to_owned(),
        };
        if !self.waiting.contains(&sample) {
            self.waiting.push_back(sample);
        }
        if self.waiting.len() > MOST {
            self.waiting.pop_front();
        }
    }

    /// What to ask for now.
    pub fn take(&mut self) -> VecDeque<Sample> {
        std::mem::take(&mut self.waiting)
    }
}

impl Sample {
    /// It as a query of the API.
    pub fn query(&self) -> String {
        format!("tenant={}&{}={}", self.tenant, self.label, escape(&self.target))
    }

    /// Whether the answer is to this question. That it proves what it says, the verifier has shown; what was asked, only
    /// who has asked knows, and a server that hides a record may answer about another timeline, span or page.
    pub fn is_answered_by(&self, answer: &[u8]) -> bool {
        let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
        let query = answer.get("query").unwrap_or(&Value::Null);
        let is = |name: &str, wanted: &Value| query.get(name) == Some(wanted);
        let has_not = |name: &str| query.get(name).is_none();
        is("tenant", &json!(self.tenant))
            && is("label", &json!(self.label))
            && is("target", &json!(self.target))
            && is("order", &json!("desc"))
            && (has_not("cursor") || is("cursor", &json!(false)))
            && ["and", "recorded_from", "recorded_to"].into_iter().all(has_not)
    }

    /// That another question was answered, in words.
    pub fn refused(&self) -> String {
        let Self { tenant, label, target } = self;
        format!(
            "asked for the newest records of {label} {target} of tenant {tenant}, the server has answered something else"
        )
    }
}

/// A query's value: everything but unreserved characters escaped (RFC 3986).
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            // Writing to a String does not fail.
            _ => drop(write!(out, "%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_to_another_question_is_none() {
        let sample = Sample {
            tenant: "default".to_owned(),
            label: "actor".to_owned(),
            target: "agent:a1".to_owned(),
        };
        let asked = json!({
            "tenant": "default", "label": "actor", "target": "agent:a1", "order": "desc", "limit": 50, "cursor": false,
        });
        let answered = |query: &Value| sample.is_answered_by(json!({"query": query}).to_string().as_bytes());
        assert!(answered(&asked));
        for (member, other) in [
            ("tenant", json!("other")),
            ("label", json!("subject")),
            ("target", json!("agent:a2")),
            ("order", json!("asc")),
            ("cursor", json!(true)),
            ("recorded_to", json!("2026-11-20T12:00:00.000000Z")),
            ("recorded_from", json!("2026-11-20T12:00:00.000000Z")),
            ("and", json!([{"label": "kind", "target": "audit.event"}])),
        ] {
            let mut query = asked.clone();
            query[member] = other;
            assert!(!answered(&query), "{member}");
        }
        assert!(!sample.is_answered_by(b"{}") && !sample.is_answered_by(b"no JSON"));
    }

    #[test]
    fn a_target_cannot_end_its_own_value() {
        assert_eq!(escape("agent:a1&tenant=*"), "agent%3Aa1%26tenant%3D%2A");
        assert_eq!(escape("agent:ä"), "agent%3A%C3%A4");
    }
}
