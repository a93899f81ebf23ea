//! `sigil serve --role`: one process, waited for by its first line, and never left behind.

use serde_json::Value;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a process may take to do what it was told.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A running role.
pub struct Process {
    child: Child,
    /// What it said when it was ready to be asked.
    pub said: Value,
}

impl Process {
    /// Starts `command`; what it writes to standard error goes to the end of `errors`.
    pub fn start(mut command: Command, errors: &Path) -> Self {
        let file = File::options().create(true).append(true).open(errors);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(file.expect("a file beside the log"))
            .spawn()
            .expect("the executable starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("it is piped");
        // The pipe is closed when the process ends, so that this never waits in vain.
        BufReader::new(stdout).read_line(&mut line).expect("a line or an end");
        let said = serde_json::from_str(&line);
        let said = said.unwrap_or_else(|_| panic!("no process: {:?}\n{}", child.wait(), tail(errors)));
        Self { child, said }
    }

    /// SIGKILL: nothing of the process runs any more.
    pub fn kill(mut self) {
        self.child.kill().expect("the process runs");
        self.child.wait().expect("a killed process ends");
    }

    /// SIGTERM, and an orderly end.
    pub fn stop(mut self) {
        let line = format!("kill -TERM {}", self.child.id());
        let sent = Command::new("sh").args(["-c", &line]).status().expect("sh");
        assert!(sent.success(), "{line}");
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("the process is a child") {
                break status;
            }
            assert!(Instant::now() < deadline, "the process did not end in time");
            std::thread::sleep(Duration::from_millis(5)); // waits for: the end of the process
        };
        assert_eq!(status.code(), Some(0), "{}", self.said);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _gone = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// The end of a file.
pub fn tail(path: &Path) -> String {
    let text = std::fs::read_to_string(PathBuf::from(path)).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

/// Asks again until there is an answer.
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain: {what}");
        std::thread::sleep(Duration::from_millis(10)); // waits for: the condition that `ask` looks at
    }
}
