//! Leaf data: what a leaf of the log tree and a leaf of a timeline tree commit to.
//!
//! The log's leaf also carries the SHA-256 of the record's bytes, so that a verifier without BLAKE3 can check a record.

use sha2::{Digest as _, Sha256};

/// Leaf data of the log tree: JCS of `{"blake3":"<hash>","offset":N,"sha256":"<SHA-256 of the record's bytes>","v":1}`.
#[must_use]
pub fn log_entry(offset: u64, record_hash: &[u8; 32], record: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(192);
    out.extend_from_slice(b"{\"blake3\":\"");
    push_hex(record_hash, &mut out);
    out.extend_from_slice(b"\",\"offset\":");
    out.extend_from_slice(offset.to_string().as_bytes());
    out.extend_from_slice(b",\"sha256\":\"");
    push_hex(&Sha256::digest(record), &mut out);
    out.extend_from_slice(b"\",\"v\":1}");
    out
}

/// Leaf data of a timeline tree: `"sigil/timeline/v1\n" || record hash`.
#[must_use]
pub fn timeline_entry(record_hash: &[u8; 32]) -> [u8; 50] {
    let mut out = [0; 50];
    let (domain, hash) = out.split_at_mut(18);
    domain.copy_from_slice(b"sigil/timeline/v1\n");
    hash.copy_from_slice(record_hash);
    out
}

fn push_hex(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or_default();
    out.extend(bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_entry_is_the_canonical_json_of_the_format() {
        let entry = log_entry(12, &[0xab; 32], b"abc");
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let expected = format!(
            "{{\"blake3\":\"{}\",\"offset\":12,\"sha256\":\"{sha256}\",\"v\":1}}",
            "ab".repeat(32)
        );
        assert_eq!(String::from_utf8(entry), Ok(expected));
    }

    #[test]
    fn a_timeline_entry_is_its_domain_and_the_hash() {
        let entry = timeline_entry(&[7; 32]);
        assert_eq!(entry.strip_prefix(b"sigil/timeline/v1\n"), Some([7; 32].as_slice()));
    }
}
