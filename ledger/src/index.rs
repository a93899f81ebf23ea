//! Index keys: keyed BLAKE3 over `keyspace || 0x00 || JCS(array)`, so that no key on disk shows a tenant or a person.

use record::{RecordId, Tenant, canonical};

/// An index key.
pub(crate) type Key = [u8; 32];

/// Makes index keys with the log's index key, which never rotates.
#[derive(Clone)]
pub(crate) struct Index {
    key: zeroize::Zeroizing<[u8; 32]>,
}

impl Index {
    pub(crate) const fn new(key: zeroize::Zeroizing<[u8; 32]>) -> Self {
        Self { key }
    }

    /// A key derived for another purpose, such as import ids or cursors.
    pub(crate) fn derive(&self, purpose: &str) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key(purpose);
        hasher.update(&*self.key);
        *hasher.finalize().as_bytes()
    }

    /// The same with a number in it.
    pub(crate) fn derive_numbered(&self, purpose: &str, number: u64) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key(purpose);
        hasher.update(&*self.key).update(&number.to_be_bytes());
        *hasher.finalize().as_bytes()
    }

    pub(crate) fn id(&self, tenant: &Tenant, id: &RecordId) -> Key {
        self.keyed("ids", &[tenant.as_str(), id_text(&id.to_text())])
    }

    /// The key of a timeline; the whole chain has label and target empty.
    pub(crate) fn timeline(&self, tenant: &Tenant, label: &str, target: &str) -> Key {
        self.keyed("heads", &[tenant.as_str(), label, target])
    }

    pub(crate) fn disclosure(&self, tenant: &Tenant, id: &RecordId, pointer: &str) -> Key {
        self.keyed("disclosures", &[tenant.as_str(), id_text(&id.to_text()), pointer])
    }

    pub(crate) fn guard(&self, tenant: &Tenant, caller: &str, key: &str) -> Key {
        self.keyed("guards", &[tenant.as_str(), caller, key])
    }

    /// What names a request of a gateway; two parts, so that it is no idempotency key.
    pub(crate) fn request(&self, gateway: &str, request_id: &str) -> Key {
        self.keyed("guards", &[gateway, request_id])
    }

    pub(crate) fn scope(&self, tenant: &Tenant, label: &str, target: &str) -> Key {
        self.keyed("scopes", &[tenant.as_str(), label, target])
    }

    /// The key of a page: of which map, and under which digits.
    pub(crate) fn map_page(&self, map: &str, digits: &str) -> Key {
        self.keyed("map", &[map, digits])
    }

    fn keyed(&self, keyspace: &str, parts: &[&str]) -> Key {
        let mut text = Vec::with_capacity(192);
        text.extend_from_slice(keyspace.as_bytes());
        text.push(0);
        for (at, part) in parts.iter().enumerate() {
            text.push(if at == 0 { b'[' } else { b',' });
            canonical::write_string(part, &mut text);
        }
        text.push(b']');
        *blake3::keyed_hash(&self.key, &text).as_bytes()
    }
}

fn id_text(text: &[u8; 36]) -> &str {
    std::str::from_utf8(text).expect("an id is ASCII")
}
