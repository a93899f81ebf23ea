//! JSON Lines of no known format: what `docs/IMPORT.md` says of `jsonl`. Every object is accepted; members with
//! well-known names are understood where their value has the expected form, and are data in any case.

use crate::event::Event;
use crate::{member, moment};
use domain::payload::Outcome;
use serde_json::{Map, Value};

const LABELS: [&str; 4] = ["actor", "subject", "session", "resource"];
const TIMES: [&str; 4] = ["time", "timestamp", "occurred_at", "@timestamp"];

/// Reads one event.
pub fn read(members: &Map<String, Value>) -> Event {
    let action = member::text(members, "action");
    let source = member::text(members, "source");
    let mut event = Event::new(
        action.as_deref().unwrap_or("jsonl:line"),
        source.as_deref().unwrap_or("jsonl"),
    );
    event.outcome = member::text(members, "outcome").map_or(Outcome::Unknown, |text| outcome(&text));
    let times = TIMES.iter().filter_map(|name| members.get(*name));
    event.occurred_at = times.filter_map(moment::of_any).next();
    for label in LABELS {
        event.link_own(label, member::text(members, label));
    }
    event
}

fn outcome(text: &str) -> Outcome {
    match text.trim().to_ascii_lowercase().as_str() {
        "success" | "succeeded" | "ok" | "allowed" => Outcome::Success,
        "failure" | "failed" | "error" => Outcome::Failure,
        "denied" | "forbidden" | "unauthorized" => Outcome::Denied,
        _ => Outcome::Unknown,
    }
}
