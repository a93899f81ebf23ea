//! Texts that are not what they claim: every flipped bit, every other spelling, every rule of a policy.

use crate::vectors::{CHECKPOINT, ORIGIN, log_key, secret, witness_key};
use proptest::prelude::*;
use tlog::{CheckpointText, Cosignature, Error, KeyType, Note, Policy, ProofText, VerifierKey, entries, push_entry};

fn detail(error: &Error) -> &str {
    match error {
        Error::Malformed { detail, .. } => detail,
        other => panic!("{other}"),
    }
}

#[test]
fn notes_of_another_form_are_refused_with_the_reason() {
    let signed = "\u{2014} a.example AAAAAAA=\n";
    for (note, reason) in [
        ("".to_owned(), "blank line"),
        ("text\n".to_owned(), "blank line"),
        ("text\n\n".to_owned(), "last line"),
        ("text\n\n\u{2014} a.example AAAAAAA=".to_owned(), "last line"),
        (format!("te\txt\n\n{signed}"), "control character"),
        (format!("text\r\n\n{signed}"), "control character"),
        (format!("text\n\n{}", signed.replace('\u{2014}', "-")), "signature line"),
        (
            format!("text\n\n{}", signed.replace("AAAAAAA=", "AAAAAAA")),
            "signature line",
        ),
        (
            format!("text\n\n{}", signed.replace("AAAAAAA=", "AAAAAAB=")),
            "signature line",
        ),
        (
            format!("text\n\n{}", signed.replace("AAAAAAA=", "AAAAAA==")),
            "signature line",
        ),
        (
            format!("text\n\n{}", signed.replace("a.example", "a+b")),
            "signature line",
        ),
        (format!("text\n\n{signed}stray\n"), "signature line"),
        (format!("text\n\n{}", signed.repeat(257)), "256"),
        (format!("{}\n\n{signed}", "x".repeat(1 << 20)), "1 MiB"),
    ] {
        let error = Note::parse(&note).unwrap_err();
        assert!(detail(&error).contains(reason), "{note:.40}: {error}");
    }
    assert!(Note::parse(&format!("text\n\n{}", signed.repeat(256))).is_ok());
}

#[test]
fn checkpoints_of_another_form_are_refused_with_the_reason() {
    let swapped = |from: &str, to: &str| CHECKPOINT.replacen(from, to, 1);
    for (text, reason) in [
        (swapped("\n3\n", "\n03\n"), "no size"),
        (swapped("\n3\n", "\n+3\n"), "no size"),
        (swapped("\n3\n", "\n\u{663}\n"), "no size"),
        (swapped("\n3\n", "\n18446744073709551616\n"), "no size"),
        (swapped("qO4=", "qO5="), "third line"),
        (swapped("qO4=\n", "qO4=\nextension\n"), "three lines"),
        (swapped("ledger.example.com/t/acme\n3", "\n3"), "origin"),
    ] {
        let error = CheckpointText::parse(&text).unwrap_err();
        assert!(detail(&error).contains(reason), "{error}");
    }
    let size = 1 << 63;
    let huge = CheckpointText::parse(&swapped("\n3\n", &format!("\n{size}\n")));
    assert_eq!(huge, Err(Error::SizeTooLarge { size }));
}

#[test]
fn who_signed_is_told_from_who_did_not() {
    let text = || CheckpointText::parse(CHECKPOINT).unwrap();
    let stranger = VerifierKey::new(ORIGIN, KeyType::Ed25519, secret("thief").verifying_key().as_bytes()).unwrap();
    let unsigned = text().verify(ORIGIN, std::slice::from_ref(&stranger));
    assert_eq!(
        unsigned,
        Err(Error::Unsigned {
            name: ORIGIN.to_owned()
        })
    );
    assert!(text().verify(ORIGIN, &[stranger, log_key()]).is_ok());
    // The witness's key under the log's name, or the log's key as a witness, has another id.
    let as_log = VerifierKey::new(ORIGIN, KeyType::Ed25519, witness_key().key()).unwrap();
    assert!(text().verify(ORIGIN, &[as_log]).is_err());
    let as_witness = VerifierKey::new(ORIGIN, KeyType::Cosignature, log_key().key()).unwrap();
    assert_eq!(Cosignature::find(text().note(), &as_witness), Ok(None));
}

#[test]
fn keys_of_another_form_are_refused() {
    let good = log_key().to_string();
    for wrong in [
        "",
        "a",
        "a+b",
        &good.replace("d4e94da2", "D4E94DA2"),
        &good.replace("d4e94da2", "d4e94da3"),
        &good.replace("+AX", "+BX"),
        &good.replace("+AX", "+CX"),
        &good[..good.len() - 1],
        &format!("{good} "),
        &good.replacen("ledger", "led ger", 1),
        &good.replacen("ledger.example.com/t/acme", "", 1),
    ] {
        assert!(VerifierKey::parse(wrong).is_err(), "{wrong}");
    }
    // Points of small order verify things that nobody signed.
    let weak = VerifierKey::new("a", KeyType::Ed25519, &[0; 32]);
    assert!(weak.is_err());
}

