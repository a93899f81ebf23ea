//! Where checkpoints are kept out of the reach of whoever has the log.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Anchors of the log's checkpoints.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Anchors {
    /// A directory that exists, one new file for each anchored checkpoint: best one with object lock, or of another
    /// machine. A log that does not continue what is kept there is not opened. Default: none.
    pub dir: Option<PathBuf>,
    /// `https://anchor.example.com/checkpoints`: each anchored checkpoint is sent there by POST, the answer is kept as its
    /// receipt. Addresses of the public internet only; redirects are not followed. Default: none.
    pub https_url: Option<String>,
    /// A file whose first line is sent as `Authorization: Bearer`.
    pub https_token_file: Option<PathBuf>,
    /// Authorities that the endpoint's certificate is checked against (PEM). Default: those of the system.
    pub https_ca_file: Option<PathBuf>,
    /// How long the endpoint may take until its whole answer is there. Default 10,000.
    pub https_timeout_ms: u64,
    /// How long a change of the log waits to be anchored at most, in seconds; when nothing was anchored for so long, it
    /// does not wait. Default 3,600.
    pub interval_s: u64,
}

impl Anchors {
    /// Whether checkpoints are anchored anywhere.
    pub const fn are_any(&self) -> bool {
        self.dir.is_some() || self.https_url.is_some()
    }
}

impl Default for Anchors {
    fn default() -> Self {
        Self {
            dir: None,
            https_url: None,
            https_token_file: None,
            https_ca_file: None,
            https_timeout_ms: 10_000,
            interval_s: 3_600,
        }
    }
}
