//! A proven page as it is answered, beside its rows.

use super::{Completeness, Proven};
use crate::error::{Code, Problem};
use crate::splice;
use projector::query::{Order, Page, TimelineRequest};
use serde_json::{Map, Value, json};

impl Completeness {
    /// The value of the header `Sigil-Completeness`.
    pub(crate) const fn as_str(&self) -> &'static str {
        match self {
            Self::Proven(proven) => proven.completeness(),
            Self::NotProvable(_) => "not_provable",
        }
    }

    /// What names this state of the answer beside its rows; `None` when the next one may differ without a sign.
    pub(crate) fn tag(&self) -> Option<String> {
        match self {
            Self::Proven(proven) => Some(note_tag(&proven.proof.checkpoint)),
            Self::NotProvable(reason) => reason.is_of_question().then(String::new),
        }
    }

    /// The members that the answer has beside a page without proof.
    ///
    /// # Errors
    /// Never: a proof is plain JSON.
    pub(crate) fn write(&self, request: &TimelineRequest, page: &Page, out: &mut Vec<u8>) -> Result<(), Problem> {
        match self {
            Self::NotProvable(reason) => {
                let reason = reason.to_json();
                let members = format!(",\"completeness\":\"not_provable\",\"reason\":{reason}");
                out.extend_from_slice(members.as_bytes());
                Ok(())
            }
            Self::Proven(proven) => proven.write(request, page, out),
        }
    }
}

impl Proven {
    /// Whether the proof is of what was asked for, or of a timeline in which all of that stands.
    const fn completeness(&self) -> &'static str {
        if self.and.is_empty() { "proven" } else { "superset" }
    }

    fn write(&self, request: &TimelineRequest, page: &Page, out: &mut Vec<u8>) -> Result<(), Problem> {
        let newer = page.rows.iter().map(|row| row.offset);
        let newer: Vec<u64> = newer.filter(|offset| *offset >= self.proof.as_of).collect();
        let (query, newer) = (self.query(request), json!(newer));
        let completeness = self.completeness();
        let members = format!(",\"completeness\":\"{completeness}\",\"query\":{query},\"unproven\":{newer}");
        out.extend_from_slice(members.as_bytes());
        if !self.and.is_empty() {
            out.extend_from_slice(b",\"others\":[");
            splice::write_list(self.others.iter().map(|row| row.bytes.as_slice()), out);
            out.push(b']');
        }
        out.extend_from_slice(b",\"boundary\":{");
        let sides = [("before", &self.before), ("after", &self.after)];
        for (at, (side, row)) in sides
            .iter()
            .filter_map(|(side, row)| Some((side, row.as_ref()?)))
            .enumerate()
        {
            let comma = if at > 0 { "," } else { "" };
            out.extend_from_slice(format!("{comma}\"{side}\":").as_bytes());
            out.extend_from_slice(&row.bytes);
        }
        out.extend_from_slice(b"},\"proof\":");
        serde_json::to_writer(&mut *out, &*self.proof)
            .map_err(|_| Problem::new(Code::Internal, "the proof cannot be written"))
    }

    /// The question as it was understood; a verifier holds it against what was asked.
    fn query(&self, request: &TimelineRequest) -> Value {
        let order = if request.order == Order::RecordedAscending {
            "asc"
        } else {
            "desc"
        };
        let mut query = Map::new();
        query.insert("tenant".to_owned(), json!(request.tenant.as_str()));
        query.insert("label".to_owned(), json!(self.name.label));
        query.insert("target".to_owned(), json!(self.name.target));
        if !self.and.is_empty() {
            let and = self.and.iter();
            let and = and.map(|name| json!({"label": name.label, "target": name.target}));
            query.insert("and".to_owned(), Value::Array(and.collect()));
        }
        query.insert("order".to_owned(), json!(order));
        query.insert("limit".to_owned(), json!(request.limit));
        let bounds = [
            ("recorded_from", request.recorded.from),
            ("recorded_to", request.recorded.until),
        ];
        for (name, time) in bounds {
            if let Some(time) = time {
                query.insert(name.to_owned(), json!(time.to_string()));
            }
        }
        query.insert("cursor".to_owned(), json!(request.after.is_some()));
        Value::Object(query)
    }
}

/// A short name of a checkpoint with its cosignatures.
pub(crate) fn note_tag(note: &str) -> String {
    let hash = blake3::hash(note.as_bytes()).to_hex();
    hash.get(..16).unwrap_or_default().to_owned()
}
