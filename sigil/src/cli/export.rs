//! What is taken out of a log, to be checked elsewhere.

use super::LogArgs;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `sigil export ...`.
#[derive(Debug, Subcommand)]
pub enum ExportVerb {
    /// Write records and what proves them to one file, which anybody checks with the trust file alone.
    ///
    /// Without further flags: the whole chain of the tenant. Sealed values are never in it, only their commitments.
    Proof(ExportProof),
}

/// `sigil export proof`.
#[derive(Debug, Args)]
pub struct ExportProof {
    #[command(flatten)]
    pub log: LogArgs,
    /// Whose records.
    #[arg(long, env = "SIGIL_TENANT", default_value = "default")]
    pub tenant: String,
    /// Only the timeline of an `actor` link with this target, such as agent:a1.
    #[arg(long, group = "link")]
    pub actor: Option<String>,
    /// Only the timeline of a `subject` link.
    #[arg(long, group = "link")]
    pub subject: Option<String>,
    /// Only the timeline of a `session` link.
    #[arg(long, group = "link")]
    pub session: Option<String>,
    /// Only the timeline of a `resource` link.
    #[arg(long, group = "link")]
    pub resource: Option<String>,
    /// Only the timeline of a `proposal` link.
    #[arg(long, group = "link")]
    pub proposal: Option<String>,
    /// Only the records of this kind.
    #[arg(long, group = "link")]
    pub kind: Option<String>,
    /// Position of the first record in the timeline.
    #[arg(long, value_name = "POSITION", conflicts_with = "all_tenants")]
    pub from_position: Option<u64>,
    /// Position behind the last record [default: the end of the timeline].
    #[arg(long, value_name = "POSITION", conflicts_with = "all_tenants")]
    pub until_position: Option<u64>,
    /// A stretch of the log instead of a timeline: the records of all tenants.
    #[arg(long = "log", id = "all_tenants", conflicts_with = "link")]
    pub all_tenants: bool,
    /// Offset of the first record.
    #[arg(long, value_name = "OFFSET", requires = "all_tenants")]
    pub from: Option<u64>,
    /// Offset behind the last record [default: what the newest map covers].
    #[arg(long, value_name = "OFFSET", requires = "all_tenants")]
    pub until: Option<u64>,
    /// Put a copy of this tlog-policy into the file, for information: who checks goes by his own [default: the
    /// configuration's witnesses.policy_file, when it is the configuration of this log].
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// The file to write, by custom NAME.sigil-proof [default: standard output].
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}
