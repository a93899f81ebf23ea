//! The newest checkpoint that a monitor has seen, in a file from one run to the next, and the evidence of a fork.

use crate::exit::{Exit, Failure};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use tlog::CheckpointText;

/// What was seen.
pub struct State {
    path: Option<PathBuf>,
    note: Option<String>,
}

impl State {
    /// Reads the file, if there is one.
    pub fn open(path: Option<PathBuf>) -> Result<Self, Failure> {
        let read = path.as_deref().map(fs::read_to_string);
        let note = match read {
            None => None,
            Some(Ok(note)) => Some(note),
            Some(Err(error)) if error.kind() == io::ErrorKind::NotFound => None,
            Some(Err(error)) => return Err(Failure::new(Exit::Unchecked, format!("the state: {error}"))),
        };
        Ok(Self { path, note })
    }

    /// The newest checkpoint.
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// Where it is kept, for people.
    pub fn path(&self) -> String {
        let path = self.path.as_ref().map(|path| path.display().to_string());
        path.unwrap_or_else(|| "the state".to_owned())
    }

    /// Keeps a newer one: written beside, synced, then put in its place.
    pub fn put(&mut self, note: &str) -> Result<(), Failure> {
        if let Some(path) = &self.path {
            replace(path, note)?;
        }
        self.note = Some(note.to_owned());
        Ok(())
    }

    /// Keeps the known checkpoint and the one that does not fit it as two files; says where.
    pub fn keep_evidence(&self, other: &str, notes: &mut Vec<String>) -> Result<(), Failure> {
        let base = match &self.path {
            Some(path) => path.clone(),
            None => PathBuf::from("sigil-evidence"),
        };
        let known = self.note.as_deref().map(|note| ("known", note));
        for (name, note) in known.into_iter().chain([("shown", other)]) {
            let size = CheckpointText::parse(note).map_or(0, |text| text.size());
            let mut file = base.clone().into_os_string();
            file.push(format!(".{name}-{size}.note"));
            let file = PathBuf::from(file);
            replace(&file, note)?;
            notes.push(format!("evidence: {}", file.display()));
        }
        Ok(())
    }
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let mut file = File::create(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_is_there_in_the_next_run_and_evidence_stays_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seen");
        let mut state = State::open(Some(path.clone())).unwrap();
        assert_eq!(state.note(), None);
        state.put("one\n").unwrap();
        state.put("two\n").unwrap();
        let state = State::open(Some(path)).unwrap();
        assert_eq!(state.note(), Some("two\n"));
        let mut notes = Vec::new();
        state.keep_evidence("three\n", &mut notes).unwrap();
        assert_eq!(notes.len(), 2, "{notes:?}");
        let known = fs::read_to_string(folder.path().join("seen.known-0.note"));
        let shown = fs::read_to_string(folder.path().join("seen.shown-0.note"));
        assert_eq!((known.unwrap().as_str(), shown.unwrap().as_str()), ("two\n", "three\n"));
    }
}
