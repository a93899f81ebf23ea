//! Where a log's files are: `--data-dir D` makes `D`, `D.key`, `D.trust` and `D.root`, each path settable.

use crate::anchors;
use crate::cli::LogArgs;
use crate::config::{self, Anchors, Log, Settings, Witnesses};
use crate::exit::{Exit, Failure};
use crate::secret;
use ledger::{CheckpointConfig, Config, KeySource};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tlog::Policy;

/// The paths of one log.
#[derive(Debug, Clone)]
pub struct Place {
    /// The log's directory.
    pub data_dir: PathBuf,
    /// Its key-encryption key.
    pub key: KeySource,
    /// How long a record waits for a checkpoint at most; `None` where none are signed.
    pub checkpoints: Option<Duration>,
    /// Where its checkpoints are anchored.
    pub anchors: Anchors,
    /// The policy that its checkpoints are cosigned under, as configured.
    pub policy_file: Option<PathBuf>,
}

impl Place {
    /// The place that the command line names, and, where it says nothing, the section `log` of a configuration file.
    pub(crate) fn of(args: &LogArgs) -> Result<Self, Failure> {
        let (mut log, mut anchors, mut witnesses) = config::of_files()?;
        if let Some(data_dir) = args.data_dir.as_ref().filter(|data_dir| **data_dir != log.data_dir) {
            // The keys, anchors and witnesses of the file's log are not this one's.
            anchors = Anchors::default();
            witnesses = Witnesses::default();
            log = Log {
                data_dir: data_dir.clone(),
                checkpoint_interval_ms: log.checkpoint_interval_ms,
                ..Log::default()
            };
        }
        if args.key_file.is_some() || args.passphrase_file.is_some() {
            log.key_file.clone_from(&args.key_file);
            log.passphrase_file.clone_from(&args.passphrase_file);
        }
        Self::at(log, anchors, &witnesses)
    }

    /// The place that the configuration names.
    pub(crate) fn configured(settings: &Settings) -> Result<Self, Failure> {
        Self::at(settings.log.clone(), settings.anchors.clone(), &settings.witnesses)
    }

    fn at(log: Log, anchors: Anchors, witnesses: &Witnesses) -> Result<Self, Failure> {
        let key = match (&log.passphrase_file, log.key_file, std::env::var("SIGIL_KEY")) {
            (Some(path), _, _) => KeySource::Passphrase(secret::first_line(path)?.into()),
            (None, Some(path), _) => KeySource::File(path),
            (None, None, Ok(hex)) => KeySource::Hex(hex.into()),
            (None, None, Err(_)) => KeySource::File(beside(&log.data_dir, "key")),
        };
        let interval = log.checkpoint_interval_ms;
        Ok(Self {
            data_dir: log.data_dir,
            key,
            checkpoints: (interval > 0).then(|| Duration::from_millis(interval)),
            anchors,
            policy_file: witnesses.policy_file.clone(),
        })
    }

    /// The place of a log below `dir`.
    pub fn below(dir: &Path) -> Self {
        let data_dir = dir.join("log");
        Self {
            key: KeySource::File(beside(&data_dir, "key")),
            data_dir,
            checkpoints: Some(CheckpointConfig::new().interval),
            anchors: Anchors::default(),
            policy_file: None,
        }
    }

    /// How the log is opened to be read.
    pub fn config(&self) -> Config {
        Config::new(&self.data_dir, self.key.clone())
    }

    /// How the log is opened to be written: what is new gets a signed checkpoint, at the latest when the log is closed. It
    /// has to continue what is kept in the directory of its anchors. A log with a stream gets one when its ledger runs
    /// again: no checkpoint has records that the stream does not hold, and nobody publishes meanwhile.
    ///
    /// # Errors
    /// That directory cannot be read: without it nobody would see that the log was put back to an older copy.
    pub fn signing(&self) -> Result<Config, Failure> {
        let mut config = self.signing_under(None)?;
        if let Some(checkpoints) = &mut config.checkpoints {
            checkpoints.after_stream = self.has_stream();
        }
        Ok(config)
    }

    /// Whether the log was published to a stream. A note of it that does not read is one all the same.
    pub fn has_stream(&self) -> bool {
        !matches!(ledger::feed::remembered(&self.data_dir), Ok(None))
    }

    /// The same, with the witnesses of this policy.
    ///
    /// # Errors
    /// As [`Place::signing`].
    pub fn signing_under(&self, policy: Option<Policy>) -> Result<Config, Failure> {
        let mut config = self.config();
        if self.checkpoints.is_none() && self.anchors.are_any() {
            let message = "anchors: checkpoints are what is anchored: log.checkpoint_interval_ms must not be 0";
            return Err(Failure::new(Exit::Usage, message));
        }
        if let Some(interval) = self.checkpoints {
            config.checkpoints = Some(CheckpointConfig {
                interval,
                policy,
                known: anchors::known(&self.anchors)?,
                ..CheckpointConfig::new()
            });
        }
        Ok(config)
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
