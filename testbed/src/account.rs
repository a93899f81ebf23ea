//! Who a server runs as: Postgres refuses to run as root.

use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

/// Ordinary accounts that a machine may have, the fitting one first.
const ORDINARY: [&str; 2] = ["postgres", "nobody"];

/// Our own account, or an ordinary one in its stead.
#[derive(Clone, Copy, Debug)]
pub struct Account(Option<(u32, u32)>);

impl Account {
    /// Whoever runs the test.
    pub fn ours() -> Self {
        Self(None)
    }

    /// The owner of `folder`, which we just made, unless that is root: then an ordinary account.
    pub fn ordinary(folder: &Path) -> Result<Self> {
        if std::fs::metadata(folder)?.uid() != 0 {
            return Ok(Self::ours());
        }
        let known = ORDINARY
            .iter()
            .find_map(|name| Some((id("-u", name)?, id("-g", name)?)));
        let account =
            known.context("we are root, which Postgres refuses, and there is no account postgres or nobody")?;
        Ok(Self(Some(account)))
    }

    /// Makes the command run as this account.
    pub fn assume<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        match self.0 {
            Some((user, group)) => command.uid(user).gid(group),
            None => command,
        }
    }

    /// Hands a file or folder over to this account.
    pub fn own(&self, path: &Path) -> Result<()> {
        let Some((user, group)) = self.0 else { return Ok(()) };
        std::os::unix::fs::chown(path, Some(user), Some(group))
            .with_context(|| format!("cannot give {} to the account that runs Postgres", path.display()))
    }
}

fn id(what: &str, name: &str) -> Option<u32> {
    let output = Command::new("id").args([what, name]).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}
