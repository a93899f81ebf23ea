//! What is known of the lost log beside the copies: its HEAD, records and
//! checkpoints that somebody kept, the position of its read model.

use crate::cli::Restore;
use crate::command::verify::replay::copy_files;
use crate::exit::{Exit, Failure};
use crate::place::Place;
use ledger::restore::Evidence;
use projector::query::Queries as _;
use projector_sqlite::ReadModel;
use record::Origin;
use std::path::Path;

/// Gathers what the arguments name.
pub async fn gather(args: &Restore) -> Result<Evidence, Failure> {
    let mut evidence = Evidence::default();
    if let Some(lost) = &args.lost {
        let head = lost.join("HEAD");
        if head.exists() {
            evidence.head_file(&head)?;
        }
    }
    for path in &args.known {
        let text = read(path)?;
        if let Some(note) = note(&text) {
            evidence.checkpoint(&path.display().to_string(), note)?;
            continue;
        }
        for (at, line) in lines(&text) {
            evidence.record(&format!("{} line {at}", path.display()), line)?;
        }
    }
    Ok(evidence)
}

/// A sentence about a read model that is ahead of what was restored. A number in a table is signed by nobody: it raises the
/// alarm and blocks nothing.
pub async fn read_model_ahead(args: &Restore, place: &Place, log: &Origin, size: u64) -> Option<String> {
    let read_model = args.lost.as_ref()?.join("read-model");
    let copy = place.scratch("read-model");
    let position = position(&read_model, &copy, log).await;
    let _gone = std::fs::remove_dir_all(&copy);
    let position = position.filter(|position| *position > size)?;
    Some(format!(
        "ALARM: the read model of the lost directory has applied {position} records, {size} were restored: look for the rest"
    ))
}

/// How far a read model is; nothing when there is none that can be read.
async fn position(read_model: &Path, copy: &Path, log: &Origin) -> Option<u64> {
    copy_files(read_model, copy).ok()?;
    let model = ReadModel::open(copy, log.clone()).await.ok()?;
    let position = model.position().await.ok();
    projector::ReadModel::close(&model).await;
    position
}

/// A file of canonical records, one a line.
pub fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| Failure::new(Exit::Failure, format!("{}: {error}", path.display())))
}

/// The text of a file that is one signed note, not records: those begin with a brace.
fn note(text: &[u8]) -> Option<&str> {
    std::str::from_utf8(text)
        .ok()
        .filter(|text| !text.trim_start().starts_with('{') && !text.trim().is_empty())
}

/// The lines of a file that are not empty, with their numbers.
pub fn lines(text: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let numbered = text.split(|byte| *byte == b'\n').enumerate();
    numbered.filter_map(|(at, line)| (!line.is_empty()).then_some((at + 1, line)))
}
