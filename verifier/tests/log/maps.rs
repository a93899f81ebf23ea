//! A whole log with maps and checkpoints: untouched it verifies, and what is wrong beside the records has its own name.

use crate::build::public;
use crate::world::{LATER_CHECKPOINT_KEY, NOW, Name, WITNESSES, World, root, sign};
use serde_json::json;
use verifier::{Check, Outcome, Report, Verdict, tenant_map};

fn first(report: &Report) -> (Check, Option<u64>) {
    let finding = report
        .findings
        .first()
        .unwrap_or_else(|| panic!("nothing was found: {:#?}", report.verdicts));
    (finding.check, finding.offset)
}

#[test]
fn an_untouched_log_with_lagging_maps_and_rotated_keys_verifies() {
    let report = World::lively(40).verify();
    assert_eq!(report.outcome(), Outcome::Verified, "{:#?}", report.findings);
    for check in [Check::Maps, Check::Checkpoints, Check::Witnesses] {
        assert_eq!(*report.verdict(check), Verdict::Passed, "{check}");
    }
}

#[test]
fn a_map_root_that_is_not_that_of_the_timelines_is_found_where_it_stands() {
    let mut world = World::lively(12);
    let at = world.size();
    let root = world.top(at - 1).1;
    world.checkpoint_saying(json!({"size": at, "root": root.to_string()}), at);
    world.event(3);
    world.checkpoint(world.size());
    let report = world.verify();
    assert_eq!(first(&report), (Check::Maps, Some(at)));
    assert_eq!(
        *report.verdict(Check::Maps),
        Verdict::Failed(1),
        "the next one is right again"
    );
    assert_eq!(*report.verdict(Check::Checkpoints), Verdict::Passed);
}

#[test]
fn a_map_root_covers_what_lies_before_it_and_never_less_than_the_one_before() {
    for size in [0, 1_000_000] {
        let mut world = World::lively(12);
        let at = world.size();
        world.checkpoint_saying(json!({"size": size, "root": "00".repeat(32)}), 0);
        let report = world.verify();
        assert_eq!(first(&report), (Check::Maps, Some(at)));
        assert_eq!(report.findings[0].member, "/payload/size");
    }
}

#[test]
fn a_checkpoint_of_another_history_another_key_or_another_record_is_found() {
    let world = || World::lively(20);
    let size = world().newest().size;
    let leaves = world().log_leaves(size);
    let right = root(&leaves);
    let mut forked = leaves.clone();
    forked.swap(3, 4);
    let later = LATER_CHECKPOINT_KEY;
    let notes = [
        ("another history", sign(size, root(&forked), &[later], &[], 0)),
        (
            "the old key",
            sign(size, right, &[crate::build::CHECKPOINT_KEY], &[], 0),
        ),
        ("a thief's key", sign(size, right, &[77], &[], 0)),
        (
            "ends in an event",
            sign(6, root(&leaves[..6]), &[crate::build::CHECKPOINT_KEY], &[], 0),
        ),
        ("more records than there are", sign(size + 9, right, &[later], &[], 0)),
        ("no note", "hello\n".to_owned()),
    ];
    for (name, note) in notes {
        let mut world = world();
        world.writer.claims().checkpoints.push(note);
        let report = world.verify();
        assert_eq!(report.outcome(), Outcome::Failed, "{name}");
        let others = report
            .findings
            .iter()
            .filter(|finding| finding.check != Check::Checkpoints);
        assert_eq!(others.count(), 0, "{name}: {:#?}", report.findings);
    }
    assert_ne!(public(later), public(crate::build::CHECKPOINT_KEY));
}

#[test]
fn a_log_put_back_behind_a_known_checkpoint_is_found() {
    let newest = World::lively(40).newest();
    let mut older = World::lively(30);
    older.writer.claims().checkpoints.push(newest.note);
    let size = older.size();
    let report = older.verify();
    assert_eq!(first(&report), (Check::Checkpoints, Some(size)));
    assert!(
        report.findings[0].detail.contains("older state"),
        "{:#?}",
        report.findings
    );
}

