//! Arguments of `sigil backup` and `sigil restore`.

use super::{ConfigArgs, LogArgs};
use crate::config::Role;
use clap::Args;
use std::path::PathBuf;

/// `sigil backup`.
#[derive(Debug, Args)]
pub struct Backup {
    #[command(flatten)]
    pub log: LogArgs,
    /// The directory of the backup; it must not exist, or be empty.
    #[arg(long, value_name = "DIR")]
    pub to: PathBuf,
    /// A file for the scope keys, outside the backup, to be deleted in time; without it no sealed value can be opened
    /// after a restore.
    #[arg(long, value_name = "FILE")]
    pub scopes_to: Option<PathBuf>,
    /// Days after which the file of the scope keys has to be deleted.
    #[arg(long, value_name = "DAYS", default_value_t = 30)]
    pub scope_days: u32,
}

/// `sigil restore`.
#[derive(Debug, Args)]
pub struct Restore {
    #[command(flatten)]
    pub log: LogArgs,
    /// The backup.
    #[arg(long, alias = "backup", value_name = "DIR")]
    pub from: Option<PathBuf>,
    /// The copy of the scope keys; without it no sealed value can be opened.
    #[arg(long, value_name = "FILE")]
    pub scopes: Option<PathBuf>,
    /// Take a copy of the scope keys that should have been deleted by now.
    #[arg(long, requires = "scopes")]
    pub expired_scopes: bool,
    /// The trust file that the restored log has to be the log of.
    #[arg(long, env = "SIGIL_TRUST")]
    pub trust: Option<PathBuf>,
    /// What is left of the lost log's directory: its HEAD says how far the log had come, its keyring can sign.
    #[arg(long, value_name = "DIR")]
    pub lost: Option<PathBuf>,
    /// A file of records that somebody has kept, one a line, or one signed checkpoint: the restored log must have them. May
    /// be repeated.
    #[arg(long, value_name = "FILE")]
    pub known: Vec<PathBuf>,
    /// A file of records, one a line, to be restored behind those of the backup. May be repeated.
    #[arg(long, value_name = "FILE")]
    pub copies: Vec<PathBuf>,
    /// Restore what the log's streams hold behind the backup and the files.
    #[arg(long)]
    pub from_stream: bool,
    /// The broker [default: nats.url of the configuration].
    #[arg(long, requires = "from_stream")]
    pub nats: Option<String>,
    /// The configuration file that says how to connect [default: sigil.toml in this directory, where there is one].
    #[arg(long, requires = "from_stream")]
    pub config: Option<PathBuf>,
    /// The lost log's short name, where no backup and no file of copies brings its genesis.
    #[arg(long, requires = "from_stream")]
    pub slug: Option<String>,
    /// Keep what there is for reading, and never continue it: for a log whose last records are lost.
    #[arg(long)]
    pub close: bool,
    /// The lost log's origin, where neither a backup nor a keyring names it.
    #[arg(long = "log", value_name = "ORIGIN")]
    pub origin: Option<String>,
}

impl Restore {
    /// Whether records are restored that no backup vouches for.
    pub const fn has_copies(&self) -> bool {
        self.from_stream || !self.copies.is_empty()
    }

    /// The configuration that says how to connect to the broker.
    pub fn bus_config(&self) -> ConfigArgs {
        ConfigArgs {
            role: Role::Ledger,
            config: self.config.clone(),
            data_dir: self.log.data_dir.as_ref().map(|dir| dir.display().to_string()),
            key_file: None,
            listen: None,
            token_file: None,
            ops_listen: None,
            nats: self.nats.clone(),
            postgres: None,
            set: Vec::new(),
        }
    }
}
