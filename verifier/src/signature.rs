//! Signatures of many records at once, on all cores.
//!
//! # What the batch proves
//!
//! For signatures (R, s) of a hash under key A, a batch ([`batch`]) checks one equation without cofactor:
//! `sum z (R + h A - s B) = 0`, with h = SHA-512(R, A, message) and 128-bit z drawn from a transcript of every h and
//! every s. It refuses s at or above the group order and an R that is no point. `verify_strict` checks
//! `R = s B - h A` by comparing encodings, one by one, and refuses a small-order R or A. The batch alone would accept
//! more in three ways, of which two are closed here:
//!
//! 1. A of small order, with which anybody signs anything. Only the log's own keys get here; a [`PublicKey`] is never of
//!    small order. A batch takes only keys without any torsion component ([`is_full_order`]); others go one by one.
//! 2. R of small order or in a non-canonical encoding. [`is_plain`] compares the bytes of R; these go one by one.
//! 3. R with a torsion component T beside its main part: strict refuses it (or would need h A to cancel T, which a full
//!    order A cannot), the batch accepts it when the sum of z T happens to vanish, for a lone T of order two every
//!    second time. Such a signature satisfies the equation with cofactor, `8 s B = 8 R + 8 h A`, which RFC 8032 (section
//!    5.1.7) allows verifiers to use and under which Ed25519 is unforgeable just as well: to make one, or to turn a good
//!    signature into one, takes the secret key, because h covers R. So a batch never accepts a record that the holder of
//!    the key did not sign. What remains is that a holder who wants to can sign a record which this mode accepts and
//!    strict verifiers refuse; `thorough` decides by `verify_strict` alone and shows it.
//!
//! Apart from that, a false equation passes with probability 2^-128 per transcript tried. A failing batch is redone by
//! `verify_strict`, record by record, so a refusal is always strict and names its records.

mod batch;

use crate::check::Check;
use crate::finding::Finding;
use ed25519_dalek::VerifyingKey;
use rayon::prelude::*;
use record::{Hash, PublicKey, key};

/// Signatures in one equation, at least and at most. Larger ones are cheaper each, but cores wait for each other longer.
pub(crate) const BATCH: usize = 1_024;
const LARGEST: usize = 4_096;

/// Canonical encodings of the points whose order divides eight, without the sign bit: y = 0, 1, -1 and the two y of
/// order eight.
const SMALL_ORDER: [[u8; 32]; 5] = [
    [0; 32],
    hex("0100000000000000000000000000000000000000000000000000000000000000"),
    hex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    hex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    hex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
];

/// One signature to check: the record's, under the key in force at its offset.
#[derive(Debug, Clone)]
pub(crate) struct Claim {
    pub(crate) offset: u64,
    pub(crate) key: LogKey,
    pub(crate) hash: Hash,
    pub(crate) sig: key::Signature,
}

/// A key of the log and whether it may be used in a batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogKey {
    key: PublicKey,
    full_order: bool,
}

impl LogKey {
    /// Examines `key` once; costs about as much as one signature.
    pub(crate) fn new(key: PublicKey) -> Self {
        Self {
            key,
            full_order: is_full_order(key.as_dalek()),
        }
    }

    /// The key's 32 bytes.
    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }
}

impl Claim {
    /// Whether the signature is the key's, by `verify_strict`.
    pub(crate) fn holds(&self) -> bool {
        self.key
            .key
            .verifies(&record::draft::signed_message(&self.hash), &self.sig)
    }
}

/// What a refused signature is told as.
pub(crate) fn finding(offset: u64) -> Finding {
    let detail = "the signature is not the log key's over this record";
    Finding::new(Check::Signature, "/sig", detail).at(offset)
}

/// Offsets of the signatures that do not hold, in order. `strict` uses no batches.
pub(crate) fn refused(claims: &[Claim], strict: bool) -> Vec<u64> {
    let share = claims.len().div_ceil(rayon::current_num_threads().max(1));
    let chunks = claims.par_chunks(share.clamp(BATCH, LARGEST));
    chunks
        .flat_map_iter(|chunk| match !strict && batch_holds(chunk) {
            true => Vec::new(),
            false => refused_one_by_one(chunk),
        })
        .collect()
}

fn refused_one_by_one(chunk: &[Claim]) -> Vec<u64> {
    let refused = chunk.par_iter().filter(|claim| !claim.holds());
    refused.map(|claim| claim.offset).collect()
}

fn batch_holds(chunk: &[Claim]) -> bool {
    if !chunk.iter().all(|claim| claim.key.full_order && is_plain(&claim.sig)) {
        return false;
    }
    // Keys change at rotations only.
    let mut runs = chunk.chunk_by(|one, next| one.key.as_bytes() == next.key.as_bytes());
    runs.all(|run| {
        let signed = |claim: &'_ Claim| record::draft::signed_message(&claim.hash);
        let Some(first) = run.first() else { return true };
        batch::holds(
            first.key.key.as_dalek(),
            run.iter().map(|claim| (signed(claim), &claim.sig)),
        )
    })
}

/// Whether the point generates nothing but the prime-order group: no small order, no torsion component.
fn is_full_order(key: &VerifyingKey) -> bool {
    !key.is_weak() && key.to_edwards().is_torsion_free()
}

/// Whether R is written canonically (y below 2^255 - 19) and is not one of the eight points of small order.
fn is_plain(sig: &key::Signature) -> bool {
    let (r, _) = sig.split_first_chunk::<32>().expect("a signature has 64 bytes");
    let mut y = *r;
    if let Some(last) = y.last_mut() {
        *last &= 0x7f;
    }
    let [low, middle @ .., high] = &y;
    let canonical = *high != 0x7f || middle.iter().any(|byte| *byte != 0xff) || *low < 0xed;
    // With x = 0 (y = 1 or -1) a sign bit would be a second spelling; these are of small order with either sign.
    canonical && !SMALL_ORDER.contains(&y)
}

/// 32 bytes from 64 hex digits, when compiling.
const fn hex(digits: &str) -> [u8; 32] {
    const fn digit(byte: u8) -> u8 {
        match byte {
            b'0'..=b'9' => byte - b'0',
            _ => byte - b'a' + 10,
        }
    }
    let (pairs, _) = digits.as_bytes().as_chunks::<2>();
    let mut out = [0; 32];
    let mut left: &mut [u8] = &mut out;
    let mut pairs = pairs;
    while let ([[high, low], rest @ ..], Some((first, behind))) = (pairs, left.split_first_mut()) {
        *first = digit(*high) * 16 + digit(*low);
        (pairs, left) = (rest, behind);
    }
    out
}

#[cfg(test)]
mod tests;
