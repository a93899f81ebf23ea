//! A server that cannot outlive the test.
//!
//! Invariant: when its `Leash` is dropped, or this process ends in whatever way (even by a signal that no program
//! sees), the server is stopped and its folder removed. A small shell holds the other end of a pipe and acts when it
//! closes. A leash whose server has ended can be released: then the folder stays, for the server's next life.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::account::Account;
use crate::wait;

/// `$0` is the folder, `$1` is a line of shell that stops the server whose process is `$pid`, the rest is the server.
/// A line on the pipe releases the folder; its end means that nobody needs it any more.
const HOLDER: &str = r#"
exec 3<&0
stop=$1; shift
"$@" </dev/null >>"$0/log" 2>&1 3<&- &
pid=$!
echo "$pid"
exec >/dev/null 2>&1
{ read -r _ <&3 && exit 0; [ -e "$0/ended-$pid" ] || eval "$stop"; exit 1; } &
keeper=$!
wait "$pid"
: >"$0/ended-$pid"
wait "$keeper" || rm -rf "$0"
"#;

/// A server, running or ended.
#[derive(Debug)]
pub struct Leash {
    holder: Child,
    pid: u32,
    folder: PathBuf,
}

impl Leash {
    /// Starts `server` as `account`. Its output is appended to the file `log` in `folder`, which it must be able to
    /// write. `stop` is a line of shell that ends it without leaving a process of its behind.
    pub fn start(folder: &Path, account: Account, stop: &str, server: &Command) -> Result<Self> {
        let mut command = Command::new("sh");
        command.args(["-c", HOLDER]).arg(folder).arg(stop);
        command.arg(server.get_program()).args(server.get_args());
        // A group of its own: what is sent to the test's group must not reach the holder before the pipe closes.
        command
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut holder = account.assume(&mut command).spawn().context("cannot start sh")?;
        let mut line = String::new();
        BufReader::new(holder.stdout.take().context("sh has no output")?).read_line(&mut line)?;
        let pid = line.trim().parse().context("sh did not say which process it started")?;
        Ok(Self {
            holder,
            pid,
            folder: folder.to_path_buf(),
        })
    }

    /// True when the server's process is gone.
    pub fn has_ended(&self) -> bool {
        self.folder.join(format!("ended-{}", self.pid)).exists()
    }

    /// An error with the end of the log when the server is gone.
    pub fn check(&self, name: &str) -> Result<()> {
        if self.has_ended() {
            bail!("{name} ended before it answered:\n{}", self.last_words());
        }
        Ok(())
    }

    /// Sends a signal (`KILL`, `TERM`, ..) to the server's process, and to `more` beside it.
    pub fn signal(&self, name: &str, more: &[u32]) -> Result<()> {
        if self.has_ended() {
            bail!("the server has ended already: no signal {name} for it");
        }
        let pids = std::iter::once(&self.pid).chain(more).map(u32::to_string);
        // A process of `more` may have ended meanwhile, which is no failure.
        Command::new("kill")
            .arg(format!("-{name}"))
            .args(pids)
            .output()
            .context("cannot start kill")?;
        Ok(())
    }

    /// The processes that the server started itself.
    pub fn children(&self) -> Vec<u32> {
        let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter(|&pid| parent(pid) == Some(self.pid)).collect()
    }

    /// Waits until the process is gone.
    pub async fn ended(&self) -> Result<()> {
        wait::until("a server was to end", async || Ok(self.has_ended().then_some(()))).await
    }

    /// Lets go of the folder of a server that has ended.
    pub fn release(mut self) -> Result<()> {
        let mut pipe = self.holder.stdin.take().context("released already")?;
        pipe.write_all(b"\n").context("the holder of a server is gone")
        // Dropping waits for the holder.
    }

    fn last_words(&self) -> String {
        let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines
            .get(lines.len().saturating_sub(10)..)
            .unwrap_or_default()
            .join("\n")
    }
}

impl Drop for Leash {
    fn drop(&mut self) {
        // Waiting closes our end of the pipe first. Nothing to do about a failure: the holder works without us.
        drop(self.holder.wait());
    }
}

/// The log that servers of this folder write; opened once so that its owner can append.
pub fn create_log(folder: &Path, account: Account) -> Result<()> {
    let path = folder.join("log");
    OpenOptions::new().create(true).append(true).open(&path)?;
    account.own(&path)
}

/// False for a process that is gone, or dead and not yet asked for by its parent.
pub fn is_running(pid: u32) -> bool {
    status(pid).is_some_and(|(state, _)| !matches!(state, 'Z' | 'X'))
}

fn parent(pid: u32) -> Option<u32> {
    status(pid).map(|(_, parent)| parent)
}

/// State and parent: the third and fourth field of `/proc/<pid>/stat`, behind a name that may hold anything and is
/// closed by the last `)`.
fn status(pid: u32) -> Option<(char, u32)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(folder: &Path, line: &str) -> Leash {
        let mut server = Command::new("sh");
        server.args(["-c", line]);
        create_log(folder, Account::ours()).unwrap();
        Leash::start(folder, Account::ours(), "kill -KILL $pid", &server).unwrap()
    }

    #[test]
    fn a_dropped_leash_stops_the_server_and_removes_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let leash = start(folder.path(), "exec sleep 1000");
        let pid = leash.pid;
        assert!(is_running(pid) && !leash.has_ended());
        drop(leash);
        assert!(!is_running(pid));
        assert!(!folder.path().exists());
    }

    #[test]
    fn a_killed_owner_takes_the_server_along() {
        let folder = tempfile::tempdir().unwrap();
        let mut leash = start(folder.path(), "exec sleep 1000");
        let pid = leash.pid;
        // What the kernel does for a process that is killed: its end of the pipe closes, and no destructor runs.
        drop(leash.holder.stdin.take());
        leash.holder.wait().unwrap();
        assert!(!is_running(pid));
        assert!(!folder.path().exists());
    }

    #[tokio::test]
    async fn a_released_leash_keeps_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let leash = start(folder.path(), "echo no port; exit 1");
        leash.ended().await.unwrap();
        let error = leash.check("it").unwrap_err().to_string();
        assert!(error.contains("no port"), "{error}");
        assert!(leash.signal("KILL", &[]).is_err());
        leash.release().unwrap();
        assert!(folder.path().join("log").exists());
    }

    #[tokio::test]
    async fn signals_reach_the_server_and_its_children_are_known() {
        let folder = tempfile::tempdir().unwrap();
        let leash = start(folder.path(), "sleep 1000 & wait");
        let children = wait::until("a child", async || {
            Ok(Some(leash.children()).filter(|found| found.len() == 1))
        });
        let children = children.await.unwrap();
        leash.signal("KILL", &children).unwrap();
        leash.ended().await.unwrap();
        wait::until("the child is gone", async || {
            Ok((!is_running(children[0])).then_some(()))
        })
        .await
        .unwrap();
    }
}
