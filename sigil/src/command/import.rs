//! `sigil import`: foreign audit logs into a log on this machine.
//!
//! Mapping runs beside the ledger: the next lines are mapped while the last ones are committed. A refused line is
//! reported with its number and reason and stops nothing; importing the same file again adds nothing.

use crate::cli::Import;
use crate::command::init::tenant;
use crate::command::record::read_input;
use crate::embedded::Embedded;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::place::Place;
use crate::progress;
use crate::stop::Signals;
use import::{Events, Format, Mapper};
use ledger_client::LedgerClient as _;
use record::{Auth, Author, NewRecord, Tenant};
use serde_json::json;
use std::io::{Cursor, Read as _};
use std::path::Path;

/// Events of one round through the ledger.
const ROUND: usize = 1_024;
/// What ids of imported events are derived under.
const ID_KEY: &str = "sigil import id v1";

/// What became of the events of one file.
#[derive(Debug, Default)]
struct Tally {
    added: u64,
    there: u64,
    refused: u64,
    integers_as_strings: u64,
    decimals_as_strings: u64,
}

/// Imports every file.
pub async fn run(args: Import, output: &Output) -> Result<Exit, Failure> {
    let format = args.format.as_deref().map(named_format).transpose()?;
    let tenant = tenant(&args.tenant)?;
    let embedded = Embedded::open_to_write(&Place::of(&args.log)?).await?;
    let imported = import_all(&embedded, &args, format, &tenant, output).await;
    embedded.close().await?;
    imported
}

async fn import_all(
    embedded: &Embedded,
    args: &Import,
    format: Option<Format>,
    tenant: &Tenant,
    output: &Output,
) -> Result<Exit, Failure> {
    ensure_tenant(embedded, tenant).await?;
    let mut exit = Exit::Ok;
    for path in &args.files {
        for (name, bytes) in documents(path)? {
            let format = format.or_else(|| Format::detect(&bytes)).ok_or_else(|| {
                let message = format!("{name} looks like none of the known formats: name one with --format");
                Failure::new(Exit::Usage, message)
            })?;
            let (tally, interrupted) = import_one(embedded, &name, &bytes, format, tenant, output).await?;
            show(&name, format, &tally, output);
            if interrupted {
                output.note("interrupted: what was added stays, importing again adds the rest");
                return Ok(Exit::Interrupted);
            }
            if tally.refused > 0 {
                exit = Exit::Failure;
            }
        }
    }
    Ok(exit)
}

async fn import_one(
    embedded: &Embedded,
    name: &str,
    bytes: &[u8],
    format: Format,
    tenant: &Tenant,
    output: &Output,
) -> Result<(Tally, bool), Failure> {
    let author = Author::new("local:import", Auth::Local);
    let mut mapper = Mapper::new(format, embedded.handle.derive_key(ID_KEY), tenant.clone(), author);
    let mut events = Events::new(format, bytes);
    let (mut tally, mut round) = (Tally::default(), Vec::with_capacity(ROUND));
    let bar = progress::bar("importing", "bytes", bytes.len() as u64);
    let mut signals = Signals::listen()?;
    let mut stop = std::pin::pin!(signals.requested());
    let mut interrupted = false;
    loop {
        // The ledger works on the last round while the next one is mapped.
        let commit = std::mem::take(&mut round);
        let commit = tokio::spawn(commit_round(embedded.handle.clone(), commit));
        let more =
            tokio::task::block_in_place(|| map_round(&mut mapper, &mut events, &mut round, &mut tally, name, output));
        commit
            .await
            .map_err(anyhow::Error::from)??
            .into_iter()
            .for_each(|replayed| match replayed {
                true => tally.there += 1,
                false => tally.added += 1,
            });
        bar.set_position(events.offset() as u64);
        interrupted |= futures_util::poll!(stop.as_mut()).is_ready();
        if (!more && round.is_empty()) || interrupted {
            break;
        }
    }
    bar.finish_and_clear();
    Ok((tally, interrupted))
}

fn map_round(
    mapper: &mut Mapper,
    events: &mut Events<'_>,
    round: &mut Vec<NewRecord>,
    tally: &mut Tally,
    name: &str,
    output: &Output,
) -> bool {
    for line in events.by_ref() {
        match mapper.map(line.number, line.bytes) {
            Ok(mapped) => {
                tally.integers_as_strings += mapped.integers_as_strings;
                tally.decimals_as_strings += mapped.decimals_as_strings;
                round.push(mapped.record);
            }
            Err(refused) => {
                tally.refused += 1;
                output.note(&format!("{name}: refused {refused}"));
            }
        }
        if round.len() == ROUND {
            return true;
        }
    }
    false
}

/// Appends a round; tells for each record whether it was there before.
async fn commit_round(handle: ledger::Handle, round: Vec<NewRecord>) -> Result<Vec<bool>, ledger_client::Error> {
    let receipts = handle.append_many(round).await?;
    receipts
        .into_iter()
        .map(|receipt| receipt.map(|receipt| receipt.replayed))
        .collect()
}

/// Creates the tenant unless it exists.
pub async fn ensure_tenant(embedded: &Embedded, tenant: &Tenant) -> Result<(), Failure> {
    match embedded.handle.create_tenant(tenant.clone(), tenant.to_string()).await {
        Ok(_) | Err(ledger_client::Error::Denied(domain::Denial::TenantExists)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn named_format(name: &str) -> Result<Format, Failure> {
    let names: Vec<&str> = Format::ALL.iter().map(|format| format.as_str()).collect();
    Format::parse(name).ok_or_else(|| Failure::new(Exit::Usage, format!("--format is one of {}", names.join(", "))))
}

/// The documents in a file: itself, or the files of a zip archive.
fn documents(path: &Path) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let bytes = read_input(path)?;
    if !bytes.starts_with(b"PK\x03\x04") {
        return Ok(vec![(path.display().to_string(), bytes)]);
    }
    let wrong = |error: zip::result::ZipError| Failure::new(Exit::Failure, format!("read {}: {error}", path.display()));
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(wrong)?;
    let mut documents = Vec::new();
    for at in 0..archive.len() {
        let mut file = archive.by_index(at).map_err(wrong)?;
        if file.is_file() {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            let name = file.name().map_or_else(|_| at.to_string(), |name| name.into_owned());
            documents.push((format!("{}:{name}", path.display()), bytes));
        }
    }
    Ok(documents)
}

fn show(name: &str, format: Format, tally: &Tally, output: &Output) {
    let Tally {
        added,
        there,
        refused,
        integers_as_strings,
        decimals_as_strings,
    } = tally;
    let value = json!({
        "file": name, "format": format.as_str(), "added": added, "already_there": there, "refused": refused,
        "integers_as_strings": integers_as_strings, "decimals_as_strings": decimals_as_strings,
    });
    let text = format!(
        "{name} ({format}): added {added}, already there {there}, refused {refused}\n\
         numbers kept exactly as strings: {integers_as_strings} integers, {decimals_as_strings} decimals"
    );
    output.data(&value, &text);
}
