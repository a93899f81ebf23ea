//! Where a bundle goes: a file that appears when it is whole, a device or pipe that is there, or standard output.

use crate::exit::Failure;
use crate::place::beside;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Lines on their way.
pub struct Sink {
    to: BufWriter<Box<dyn Write + Send>>,
    file: Option<Unfinished>,
}

/// A file that goes away unless it was finished.
struct Unfinished {
    file: File,
    here: PathBuf,
    there: PathBuf,
    done: bool,
}

impl Sink {
    /// Opens the file beside its final place, or standard output.
    pub fn open(path: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = path else {
            let to: Box<dyn Write + Send> = Box::new(io::stdout());
            return Ok(Self {
                to: BufWriter::new(to),
                file: None,
            });
        };
        // A device or a pipe is written to: a file that takes its name would take it away from everybody.
        if std::fs::metadata(path).is_ok_and(|there| !there.is_file()) {
            let there = OpenOptions::new().write(true).open(path);
            let to: Box<dyn Write + Send> = Box::new(there.map_err(|error| named(path, &error))?);
            return Ok(Self {
                to: BufWriter::new(to),
                file: None,
            });
        }
        let here = beside(path, &format!("unfinished-{}", std::process::id()));
        let file = File::create_new(&here).map_err(|error| named(&here, &error))?;
        let to: Box<dyn Write + Send> = Box::new(file.try_clone()?);
        let file = Unfinished {
            file,
            here,
            there: path.to_owned(),
            done: false,
        };
        Ok(Self {
            to: BufWriter::with_capacity(1 << 18, to),
            file: Some(file),
        })
    }

    /// Writes one line.
    pub fn line(&mut self, line: &[u8]) -> Result<(), Failure> {
        let written = self.to.write_all(line).and_then(|()| self.to.write_all(b"\n"));
        self.left(written)
    }

    /// Makes the file durable, and gives it its name.
    pub fn finish(mut self) -> Result<(), Failure> {
        let flushed = self.to.flush();
        self.left(flushed)?;
        if let Some(mut file) = self.file.take() {
            file.file.sync_all()?;
            std::fs::rename(&file.here, &file.there).map_err(|error| named(&file.there, &error))?;
            file.done = true;
        }
        Ok(())
    }

    /// A reader of standard output who leaves early is no failure.
    fn left(&self, written: io::Result<()>) -> Result<(), Failure> {
        match written {
            Err(error) if self.file.is_none() && error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
            written => Ok(written?),
        }
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.done {
            // It may be gone already; there is nothing else to do about it.
            let _gone = std::fs::remove_file(&self.here);
        }
    }
}

fn named(path: &Path, error: &io::Error) -> Failure {
    anyhow::anyhow!("write {}: {error}", path.display()).into()
}
