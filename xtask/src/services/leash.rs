//! A server that cannot outlive us.
//!
//! Invariant: when its `Leash` is dropped, or this process is killed (even with a signal that no program sees), the
//! server is stopped and its folder removed. A small shell holds the other end of a pipe and acts when it closes.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

use std::os::unix::process::CommandExt;

use super::account::Account;

/// `$0` is the folder, `$1` stops the server whose process is `$pid`, and the rest is the server.
const HOLDER: &str = r#"
exec 3<&0
stop=$1; shift
"$@" </dev/null 3<&- &
pid=$!
{ read -r _ <&3; [ -e "$0/ended" ] || eval "$stop"; } &
wait "$pid"
: >"$0/ended"
wait
rm -rf "$0"
"#;

/// A running server.
pub struct Leash {
    holder: Child,
    folder: PathBuf,
}

impl Leash {
    /// Starts `server` as `account`. Its output goes to the file `log` in `folder`, which it must be able to write.
    /// `stop` is a line of shell that ends it; `$pid` is its process.
    pub fn start(folder: &Path, account: Account, stop: &str, server: &[String]) -> Result<Self> {
        let log = File::create(folder.join("log"))?;
        let mut command = Command::new("sh");
        command.args(["-c", HOLDER]).arg(folder).arg(stop).args(server);
        // A group of its own: Ctrl-C reaches us, and through the pipe the holder, but not the server half-way.
        command
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stderr(log.try_clone()?)
            .stdout(log);
        let holder = account.assume(&mut command).spawn().context("cannot start sh")?;
        Ok(Self {
            holder,
            folder: folder.to_path_buf(),
        })
    }

    /// The end of the log when the server is gone by itself; `None` while it runs.
    pub fn last_words(&self) -> Option<String> {
        if !self.folder.join("ended").exists() {
            return None;
        }
        let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        Some(
            lines
                .get(lines.len().saturating_sub(10)..)
                .unwrap_or_default()
                .join("\n"),
        )
    }
}

impl Drop for Leash {
    fn drop(&mut self) {
        // Waiting closes our end of the pipe first. Nothing to do about a failure: the holder works without us.
        drop(self.holder.wait());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process;
    use crate::scratch::Scratch;

    const STOP: &str = "kill -KILL $pid";

    fn shell(line: &str) -> Vec<String> {
        ["sh", "-c", line].map(str::to_owned).to_vec()
    }

    /// Waits for a file that the server writes, and reads it.
    fn written(path: &Path) -> String {
        loop {
            match fs::read_to_string(path) {
                Ok(text) if text.ends_with('\n') => return text.trim().to_owned(),
                _ => std::thread::yield_now(),
            }
        }
    }

    fn alive(pid: &str) -> bool {
        process::answers(Command::new("sh").args(["-c", "kill -0 $0", pid]))
    }

    #[test]
    fn a_dropped_leash_stops_the_server_and_removes_its_folder() {
        let scratch = Scratch::new("leash").unwrap();
        let server = shell(&format!("echo $$ >{}/pid; exec sleep 1000", scratch.path().display()));
        let leash = Leash::start(scratch.path(), Account::ours(), STOP, &server).unwrap();
        let pid = written(&scratch.path().join("pid"));
        assert!(alive(&pid));
        assert_eq!(leash.last_words(), None);
        drop(leash);
        assert!(!alive(&pid));
        assert!(!scratch.path().exists());
    }

    #[test]
    fn a_server_that_ends_by_itself_leaves_its_last_words() {
        let scratch = Scratch::new("leash").unwrap();
        let leash = Leash::start(scratch.path(), Account::ours(), STOP, &shell("echo no port; exit 1")).unwrap();
        let words = loop {
            if let Some(words) = leash.last_words() {
                break words;
            }
            std::thread::yield_now();
        };
        assert_eq!(words, "no port");
    }

    #[test]
    fn a_killed_owner_takes_the_server_along() {
        let scratch = Scratch::new("leash").unwrap();
        let folder = scratch.path().join("server");
        fs::create_dir(&folder).unwrap();
        let server = shell(&format!("echo $$ >{}/pid; exec sleep 1000", scratch.path().display()));
        let mut leash = Leash::start(&folder, Account::ours(), STOP, &server).unwrap();
        let pid = written(&scratch.path().join("pid"));
        // What the kernel does for a process that is killed: its end of the pipe closes, and no destructor runs.
        drop(leash.holder.stdin.take());
        leash.holder.wait().unwrap();
        assert!(!alive(&pid));
        assert!(!folder.exists());
    }
}
