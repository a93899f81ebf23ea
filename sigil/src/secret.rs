//! Secrets that this process makes or reads: the printed token, passphrases from files.

use anyhow::Context as _;
use std::path::Path;

/// A fresh token for the `local` authenticator: 128 random bits as hex digits.
pub fn token() -> anyhow::Result<String> {
    let time = ledger::Clock::read(&ledger::SystemClock).wall;
    let [first, second] = [ledger::fresh_id(time)?, ledger::fresh_id(time)?];
    let mut hasher = blake3::Hasher::new_derive_key("sigil local token v1");
    hasher.update(first.as_bytes()).update(second.as_bytes());
    let hex = hasher.finalize().to_hex();
    Ok(hex.get(..32).unwrap_or_default().to_owned())
}

/// The first line of a file.
pub fn first_line(path: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}