#[test]
fn without_checkpoints_the_map_roots_of_a_log_leave_it_unchecked() {
    let mut world = World::lively(20);
    world.writer.claims().checkpoints.clear();
    let report = world.verify();
    assert_eq!(report.outcome(), Outcome::Unchecked);
    assert!(matches!(report.verdict(Check::Checkpoints), Verdict::NotChecked(_)));
    assert!(matches!(report.verdict(Check::Witnesses), Verdict::NotChecked(_)));
    assert_eq!(*report.verdict(Check::Maps), Verdict::Passed);
}

#[test]
fn a_quorum_that_is_missing_or_behind_is_told_and_a_forged_cosignature_is_found() {
    let resign = |world: &mut World, witnesses: &[u8]| {
        let size = world.size();
        let note = sign(
            size,
            root(&world.log_leaves(size)),
            &[LATER_CHECKPOINT_KEY],
            witnesses,
            NOW as u64,
        );
        let notes = &mut world.writer.claims().checkpoints;
        notes.pop();
        notes.push(note);
    };
    let mut world = World::lively(20);
    resign(&mut world, &WITNESSES[..1]);
    let report = world.verify();
    assert!(
        matches!(report.verdict(Check::Witnesses), Verdict::NotChecked(_)),
        "the one before has a quorum"
    );

    let mut world = World::lively(8);
    resign(&mut world, &WITNESSES[..1]);
    let report = world.verify();
    assert_eq!(first(&report), (Check::Witnesses, None));
    assert_eq!(report.findings[0].found.as_deref(), Some("1 of 3, without w22, w23"));

    let mut world = World::lively(8);
    let note = world.newest().note;
    let last = note.trim_end().rfind(' ').unwrap() + 20;
    let mut forged = note.into_bytes();
    forged[last] = if forged[last] == b'A' { b'B' } else { b'A' };
    world.writer.claims().checkpoints = vec![String::from_utf8(forged).unwrap()];
    let report = world.verify();
    assert_eq!(first(&report).0, Check::Witnesses);
}

#[test]
fn behind_a_broken_record_maps_and_checkpoints_are_not_called_right() {
    let world = World::lively(20);
    let trust = world.trust();
    let mut store = world.writer.finish();
    let cut = store.records[5].bytes.split_last().unwrap().1.into();
    store.records[5].bytes = cut;
    let options = verifier::Options {
        trust: Some(&trust),
        ..verifier::Options::default()
    };
    let claims = store.claims.clone();
    let report = verifier::verify_log(store.items(4), Some(&mut store), &claims, &options);
    for check in [Check::Maps, Check::Checkpoints] {
        assert!(matches!(report.verdict(check), Verdict::NotChecked(_)), "{check}");
    }
}

#[test]
fn a_tenant_computes_the_root_of_its_own_map_from_its_own_chain() {
    let world = World::lively(30);
    let n = world.newest().map_size;
    for tenant in ["acme", "zeta", "sigil-ledger"] {
        let chain = world.timeline(Name(tenant, "", ""), n);
        let own = tenant_map(chain.iter().map(|one| &one.bytes)).unwrap();
        let (count, leaves) = world.tenant_leaves(tenant, n);
        assert_eq!((own.count, own.root), (count, tlog::map_root(&leaves)), "{tenant}");
        let error = tenant_map(chain.iter().skip(1).map(|one| &one.bytes)).unwrap_err();
        assert_eq!(error.check, Check::Chain);
    }
    let mixed = world.written.iter().take(3).map(|one| &one.bytes);
    assert_eq!(tenant_map(mixed).unwrap_err().check, Check::Chain);
    assert_eq!(tenant_map(Vec::<Vec<u8>>::new()).unwrap().count, 0);
}
