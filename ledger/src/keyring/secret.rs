//! What the keyring protects: the index key, the data keys by epoch, and the seeds of the signing keys.

use crate::Error;
use crate::entropy::random;
use ed25519_dalek::SigningKey;
use record::hash::decode_hex;
use record::{PublicKey, json};
use serde_json::{Value, json};
use zeroize::Zeroizing;

type Secret = Zeroizing<[u8; 32]>;

/// All secrets of one log.
pub(crate) struct Secrets {
    pub(crate) index_key: Secret,
    /// Data keys with their epochs; the last one encrypts, all decrypt.
    pub(crate) data_keys: Vec<(u32, Secret)>,
    /// Seeds of signing keys, current and future; which one signs is what the log says.
    pub(crate) seeds: Vec<Secret>,
}

impl Secrets {
    /// Fresh secrets with a record key and a checkpoint key.
    pub(crate) fn fresh() -> Result<Self, Error> {
        let secret = || random().map(Zeroizing::new);
        Ok(Self {
            index_key: secret()?,
            data_keys: vec![(1, secret()?)],
            seeds: vec![secret()?, secret()?],
        })
    }

    /// The signing key whose public half is `key`.
    pub(crate) fn signing_key(&self, key: &PublicKey) -> Option<SigningKey> {
        let keys = self.seeds.iter().map(|seed| SigningKey::from_bytes(seed));
        keys.into_iter()
            .find(|signing| PublicKey::from(signing.verifying_key()) == *key)
    }

    /// Adds a signing key and returns it.
    pub(crate) fn add_signing_key(&mut self) -> Result<SigningKey, Error> {
        let seed = Zeroizing::new(random()?);
        let key = SigningKey::from_bytes(&seed);
        self.seeds.push(seed);
        Ok(key)
    }

    /// Adds the next data key.
    pub(crate) fn add_data_key(&mut self) -> Result<(), Error> {
        let epoch = self.data_keys.last().map_or(1, |(epoch, _)| epoch + 1);
        self.data_keys.push((epoch, Zeroizing::new(random()?)));
        Ok(())
    }

    pub(super) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let data_keys: Value = self
            .data_keys
            .iter()
            .map(|(epoch, key)| json!([epoch, hex::encode(**key)]))
            .collect();
        let seeds: Value = self.seeds.iter().map(|seed| json!(hex::encode(**seed))).collect();
        let value = json!({"index_key": hex::encode(*self.index_key), "data_keys": data_keys, "seeds": seeds});
        Zeroizing::new(value.to_string().into_bytes())
    }

    pub(super) fn from_bytes(bytes: Zeroizing<Vec<u8>>) -> Option<Self> {
        let value = json::parse(&bytes).ok()?;
        let secret = |value: &Value| decode_hex(value.as_str()?).map(Zeroizing::new);
        let data_key = |value: &Value| Some((u32::try_from(value.get(0)?.as_u64()?).ok()?, secret(value.get(1)?)?));
        Some(Self {
            index_key: secret(value.get("index_key")?)?,
            data_keys: value
                .get("data_keys")?
                .as_array()?
                .iter()
                .map(data_key)
                .collect::<Option<_>>()?,
            seeds: value
                .get("seeds")?
                .as_array()?
                .iter()
                .map(secret)
                .collect::<Option<_>>()?,
        })
    }
}
