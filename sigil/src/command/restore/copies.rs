//! Copies of records behind the backup: files, and the log's streams.

use super::{blocking, evidence};
use crate::cli::Restore;
use crate::exit::{Exit, Failure};
use ledger::restore::Work;
use record::Record;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Records of one step.
const STEP: usize = 1_024;

/// Adds what the copies have behind what is restored already.
pub async fn add(args: &Restore, mut work: Work) -> Result<Work, Failure> {
    for path in &args.copies {
        work = add_file(work, path.clone()).await?;
    }
    Ok(work)
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
