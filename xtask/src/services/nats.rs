//! The program nats-server. Tests start it themselves, each its own, because they break it.
//!
//! Invariant: what is given back runs and says which version it is.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow, bail};

use super::programs;
use crate::process;

/// The variable by which tests find the program.
pub const VARIABLE: &str = "SIGIL_TEST_NATS_SERVER";
const IMAGE: &str = "nats:2";

/// Finds the program, or installs it with apt-get, or takes it out of a container's image (it is a single file).
///
/// # Errors
/// When it cannot be had: what was tried and what to do.
pub fn find() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os(VARIABLE).map(PathBuf::from) {
        version(&named).with_context(|| format!("the program in {VARIABLE}"))?;
        return Ok(named);
    }
    let tried = match installed() {
        Ok(program) => return Ok(program),
        Err(error) => error,
    };
    let program = from_image().map_err(|error| {
        anyhow!(
            "no nats-server to be had ({tried:#}; {error:#}): install nats-server 2.9.10 or newer, or set {VARIABLE} to \
             the program"
        )
    })?;
    version(&program)?;
    Ok(program)
}

/// The one of this system, installed if need be.
pub fn installed() -> Result<PathBuf> {
    if let Some(program) = programs::named("nats-server") {
        return Ok(program);
    }
    programs::install_package("nats-server")?;
    programs::named("nats-server").context("apt-get installed nats-server, yet it is not to be found")
}

/// `2.9.10` out of `nats-server: v2.9.10`.
pub fn version(program: &Path) -> Result<String> {
    let printed = process::read(Command::new(program).arg("--version"))?;
    let version = printed
        .trim()
        .rsplit_once(": ")
        .map(|(_, version)| version.trim_start_matches('v'));
    version
        .map(str::to_owned)
        .context("nats-server does not say which version it is")
}

fn from_image() -> Result<PathBuf> {
    if !process::answers(Command::new("docker").arg("info")) {
        bail!("no docker that answers");
    }
    let folder = super::current::folder("nats-image")?;
    let container = process::read(Command::new("docker").args(["create", "-q", IMAGE]))?;
    let program = folder.join("nats-server");
    let from = format!("{}:/nats-server", container.trim());
    let copied = process::run(Command::new("docker").args(["cp", &from]).arg(&program));
    process::read(Command::new("docker").args(["rm", "-v", container.trim()]))?;
    copied.map(|()| program)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_program_that_says_no_version_does_not_count() {
        let scratch = Scratch::new("nats").unwrap();
        let program = scratch.path().join("nats-server");
        for (line, expected) in [
            ("echo nats-server: v2.9.10", Some("2.9.10")),
            ("echo hm", None),
            ("exit 1", None),
        ] {
            std::fs::write(&program, format!("#!/bin/sh\n{line}\n")).unwrap();
            std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
            assert_eq!(version(&program).ok().as_deref(), expected, "{line}");
        }
    }
}
