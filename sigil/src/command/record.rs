//! `sigil record`: append, get, list and tail on a data directory.

use crate::cli::RecordVerb;
use crate::command::init::tenant;
use crate::embedded::Embedded;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::place::Place;
use ledger_client::{LedgerClient as _, Receipt};
use record::{Auth, Author, Intake, NewRecord, RecordId, Tenant};
use serde_json::json;
use std::io::Read as _;
use std::path::Path;

/// Runs one of the verbs.
pub async fn run(verb: RecordVerb, output: &Output) -> Result<Exit, Failure> {
    match verb {
        RecordVerb::Append {
            log,
            tenant: name,
            ndjson,
            file,
        } => {
            let input = read_input(&file)?;
            let embedded = Embedded::open_to_write(&Place::of(&log)?).await?;
            let appended = append(&embedded, &tenant(&name)?, &input, ndjson, output).await;
            embedded.close().await?;
            appended
        }
        RecordVerb::Get { log, tenant: name, id } => {
            let wrong = || Failure::new(Exit::Usage, "a record id is a lower-case UUIDv7");
            let id = RecordId::parse(&id).ok_or_else(wrong)?;
            let embedded = Embedded::open(&Place::of(&log)?).await?;
            let found = embedded.handle.find(tenant(&name)?, id).await?;
            let found =
                found.ok_or_else(|| Failure::new(Exit::Failure, format!("tenant {name} has no record {id}")))?;
            output.bytes(&found.bytes);
            embedded.close().await?;
            Ok(Exit::Ok)
        }
        RecordVerb::List { log, from, limit } => {
            let embedded = Embedded::open(&Place::of(&log)?).await?;
            list(&embedded, from, limit, output).await?;
            embedded.close().await?;
            Ok(Exit::Ok)
        }
        RecordVerb::Tail { log, lines } => {
            let embedded = Embedded::open(&Place::of(&log)?).await?;
            let size = embedded.handle.head().await?.size;
            list(&embedded, size.saturating_sub(lines), lines, output).await?;
            embedded.close().await?;
            Ok(Exit::Ok)
        }
    }
}

async fn list(embedded: &Embedded, from: u64, limit: u64, output: &Output) -> Result<(), Failure> {
    let end = from.saturating_add(limit);
    let mut next = from;
    while next < end {
        let want = usize::try_from(end - next).unwrap_or(usize::MAX).min(1_024);
        let records = embedded.handle.read(next, want).await?;
        let Some(last) = records.last() else { break };
        next = last.offset + 1;
        records.iter().for_each(|record| output.bytes(&record.bytes));
    }
    Ok(())
}

async fn append(
    embedded: &Embedded,
    tenant: &Tenant,
    input: &[u8],
    ndjson: bool,
    output: &Output,
) -> Result<Exit, Failure> {
    let documents: Vec<(String, &[u8])> = if ndjson {
        let lines = input.split(|byte| *byte == b'\n').enumerate();
        lines
            .filter(|(_, line)| !line.trim_ascii().is_empty())
            .map(|(at, line)| (format!("line {}: ", at + 1), line))
            .collect()
    } else {
        vec![(String::new(), input)]
    };
    let mut exit = Exit::Ok;
    for (place, document) in documents {
        let appended = match new_record(document, tenant) {
            Ok(record) => {
                embedded
                    .handle
                    .append(ledger_client::Append { record, guard: None })
                    .await
            }
            Err(error) => Err(error),
        };
        match appended {
            Ok(receipt) => show(&receipt, output),
            Err(error) => {
                output.note(&format!("sigil: {place}{error}"));
                exit = Exit::Failure;
            }
        }
    }
    Ok(exit)
}

fn show(receipt: &Receipt, output: &Output) {
    let offset = receipt.committed.offset;
    let value = json!({
        "offset": offset, "id": receipt.id.to_string(), "hash": receipt.hash.to_string(),
        "state": "committed", "replayed": receipt.replayed,
    });
    let replayed = if receipt.replayed { "  (was there already)" } else { "" };
    output.data(&value, &format!("{offset}  {}  {}{replayed}", receipt.id, receipt.hash));
}

/// A record of the local operator from one JSON document.
fn new_record(document: &[u8], tenant: &Tenant) -> Result<NewRecord, ledger_client::Error> {
    let intake = Intake::parse(document)?;
    let unavailable = |error: ledger::Error| ledger_client::Error::Unavailable {
        reason: error.to_string(),
    };
    let now = ledger::Clock::read(&ledger::SystemClock).wall;
    let id = intake
        .id
        .map_or_else(|| ledger::fresh_id(now).map_err(unavailable), Ok)?;
    let mut author = Author::new("local:operator", Auth::Local);
    if let Some(signed) = intake.author {
        author.id = signed.id;
        author.key_id = Some(signed.key_id);
        author.sig = Some(signed.sig);
    }
    Ok(NewRecord {
        tenant: intake.tenant.unwrap_or_else(|| tenant.clone()),
        kind: intake.kind,
        schema_version: intake.schema_version,
        id,
        space: intake.space,
        author,
        payload: intake.payload,
        links: intake.links,
        disclosures: intake.disclosures,
    })
}

/// A file's bytes, or standard input's for `-`.
pub fn read_input(path: &Path) -> Result<Vec<u8>, Failure> {
    if path == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes)?;
        return Ok(bytes);
    }
    std::fs::read(path).map_err(|error| Failure::new(Exit::Failure, format!("read {}: {error}", path.display())))
}
