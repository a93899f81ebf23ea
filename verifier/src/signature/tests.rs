//! Batches against strict checks: what a batch may accept, and who could make it.

use super::*;
use ed25519_dalek::{Signature, Signer as _, SigningKey, verify_batch};
use proptest::prelude::*;

fn claims(count: u64) -> Vec<Claim> {
    let signer = SigningKey::from_bytes(&[7; 32]);
    let key = LogKey::new(signer.verifying_key().into());
    let claim = |offset: u64| {
        let hash = Hash::of(&offset.to_be_bytes());
        let sig = signer.sign(&record::draft::signed_message(&hash)).to_bytes();
        Claim { offset, key, hash, sig }
    };
    (0..count).map(claim).collect()
}

#[test]
fn honest_signatures_hold_in_batches_and_one_by_one() {
    let claims = claims(BATCH as u64 + 3);
    assert!(
        batch_holds(&claims[..BATCH]),
        "an honest batch passes without the strict pass"
    );
    assert!(refused(&claims, false).is_empty());
    assert!(refused(&claims[..5], true).is_empty());
}

/// What the library's own batch says.
fn library_holds(claims: &[Claim]) -> bool {
    let texts: Vec<[u8; 48]> = claims
        .iter()
        .map(|claim| record::draft::signed_message(&claim.hash))
        .collect();
    let messages: Vec<&[u8]> = texts.iter().map(<[u8; 48]>::as_slice).collect();
    let signatures: Vec<Signature> = claims.iter().map(|claim| Signature::from_bytes(&claim.sig)).collect();
    let keys: Vec<VerifyingKey> = claims.iter().map(|claim| *claim.key.key.as_dalek()).collect();
    verify_batch(&messages, &signatures, &keys).is_ok()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_batch_of_one_key_agrees_with_the_library(
        count in 1_u64..40,
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..96, any::<u8>()), 0..3),
    ) {
        let mut claims = claims(count);
        for (at, byte, mask) in changes {
            let claim = at.get_mut(&mut claims);
            match claim.sig.get_mut(byte) {
                Some(byte) => *byte ^= mask,
                None => claim.hash = Hash::of(&[mask]),
            }
        }
        // What never enters a batch is not asked here.
        prop_assume!(claims.iter().all(|claim| is_plain(&claim.sig)));
        prop_assert_eq!(batch_holds(&claims), library_holds(&claims));
    }
}

#[test]
fn a_batch_across_a_rotation_holds_and_mixed_up_keys_do_not() {
    let other = SigningKey::from_bytes(&[8; 32]);
    let mut both = claims(20);
    for claim in both.iter_mut().skip(9) {
        claim.key = LogKey::new(other.verifying_key().into());
        claim.sig = other.sign(&record::draft::signed_message(&claim.hash)).to_bytes();
    }
    assert!(batch_holds(&both));
    both[3].key = both[12].key;
    assert!(!batch_holds(&both));
}

#[test]
fn an_s_above_the_group_order_is_refused() {
    let mut claims = claims(3);
    let order = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";
    let order: [u8; 32] = hex(order);
    let mut carry = 0;
    for (byte, add) in claims[1].sig[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        (*byte, carry) = (sum as u8, sum >> 8);
    }
    assert!(!batch_holds(&claims));
    assert_eq!(refused(&claims, false), [1]);
}

#[test]
fn a_failing_batch_names_exactly_the_records_that_fail() {
    let mut claims = claims(BATCH as u64 + 3);
    claims[10].sig[3] ^= 1;
    claims[BATCH + 1].hash = Hash::of(b"another record");
    assert_eq!(refused(&claims, false), [10, BATCH as u64 + 1]);
    assert_eq!(refused(&claims, true), [10, BATCH as u64 + 1]);
}

#[test]
fn the_table_holds_every_point_of_small_order() {
    for y in SMALL_ORDER {
        for sign in [0, 0x80] {
            let mut encoded = y;
            encoded[31] |= sign;
            // With x = 0 the sign bit makes a second spelling of the same point.
            let key = VerifyingKey::from_bytes(&encoded).unwrap();
            assert!(key.is_weak(), "{encoded:?}");
            let mut sig = [0; 64];
            sig[..32].copy_from_slice(&encoded);
            assert!(!is_plain(&sig));
        }
    }
}

