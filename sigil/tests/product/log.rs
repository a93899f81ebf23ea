//! A log of a test: a temporary directory with everything `sigil init` makes, and the executable run on it.

use serde_json::Value;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// The executable, without the settings of whoever runs the tests.
pub fn sigil() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sigil"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SIGIL_")) {
        command.env_remove(name);
    }
    command.env_remove("NO_COLOR").stdin(Stdio::null());
    // Nor with the configuration of whoever runs the tests.
    command.env("XDG_CONFIG_HOME", "/nonexistent");
    command
}

/// What a log with checkpoints writes by itself, again and again: a root of its maps before each checkpoint.
pub const OWN_KIND: &str = "ledger.map_root";

/// What a finished command left behind.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// Runs `command` to its end.
    pub fn of(command: &mut Command) -> Self {
        let output = command.output().expect("the command starts");
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).expect("output is text"),
            err: String::from_utf8(output.stderr).expect("messages are text"),
        }
    }

    /// Runs `command` with this on its standard input.
    pub fn fed(command: &mut Command, input: &[u8]) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command starts");
        let mut stdin = child.stdin.take().expect("it is piped");
        stdin.write_all(input).expect("the command reads its input");
        drop(stdin);
        let output = child.wait_with_output().expect("the command ends");
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).expect("output is text"),
            err: String::from_utf8(output.stderr).expect("messages are text"),
        }
    }

    /// The same, when it exited with `code`.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// Every line of output as JSON.
    #[track_caller]
    pub fn lines(&self) -> Vec<Value> {
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        self.out.lines().map(parse).collect()
    }

    /// The one line of output as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        let mut lines = self.lines();
        assert_eq!(lines.len(), 1, "{self:#?}");
        lines.remove(0)
    }
}

/// A log in a temporary directory.
pub struct Log {
    dir: TempDir,
}

impl Log {
    /// A new log with the settings that are shipped: it signs checkpoints, so records of its own lie between those of a
    /// test. Count [`Log::asked`], and take offsets from answers.
    pub fn new() -> Self {
        Self::in_dir(tempfile::tempdir().expect("a temporary directory"))
    }

    /// A new log in this directory, which goes with it.
    pub fn in_dir(dir: TempDir) -> Self {
        let log = Self { dir };
        log.run(&["init"]).exits(0);
        log
    }

    /// A new log with this origin.
    pub fn named(origin: &str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let log = Self { dir };
        log.run(&["init", "--log", origin]).exits(0);
        log
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn data_dir(&self) -> PathBuf {
        self.path("d")
    }

    pub fn key_file(&self) -> PathBuf {
        self.path("d.key")
    }

    pub fn trust_file(&self) -> PathBuf {
        self.path("d.trust")
    }

    /// Writes a file beside the log.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).expect("a file beside the log");
        path
    }

    /// The executable with these arguments on this log; `verify` takes the directory as its argument.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = sigil();
        command.args(args);
        match args.first() {
            Some(&"verify") => command.arg(self.data_dir()),
            _ => command.arg("--data-dir").arg(self.data_dir()),
        };
        command
    }

    /// Runs the executable with these arguments on this log.
    pub fn run(&self, args: &[&str]) -> Ran {
        Ran::of(&mut self.command(args))
    }

    /// Runs the executable with this on its standard input.
    pub fn feed(&self, args: &[&str], input: &str) -> Ran {
        Ran::fed(&mut self.command(args), input.as_bytes())
    }

    /// `sigil verify --trust` with the log's own trust file, or another one.
    pub fn verify(&self, trust: &Path) -> Ran {
        Ran::of(self.command(&["verify", "--json"]).arg("--trust").arg(trust))
    }

    /// The records that somebody asked for, in their order: without those that the log writes by itself.
    pub fn asked(&self) -> Vec<Value> {
        let mut records = self.records();
        records.retain(|record| record["kind"] != OWN_KIND);
        records
    }

    /// All records of the log, in its order.
    pub fn records(&self) -> Vec<Value> {
        self.run(&["record", "list", "--limit", "100000000"]).exits(0).lines()
    }
}

/// An `audit.event` of `actor`, without an id.
pub fn event(actor: &str, action: &str) -> Value {
    serde_json::json!({
        "kind": "audit.event",
        "payload": {"action": action, "outcome": "success", "source": "test"},
        "links": [{"label": "actor", "target": actor}],
    })
}

/// A record id that is the same for the same number, and different otherwise.
pub fn id(number: u64) -> String {
    let mut entropy = [0; 10];
    entropy[2..].copy_from_slice(&number.to_be_bytes());
    record::RecordId::new(1_790_000_000_000 + number, entropy).to_string()
}
