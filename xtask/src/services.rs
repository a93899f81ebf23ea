//! The servers that tests and measurements need beside us: a Postgres that runs, and a nats-server that tests start.
//!
//! Order: what a variable names; the programs on this machine; the programs after apt-get installed them; a container.
//! Invariant: a server that we started is ours alone and is gone, with its files, when its `Postgres` is dropped or
//! this process dies in whatever way.

mod account;
mod address;
mod container;
mod current;
mod leash;
mod local;
pub mod nats;
mod programs;
pub mod tools;

pub use current::Current;
pub use programs::postgres_version;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use crate::process;
use crate::scratch::Scratch;
use leash::Leash;

const URL: &str = "SIGIL_TEST_POSTGRES_URL";
/// The variable by which tests find the programs of Postgres, for servers of their own.
pub const BIN: &str = "SIGIL_TEST_POSTGRES_BIN";
const PATIENCE: Duration = Duration::from_secs(60);

/// What a server is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// As durable as our own store, and with memory enough not to measure its defaults.
    Bench,
    /// Many short databases and many processes at once; what the power supply does to it is not a test's subject.
    Tests,
}

impl Purpose {
    fn settings(self) -> &'static [&'static str] {
        match self {
            Self::Bench => &[
                "fsync=on",
                "synchronous_commit=on",
                "shared_buffers=512MB",
                "max_wal_size=4GB",
            ],
            Self::Tests => &["fsync=off", "full_page_writes=off", "max_connections=500"],
        }
    }
}

/// A server that answers.
pub struct Postgres {
    pub port: u16,
    /// Where its unix socket lies; `None` when it is reached by TCP alone.
    pub socket_dir: Option<PathBuf>,
    /// Where `psql` and `pgbench` of its own version lie; `None` when they are looked for on the path.
    pub bin_dir: Option<PathBuf>,
    /// The libpq variables (`PGHOST` and so on) that lead a client to it. They can hold a password: never print them.
    environment: Vec<(&'static str, String)>,
    /// What goes before `psql`, for a server in a container.
    client: Vec<String>,
    // Order matters: the server stops before its folder is removed.
    leash: Option<Leash>,
    _scratch: Option<Scratch>,
}

impl Postgres {
    /// Finds or starts a server and waits until it answers.
    ///
    /// # Errors
    /// When none can be had: what was tried and what to do. When `SIGIL_TEST_POSTGRES_URL` is set and does not
    /// answer: nothing else is tried, because somebody asked for that one.
    pub fn start(purpose: Purpose) -> Result<Self> {
        if let Ok(url) = std::env::var(URL) {
            return address::connect(&url)?
                .ready()
                .with_context(|| format!("the server in {URL}"));
        }
        let mut tried = vec![];
        let found = programs::find().context("no server programs found");
        match found
            .or_else(|none| programs::install().context(none))
            .and_then(|bin_dir| local::start(&bin_dir, purpose))
        {
            Ok(postgres) => return postgres.ready(),
            Err(error) => tried.push(format!("{error:#}")),
        }
        match container::start(purpose) {
            Ok(postgres) => return postgres.ready(),
            Err(error) => tried.push(format!("{error:#}")),
        }
        Err(anyhow!(
            "no Postgres to be had ({}): install PostgreSQL 15 or newer, or set {URL}=postgres://user@host:port/database",
            tried.join("; ")
        ))
    }

    /// Installs the system's own server and says where its programs lie.
    pub fn install() -> Result<PathBuf> {
        programs::install()
    }

    /// The programs of a server: those that the variable names, those on this machine, else those that can be installed.
    pub fn programs() -> Result<PathBuf> {
        let named = std::env::var_os(BIN).map(PathBuf::from);
        named.or_else(programs::find).map_or_else(programs::install, Ok)
    }

    /// Starts a server with the programs in `bin_dir` and waits until it answers.
    pub fn start_from(bin_dir: &Path, purpose: Purpose) -> Result<Self> {
        local::start(bin_dir, purpose)?.ready()
    }

    /// Runs SQL and gives back what it printed: one line per row, columns between `|`.
    pub fn psql(&self, sql: &str) -> Result<String> {
        let psql = self.program("psql");
        let mut command = match self.client.split_first() {
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg("psql");
                command
            }
            None => Command::new(psql),
        };
        command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql]);
        process::read(command.envs(self.environment.clone()))
    }

    /// What the example `bench` reads. `SIGIL_BENCH_PGBENCH` is absent when there is no pgbench.
    pub fn bench_environment(&self) -> Vec<(&'static str, String)> {
        let mut environment = self.environment.clone();
        let host = environment
            .iter()
            .find(|(name, _)| *name == "PGHOST")
            .map(|(_, host)| host.clone());
        let socket = self.socket_dir.as_ref().map(|dir| dir.display().to_string());
        environment.push(("SIGIL_BENCH_POSTGRES_SOCKET", socket.or(host).unwrap_or_default()));
        environment.push(("SIGIL_BENCH_POSTGRES_PORT", self.port.to_string()));
        let pgbench = self.program("pgbench");
        if process::answers(Command::new(&pgbench).arg("--version")) {
            environment.push(("SIGIL_BENCH_PGBENCH", pgbench.display().to_string()));
        }
        environment
    }

    /// The address for a client that reads no variables. It can hold a password: never print it.
    pub fn url(&self) -> String {
        address::url(&self.environment)
    }

    /// What the tests read: the address of this server, and where programs lie for servers of a test's own.
    pub fn test_environment(&self) -> Vec<(&'static str, String)> {
        let mut environment = vec![(URL, self.url())];
        environment.extend(self.bin_dir.iter().map(|dir| (BIN, dir.display().to_string())));
        environment
    }

    /// What the server says of itself, for example `15.18`.
    pub fn version(&self) -> Result<String> {
        let printed = self.psql("show server_version")?;
        Ok(printed.split_whitespace().next().unwrap_or_default().to_owned())
    }

    /// A program of the server's own version, else the one on the path: some sets of programs come without clients.
    fn program(&self, name: &str) -> PathBuf {
        let own = self.bin_dir.as_ref().map(|dir| dir.join(name));
        own.filter(|program| program.is_file())
            .or_else(|| programs::client(name))
            .unwrap_or_else(|| PathBuf::from(name))
    }

    fn ready(self) -> Result<Self> {
        let begin = Instant::now();
        loop {
            let Err(error) = self.psql("select 1") else {
                return Ok(self);
            };
            if let Some(log) = self.leash.as_ref().and_then(Leash::last_words) {
                bail!("Postgres ended before it answered:\n{log}");
            }
            if self.leash.is_none() || begin.elapsed() > PATIENCE {
                return Err(error.context("Postgres does not answer"));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}
