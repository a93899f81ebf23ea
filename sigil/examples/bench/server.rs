//! The product as a process of its own: this executable again, running `sigil dev`.

use sigil::place::Place;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// Set in the environment of the server process.
pub const CHILD: &str = "SIGIL_BENCH_CHILD";
/// The token that the server accepts.
pub const TOKEN: &str = "bench-token-0123456789";

/// A directory with a fresh log, beside this executable so that it lies on a real disk.
pub struct Home {
    pub place: Place,
    dir: TempDir,
}

impl Home {
    pub fn create() -> Self {
        let exe = std::env::current_exe().expect("this executable has a path");
        let dir = tempfile::tempdir_in(exe.parent().expect("a directory")).expect("a directory is made");
        let place = Place::below(dir.path());
        let mut init = own();
        init.args(["init", "--log", "localhost/bench", "--slug", "bench", "--data-dir"]);
        let output = init.arg(&place.data_dir).output().expect("the command starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut token = std::fs::File::create(dir.path().join("token")).expect("a file is made");
        writeln!(token, "{TOKEN}").expect("the token is written");
        Self { place, dir }
    }

    /// A file beside the log.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

/// A running server.
pub struct Server {
    pub address: SocketAddr,
    child: Child,
}

impl Server {
    /// Starts `sigil dev` on the log of `home` and waits until it serves.
    pub fn start(home: &Home) -> Self {
        let mut child = own()
            .args(["--json", "dev", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(&home.place.data_dir)
            .arg("--token-file")
            .arg(home.path("token"))
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("its output is piped");
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("it says where it serves");
        let said: serde_json::Value = serde_json::from_str(&line).expect("it says so in JSON");
        let url = said["url"].as_str().expect("it names its address");
        Self {
            address: url.trim_start_matches("http://").parse().expect("an address"),
            child,
        }
    }

    /// The largest resident memory so far, in MB.
    pub fn peak_memory_mb(&self) -> f64 {
        memory_mb(self.child.id(), "VmHWM:")
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

/// This executable as the product.
pub fn own() -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this executable has a path"));
    command.env(CHILD, "1");
    command
}

/// What the system says of a process's memory under this name, in MB.
pub fn memory_mb(pid: u32, name: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib: f64 = line
        .and_then(|line| line.split_whitespace().next())
        .and_then(|kib| kib.parse().ok())
        .unwrap_or(0.0);
    kib / 1_000.0
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid = self.child.id().to_string();
        let _asked = Command::new("kill").args(["-TERM", &pid]).status();
        let _ended = self.child.wait();
    }
}
