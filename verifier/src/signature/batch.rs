//! One equation for many signatures of one key.
//!
//! ```text
//! -(sum z s) B + (sum z h) A + sum z R = 0        h = SHA-512(R || A || message) mod l, z of 128 bits
//! ```
//!
//! `ed25519_dalek::verify_batch` has a term for the key of every signature. A log has one key for very many records, so
//! here the key is one term, and half of the point arithmetic is gone. Like there, z comes from a hash of everything that
//! the equation depends on: whoever chooses the signatures has chosen before z is known.
//!
//! Invariant: accepts exactly what `verify_batch` accepts, but for the 2^-128 of either; a test holds one against the
//! other, also on signatures that only the holder of the key can make.

use curve25519_dalek::constants::ED25519_BASEPOINT_POINT;
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::{IsIdentity as _, VartimeMultiscalarMul as _};
use ed25519_dalek::VerifyingKey;
use record::key::Signature;
use sha2::{Digest as _, Sha512};
use std::iter::once;

/// The context that z is derived in.
const CONTEXT: &str = "sigil verifier 2026 batch of signatures of one key v1";

/// A signature, cut, with the challenge of its message.
struct Term {
    r: CompressedEdwardsY,
    s: Scalar,
    h: Scalar,
}

/// Whether the equation holds for these messages and signatures of `key`.
pub(super) fn holds<'a>(key: &VerifyingKey, signed: impl Iterator<Item = ([u8; 48], &'a Signature)>) -> bool {
    let mut transcript = blake3::Hasher::new_derive_key(CONTEXT);
    let Some(terms) = signed
        .map(|(message, signature)| term(key, &message, signature, &mut transcript))
        .collect::<Option<Vec<Term>>>()
    else {
        return false;
    };
    let mut stream = transcript.finalize_xof();
    let mut z = || {
        let mut bytes = [0; 16];
        stream.fill(&mut bytes);
        Scalar::from(u128::from_le_bytes(bytes))
    };
    let zs: Vec<Scalar> = terms.iter().map(|_| z()).collect();
    let sum = |part: fn(&Term) -> &Scalar| -> Scalar { terms.iter().zip(&zs).map(|(term, z)| part(term) * z).sum() };
    let (base, challenge) = (sum(|term| &term.s), sum(|term| &term.h));
    let scalars = once(-base).chain(once(challenge)).chain(zs.iter().copied());
    let points = once(Some(ED25519_BASEPOINT_POINT))
        .chain(once(Some(key.to_edwards())))
        .chain(terms.iter().map(|term| term.r.decompress()));
    EdwardsPoint::optional_multiscalar_mul(scalars, points).is_some_and(|sum| sum.is_identity())
}

/// Cuts a signature; `None` when s is at or above the group order.
fn term(key: &VerifyingKey, message: &[u8], signature: &Signature, transcript: &mut blake3::Hasher) -> Option<Term> {
    let (r, s) = signature.split_first_chunk::<32>()?;
    let digest = Sha512::new()
        .chain_update(r)
        .chain_update(key.as_bytes())
        .chain_update(message)
        .finalize();
    transcript.update(&digest).update(s);
    Some(Term {
        r: CompressedEdwardsY(*r),
        s: Scalar::from_canonical_bytes(s.try_into().ok()?).into_option()?,
        h: Scalar::from_bytes_mod_order_wide(&digest.into()),
    })
}
