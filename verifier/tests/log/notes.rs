//! Records with a `.tlog-proof`, opened values, checkpoints, and consistency.

use crate::world::{NOW, WITNESSES, World, options, root, sign};
use record::Opening;
use serde_json::json;
use verifier::{
    Check, Outcome, Verdict, verify_checkpoint, verify_consistency, verify_disclosures, verify_record_proof,
};

#[test]
fn every_record_of_a_log_verifies_with_its_proof_and_with_no_other() {
    let world = World::lively(20);
    let (trust, at) = (world.trust(), world.newest());
    for one in &world.written {
        let offset = one.record.offset;
        let proof = world.tlog_proof(offset, &at);
        let report = verify_record_proof(&one.bytes, &proof, &options(&trust));
        assert_eq!(report.outcome(), Outcome::Verified, "{offset}: {:#?}", report.findings);
        let other = &world.written[(offset as usize + 1) % world.written.len()];
        let report = verify_record_proof(&other.bytes, &proof, &options(&trust));
        assert_eq!(report.findings[0].check, Check::Inclusion, "{offset}");
    }
    let report = verify_record_proof(&world.written[3].bytes, "hello", &options(&trust));
    assert_eq!(report.findings[0].check, Check::Readable);
}

#[test]
fn an_opened_value_is_the_sealed_one_or_it_is_found() {
    let world = World::lively(8);
    let trust = world.trust();
    let written = &world.written[4];
    let opening = Opening {
        pointer: "/payload/private".to_owned(),
        salt: [5; 32],
        value: json!({"secret": 1}),
    };
    let proof = world.tlog_proof(4, &world.newest());
    let verify = |opening: &Opening, proof: Option<&str>| {
        let text = json!({"id": written.record.id.to_string(), "disclosures": [opening.to_json()]}).to_string();
        verify_disclosures(&written.bytes, text.as_bytes(), proof, &options(&trust))
    };
    let report = verify(&opening, Some(&proof));
    assert_eq!(
        report.outcome(),
        Outcome::Verified,
        "{:#?} {:#?}",
        report.findings,
        report.verdicts
    );
    let report = verify(&opening, None);
    assert_eq!(report.outcome(), Outcome::Unchecked, "its place was not proven");
    assert_eq!(report.verdict(Check::Disclosure), Some(&Verdict::Passed));
    let mut bent = opening.clone();
    bent.value = json!({"secret": 2});
    assert_eq!(verify(&bent, Some(&proof)).findings[0].check, Check::Disclosure);
    bent = opening.clone();
    bent.salt[0] ^= 1;
    assert_eq!(verify(&bent, Some(&proof)).findings[0].check, Check::Disclosure);
    bent = opening;
    bent.pointer = "/payload/data".to_owned();
    assert_eq!(verify(&bent, Some(&proof)).findings[0].check, Check::Disclosure);
}

#[test]
fn a_checkpoint_stands_for_itself() {
    let world = World::lively(20);
    let (trust, at) = (world.trust(), world.newest());
    let report = verify_checkpoint(&at.note, &options(&trust));
    assert_eq!(report.outcome(), Outcome::Verified, "{:#?}", report.findings);
    assert_eq!((report.facts.size, report.facts.age), (Some(at.size), Some(5)));
    let tree = root(&world.log_leaves(at.size));
    let lonely = sign(at.size, tree, &[12], &WITNESSES[2..], NOW as u64);
    let report = verify_checkpoint(&lonely, &options(&trust));
    assert_eq!(report.findings[0].check, Check::Witnesses);
    assert_eq!(
        report.facts.quorum.map(|quorum| quorum.seen),
        Some(vec!["w23".to_owned()])
    );
    let forged = sign(at.size, tree, &[99], &WITNESSES, NOW as u64);
    assert_eq!(
        verify_checkpoint(&forged, &options(&trust)).findings[0].check,
        Check::Checkpoints
    );
    assert_eq!(
        verify_checkpoint("", &options(&trust)).findings[0].check,
        Check::Readable
    );
}

#[test]
fn a_fork_is_told_from_a_continuation() {
    let world = World::lively(40);
    let trust = world.trust();
    let all = &world.checkpoints;
    for (old, new) in all.iter().zip(all.iter().skip(1)) {
        let proof = world.consistency(old.size, new.size);
        let report = verify_consistency(&old.note, &new.note, &proof, &options(&trust));
        assert_eq!(report.outcome(), Outcome::Verified, "{:#?}", report.findings);
        let turned = verify_consistency(&new.note, &old.note, &proof, &options(&trust));
        assert_eq!(turned.outcome(), Outcome::Verified, "the smaller one is the older one");
    }
    let (old, new) = (&all[0], &all[1]);
    let mut leaves = world.log_leaves(new.size);
    leaves.swap(2, 3);
    let fork = sign(new.size, root(&leaves), &[12], &WITNESSES, NOW as u64);
    let proof = world.consistency(old.size, new.size);
    let report = verify_consistency(&old.note, &fork, &proof, &options(&trust));
    assert_eq!(report.verdict(Check::Consistency), Some(&Verdict::Failed(1)));
    let report = verify_consistency(&fork, &new.note, &[], &options(&trust));
    assert!(report.findings[0].detail.contains("forked"), "{:#?}", report.findings);
}
