//! The trust file: strict, and decisive.

use crate::build::{CHECKPOINT_KEY, ORIGIN, checkpoint_key, log, public};
use crate::intact::verify;
use verifier::{Check, Options, Outcome, Trust, TrustError, Verdict, VerifierKey, verify_log};

#[test]
fn without_a_trust_file_nothing_is_verified() {
    let store = log(4);
    let report = verify_log(
        store.items(4),
        Some(&mut store.clone()),
        &store.claims,
        &Options::default(),
    );
    assert_eq!(report.outcome(), Outcome::Unchecked);
    let trust = store.trust();
    assert_eq!(report.seen.origin, Some(trust.origin));
    assert_eq!(report.seen.genesis_hash, Some(trust.genesis_hash));
    assert_eq!(report.seen.root_key, Some(trust.root_key));
    assert_eq!(report.lines().last().map(String::as_str), Some("could not be checked"));
}

#[test]
fn another_origin_genesis_or_root_key_fails() {
    let store = log(4);
    type Bend = fn(&mut Trust);
    let cases: [(Bend, &str); 3] = [
        (
            |trust| trust.origin = record::Origin::parse("example.com/other").unwrap(),
            "/log",
        ),
        (
            |trust| trust.genesis_hash = record::Hash::of(b"another genesis"),
            "/hash",
        ),
        (|trust| trust.root_key = public(9), "/payload/root_key"),
    ];
    for (bend, member) in cases {
        let mut trust = store.trust();
        bend(&mut trust);
        let options = Options {
            trust: Some(&trust),
            ..Options::default()
        };
        let report = verify_log(store.items(4), Some(&mut store.clone()), &store.claims, &options);
        assert_eq!(report.outcome(), Outcome::Failed);
        assert_eq!(*report.verdict(Check::Trust), Verdict::Failed(1));
        assert_eq!(report.findings[0].member, member);
        assert_eq!(report.findings[0].offset, Some(0));
    }
    assert_eq!(verify(&store, 2).outcome(), Outcome::Verified);
}

#[test]
fn a_trust_file_reads_back() {
    let mut trust = log(1).trust();
    assert_eq!(Trust::parse(trust.to_text().as_bytes()), Ok(trust.clone()));
    trust.policy = Some("log x\nquorum none\n".to_owned());
    assert_eq!(Trust::parse(trust.to_text().as_bytes()), Ok(trust));
}

#[test]
fn a_trust_file_is_strict() {
    let text = log(1).trust().to_text();
    let wrong = [
        (text.replace("\"origin\"", "\"orign\""), "orign"),
        (text.replacen('{', "{\"note\": 1,", 1), "note"),
        (text.replacen('{', "{\"origin\": \"x\",", 1), "twice"),
        (
            text.replace("\"genesis_hash\": \"", "\"genesis_hash\": \"A"),
            "genesis_hash",
        ),
        (text.replacen('{', "{\"policy\": null,", 1), "policy"),
        (
            text.replace(&format!("{ORIGIN}+"), "example.com/other+"),
            "checkpoint_keys",
        ),
        (format!("{text}x"), "follows"),
        ("[]".to_owned(), "object"),
    ];
    for (text, part) in wrong {
        let error = Trust::parse(text.as_bytes()).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    }
    let member = "root_key";
    let without: serde_json::Value = serde_json::from_str(&text).unwrap();
    let without: serde_json::Map<_, _> = without
        .as_object()
        .unwrap()
        .clone()
        .into_iter()
        .filter(|(name, _)| name != member)
        .collect();
    let error = Trust::parse(&serde_json::to_vec(&without).unwrap()).unwrap_err();
    assert!(matches!(error, TrustError::Member { member: "root_key", .. }));
}

#[test]
fn a_verifier_key_has_one_spelling() {
    // The published example of a C2SP verifier key (Go's sum.golang.org).
    let text = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8";
    assert_eq!(VerifierKey::parse(text).map(|key| key.to_string()).as_deref(), Ok(text));
    assert!(VerifierKey::parse(&text.replace("033de0ae", "033DE0AE")).is_err());
    assert!(VerifierKey::parse(&text.replace("033de0ae", "033de0af")).is_err());
    assert!(VerifierKey::parse(&text.replace("+Ac4", "+Bc4")).is_err());
    let own = checkpoint_key();
    assert_eq!(VerifierKey::parse(&own.to_string()), Ok(own.clone()));
    assert_eq!((own.name(), own.key()), (ORIGIN, public(CHECKPOINT_KEY).as_bytes()));
}
