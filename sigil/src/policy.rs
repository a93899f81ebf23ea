//! A tlog-policy in a file: read here for whoever signs, exports or verifies under it.

use crate::exit::{Exit, Failure};
use std::path::Path;
use tlog::Policy;

/// Reads the policy at `path`. `what` names it in a failure, which ends with `exit`.
pub fn read(path: &Path, what: &str, exit: Exit) -> Result<Text, Failure> {
    let wrong = |error: &dyn std::fmt::Display| Failure::new(exit, format!("{what} {}: {error}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| wrong(&error))?;
    let policy = Policy::parse(&text).map_err(|error| wrong(&error))?;
    Ok(Text { text, policy })
}

/// A policy, and the text that it was read from.
#[derive(Debug, Clone)]
pub struct Text {
    /// The text.
    pub text: String,
    /// What it says.
    pub policy: Policy,
}
