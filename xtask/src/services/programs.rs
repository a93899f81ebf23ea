//! Where the programs of a Postgres server lie, and how they get there.
//!
//! Invariant: a set of programs counts only when each of them runs and all are of one version; a link on the path may
//! lead to a part of an installation, so links are followed first.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::account::is_root;
use crate::process;

const NEEDED: [&str; 4] = ["initdb", "postgres", "psql", "pgbench"];
const DEBIAN: &str = "/usr/lib/postgresql";
const SYSTEM: [&str; 2] = ["/usr/sbin", "/usr/local/sbin"];

/// The folder of a whole set of programs, the newest first.
pub fn find() -> Option<PathBuf> {
    candidates(Path::new(DEBIAN))
        .into_iter()
        .chain(on_path())
        .find(|folder| is_whole(folder))
}

/// A client of Postgres, of whatever version: beside a server on this machine, else on the path.
pub fn client(name: &str) -> Option<PathBuf> {
    let folders = candidates(Path::new(DEBIAN)).into_iter().chain(path());
    folders
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
}

/// A program on the path, or where the system keeps servers, which is not on everybody's path.
pub fn named(name: &str) -> Option<PathBuf> {
    let folders = path().into_iter().chain(SYSTEM.map(PathBuf::from));
    folders
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
}

/// Installs the server with the system's package manager, where we may, and finds it.
pub fn install() -> Result<PathBuf> {
    install_package("postgresql")?;
    find().context("apt-get installed postgresql, yet its programs are not to be found")
}

/// Installs a package with the system's package manager, where we may.
pub fn install_package(package: &str) -> Result<()> {
    if !process::answers(Command::new("apt-get").arg("--version")) {
        bail!("no apt-get to install them with");
    }
    if !is_root() && !process::answers(Command::new("sudo").args(["-n", "true"])) {
        bail!("neither root nor allowed to become it without a password, so nothing can be installed");
    }
    println!("installing {package} with apt-get");
    // An index that is out of date in part is good enough as long as the install below works.
    if let Err(error) = process::run(&mut apt_get(&["update", "-q"])) {
        println!("going on with the package index as it is: {error:#}");
    }
    process::run(&mut apt_get(&[
        "install",
        "-q",
        "-y",
        "--no-install-recommends",
        package,
    ]))
}

fn apt_get(args: &[&str]) -> Command {
    let mut command = if is_root() {
        Command::new("env")
    } else {
        Command::new("sudo")
    };
    if !is_root() {
        command.args(["-n", "env"]);
    }
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]).args(args);
    command
}

/// `<folder>/<version>/bin`, the highest version first.
fn candidates(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let versions = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let mut versions: Vec<u32> = versions.collect();
    versions.sort_unstable_by(|a, b| b.cmp(a));
    versions
        .iter()
        .map(|version| folder.join(version.to_string()).join("bin"))
        .collect()
}

fn path() -> Vec<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect()
}

fn on_path() -> Vec<PathBuf> {
    let found = path().into_iter().map(|folder| folder.join("initdb"));
    found
        .filter_map(|initdb| Some(initdb.canonicalize().ok()?.parent()?.to_path_buf()))
        .collect()
}

fn is_whole(folder: &Path) -> bool {
    let versions: Option<Vec<String>> = NEEDED.iter().map(|name| version(&folder.join(name))).collect();
    versions.is_some_and(|versions| versions.windows(2).all(|pair| pair.first() == pair.last()))
}

/// The version of the server in this folder; `None` when it does not run.
pub fn postgres_version(bin_dir: &Path) -> Option<String> {
    version(&bin_dir.join("postgres"))
}

/// `15.18` out of `initdb (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
fn version(program: &Path) -> Option<String> {
    let printed = process::read(Command::new(program).arg("--version")).ok()?;
    printed
        .split_once("(PostgreSQL) ")?
        .1
        .split_whitespace()
        .next()
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;
    use std::os::unix::fs::PermissionsExt;

    fn plant(folder: &Path, name: &str, version: &str) {
        std::fs::create_dir_all(folder).unwrap();
        let program = folder.join(name);
        std::fs::write(
            &program,
            format!("#!/bin/sh\necho \"{name} (PostgreSQL) {version} (Debian)\"\n"),
        )
        .unwrap();
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    }

    #[test]
    fn a_set_that_is_not_whole_or_not_of_one_version_does_not_count() {
        let scratch = Scratch::new("programs").unwrap();
        let folder = scratch.path();
        assert!(!is_whole(folder));
        for name in NEEDED {
            plant(folder, name, "15.18");
        }
        assert!(is_whole(folder));
        plant(folder, "pgbench", "16.1");
        assert!(!is_whole(folder));
        plant(folder, "pgbench", "15.18");
        std::fs::write(folder.join("postgres"), "#!/bin/sh\nexit 1\n").unwrap();
        assert!(!is_whole(folder));
    }

    #[test]
    fn the_highest_version_comes_first() {
        let scratch = Scratch::new("programs").unwrap();
        for version in ["9", "15", "16", "stray"] {
            std::fs::create_dir(scratch.path().join(version)).unwrap();
        }
        let found: Vec<PathBuf> = ["16", "15", "9"]
            .iter()
            .map(|v| scratch.path().join(v).join("bin"))
            .collect();
        assert_eq!(candidates(scratch.path()), found);
        assert!(candidates(&scratch.path().join("none")).is_empty());
    }
}
