//! The anchored checkpoints that the arguments name: single files, or directories of anchors.

use crate::anchors::dir::{Dir, Kept};
use crate::exit::{Exit, Failure};
use std::path::{Path, PathBuf};
use verifier::Anchor;

/// Reads every file of the log `origin` that `paths` name. A path with none is refused: a wrong one must not pass for a
/// check. Empty files are left out: a crash leaves one where nothing was anchored yet.
pub fn read(paths: &[PathBuf], origin: &str) -> Result<Vec<Anchor>, Failure> {
    let mut anchors = Vec::new();
    for path in paths {
        let unchecked = |what: &dyn std::fmt::Display| {
            Failure::new(Exit::Unchecked, format!("anchors at {}: {what}", path.display()))
        };
        let kept = kept(path, origin).map_err(|error| unchecked(&error))?;
        let before = anchors.len();
        anchors.extend(kept.into_iter().filter(|kept| !kept.note.is_empty()).map(anchor));
        if anchors.len() == before {
            return Err(unchecked(&format!("no checkpoint of {origin} is there")));
        }
    }
    Ok(anchors)
}

fn kept(path: &Path, origin: &str) -> std::io::Result<Vec<Kept>> {
    if path.is_dir() {
        Dir::new(path).all(origin)
    } else {
        Ok(vec![Kept::read(path)?])
    }
}

fn anchor(kept: Kept) -> Anchor {
    Anchor {
        name: kept.name,
        note: kept.note,
        written: kept.written,
    }
}
