//! The formats that can be imported, their names on the command line, and telling them apart by their first event.

use crate::events::Events;
use crate::{lenient, scan};
use serde_json::{Map, Value};
use std::fmt;

/// How many events [`Format::detect`] looks at before it gives up: a log may begin with a torn line.
const DETECT_EVENTS: usize = 16;

/// The format of a foreign audit log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Windows event logs as JSON Lines with flat members, as NXLog and the public data sets write them.
    Windows,
    /// AWS CloudTrail: `{"Records": [...]}` or one event per line.
    CloudTrail,
    /// CloudEvents 1.0 in structured JSON, one event per line.
    CloudEvents,
    /// Any JSON object per line.
    JsonLines,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 4] = [Self::Windows, Self::CloudTrail, Self::CloudEvents, Self::JsonLines];

    /// The name on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Windows => "windows",
            Self::CloudTrail => "cloudtrail",
            Self::CloudEvents => "cloudevents",
            Self::JsonLines => "jsonl",
        }
    }

    /// Reads the name on the command line.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == text)
    }

    /// The format that a file seems to have, by its first event that parses; `None` when no JSON object is found. Hand
    /// over at least the first line whole, or the whole file.
    #[must_use]
    pub fn detect(start: &[u8]) -> Option<Self> {
        if scan::records_start(scan::without_bom(start), 0).is_some() {
            return Some(Self::CloudTrail);
        }
        let events = Events::new(Self::JsonLines, start).take(DETECT_EVENTS);
        let mut parsed = events.filter_map(|event| lenient::parse(event.bytes).ok());
        parsed.find_map(|event| event.value.as_object().map(Self::of_event))
    }

    fn of_event(members: &Map<String, Value>) -> Self {
        let all = |names: &[&str]| names.iter().all(|name| members.contains_key(*name));
        if all(&["specversion", "id", "source", "type"]) {
            Self::CloudEvents
        } else if all(&["eventSource", "eventName"]) || all(&["eventVersion", "eventType", "eventID"]) {
            Self::CloudTrail
        } else if all(&["EventID", "Channel"]) || all(&["EventID", "SourceName"]) {
            Self::Windows
        } else {
            Self::JsonLines
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
