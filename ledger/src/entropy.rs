//! The only place where this room takes randomness: salts, nonces, keys and ids.

use crate::Error;
use record::{RecordId, Timestamp};

/// `N` random bytes from the operating system.
#[expect(clippy::disallowed_methods, reason = "this is where entropy enters")]
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| Error::Entropy)?;
    Ok(bytes)
}

/// A new record id at `now`.
///
/// # Errors
/// [`Error::Entropy`].
pub fn fresh_id(now: Timestamp) -> Result<RecordId, Error> {
    let unix_ms = u64::try_from(now.micros() / 1_000).unwrap_or(0);
    Ok(RecordId::new(unix_ms, random()?))
}

/// 32 bytes that nobody can guess, for a key that is not the log's.
///
/// # Errors
/// [`Error::Entropy`].
pub fn fresh_secret() -> Result<zeroize::Zeroizing<[u8; 32]>, Error> {
    random().map(zeroize::Zeroizing::new)
}
