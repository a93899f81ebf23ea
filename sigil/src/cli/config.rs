//! A role and its configuration on the command line.

use crate::config::Role;
use crate::exit::{Exit, Failure};
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `sigil config ...`.
#[derive(Debug, Subcommand)]
pub enum ConfigVerb {
    /// Report everything that is wrong, before anything is opened.
    Check(ConfigArgs),
    /// Print every key of a role with its value and where that comes from. Nothing in it is secret.
    Print(ConfigArgs),
}

/// A role and its configuration. Variables and files give what no flag gives; `sigil config print` shows every key.
#[derive(Debug, Clone, Default, Args)]
pub struct ConfigArgs {
    /// What the process is.
    #[arg(long, value_enum, default_value_t = Role::Embedded)]
    pub role: Role,
    /// The configuration file [default: sigil.toml in this directory, where there is one; or SIGIL_CONFIG].
    #[arg(long)]
    pub config: Option<PathBuf>,
    /// log.data_dir: the log's directory.
    #[arg(long)]
    pub data_dir: Option<String>,
    /// log.key_file: the key file.
    #[arg(long)]
    pub key_file: Option<String>,
    /// http.listen: where to serve the API.
    #[arg(long)]
    pub listen: Option<String>,
    /// http.token_file: a file whose first line is the operator's token.
    #[arg(long)]
    pub token_file: Option<String>,
    /// ops.listen: where to serve health and metrics.
    #[arg(long)]
    pub ops_listen: Option<String>,
    /// nats.url: the broker.
    #[arg(long)]
    pub nats: Option<String>,
    /// postgres.url: the read model's database.
    #[arg(long)]
    pub postgres: Option<String>,
    /// Any key of the configuration; may be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

impl ConfigArgs {
    /// What the flags set: flag, key, text.
    pub fn flags(&self) -> Result<Vec<(String, String, String)>, Failure> {
        let named = [
            ("--data-dir", "log.data_dir", &self.data_dir),
            ("--key-file", "log.key_file", &self.key_file),
            ("--listen", "http.listen", &self.listen),
            ("--token-file", "http.token_file", &self.token_file),
            ("--ops-listen", "ops.listen", &self.ops_listen),
            ("--nats", "nats.url", &self.nats),
            ("--postgres", "postgres.url", &self.postgres),
        ];
        let mut flags: Vec<_> = named
            .into_iter()
            .filter_map(|(flag, key, text)| Some((flag.to_owned(), key.to_owned(), text.clone()?)))
            .collect();
        for set in &self.set {
            let parted = set.split_once('=');
            let (key, text) = parted.ok_or_else(|| Failure::new(Exit::Usage, "--set takes KEY=VALUE"))?;
            flags.push(("--set".to_owned(), key.to_owned(), text.to_owned()));
        }
        Ok(flags)
    }
}
