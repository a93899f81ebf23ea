//! From the bytes of one foreign event to a record, or to the reason why not.
//!
//! The mapper's only state is how often it has met each line, so one mapper belongs to one file: the same lines in the
//! same order give the same ids. What it hands out passes sealing, the schema of `audit.event` and the limit of size.

use crate::event::Event;
use crate::format::Format;
use crate::ident::{self, Ids};
use crate::{cloudevents, cloudtrail, jsonl, lenient, windows};
use record::limits::{RECORD_BYTES, RECORD_DEPTH};
use record::{Author, Code, Draft, Fault, Kind, NewRecord, Origin, Space, Tenant, intake, json, link};
use serde_json::{Map, Value};

/// Canonical numbers are at most four times as long as they were written, and links and author take less than half of
/// the limit: a shorter line cannot become too large a record.
const SURELY_FITS: usize = RECORD_BYTES / 8;

/// Maps the events of one file.
pub struct Mapper {
    format: Format,
    ids: Ids,
    tenant: Tenant,
    author: Author,
    kind: Kind,
}

/// An event that became a record.
#[derive(Debug, Clone, PartialEq)]
pub struct Mapped {
    /// The record, an `audit.event` 1.
    pub record: NewRecord,
    /// Integers of the original that a record cannot hold as numbers (beyond 2^53-1) and are strings now.
    pub integers_as_strings: u64,
    /// Numbers with fraction or exponent that a record cannot hold exactly and are strings now.
    pub decimals_as_strings: u64,
}

/// An event that cannot become a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event {line}: {fault}")]
pub struct Refused {
    /// Its number, as given to [`Mapper::map`].
    pub line: u64,
    /// What is wrong with it. Pointers are from the event's root.
    pub fault: Fault,
}

impl Mapper {
    /// A mapper for one file. `id_key` belongs to the ledger: the same key gives the same ids on every run.
    #[must_use]
    pub fn new(format: Format, id_key: [u8; 32], tenant: Tenant, author: Author) -> Self {
        Self {
            format,
            ids: Ids::new(id_key),
            tenant,
            author,
            kind: Kind::parse("audit.event").expect("`audit.event` follows the grammar of kinds"),
        }
    }

    /// The record of the event in `bytes`, which is number `line` of its file. A line end is not part of the event.
    ///
    /// # Errors
    /// The event is not JSON that a record can hold, not of this format, or too large.
    pub fn map(&mut self, line: u64, bytes: &[u8]) -> Result<Mapped, Refused> {
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        // Counted before anything can be refused, so that the ids of a file do not depend on what a version accepts.
        let entropy = self.ids.next(bytes);
        self.record(bytes, entropy).map_err(|fault| Refused { line, fault })
    }

    fn record(&self, bytes: &[u8], entropy: [u8; 10]) -> Result<Mapped, Fault> {
        let parsed = lenient::parse(bytes)?;
        let Value::Object(original) = parsed.value else {
            let detail = "an event is one JSON object";
            return Err(Fault::new(Code::EnvelopeInvalid, "", detail));
        };
        let event = self.read(&original)?;
        let id = ident::record_id(event.occurred_at, entropy);
        let (payload, links) = event.into_payload(original);
        check_data(&payload)?;
        let record = NewRecord {
            tenant: self.tenant.clone(),
            kind: self.kind.clone(),
            schema_version: 1,
            id,
            space: Space::User,
            author: self.author.clone(),
            payload,
            links: link::normalize(links)?,
            disclosures: Vec::new(),
        };
        if bytes.len() > SURELY_FITS {
            check_size(&record)?;
        }
        Ok(Mapped {
            record,
            integers_as_strings: parsed.integers,
            decimals_as_strings: parsed.decimals,
        })
    }

    fn read(&self, original: &Map<String, Value>) -> Result<Event, Fault> {
        match self.format {
            Format::Windows => windows::read(original),
            Format::CloudTrail => cloudtrail::read(original),
            Format::CloudEvents => cloudevents::read(original),
            Format::JsonLines => Ok(jsonl::read(original)),
        }
    }
}

/// What the original may not hold although the parser lets it pass.
fn check_data(payload: &Value) -> Result<(), Fault> {
    // The record's own object is one level more.
    if json::depth(payload) + 1 > RECORD_DEPTH {
        let detail = format!("an event is nested at most {} levels deep", RECORD_DEPTH - 2);
        return Err(Fault::new(Code::TooDeep, "", detail));
    }
    let Some(mark) = json::marks(payload).into_iter().next() else {
        return Ok(());
    };
    let detail = "$sealed, $redacted and $token are reserved names and never imported";
    let pointer = mark.strip_prefix("/data").unwrap_or(&mark);
    Err(Fault::new(Code::ReservedName, pointer, detail))
}

/// Asks the rule of [`Draft`], with the longest name that a log can have.
fn check_size(record: &NewRecord) -> Result<(), Fault> {
    let log = Origin::parse(&"x".repeat(255)).expect("255 letters follow the grammar of origins");
    let blank = || Ok::<_, Fault>([0; 32]);
    let sealed = record.clone().seal(&log, &[intake::EVIDENCE], blank)?;
    Draft::new(&log, sealed, &[]).map(drop)
}
