//! A folder of our own among the temporary files.
//!
//! Invariant: it did not exist before, nobody else may look into it, and it is gone when its owner is.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};

static MADE: AtomicU32 = AtomicU32::new(0);

/// See the module.
pub struct Scratch(PathBuf);

impl Scratch {
    /// A new, empty folder that only its owner may enter.
    pub fn new(name: &str) -> Result<Self> {
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("sigil-{name}-{}-{number}", std::process::id()));
        // Not recursive, so that a folder that somebody else prepared under this name is refused.
        let made = fs::DirBuilder::new().mode(0o700).create(&path);
        made.with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self(path))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Best effort: what stays behind lies among the temporary files and is never read again.
        drop(fs::remove_dir_all(&self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_scratch_folder_is_private_new_and_gone_at_the_end() {
        let scratch = Scratch::new("scratch").unwrap();
        let path = scratch.path().to_path_buf();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        assert_ne!(Scratch::new("scratch").unwrap().path(), path);
        fs::write(path.join("a"), "b").unwrap();
        drop(scratch);
        assert!(!path.exists());
    }
}