#[test]
fn an_r_that_is_not_canonical_never_enters_a_batch() {
    for low in 0xed..=0xff_u8 {
        let mut sig = [0xff; 64];
        sig[0] = low;
        assert!(!is_plain(&sig), "y = p + {}", low - 0xed);
        sig[31] = 0x7f;
        assert!(!is_plain(&sig), "y = p + {}, without the sign bit", low - 0xed);
    }
    let mut sig = [0xff; 64];
    (sig[0], sig[31]) = (0xeb, 0x7f);
    assert!(is_plain(&sig), "p - 2 is a canonical y, and of no small order");
}

#[test]
fn a_small_order_r_is_refused_though_the_equation_holds() {
    // R = identity and s = h a satisfies the equation; only somebody with the key can make it, and strict refuses it.
    let signer = SigningKey::from_bytes(&[7; 32]);
    let mut claims = claims(2);
    let message = record::draft::signed_message(&claims[1].hash);
    let mut r = [0; 32];
    r[0] = 1;
    claims[1].sig = sign_with(&signer, None, &r, &message);
    let signature = Signature::from_bytes(&claims[1].sig);
    let key = signer.verifying_key();
    assert!(
        verify_batch(&[&message], &[signature], &[key]).is_ok(),
        "the plain batch would accept it"
    );
    assert_eq!(refused(&claims, false), [1]);
}

#[test]
fn a_key_with_a_torsion_component_is_checked_one_by_one() {
    let good = SigningKey::from_bytes(&[7; 32]).verifying_key();
    assert!(is_full_order(&good));
    // The point of order two is (0, -1); adding it to a point negates both coordinates.
    let torsion = VerifyingKey::from_bytes(&SMALL_ORDER[2]).unwrap();
    let mixed = VerifyingKey::from(good.to_edwards() + torsion.to_edwards());
    assert!(!mixed.is_weak(), "the weak-key check alone lets it pass");
    assert!(!is_full_order(&mixed));
    assert!(!is_full_order(&torsion));
}

#[test]
fn what_only_the_key_holder_can_make_is_refused_by_strict_alone() {
    // R = r B + T with T of order two, s = r + h a: the equation with cofactor holds, the one without does not.
    let signer = SigningKey::from_bytes(&[7; 32]);
    let nonce = SigningKey::from_bytes(&[9; 32]);
    let torsion = VerifyingKey::from_bytes(&SMALL_ORDER[2]).unwrap();
    let r = VerifyingKey::from(nonce.verifying_key().to_edwards() + torsion.to_edwards());
    let mut claims = claims(16);
    for claim in &mut claims {
        claim.sig = sign_with(
            &signer,
            Some(&nonce),
            r.as_bytes(),
            &record::draft::signed_message(&claim.hash),
        );
        assert!(is_plain(&claim.sig));
    }
    assert_eq!(refused(&claims, true).len(), 16);
    let alone = claims.iter().filter(|claim| batch_holds(std::slice::from_ref(claim)));
    let alone = alone.count();
    assert!(
        (1..16).contains(&alone),
        "the documented limit of a batch: {alone} of 16 pass alone"
    );
}

/// (R, s) with the given encoding of R and s = r + h a; without a nonce, r is zero.
fn sign_with(signer: &SigningKey, nonce: Option<&SigningKey>, r: &[u8; 32], message: &[u8]) -> key::Signature {
    use sha2::Digest as _;
    let secret = signer.to_scalar();
    let one = secret * secret.invert();
    let zero = one + -one;
    let key = signer.verifying_key();
    let digest = sha2::Sha512::new()
        .chain_update(r)
        .chain_update(key.as_bytes())
        .chain_update(message)
        .finalize();
    // The digest is a little-endian number: doubling from the top bit reduces it modulo the group order.
    let bits = digest
        .iter()
        .rev()
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
    let h = bits.fold(zero, |sum, bit| sum + sum + if bit == 1 { one } else { zero });
    let s = nonce.map_or(zero, SigningKey::to_scalar) + h * secret;
    let mut sig = [0; 64];
    sig[..32].copy_from_slice(r);
    sig[32..].copy_from_slice(&s.to_bytes());
    sig
}
