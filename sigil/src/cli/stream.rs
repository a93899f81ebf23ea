//! The verbs of the log's stream on the broker.

use super::ConfigArgs;
use clap::Subcommand;

/// `sigil stream ...`.
#[derive(Debug, Subcommand)]
pub enum StreamVerb {
    /// Show every stream of the log that the broker holds.
    Status {
        #[command(flatten)]
        config: ConfigArgs,
        /// The log's short name [default: what the feed or the log in the data directory says].
        #[arg(long)]
        slug: Option<String>,
    },
    /// Agree to a new stream when this one is lost or holds what the ledger never published.
    Rebuild {
        #[command(flatten)]
        config: ConfigArgs,
        /// Also when the old stream holds nothing of this log and must be deleted, or holds another log.
        #[arg(long)]
        force: bool,
    },
}
