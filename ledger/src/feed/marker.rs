//! What the feed remembers between two runs, beside the store: which stream it published to last, and an operator's
//! consent to a rebuild.
//!
//! Without the first, a stream that was lost would look like one that never was. Neither is part of the log: a missing
//! file means that nothing is remembered, and a malformed one is refused.

use crate::Error;
use record::{Slug, wire};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// The two files in a log's directory.
pub(super) struct Marker {
    dir: PathBuf,
}

/// What an operator agreed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consent {
    /// A new stream, the old one moved aside and sealed.
    Rebuild,
    /// The same, where the old stream must be deleted or may be another log's.
    Force,
}

/// Leaves an operator's consent to a rebuild for the feed of the log in `data_dir`, whether it runs or will run. It is used
/// once: a feed that finds its stream right takes it away.
///
/// # Errors
/// [`Error::Io`].
pub fn agree(data_dir: &Path, consent: Consent) -> Result<(), Error> {
    Marker::new(data_dir).agree(consent)
}

/// The log and the base offset of the stream that the feed of the log in `data_dir` published to last; `None` when it has
/// never published.
///
/// # Errors
/// [`Error::Io`], [`Error::Corrupt`].
pub fn remembered(data_dir: &Path) -> Result<Option<(Slug, u64)>, Error> {
    Marker::new(data_dir).stream()
}

/// The consent that waits for the feed of the log in `data_dir`.
///
/// # Errors
/// [`Error::Io`].
pub fn consent(data_dir: &Path) -> Result<Option<Consent>, Error> {
    Marker::new(data_dir).consent()
}

/// Takes a consent back. Gives whether it was still there: nobody had used it.
///
/// # Errors
/// [`Error::Io`].
pub fn withdraw(data_dir: &Path) -> Result<bool, Error> {
    let marker = Marker::new(data_dir);
    let unused = marker.consent()?.is_some();
    marker.withdraw()?;
    Ok(unused)
}

const STREAM: &str = "stream";
const CONSENT: &str = "stream-rebuild";

impl Marker {
    pub(super) fn new(data_dir: &Path) -> Self {
        Self {
            dir: data_dir.to_owned(),
        }
    }

    /// The log and the base offset of the stream that was published to last.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Corrupt`].
    pub(super) fn stream(&self) -> Result<Option<(Slug, u64)>, Error> {
        let Some(name) = read(&self.dir.join(STREAM))? else {
            return Ok(None);
        };
        let malformed = "it does not name a stream: delete it when no stream of this log was lost";
        let stream = wire::parse_stream_name(name.trim_end());
        stream.map(Some).ok_or_else(|| Error::corrupt(STREAM, malformed))
    }

    /// Remembers the stream with this base.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(super) fn remember(&self, log: &Slug, base: u64) -> Result<(), Error> {
        if matches!(self.stream(), Ok(Some((_, known))) if known == base) {
            return Ok(());
        }
        self.write(STREAM, &format!("{}\n", wire::stream_name(log, base)))
    }

    /// The consent that an operator left here.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(super) fn consent(&self) -> Result<Option<Consent>, Error> {
        Ok(match read(&self.dir.join(CONSENT))?.as_deref().map(str::trim_end) {
            Some("rebuild") => Some(Consent::Rebuild),
            Some("force") => Some(Consent::Force),
            _ => None,
        })
    }

    /// Leaves a consent for the feed of a running ledger.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(super) fn agree(&self, consent: Consent) -> Result<(), Error> {
        let word = match consent {
            Consent::Rebuild => "rebuild",
            Consent::Force => "force",
        };
        self.write(CONSENT, word)
    }

    /// Takes a consent away; it was used, or there is nothing to use it for.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(super) fn withdraw(&self) -> Result<(), Error> {
        match fs::remove_file(self.dir.join(CONSENT)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::io("remove", self.dir.join(CONSENT))(error))
            }
            _ => Ok(()),
        }
    }

    /// Writes a file whole or not at all.
    fn write(&self, name: &str, text: &str) -> Result<(), Error> {
        let (path, fresh) = (self.dir.join(name), self.dir.join(format!("{name}.new")));
        let written = File::create(&fresh).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
        written
            .and_then(|()| fs::rename(&fresh, &path))
            .map_err(Error::io("write", path))
    }
}

fn read(path: &Path) -> Result<Option<String>, Error> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("read", path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_remembered_is_read_back() {
        let dir = tempfile::tempdir().expect("a directory");
        let marker = Marker::new(dir.path());
        assert_eq!(marker.stream().expect("reads"), None);
        let log = Slug::parse("audit").expect("a slug");
        for base in [0, 42, u64::MAX] {
            marker.remember(&log, base).expect("writes");
            assert_eq!(marker.stream().expect("reads"), Some((log.clone(), base)));
        }
        fs::write(dir.path().join(STREAM), "SIGIL_AUDIT_1").expect("writes");
        assert!(matches!(marker.stream(), Err(Error::Corrupt { .. })));
    }

    #[test]
    fn a_consent_holds_until_it_is_withdrawn() {
        let dir = tempfile::tempdir().expect("a directory");
        let marker = Marker::new(dir.path());
        assert_eq!(marker.consent().expect("reads"), None);
        for consent in [Consent::Rebuild, Consent::Force] {
            marker.agree(consent).expect("writes");
            assert_eq!(marker.consent().expect("reads"), Some(consent));
        }
        marker.withdraw().expect("removes");
        marker.withdraw().expect("nothing to remove is no failure");
        assert_eq!(marker.consent().expect("reads"), None);
    }
}
