//! Where the servers' programs lie: where a variable says, on the path, where Debian puts them.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

const NATS_SERVER: &str = "SIGIL_TEST_NATS_SERVER";
const POSTGRES_BIN: &str = "SIGIL_TEST_POSTGRES_BIN";
const DEBIAN: &str = "/usr/lib/postgresql";
const SYSTEM: [&str; 3] = ["/usr/sbin", "/usr/local/bin", "/usr/bin"];

/// The program nats-server.
pub fn nats_server() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os(NATS_SERVER).map(PathBuf::from) {
        if !named.is_file() {
            bail!("{NATS_SERVER} names no program: {}", named.display());
        }
        return Ok(named);
    }
    on_path("nats-server").context(format!(
        "this test needs nats-server, and there is none on this machine: run the tests with `cargo xtask test`, which \
         installs it, or set {NATS_SERVER} to the program"
    ))
}

/// The folder of the programs of a Postgres server, the newest where there are several.
pub fn postgres_bin() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os(POSTGRES_BIN).map(PathBuf::from) {
        if !is_postgres(&named) {
            bail!(
                "{POSTGRES_BIN} names no folder with initdb and postgres: {}",
                named.display()
            );
        }
        return Ok(named);
    }
    let found = debian()
        .into_iter()
        .chain(beside_initdb())
        .find(|folder| is_postgres(folder));
    found.context(format!(
        "this test needs Postgres, and there is none on this machine: run the tests with `cargo xtask test`, which \
         installs it, or set {POSTGRES_BIN} to the folder of its programs"
    ))
}

/// The client of Postgres. Any version will do, and some distributions of the server come without.
pub fn psql() -> Result<PathBuf> {
    let beside = postgres_bin().ok().map(|folder| folder.join("psql"));
    let mut candidates = beside
        .into_iter()
        .chain(on_path("psql"))
        .chain(debian().into_iter().map(|folder| folder.join("psql")));
    candidates.find(|program| program.is_file()).context(
        "this test needs psql, and there is none on this machine: run the tests with `cargo xtask test`, which installs it",
    )
}

fn is_postgres(folder: &Path) -> bool {
    ["initdb", "postgres"].iter().all(|name| folder.join(name).is_file())
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(SYSTEM.map(PathBuf::from));
    folders
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
}

/// A link on the path may lead to a part of an installation, so it is followed.
fn beside_initdb() -> Option<PathBuf> {
    Some(on_path("initdb")?.canonicalize().ok()?.parent()?.to_path_buf())
}

/// `<folder>/<version>/bin`, the highest version first.
fn debian() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(DEBIAN).into_iter().flatten().flatten();
    let mut versions: Vec<u32> = entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    versions.sort_unstable_by(|a, b| b.cmp(a));
    let folder = |version: &u32| Path::new(DEBIAN).join(version.to_string()).join("bin");
    versions.iter().map(folder).collect()
}
