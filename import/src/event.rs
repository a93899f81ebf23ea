//! What a mapper has understood of a foreign event, and the payload it becomes together with the original.

use crate::target;
use domain::payload::Outcome;
use record::{Link, Timestamp};
use serde_json::{Map, Value};

/// The schema's limit of `action` and `source` is 256 characters; counting bytes keeps every text within it.
const NAME_BYTES: usize = 256;
/// Of one label so many links are kept: a record has at most 64 in all.
const LABEL_LINKS: usize = 32;

/// The members of `audit.event` and the links, as read from a foreign event.
pub struct Event {
    pub action: String,
    pub outcome: Outcome,
    pub occurred_at: Option<Timestamp>,
    pub source: String,
    pub links: Vec<Link>,
}

impl Event {
    /// An event that says nothing but what was done and who reports it.
    pub fn new(action: &str, source: &str) -> Self {
        Self {
            action: target::fit(action, NAME_BYTES).into_owned(),
            outcome: Outcome::Unknown,
            occurred_at: None,
            source: target::fit(source, NAME_BYTES).into_owned(),
            links: Vec::new(),
        }
    }

    /// Adds `scheme:rest`, when there is something to add. Of one label the first 32 different targets are kept; the
    /// others are in the data alone.
    pub fn link(&mut self, label: &str, scheme: &str, rest: Option<impl AsRef<str>>) {
        self.add(label, rest.and_then(|rest| target::with_scheme(scheme, rest.as_ref())));
    }

    /// Adds `text` as it is when it has a scheme, otherwise with the label as its scheme.
    pub fn link_own(&mut self, label: &str, text: Option<impl AsRef<str>>) {
        self.add(
            label,
            text.and_then(|text| target::with_scheme_or_own(label, text.as_ref())),
        );
    }

    fn add(&mut self, label: &str, target: Option<String>) {
        let Some(target) = target else { return };
        let link = Link::new(label, target).expect("labels are ours and targets were made to fit");
        let same = self.links.iter().filter(|known| known.label() == label).count();
        if same < LABEL_LINKS && !self.links.contains(&link) {
            self.links.push(link);
        }
    }

    /// The payload with the original under `data`, and the links.
    pub fn into_payload(self, original: Map<String, Value>) -> (Value, Vec<Link>) {
        let mut payload = Map::new();
        payload.insert("action".to_owned(), self.action.into());
        payload.insert("outcome".to_owned(), self.outcome.as_str().into());
        if let Some(occurred_at) = self.occurred_at {
            payload.insert("occurred_at".to_owned(), occurred_at.to_string().into());
        }
        payload.insert("source".to_owned(), self.source.into());
        payload.insert("data".to_owned(), Value::Object(original));
        (Value::Object(payload), self.links)
    }
}
