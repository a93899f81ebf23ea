//! Flags of `sigil verify`.

use clap::Args;
use std::path::PathBuf;

/// `sigil verify`.
#[derive(Debug, Clone, Args)]
pub struct Verify {
    /// What to check: a log's directory, a file (a record, a .tlog-proof, a saved answer, a .sigil-proof bundle, a
    /// checkpoint), or a server's URL [default: log.data_dir of a configuration file, or sigil-data].
    #[arg(value_name = "DIR|FILE|URL", env = "SIGIL_DATA_DIR")]
    pub what: Option<PathBuf>,
    /// The key file [default: the directory's name with `.key`; or 64 hex digits in SIGIL_KEY].
    #[arg(long, env = "SIGIL_KEY_FILE")]
    pub key_file: Option<PathBuf>,
    /// A file whose first line is the passphrase, instead of a key file.
    #[arg(long, env = "SIGIL_PASSPHRASE_FILE", conflicts_with = "key_file")]
    pub passphrase_file: Option<PathBuf>,
    /// The trust file: origin, genesis and keys that you pin. Without it the outcome is "could not be checked".
    #[arg(long, env = "SIGIL_TRUST")]
    pub trust: Option<PathBuf>,
    /// With a directory: check the one record with this id. With a .tlog-proof: the file with the record.
    #[arg(long, value_name = "ID|FILE")]
    pub record: Option<String>,
    /// The tenant of that record.
    #[arg(long, env = "SIGIL_TENANT", default_value = "default")]
    pub tenant: String,
    /// What proves a file: the .tlog-proof of a record, or the consistency proof (JSON of the API) of a checkpoint.
    #[arg(long, value_name = "FILE")]
    pub proof: Option<PathBuf>,
    /// An older checkpoint that the one in the file continues; with --proof.
    #[arg(long, value_name = "FILE", requires = "proof")]
    pub continues: Option<PathBuf>,
    /// Opened values of a record, as the API gives them.
    #[arg(long, value_name = "FILE")]
    pub disclosures: Option<PathBuf>,
    /// A checkpoint of a directory's log that is known from elsewhere; may be repeated.
    #[arg(long = "checkpoint", value_name = "FILE")]
    pub checkpoints: Vec<PathBuf>,
    /// Checkpoints of a directory's log that were anchored: a file, or a directory of anchors. May be repeated.
    #[arg(long = "anchor", value_name = "FILE|DIR")]
    pub anchors: Vec<PathBuf>,
    /// A tlog-policy in place of the trust file's: which witnesses must have cosigned.
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// How old the checkpoint may be: 90s, 15m, 24h or 7d. Without it its age is told, not judged.
    #[arg(long, value_name = "AGE", value_parser = seconds)]
    pub max_age: Option<u64>,
    /// Check the log only, not the read model built from it.
    #[arg(long)]
    pub log_only: bool,
    /// Check every signature on its own and canonicalize with a second implementation: several times slower.
    #[arg(long)]
    pub thorough: bool,
    #[command(flatten)]
    pub watch: Watch,
}

/// How a server is watched.
#[derive(Debug, Clone, Args)]
pub struct Watch {
    /// Keep watching the server until interrupted, or until it is caught.
    #[arg(long)]
    pub follow: bool,
    /// Pause between two looks: 90s, 15m, 24h or 7d.
    #[arg(long, value_name = "PAUSE", default_value = "10s", value_parser = pause)]
    pub interval: u64,
    /// Where the newest checkpoint that was seen is kept from one run to the next.
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,
    /// A file whose first line is the token to ask with. One that may read every tenant lets map roots be recomputed.
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Authorities that the server's certificate is checked against [default: those of the system].
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
}

/// `90s`, `15m`, `24h` or `7d` in seconds.
fn seconds(text: &str) -> Result<u64, String> {
    let wrong = || "a number and a unit: 90s, 15m, 24h or 7d".to_owned();
    let unit = text.chars().next_back().ok_or_else(wrong)?;
    let number: u64 = text
        .strip_suffix(unit)
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(wrong)?;
    let factor = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    number.checked_mul(factor).ok_or_else(wrong)
}

/// The same, and not nothing: a server is not asked without a pause.
fn pause(text: &str) -> Result<u64, String> {
    match seconds(text)? {
        0 => Err("a second at least".to_owned()),
        pause => Ok(pause),
    }
}

#[cfg(test)]
mod tests {
    use super::{pause, seconds};

    #[test]
    fn an_age_has_a_unit() {
        for (text, expected) in [("90s", 90), ("15m", 900), ("24h", 86_400), ("7d", 604_800), ("0s", 0)] {
            assert_eq!(seconds(text), Ok(expected), "{text}");
        }
        for text in ["", "90", "s", "-1s", "1w", "1.5h", "99999999999999999999d", "9 s"] {
            assert!(seconds(text).is_err(), "{text}");
        }
        assert_eq!((pause("1s"), pause("0m").is_err()), (Ok(1), true));
    }
}
