//! Which answers a monitor asks for: timelines of records that it has just read, a few at a time.

use record::Record;
use std::collections::VecDeque;
use std::fmt::Write as _;

/// Answers of one look.
const MOST: usize = 3;

/// Queries that wait.
#[derive(Default)]
pub struct Samples {
    waiting: VecDeque<String>,
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
        let query = format!("tenant={}&{label}={}", record.tenant, escape(target));
        if !self.waiting.contains(&query) {
            self.waiting.push_back(query);
        }
        if self.waiting.len() > MOST {
            self.waiting.pop_front();
        }
    }

    /// What to ask for now.
    pub fn take(&mut self) -> VecDeque<String> {
        std::mem::take(&mut self.waiting)
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
    use super::escape;

    #[test]
    fn a_target_cannot_end_its_own_value() {
        assert_eq!(escape("agent:a1&tenant=*"), "agent%3Aa1%26tenant%3D%2A");
        assert_eq!(escape("agent:ä"), "agent%3A%C3%A4");
    }
}
