//! The control socket of a running ledger: how `sigil backup` asks the process that has the data directory.
//!
//! A Unix socket in the directory `control` of the data directory, which only its owner may enter. Whoever can connect may
//! read the log's files anyway; no credential crosses it, and no key. One line of JSON asks, lines of JSON answer: any
//! number of `{"done","total"}`, then `{"written"}` or `{"error","exit"}`. Closing the connection cancels.

use crate::exit::{Exit, Failure};
use ledger::Handle;
use ledger::backup::{Request, Written};
use record::hash::decode_hex;
use record::{Hash, Origin};
use serde_json::{Value, json};
use std::fs::{DirBuilder, File};
use std::io;
use std::ops::ControlFlow;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Bytes of one line at most.
const LINE: u64 = 64 * 1_024;
/// Longer paths do not fit into a socket's address.
const ADDRESS: usize = 100;

/// The socket of an open log; dropping it closes the socket and cancels what it does.
pub struct Control {
    task: JoinHandle<()>,
    socket: PathBuf,
}

impl Control {
    /// The socket of an open log; without one the ledger works, and a backup has to wait until it is stopped.
    pub fn of(handle: &Handle) -> Option<Self> {
        let listening = Self::listen(handle, handle.data_dir());
        if let Err(error) = &listening {
            tracing::warn!(%error, "no control socket: a backup has to wait until the ledger is stopped");
        }
        listening.ok()
    }

    /// Listens in the data directory of `handle`, whose lock this process holds: an older socket is nobody's.
    ///
    /// # Errors
    /// An I/O error. The ledger works without the socket; only a backup while it runs does not.
    fn listen(handle: &Handle, data_dir: &Path) -> io::Result<Self> {
        let dir = data_dir.join("control");
        match DirBuilder::new().mode(0o700).create(&dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let address = Address::of(&dir)?;
        match std::fs::remove_file(&address.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&address.path)?;
        let (handle, socket) = (handle.clone(), dir.join("socket"));
        let task = tokio::spawn(async move {
            // Served one after another, as backups should be. Dropping the task drops the one under way.
            while let Ok((stream, _)) = listener.accept().await {
                if let Err(error) = serve(stream, &handle).await {
                    tracing::warn!(%error, "a request on the control socket was not answered");
                }
            }
        });
        Ok(Self { task, socket })
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.task.abort();
        // Gone with the data directory, perhaps.
        let _gone = std::fs::remove_file(&self.socket);
    }
}

/// The path of a socket that fits into an address, and what keeps it valid.
struct Address {
    path: PathBuf,
    _dir: Option<File>,
}

impl Address {
    fn of(dir: &Path) -> io::Result<Self> {
        let path = dir.join("socket");
        if path.as_os_str().len() <= ADDRESS {
            return Ok(Self { path, _dir: None });
        }
        let opened = File::open(dir)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}/socket", opened.as_raw_fd()));
        Ok(Self {
            path,
            _dir: Some(opened),
        })
    }
}

/// Cancels the work when the one who asked is gone, however that shows.
struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

async fn serve(stream: UnixStream, handle: &Handle) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read.take(LINE));
    let mut line = String::new();
    lines.read_line(&mut line).await?;
    let Some(request) = serde_json::from_str(&line).ok().as_ref().and_then(decode) else {
        let answer = json!({"error": "the request is malformed: use the same version of sigil", "exit": 2});
        return write.write_all(format!("{answer}\n").as_bytes()).await;
    };
    let cancelled = Arc::new(AtomicBool::new(false));
    let _cancel = CancelOnDrop(Arc::clone(&cancelled));
    let (progress, mut reported) = mpsc::channel::<(u64, u64)>(1);
    let mut work = {
        let handle = handle.clone();
        tokio::task::spawn_blocking(move || {
            let mut show = |done, total| {
                // Whoever reads slowly gets fewer reports.
                let _full = progress.try_send((done, total));
                if cancelled.load(Ordering::Relaxed) {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            };
            handle.backup(&request, &mut show)
        })
    };
    let mut closed = [0; 1];
    let done = loop {
        tokio::select! {
            done = &mut work => break done.map_err(io::Error::other)?,
            Some((done, total)) = reported.recv() => {
                write.write_all(format!("{}\n", json!({"done": done, "total": total})).as_bytes()).await?;
            }
            // Nothing more is expected: a byte breaks the rules, no byte is the end.
            _ = lines.read(&mut closed) => return Ok(()),
        }
    };
    let answer = match done {
        Ok(written) => {
            tracing::info!(records = written.size, bytes = written.bytes, "a backup was written");
            json!({"written": encode_written(&written)})
        }
        Err(error) => {
            let failure = Failure::from(error);
            json!({"error": failure.to_string(), "exit": failure.exit as u8})
        }
    };
    write.write_all(format!("{answer}\n").as_bytes()).await
}

