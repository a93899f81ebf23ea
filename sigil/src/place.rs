//! Where a log's files are: `--data-dir D` makes `D`, `D.key`, `D.trust` and `D.root`, each path settable.

use crate::cli::LogArgs;
use crate::config::Settings;
use crate::secret;
use ledger::{Config, KeySource};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The paths of one log.
#[derive(Debug, Clone)]
pub struct Place {
    /// The log's directory.
    pub data_dir: PathBuf,
    /// Its key-encryption key.
    pub key: KeySource,
}

impl Place {
    /// The place that the command line names.
    pub(crate) fn of(args: &LogArgs) -> anyhow::Result<Self> {
        let key = match (&args.passphrase_file, std::env::var("SIGIL_KEY")) {
            (Some(path), _) => KeySource::Passphrase(secret::first_line(path)?.into()),
            (None, Ok(hex)) if args.key_file.is_none() => KeySource::Hex(hex.into()),
            _ => KeySource::File(args.key_file.clone().unwrap_or_else(|| beside(&args.data_dir, "key"))),
        };
        Ok(Self {
            data_dir: args.data_dir.clone(),
            key,
        })
    }

    /// The place that the configuration names.
    pub(crate) fn configured(settings: &Settings) -> anyhow::Result<Self> {
        Self::of(&LogArgs {
            data_dir: settings.log.data_dir.clone(),
            key_file: settings.log.key_file.clone(),
            passphrase_file: settings.log.passphrase_file.clone(),
        })
    }

    /// The place of a log below `dir`.
    pub fn below(dir: &Path) -> Self {
        let data_dir = dir.join("log");
        Self {
            key: KeySource::File(beside(&data_dir, "key")),
            data_dir,
        }
    }

    /// How the log is opened.
    pub fn config(&self) -> Config {
        Config::new(&self.data_dir, self.key.clone())
    }

    /// The trust file that `init` writes.
    pub fn trust_file(&self) -> PathBuf {
        beside(&self.data_dir, "trust")
    }

    /// The root key that `init` writes, to be taken offline.
    pub fn root_key_file(&self) -> PathBuf {
        beside(&self.data_dir, "root")
    }

    /// The read model.
    pub fn read_model(&self) -> PathBuf {
        self.data_dir.join("read-model")
    }

    /// A directory beside the log for a copy that lives as long as this process.
    pub fn scratch(&self, purpose: &str) -> PathBuf {
        beside(&self.data_dir, &format!("{purpose}-{}", std::process::id()))
    }
}

/// `path` with `.extension` added to its last component.
pub fn beside(path: &Path, extension: &str) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    // `D/` and `D` are the same directory.
    if let Some(text) = name
        .to_str()
        .map(|text| text.trim_end_matches('/'))
        .filter(|text| !text.is_empty())
    {
        name = text.into();
    }
    name.push(".");
    name.push(extension);
    name.into()
}
