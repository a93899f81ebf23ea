//! How a log is opened: its place, its key, and every limit with its default.

use crate::KeySource;
use crate::checkpoint::CheckpointConfig;
use std::path::PathBuf;

/// How a log is opened. Every limit has a default ([`Config::new`]).
#[derive(Debug, Clone)]
pub struct Config {
    /// The log's directory.
    pub data_dir: PathBuf,
    /// The key-encryption key.
    pub key: KeySource,
    /// Bytes of records that may be on their way to the disk. Default 64 MiB.
    pub queue_bytes: usize,
    /// How long a request waits for room in the queue, in milliseconds. Default 5,000.
    pub queue_wait_ms: u64,
    /// Threads that sign. Default: the cores of the machine.
    pub signers: usize,
    /// Bytes of the store's block cache. Default 64 MiB.
    pub cache_bytes: u64,
    /// Records between two snapshots of the folded state. Default 16,384.
    pub snapshot_every: u64,
    /// A jump of the wall clock beyond this many seconds is refused. Default 300.
    pub max_clock_jump_s: u32,
    /// Values that one data key encrypts before the next start takes a new one. Default 2^31.
    pub data_key_values: u64,
    /// Bytes of entries that a keyspace of the store keeps in memory before it writes a table; a log keeps what it was
    /// created with. Default: 4 to 32 MiB, by keyspace.
    pub memtable_bytes: Option<u64>,
    /// How checkpoints are made. Default: not at all, so that nothing can be proven and no map is kept.
    pub checkpoints: Option<CheckpointConfig>,
}

impl Config {
    /// The defaults for the log in `data_dir`, opened with `key`.
    #[must_use]
    pub fn new(data_dir: impl Into<PathBuf>, key: KeySource) -> Self {
        Self {
            data_dir: data_dir.into(),
            key,
            queue_bytes: 64 * 1_024 * 1_024,
            queue_wait_ms: 5_000,
            signers: std::thread::available_parallelism().map_or(2, usize::from),
            cache_bytes: 64 * 1_024 * 1_024,
            snapshot_every: 16_384,
            max_clock_jump_s: 300,
            data_key_values: 1 << 31,
            memtable_bytes: None,
            checkpoints: None,
        }
    }

    pub(crate) fn head_path(&self) -> PathBuf {
        self.data_dir.join("HEAD")
    }

    pub(crate) fn keyring_path(&self) -> PathBuf {
        self.data_dir.join("keyring")
    }

    pub(crate) fn scopes_path(&self) -> PathBuf {
        self.data_dir.join("scopes")
    }

    pub(crate) fn store_path(&self) -> PathBuf {
        self.data_dir.join("fjall")
    }

    pub(crate) fn aside_path(&self) -> PathBuf {
        self.data_dir.join("journals-aside")
    }
}