/// Asks the process that has the log in `data_dir` for a backup; `None` when nobody listens.
///
/// # Errors
/// What the backup failed with, with its exit code.
pub async fn ask(
    data_dir: &Path,
    request: &Request,
    mut progress: impl FnMut(u64, u64),
) -> Result<Option<Written>, Failure> {
    let dir = data_dir.join("control");
    let Ok(address) = Address::of(&dir) else {
        return Ok(None);
    };
    let Ok(stream) = UnixStream::connect(&address.path).await else {
        return Ok(None);
    };
    let (read, mut write) = stream.into_split();
    write.write_all(format!("{}\n", encode(request)).as_bytes()).await?;
    let mut lines = BufReader::new(read).lines();
    while let Some(line) = lines.next_line().await? {
        let answer: Value = serde_json::from_str(&line).map_err(anyhow::Error::from)?;
        if let (Some(done), Some(total)) = (member(&answer, "done").as_u64(), member(&answer, "total").as_u64()) {
            progress(done, total);
        } else if let Some(error) = member(&answer, "error").as_str() {
            return Err(Failure::new(exit_of(member(&answer, "exit").as_u64()), error));
        } else {
            let written = decode_written(member(&answer, "written"));
            let malformed = || {
                Failure::new(
                    Exit::Failure,
                    "the ledger's answer is malformed: use the same version of sigil",
                )
            };
            return written.map(Some).ok_or_else(malformed);
        }
    }
    Err(Failure::new(
        Exit::Unavailable,
        "the ledger stopped before the backup was complete: nothing of it is kept",
    ))
}

/// A member of an object; `null` where there is none.
fn member<'a>(value: &'a Value, name: &str) -> &'a Value {
    value.get(name).unwrap_or(&Value::Null)
}

fn exit_of(code: Option<u64>) -> Exit {
    let exits = [Exit::Usage, Exit::VerificationFailed, Exit::Unavailable];
    exits
        .into_iter()
        .find(|exit| Some(*exit as u64) == code)
        .unwrap_or(Exit::Failure)
}

fn encode(request: &Request) -> Value {
    json!({
        "to": request.to, "scopes_to": request.scopes_to, "scope_days": request.scope_days,
        "part_bytes": request.part_bytes,
    })
}

fn decode(value: &Value) -> Option<Request> {
    // Relative to which directory would be another process's business.
    let path = |value: &Value| value.as_str().map(PathBuf::from).filter(|path| path.is_absolute());
    let scopes_to = match member(value, "scopes_to") {
        Value::Null => None,
        scopes => Some(path(scopes)?),
    };
    Some(Request {
        to: path(member(value, "to"))?,
        scopes_to,
        scope_days: u32::try_from(member(value, "scope_days").as_u64()?).ok()?,
        part_bytes: member(value, "part_bytes").as_u64()?,
    })
}

/// What was written, as the command prints it.
pub fn encode_written(written: &Written) -> Value {
    let root: String = written.root.iter().map(|byte| format!("{byte:02x}")).collect();
    json!({
        "log": written.log.as_str(), "size": written.size, "hash": written.hash.to_string(), "root": root,
        "disclosures": written.disclosures, "scope_keys": written.scope_keys, "bytes": written.bytes,
    })
}

fn decode_written(value: &Value) -> Option<Written> {
    Some(Written {
        log: Origin::parse(member(value, "log").as_str()?)?,
        size: member(value, "size").as_u64()?,
        hash: Hash::from_hex(member(value, "hash").as_str()?)?,
        root: decode_hex(member(value, "root").as_str()?)?,
        disclosures: member(value, "disclosures").as_u64()?,
        scope_keys: member(value, "scope_keys").as_u64()?,
        bytes: member(value, "bytes").as_u64()?,
    })
}
