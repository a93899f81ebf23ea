//! CloudEvents 1.0 in structured JSON: what `docs/IMPORT.md` says of `cloudevents`.
//!
//! The four attributes that the specification requires are required here too (CloudEvents 1.0.2, "Required
//! Attributes"). The event's `data` stays where it is, inside the whole event under the payload's `data`.

use crate::event::Event;
use crate::{member, moment};
use record::{Code, Fault};
use serde_json::{Map, Value};

type Members = Map<String, Value>;

/// Reads one event.
///
/// # Errors
/// [`Code::EnvelopeInvalid`] at the attribute that is missing, empty or, for `specversion`, not `1.0`.
pub fn read(members: &Members) -> Result<Event, Fault> {
    if required(members, "specversion")? != "1.0" {
        let detail = "only CloudEvents of specversion 1.0 are imported";
        return Err(Fault::new(Code::EnvelopeInvalid, "/specversion", detail));
    }
    required(members, "id")?;
    let mut event = Event::new(required(members, "type")?, required(members, "source")?);
    event.occurred_at = member::text(members, "time").and_then(|text| moment::with_zone(&text));
    event.link_own("actor", member::text(members, "authid"));
    event.link_own("subject", member::text(members, "subject"));
    event.link_own("correlation", member::text(members, "correlationid"));
    event.link_own("cause", member::text(members, "causationid"));
    event.link("trace", "trace", trace_id(members));
    Ok(event)
}

fn required<'a>(members: &'a Members, name: &str) -> Result<&'a str, Fault> {
    let text = members
        .get(name)
        .and_then(Value::as_str)
        .filter(|text| !text.trim().is_empty());
    text.ok_or_else(|| {
        let detail = "a CloudEvent has the texts specversion, id, source and type";
        Fault::new(Code::EnvelopeInvalid, format!("/{name}"), detail)
    })
}

/// The second field of `traceparent` (W3C Trace Context): 32 hex digits.
fn trace_id(members: &Members) -> Option<&str> {
    let id = members.get("traceparent")?.as_str()?.split('-').nth(1)?;
    (id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit())).then_some(id)
}
