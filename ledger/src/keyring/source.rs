//! Where the key-encryption key comes from: a 0600 file, 64 hex digits handed over by the environment, or a passphrase.

use crate::Error;
use crate::entropy::random;
use argon2::{Algorithm, Argon2, Params, Version};
use record::hash::decode_hex;
use serde_json::{Value, json};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

const PREFIX: &str = "sigil-key-v1:";

/// Where the key-encryption key comes from.
#[derive(Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A file of mode 0600 outside the data directory: `sigil-key-v1:` and 64 hex digits.
    File(PathBuf),
    /// 64 hex digits, as an environment variable hands them over.
    Hex(Zeroizing<String>),
    /// A passphrase, stretched by Argon2id with the parameters in the keyring.
    Passphrase(Zeroizing<String>),
}

impl std::fmt::Debug for KeySource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Hex(_) => f.write_str("Hex"),
            Self::Passphrase(_) => f.write_str("Passphrase"),
        }
    }
}

pub(super) struct KeyEncryptionKey(pub(super) Zeroizing<[u8; 32]>);

/// Parameters of Argon2id (RFC 9106): memory in KiB, passes, lanes.
pub(super) struct Kdf {
    salt: [u8; 32],
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl Kdf {
    /// The second recommended parameters of RFC 9106, section 4: 64 MiB, 3 passes, 4 lanes.
    pub(super) fn fresh() -> Result<Self, Error> {
        Ok(Self {
            salt: random()?,
            memory_kib: 65_536,
            passes: 3,
            lanes: 4,
        })
    }

    pub(super) fn to_json(&self) -> Value {
        json!({"salt": hex::encode(self.salt), "m": self.memory_kib, "t": self.passes, "p": self.lanes})
    }

    pub(super) fn from_json(value: &Value) -> Option<Self> {
        let number = |name: &str| value.get(name)?.as_u64().and_then(|number| u32::try_from(number).ok());
        let salt = decode_hex(value.get("salt")?.as_str()?)?;
        // A damaged file must not ask for unbounded memory.
        let memory_kib = number("m").filter(|memory| *memory <= 1 << 20)?;
        Some(Self {
            salt,
            memory_kib,
            passes: number("t")?,
            lanes: number("p")?,
        })
    }

    fn stretch(&self, passphrase: &str) -> Option<Zeroizing<[u8; 32]>> {
        let params = Params::new(self.memory_kib, self.passes, self.lanes, Some(32)).ok()?;
        let mut key = Zeroizing::new([0; 32]);
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        argon
            .hash_password_into(passphrase.as_bytes(), &self.salt, &mut *key)
            .ok()?;
        Some(key)
    }
}

impl KeySource {
    pub(super) const fn is_passphrase(&self) -> bool {
        matches!(self, Self::Passphrase(_))
    }

    /// Creates the key file of a new log; other sources exist already.
    ///
    /// # Errors
    /// [`Error::Exists`] when there is a file, which may be the key of another log.
    pub(crate) fn create(&self) -> Result<(), Error> {
        let Self::File(path) = self else { return Ok(()) };
        write_secret(
            path,
            &Zeroizing::new(format!("{PREFIX}{}\n", hex::encode(random::<32>()?))),
        )
    }

    pub(super) fn load(&self, kdf: Option<&Kdf>) -> Result<KeyEncryptionKey, Error> {
        let wrong = |path: &str, detail: &str| Error::Key {
            path: path.to_owned(),
            detail: detail.to_owned(),
        };
        let key = match (self, kdf) {
            (Self::Passphrase(passphrase), Some(kdf)) => kdf
                .stretch(passphrase)
                .ok_or_else(|| Error::corrupt("keyring", "its Argon2id parameters are invalid"))?,
            (Self::Passphrase(_), None) => {
                return Err(wrong(
                    "passphrase",
                    "this log is opened with a key file, not a passphrase",
                ));
            }
            (_, Some(_)) => return Err(wrong("passphrase", "this log is opened with a passphrase")),
            (Self::Hex(text), None) => {
                let key = decode_hex(text.trim())
                    .ok_or_else(|| wrong("environment", "the key is 64 lower-case hex digits"))?;
                Zeroizing::new(key)
            }
            (Self::File(path), None) => read_secret(path)?,
        };
        Ok(KeyEncryptionKey(key))
    }
}

/// Writes a secret to a new file that only its owner may read.
pub(crate) fn write_secret(path: &Path, text: &str) -> Result<(), Error> {
    let opened = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    let mut file = opened.map_err(|source| match source.kind() {
        std::io::ErrorKind::AlreadyExists => Error::Exists(path.to_owned()),
        _ => Error::Io {
            action: "create",
            path: path.to_owned(),
            source,
        },
    })?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(Error::io("write", path))
}

fn read_secret(path: &Path) -> Result<Zeroizing<[u8; 32]>, Error> {
    let wrong = |detail: &str| Error::Key {
        path: path.display().to_string(),
        detail: detail.to_owned(),
    };
    let metadata = fs::metadata(path).map_err(|error| wrong(&format!("{error}: name it with --key-file")))?;
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(wrong("others may read it: set its mode to 0600"));
    }
    let text = Zeroizing::new(fs::read_to_string(path).map_err(Error::io("read", path))?);
    let digits = text.strip_prefix(PREFIX).map(str::trim_end);
    let key = digits
        .and_then(decode_hex)
        .ok_or_else(|| wrong("it is not a key file that `sigil init` wrote"))?;
    Ok(Zeroizing::new(key))
}
