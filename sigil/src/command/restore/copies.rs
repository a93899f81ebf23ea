//! Copies of records behind the backup: files, and the log's streams.

use super::{blocking, evidence};
use crate::cli::Restore;
use crate::exit::{Exit, Failure};
use crate::{command, progress};
use ledger::restore::Work;
use projector::Copies;
use record::{Record, Slug};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Records of one step.
const STEP: usize = 1_024;

/// Adds what the copies have behind what is restored already.
pub async fn add(args: &Restore, mut work: Work) -> Result<Work, Failure> {
    for path in &args.copies {
        work = add_file(work, path.clone()).await?;
    }
    if args.from_stream {
        work = add_streams(args, work).await?;
    }
    Ok(work)
}

/// Adds what the streams hold, from the first offset that is missing to the first that none of them has.
async fn add_streams(args: &Restore, mut work: Work) -> Result<Work, Failure> {
    let settings = command::config::load(&args.bus_config())?.settings;
    let client = command::stream::client(&settings).await?;
    let slug = slug(args, &work)?;
    let mut copies = Copies::survey(client, &slug).await?;
    let bar = progress::bar("reading the streams", "records", copies.end());
    loop {
        let records = copies.next(work.size()).await?;
        if records.is_empty() {
            bar.finish_and_clear();
            return Ok(work);
        }
        let pushed = blocking(move || {
            let pushed = work.push(&records);
            pushed.map(|()| work)
        });
        work = pushed.await??;
        bar.set_position(work.size());
    }
}

/// The log's short name: what its genesis says, else what the command says.
fn slug(args: &Restore, work: &Work) -> Result<Slug, Failure> {
    let usage = |message: &str| Failure::new(Exit::Usage, message);
    match (work.slug(), &args.slug) {
        (Some(slug), _) => Ok(slug.clone()),
        (None, Some(slug)) => Slug::parse(slug).ok_or_else(|| usage("a slug is [a-z0-9-]{1,32}")),
        (None, None) => Err(usage("nothing that was restored names the log's streams: give --slug")),
    }
}

/// Adds the records of a file, as `sigil record list` writes it.
async fn add_file(work: Work, path: PathBuf) -> Result<Work, Failure> {
    let added = blocking(move || push_file(work, &path));
    added.await?
}

fn push_file(mut work: Work, path: &Path) -> Result<Work, Failure> {
    let text = evidence::read(path)?;
    let mut batch: Vec<Arc<[u8]>> = Vec::with_capacity(STEP);
    for (at, line) in evidence::lines(&text) {
        let wrong = |detail: String| {
            let message = format!("{} line {at}: {detail}", path.display());
            Failure::new(Exit::VerificationFailed, message)
        };
        let record = Record::parse(line.to_vec()).map_err(|fault| wrong(fault.to_string()))?;
        if record.offset < work.size() {
            continue;
        }
        batch.push(line.into());
        if batch.len() == STEP {
            work.push(&batch)?;
            batch.clear();
        }
    }
    work.push(&batch)?;
    Ok(work)
}
