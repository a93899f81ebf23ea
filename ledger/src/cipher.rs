//! Encryption at rest: `epoch u32 BE || nonce 12 || AES-256-GCM ciphertext`, bound to log, keyspace and key.
//!
//! Nonces are random, never derived from offsets: a torn tail rewritten under the same offset would reuse one. A data key
//! encrypts at most 2^31 values; the count survives restarts in the store.

use crate::Error;
use crate::entropy::random;
use aes_gcm::aead::{Aead as _, AeadInOut as _, KeyInit as _, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use record::Origin;
use zeroize::Zeroizing;

const NONCE: usize = 12;
const HEADER: usize = 4 + NONCE;
const TAG: usize = 16;
/// What a buffer begins with before its value, for [`Cipher::seal_in_place`].
pub(crate) const RESERVED: [u8; HEADER] = [0; HEADER];

/// One AES-256-GCM key with its epoch.
pub(crate) struct Cipher {
    log: Origin,
    epoch: u32,
    aead: Aes256Gcm,
}

impl Cipher {
    pub(crate) fn new(log: &Origin, epoch: u32, key: &Zeroizing<[u8; 32]>) -> Self {
        Self {
            log: log.clone(),
            epoch,
            aead: Aes256Gcm::new(&(**key).into()),
        }
    }

    /// Encrypts `value` for `key` of `keyspace`.
    pub(crate) fn seal(&self, keyspace: &str, key: &[u8], value: &[u8]) -> Result<Vec<u8>, Error> {
        let mut out = Vec::with_capacity(HEADER + value.len() + TAG);
        out.extend_from_slice(&RESERVED);
        out.extend_from_slice(value);
        self.seal_in_place(keyspace, key, &mut out)?;
        Ok(out)
    }

    /// Encrypts what stands in `buffer` behind [`RESERVED`], in place.
    pub(crate) fn seal_in_place(&self, keyspace: &str, key: &[u8], buffer: &mut Vec<u8>) -> Result<(), Error> {
        let nonce: [u8; NONCE] = random()?;
        let (header, text) = buffer
            .split_at_mut_checked(HEADER)
            .expect("room was reserved for epoch and nonce");
        header
            .iter_mut()
            .zip(self.epoch.to_be_bytes().iter().chain(&nonce))
            .for_each(|(to, from)| *to = *from);
        let associated = self.associated(keyspace, key);
        let sealed = self
            .aead
            .encrypt_inout_detached(&Nonce::from(nonce), &associated, text.into());
        let tag = sealed.map_err(|_| Error::Store("a value is too large to encrypt".to_owned()))?;
        buffer.extend_from_slice(&tag);
        Ok(())
    }

    /// Decrypts what [`Cipher::seal`] made for the same place; `None` when anything differs.
    pub(crate) fn open(&self, keyspace: &str, key: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        if epoch_of(sealed)? != self.epoch {
            return None;
        }
        let nonce: [u8; NONCE] = sealed.get(4..HEADER)?.try_into().ok()?;
        let payload = Payload {
            msg: sealed.get(HEADER..)?,
            aad: &self.associated(keyspace, key),
        };
        self.aead.decrypt(&Nonce::from(nonce), payload).ok()
    }

    fn associated(&self, keyspace: &str, key: &[u8]) -> Vec<u8> {
        [self.log.as_str().as_bytes(), &[0], keyspace.as_bytes(), &[0], key].concat()
    }
}

/// The epoch that an encrypted value names.
pub(crate) fn epoch_of(sealed: &[u8]) -> Option<u32> {
    sealed.first_chunk::<4>().map(|epoch| u32::from_be_bytes(*epoch))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cipher(epoch: u32) -> Cipher {
        Cipher::new(
            &Origin::parse("example.com/audit").expect("an origin"),
            epoch,
            &Zeroizing::new([7; 32]),
        )
    }

    #[test]
    fn a_value_opens_only_in_its_place() {
        let sealed = cipher(1).seal("log", b"key", b"value").expect("encrypts");
        assert_eq!(
            cipher(1).open("log", b"key", &sealed).as_deref(),
            Some(b"value".as_slice())
        );
        assert_eq!(cipher(1).open("ids", b"key", &sealed), None);
        assert_eq!(cipher(1).open("log", b"kez", &sealed), None);
        assert_eq!(cipher(2).open("log", b"key", &sealed), None);
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let sealed = cipher(1).seal("log", b"key", b"value").expect("encrypts");
        for at in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            assert_eq!(cipher(1).open("log", b"key", &flipped), None, "bit {at}");
        }
    }

    #[test]
    fn equal_values_never_look_equal() {
        let cipher = cipher(1);
        assert_ne!(
            cipher.seal("log", b"k", b"v").expect("encrypts"),
            cipher.seal("log", b"k", b"v").expect("encrypts")
        );
    }
}
