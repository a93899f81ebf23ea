//! Windows event logs as flat JSON: what `docs/IMPORT.md` says of `windows`.
//!
//! Names are those of the event's own data (`SubjectUserName`, `ObjectName`); `-` is how Windows writes "none". Nested
//! exports (`Event.EventData`, `winlog.event_data`) are not read here: import them as `jsonl`.

use crate::event::Event;
use crate::{member, moment};
use domain::payload::Outcome;
use record::{Code, Fault, Timestamp};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// Bits 53 and 52 of `Keywords`: winmeta.xml's AuditSuccess and AuditFailure.
const AUDIT_SUCCESS: u64 = 1 << 53;
const AUDIT_FAILURE: u64 = 1 << 52;

const MINUTE: i64 = 60_000_000;
/// Zones are whole quarters of an hour.
const QUARTER: i64 = 15 * MINUTE;
/// From UTC-14:00 to UTC+14:00.
const WIDEST_ZONE: i64 = 56 * QUARTER;
/// A collector that takes longer to hand an event on than this does not tell its zone.
const HANDLING: i64 = MINUTE;
/// An event received longer after it happened than this may lie on the other side of a change of the clocks.
const DELIVERY: i64 = 30 * MINUTE;

type Members = Map<String, Value>;

/// Reads one event.
///
/// # Errors
/// [`Code::EnvelopeInvalid`] at `/EventID` when there is none: it is not a Windows event.
pub fn read(members: &Members) -> Result<Event, Fault> {
    let id = present(members, "EventID").ok_or_else(|| {
        let detail = "a Windows event has `EventID`: import other lines as jsonl";
        Fault::new(Code::EnvelopeInvalid, "/EventID", detail)
    })?;
    let channel = ["Channel", "SourceName"].iter().find_map(|name| present(members, name));
    let channel = channel.as_deref().unwrap_or("unknown");
    let mut event = Event::new(
        &format!("windows:{}:{id}", short_channel(channel)),
        &format!("windows:{channel}"),
    );
    event.outcome = outcome(members);
    event.occurred_at = occurred_at(members);
    event.link("actor", "windows-user", actor(members));
    event.link("subject", "windows-user", present(members, "TargetUserName"));
    event.link("session", "windows-logon", on_host(members, "SubjectLogonId"));
    event.link("resource", "windows-object", on_host(members, "ObjectName"));
    Ok(event)
}

/// The member as text, unless it is missing or `-`.
fn present<'a>(members: &'a Members, name: &str) -> Option<Cow<'a, str>> {
    member::text(members, name).filter(|text| text.trim() != "-")
}

fn actor(members: &Members) -> Option<Cow<'_, str>> {
    let pair = |domain, name| {
        let (domain, name) = (present(members, domain)?, present(members, name)?);
        Some(Cow::Owned(format!("{domain}\\{name}")))
    };
    pair("SubjectDomainName", "SubjectUserName")
        .or_else(|| present(members, "User"))
        .or_else(|| pair("Domain", "AccountName"))
}

/// `host/member`: logon ids and object names mean something on their machine only. `Hostname` is that machine; `host`
/// may be the collector, so it comes last.
fn on_host(members: &Members, name: &str) -> Option<String> {
    let value = present(members, name)?;
    let host = ["Hostname", "Computer", "host"]
        .iter()
        .find_map(|name| present(members, name));
    Some(format!("{}/{value}", host.as_deref().unwrap_or("unknown")))
}

/// The channel without what most of them share: `Microsoft-Windows-Sysmon/Operational` is `Sysmon`.
fn short_channel(channel: &str) -> &str {
    let channel = channel.strip_prefix("Microsoft-Windows-").unwrap_or(channel);
    channel.strip_suffix("/Operational").unwrap_or(channel)
}

fn outcome(members: &Members) -> Outcome {
    match member::text(members, "EventType").as_deref() {
        Some("AUDIT_SUCCESS") => Outcome::Success,
        Some("AUDIT_FAILURE") => Outcome::Failure,
        _ => member::text(members, "Keywords").map_or(Outcome::Unknown, |keywords| of_keywords(&keywords)),
    }
}

/// `Keywords` as a number, decimal (signed as NXLog writes it) or hexadecimal, or as the words of the Event Viewer.
fn of_keywords(keywords: &str) -> Outcome {
    let number = match keywords.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => keywords
            .parse::<i64>()
            .ok()
            .map(i64::cast_unsigned)
            .or_else(|| keywords.parse().ok()),
    };
    match number {
        Some(bits) if bits & AUDIT_FAILURE != 0 => Outcome::Failure,
        Some(bits) if bits & AUDIT_SUCCESS != 0 => Outcome::Success,
        None if keywords.contains("Audit Failure") => Outcome::Failure,
        None if keywords.contains("Audit Success") => Outcome::Success,
        _ => Outcome::Unknown,
    }
}

/// Sysmon's `UtcTime`; else `EventTime` or `TimeCreated` with a zone; else `EventTime` moved to UTC; else `@timestamp`.
fn occurred_at(members: &Members) -> Option<Timestamp> {
    let text = |name| member::text(members, name);
    let zoned = |name| text(name).and_then(|text| moment::with_zone(&text));
    let utc = text("UtcTime").and_then(|text| moment::without_zone(&text).or_else(|| moment::with_zone(&text)));
    utc.or_else(|| zoned("EventTime"))
        .or_else(|| zoned("TimeCreated"))
        .or_else(|| local_event_time(members))
        .or_else(|| zoned("@timestamp"))
}

/// `EventTime` in UTC. It is local and names no zone, but `EventReceivedTime` is of the same clock and zone, and
/// `@timestamp` is the same moment in UTC a few seconds later: their difference is the zone. `None` when the three do
/// not fit together.
fn local_event_time(members: &Members) -> Option<Timestamp> {
    let local = |name| member::text(members, name).and_then(|text| moment::without_zone(&text));
    let (event, received) = (local("EventTime")?.micros(), local("EventReceivedTime")?.micros());
    let handled = moment::with_zone(&member::text(members, "@timestamp")?)?.micros();
    let zone = (handled - received + QUARTER / 2).div_euclid(QUARTER) * QUARTER;
    let fits = zone.abs() <= WIDEST_ZONE
        && (handled - received - zone).abs() <= HANDLING
        && (0..=DELIVERY).contains(&(received - event));
    fits.then(|| Timestamp::from_micros(event + zone)).flatten()
}
