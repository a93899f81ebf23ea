//! `sigil dev` as a child process: started on a free port, waited for by its first line, and never left behind.

use crate::client::{Client, TOKEN};
use crate::log::{Log, sigil};
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How long a process may take to do what it was told.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running server.
pub struct Server {
    child: Child,
    pub peer: SocketAddr,
    /// What the server said when it was ready.
    pub said: Value,
}

impl Server {
    /// Serves `log`.
    pub fn start(log: &Log) -> Self {
        Self::with(log, &[])
    }

    /// Serves `log` with further arguments.
    pub fn with(log: &Log, args: &[&str]) -> Self {
        let token = log.write("token", format!("{TOKEN}\n"));
        let token = token.to_str().expect("a path of text");
        Self::bare(log, &[&["--token-file", token], args].concat())
    }

    /// Serves `log` with these arguments only: the token is the server's own.
    pub fn bare(log: &Log, args: &[&str]) -> Self {
        Self::run(log, "dev", &[&["--listen", "127.0.0.1:0"], args].concat())
    }

    /// Runs a verb that serves `log` until it is told to stop, and says where in its first line.
    pub fn run(log: &Log, verb: &str, args: &[&str]) -> Self {
        let mut command = log.command(&[verb, "--json"]);
        command.args(args);
        Self::spawn(log, command)
    }

    /// Runs a verb that serves something else than `log`, beside it.
    pub fn apart(log: &Log, verb: &str, args: &[&str]) -> Self {
        let mut command = sigil();
        command.args([verb, "--json"]).args(args);
        Self::spawn(log, command)
    }

    fn spawn(log: &Log, mut command: Command) -> Self {
        let errors = File::options()
            .create(true)
            .append(true)
            .open(log.path("dev.stderr"))
            .expect("a file beside the log");
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .expect("the server starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("it is piped");
        // The pipe is closed when the server ends, so that this never waits in vain.
        BufReader::new(stdout).read_line(&mut line).expect("a line or an end");
        let said: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("no server: {}", errors_of(log)));
        // A role without an API has no address.
        let peer = match said["url"].as_str() {
            Some(url) => url.split("://").nth(1).and_then(|address| address.parse().ok()),
            None => Some(SocketAddr::from(([127, 0, 0, 1], 0))),
        };
        let peer = peer.expect("the server says where it is");
        Self { child, peer, said }
    }

    pub fn client(&self) -> Client {
        Client::connect(self.peer).expect("the server listens")
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL: nothing of the process runs any more.
    pub fn kill(mut self) {
        self.child.kill().expect("the server runs");
        self.child.wait().expect("a killed process ends");
    }

    /// Sends `TERM` or `INT`.
    pub fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.pid());
        let sent = Command::new("sh").args(["-c", &kill]).status().expect("sh");
        assert!(sent.success(), "{kill}");
    }

    /// Waits for the end.
    pub fn ended(mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().expect("the server is a child") {
                return status;
            }
            std::thread::sleep(Duration::from_millis(5)); // waits for: the end of the process
        }
        panic!("the server did not end in time");
    }

    /// SIGTERM, and an orderly end.
    pub fn stop(self) {
        self.signal("TERM");
        assert_eq!(self.ended().code(), Some(0));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _gone = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// What the servers of `log` wrote to standard error.
pub fn errors_of(log: &Log) -> String {
    std::fs::read_to_string(log.path("dev.stderr")).unwrap_or_default()
}
