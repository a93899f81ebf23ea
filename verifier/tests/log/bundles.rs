//! Proof bundles: honest ones verify, of any stretch and any timeline, and the trust file alone decides.

use crate::answers::{ACTOR, CHAIN};
use crate::world::{Name, World, options};
use serde_json::{Value, json};
use verifier::{Check, Outcome, ProofReport, verify_bundle};

pub fn verify(world: &World, lines: &[Vec<u8>]) -> ProofReport {
    let trust = world.trust();
    verify_bundle(lines.iter().cloned().map(Ok), &options(&trust))
}

#[test]
fn every_honest_stretch_of_the_log_verifies() {
    let world = World::lively(30);
    let at = world.newest();
    for (from, until) in [(0, at.map_size), (0, 1), (5, 6), (3, 17), (11, at.map_size)] {
        let report = verify(&world, &world.log_bundle(from, until, &at));
        let told = format!("{from}..{until}: {:#?} {:#?}", report.findings, report.verdicts);
        assert_eq!(report.outcome(), Outcome::Verified, "{told}");
        assert_eq!(report.facts.records, until - from);
    }
}

#[test]
fn every_honest_stretch_of_a_timeline_verifies_and_so_does_absence() {
    let world = World::lively(30);
    let at = world.newest();
    for name in [ACTOR, CHAIN, Name("zeta", "kind", "audit.event")] {
        let count = world.timeline(name, at.map_size).len() as u64;
        for range in [0..count, 1..count, 0..2, 2..3] {
            let report = verify(&world, &world.timeline_bundle(name, range.clone(), &at));
            let told = format!("{name:?} {range:?}: {:#?} {:#?}", report.findings, report.verdicts);
            assert_eq!(report.outcome(), Outcome::Verified, "{told}");
        }
    }
    let nobody = Name("acme", "subject", "agent:nobody");
    let report = verify(&world, &world.timeline_bundle(nobody, 0..0, &at));
    assert_eq!(report.outcome(), Outcome::Verified, "{:#?}", report.findings);
    assert!(
        report.facts.claims[0].contains("has 0 records"),
        "{:?}",
        report.facts.claims
    );
}

#[test]
fn a_large_bundle_verifies_with_progress_and_batches() {
    let mut world = World::new();
    (0..9_000).for_each(|number| world.event(number));
    // One map over everything would take the test's own oracle long; the first hundred do.
    let at = world.checkpoint(100);
    let lines = world.log_bundle(0, at.size - 1, &at);
    let trust = world.trust();
    let seen = std::sync::Mutex::new(Vec::new());
    let progress = |done, total| seen.lock().unwrap().push((done, total));
    let options = verifier::ProofOptions {
        progress: Some(&progress),
        ..options(&trust)
    };
    let report = verify_bundle(lines.into_iter().map(Ok), &options);
    assert_eq!(report.outcome(), Outcome::Verified, "{:#?}", report.findings);
    let seen = seen.into_inner().unwrap();
    assert_eq!(seen.last(), Some(&(9_003, Some(9_003))));
    assert!(seen.len() >= 3, "{seen:?}");
}

#[test]
fn the_bundles_own_policy_is_never_believed() {
    let world = World::lively(12);
    let mut lines = world.log_bundle(0, 4, &world.newest());
    let mut head: Value = serde_json::from_slice(&lines[0]).unwrap();
    head["policy"] = json!("quorum none\n");
    lines[0] = head.to_string().into_bytes();
    let report = verify(&world, &lines);
    assert_eq!(report.outcome(), Outcome::Verified, "{:#?}", report.findings);
    assert!(report.facts.notes[0].contains("ignored"), "{:?}", report.facts.notes);
    assert!(report.facts.quorum.is_some(), "the trust file's policy was judged");
}

#[test]
fn a_rotation_that_is_kept_back_is_found() {
    let world = World::lively(30);
    let mut lines = world.log_bundle(0, 4, &world.newest());
    let mut head: Value = serde_json::from_slice(&lines[0]).unwrap();
    head["keys"]["rotations"].as_array_mut().unwrap().pop();
    lines[0] = head.to_string().into_bytes();
    let report = verify(&world, &lines);
    assert!(
        report.findings.iter().any(|finding| finding.check == Check::Key),
        "{:#?}",
        report.findings
    );
    assert_eq!(report.outcome(), Outcome::Failed);
}

#[test]
fn a_file_that_is_no_bundle_is_unreadable() {
    let world = World::lively(8);
    for lines in [vec![], vec![b"{}".to_vec()], vec![b"no json".to_vec()]] {
        let report = verify(&world, &lines);
        assert_eq!(report.findings[0].check, Check::Readable, "{:#?}", report.findings);
    }
}