#[test]
fn a_policy_has_no_more_witnesses_than_a_note_has_room_for() {
    let witness = |number: u8| {
        let secret = ed25519_dalek::SigningKey::from_bytes(&[number; 32]);
        let key = VerifierKey::new("w.example", KeyType::Cosignature, secret.verifying_key().as_bytes()).unwrap();
        format!("witness w{number} {key}\n")
    };
    let policy = |witnesses: u8| (0..witnesses).map(witness).collect::<String>() + "quorum w0\n";
    Policy::parse(&policy(200)).unwrap();
    let error = Policy::parse(&policy(201)).unwrap_err();
    assert!(detail(&error).contains("too many for a note"), "{error}");
}

#[test]
fn a_policy_is_strict() {
    let witness = witness_key();
    let base = format!("witness A {witness}\n");
    for (policy, reason) in [
        (base.clone(), "no quorum"),
        (format!("{base}quorum B\n"), "defines"),
        (format!("{base}quorum A\nquorum A\n"), "more than one"),
        (format!("{base}{base}quorum A\n"), "twice"),
        (format!("{base}witness B {witness}\nquorum A\n"), "twice"),
        (format!("{base}group g any B\nquorum g\n"), "defines"),
        (format!("{base}group g 0 A\nquorum g\n"), "number"),
        (format!("{base}group g 2 A\nquorum g\n"), "number"),
        (format!("{base}group g 01 A\nquorum g\n"), "number"),
        (format!("{base}group g any A A\nquorum g\n"), "twice"),
        (format!("{base}group g any A\ngroup h any A\nquorum g\n"), "twice"),
        (format!("{base}group g any\nquorum A\n"), "with its words"),
        (format!("{base}group A any A\nquorum A\n"), "twice"),
        (format!("witness none {witness}\nquorum none\n"), "no name"),
        (format!("log {witness}\nquorum none\n"), "type 01"),
        (format!("witness A {}\nquorum A\n", log_key()), "type 04"),
        (format!("{base}Quorum A\n"), "with its words"),
        (format!("{base}quorum A extra\n"), "with its words"),
    ] {
        let error = Policy::parse(&policy).unwrap_err();
        assert!(detail(&error).contains(reason), "{policy}: {error}");
    }
}

#[test]
fn proofs_of_another_form_are_refused() {
    let good = format!("c2sp.org/tlog-proof@v1\nindex 1\nG7CJKXiZYvWKExZ15qRaGF8u7R2nRNW48t6zbr3EgjE=\n\n{CHECKPOINT}");
    assert!(ProofText::parse(&good).is_ok());
    for (from, to) in [
        ("@v1", "@v2"),
        ("index 1", "index 01"),
        ("index 1\n", ""),
        ("index 1", "extra ?\nindex 1"),
        ("gjE=", "gjF="),
        ("\n\n", "\n"),
        ("index 1", "index 1\nindex 2"),
    ] {
        assert!(ProofText::parse(&good.replacen(from, to, 1)).is_err(), "{from} -> {to}");
    }
}

#[test]
fn bundles_hold_what_was_put_in() {
    let mut bundle = Vec::new();
    let put: [&[u8]; 3] = [b"", b"one", &[7; 65_535]];
    put.iter().for_each(|entry| push_entry(&mut bundle, entry).unwrap());
    assert_eq!(entries(&bundle).unwrap(), put);
    assert!(push_entry(&mut bundle, &[0; 65_536]).is_err());
    assert!(entries(&bundle[..bundle.len() - 1]).is_err());
    assert!(entries(&[0]).is_err());
    assert!(entries(&[0; 514]).is_err(), "257 empty entries");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_flipped_bit_of_a_signed_and_cosigned_checkpoint_is_refused(at in 0..CHECKPOINT.len(), bit in 0_u8..8) {
        let mut bytes = CHECKPOINT.as_bytes().to_vec();
        bytes[at] ^= 1 << bit;
        let Ok(text) = String::from_utf8(bytes) else { return Ok(()) };
        let judged = CheckpointText::parse(&text).and_then(|text| text.verify(ORIGIN, &[log_key()]));
        let witnessed = judged.and_then(|checkpoint| Cosignature::find(checkpoint.note(), &witness_key()));
        prop_assert!(!matches!(witnessed, Ok(Some(_))), "bit {bit} of byte {at} went unseen");
    }

    #[test]
    fn no_text_makes_a_parser_panic(text in "\\PC*", lines in prop::collection::vec("[ -~\u{2014}]{0,40}", 0..8)) {
        let joined = lines.join("\n");
        for text in [&text, &joined] {
            let _outcomes = (Note::parse(text).is_ok(), CheckpointText::parse(text).is_ok(), Policy::parse(text).is_ok());
            let _outcomes = (ProofText::parse(text).is_ok(), VerifierKey::parse(text).is_ok(), entries(text.as_bytes()).is_ok());
        }
    }
}
