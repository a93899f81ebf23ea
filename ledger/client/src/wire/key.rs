//! The key that signs a gateway's commands, and the file that holds it: one line, mode 0600,
//! `sigil-gateway-key-v1:<name>:<64 hex>`.

use super::is_gateway_name;
use ed25519_dalek::{Signer as _, SigningKey};
use record::hash::decode_hex;
use record::{PublicKey, Signature};
use std::fmt;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const PREFIX: &str = "sigil-gateway-key-v1:";

/// A gateway's name and signing key. Printed, it is the name alone.
#[derive(Clone)]
pub struct GatewayKey {
    name: Arc<str>,
    // The seed is wiped from memory when the last clone goes.
    key: Arc<SigningKey>,
}

/// Why a key file cannot be written or used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// A file operation failed.
    #[error("{action} {path}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Others than the owner may read it.
    #[error("others may read {0}: set its mode to 0600")]
    Open(PathBuf),
    /// Something else is in it.
    #[error("{0} is not a gateway key that `sigil gateway enroll` wrote")]
    Foreign(PathBuf),
    /// No name of a gateway.
    #[error("a gateway's name is [a-z0-9][a-z0-9-]{{0,62}}")]
    Name,
    /// The operating system gave no randomness.
    #[error("the operating system gives no randomness")]
    Entropy,
}

impl GatewayKey {
    /// A fresh key.
    ///
    /// # Errors
    /// [`KeyFileError::Name`] or [`KeyFileError::Entropy`].
    pub fn generate(name: &str) -> Result<Self, KeyFileError> {
        let seed = crate::nats::random().map_err(|_| KeyFileError::Entropy)?;
        Self::from_seed(name, &seed)
    }

    /// The key of this seed.
    ///
    /// # Errors
    /// [`KeyFileError::Name`].
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self, KeyFileError> {
        if !is_gateway_name(name) {
            return Err(KeyFileError::Name);
        }
        Ok(Self {
            name: name.into(),
            key: Arc::new(SigningKey::from_bytes(seed)),
        })
    }

    /// Reads the file that [`GatewayKey::write`] made.
    ///
    /// # Errors
    /// [`KeyFileError::Open`] when others may read it, [`KeyFileError::Foreign`], [`KeyFileError::Name`] or an I/O error.
    pub fn read(path: &Path) -> Result<Self, KeyFileError> {
        let io = |source| KeyFileError::Io {
            action: "read",
            path: path.to_owned(),
            source,
        };
        if std::fs::metadata(path).map_err(io)?.permissions().mode() & 0o077 != 0 {
            return Err(KeyFileError::Open(path.to_owned()));
        }
        let text = std::fs::read_to_string(path).map_err(io)?;
        let read = || {
            let (name, seed) = text.strip_prefix(PREFIX)?.trim_end().split_once(':')?;
            Some((name, decode_hex(seed)?))
        };
        let (name, seed) = read().ok_or_else(|| KeyFileError::Foreign(path.to_owned()))?;
        Self::from_seed(name, &seed)
    }

    /// Writes the key to a new file that only its owner may read.
    ///
    /// # Errors
    /// An I/O error, also when the file exists: it may be another gateway's key.
    pub fn write(&self, path: &Path) -> Result<(), KeyFileError> {
        let io = |action| {
            move |source| KeyFileError::Io {
                action,
                path: path.to_owned(),
                source,
            }
        };
        let mut options = std::fs::OpenOptions::new();
        let opened = options.write(true).create_new(true).mode(0o600).open(path);
        let mut file = opened.map_err(io("create"))?;
        let line = format!("{PREFIX}{}:{}\n", self.name, hex::encode(self.key.to_bytes()));
        file.write_all(line.as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(io("write"))
    }

    /// The name that the key is enrolled under.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The public half, which is enrolled.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        self.key.verifying_key().into()
    }

    /// Signs `message`.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Signature {
        self.key.sign(message).to_bytes()
    }
}

impl fmt::Debug for GatewayKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("GatewayKey").field(&self.name).finish()
    }
}
