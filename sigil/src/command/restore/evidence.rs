//! What is known of the lost log beside the copies: its HEAD, records that somebody kept, the position of its read model.

use crate::cli::Restore;
use crate::exit::{Exit, Failure};
use ledger::restore::Evidence;
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
        for (at, line) in lines(&text) {
            evidence.record(&format!("{} line {at}", path.display()), line)?;
        }
    }
    Ok(evidence)
}

/// A file of canonical records, one a line.
pub fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| Failure::new(Exit::Failure, format!("{}: {error}", path.display())))
}

/// The lines of a file that are not empty, with their numbers.
pub fn lines(text: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let numbered = text.split(|byte| *byte == b'\n').enumerate();
    numbered.filter_map(|(at, line)| (!line.is_empty()).then_some((at + 1, line)))
}
