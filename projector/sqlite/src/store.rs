//! The directory of a read model: generations, the file that names the current one, and the lock.
//!
//! ```text
//! <dir>/LOCK               held while the read model is open: one process at a time
//! <dir>/CURRENT            the number of the current generation, replaced by rename
//! <dir>/00000007.sqlite    generation 7, with SQLite's own -wal and -shm beside it
//! ```
//!
//! A crash leaves either the old CURRENT or the new one; a generation that CURRENT does not name is removed at open.

use crate::fault::{damaged, io};
use projector::Error;
use std::fs::{self, File, TryLockError};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// One directory, locked.
pub(crate) struct Store {
    dir: PathBuf,
    _lock: File,
}

impl Store {
    /// Makes the directory where it is missing and locks it.
    pub(crate) fn open(dir: &Path) -> Result<Self, Error> {
        fs::create_dir_all(dir).map_err(io)?;
        let lock = File::create(dir.join("LOCK")).map_err(io)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                dir: dir.to_owned(),
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => Err(Error::Locked(dir.display().to_string())),
            Err(TryLockError::Error(error)) => Err(io(error)),
        }
    }

    /// The current generation; `None` before the first.
    pub(crate) fn current(&self) -> Result<Option<u64>, Error> {
        let text = match fs::read_to_string(self.dir.join("CURRENT")) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => String::new(),
            Err(error) => return Err(io(error)),
        };
        let number = text.strip_suffix('\n').and_then(|digits| digits.parse().ok());
        let unreadable = || damaged("its file CURRENT names no generation: rebuild it from the log");
        number.ok_or_else(unreadable).map(Some)
    }

    /// Where a generation's database is.
    pub(crate) fn path(&self, generation: u64) -> PathBuf {
        self.dir.join(format!("{generation:08}.sqlite"))
    }

    /// A number above every generation in the directory.
    pub(crate) fn unused(&self) -> Result<u64, Error> {
        Ok(self
            .generations()?
            .into_iter()
            .map(|(number, _)| number + 1)
            .max()
            .unwrap_or(1))
    }

    /// Makes `generation` the current one.
    pub(crate) fn switch(&self, generation: u64) -> Result<(), Error> {
        let (new, current) = (self.dir.join("CURRENT.new"), self.dir.join("CURRENT"));
        let mut file = File::create(&new).map_err(io)?;
        file.write_all(format!("{generation}\n").as_bytes()).map_err(io)?;
        file.sync_all().map_err(io)?;
        // Durable here: the new generation and a file that names it. A crash keeps the old one.
        fs::rename(&new, &current).map_err(io)?;
        // A crash before the directory is synced may show either; both are whole.
        File::open(&self.dir).and_then(|dir| dir.sync_all()).map_err(io)
    }

    /// Removes the files of every generation but `kept`.
    pub(crate) fn remove_others(&self, kept: u64) -> Result<(), Error> {
        let stale = self.generations()?.into_iter().filter(|(number, _)| *number != kept);
        stale.map(|(_, path)| path).try_for_each(fs::remove_file).map_err(io)
    }

    /// Removes the files of one generation.
    pub(crate) fn remove(&self, generation: u64) -> Result<(), Error> {
        let files = self
            .generations()?
            .into_iter()
            .filter(|(number, _)| *number == generation);
        files.map(|(_, path)| path).try_for_each(fs::remove_file).map_err(io)
    }

    /// Every file that belongs to a generation, `-wal`, `-shm` and `-journal` included.
    fn generations(&self) -> Result<Vec<(u64, PathBuf)>, Error> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.dir).map_err(io)? {
            let path = entry.map_err(io)?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            let digits = name
                .and_then(|name| name.split_once(".sqlite"))
                .map(|(digits, _)| digits);
            found.extend(
                digits
                    .and_then(|digits| digits.parse().ok())
                    .map(|number| (number, path)),
            );
        }
        Ok(found)
    }
}

/// Makes a finished database file durable, and its name.
pub(crate) fn sync(path: &Path) -> Result<(), Error> {
    File::open(path).and_then(|file| file.sync_all()).map_err(io)?;
    let dir = path.parent().unwrap_or(Path::new("."));
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(io)
}
