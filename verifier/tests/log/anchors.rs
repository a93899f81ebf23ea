//! A log against the checkpoints that were anchored: untouched it is dated by them, and a log that was put back, forked or
//! anchored by somebody else is named for what it is.

use crate::build::{CHECKPOINT_KEY, key};
use crate::world::{LATER_CHECKPOINT_KEY, NOW, Signed, World, root, sign};
use serde_json::{Value, json};
use std::sync::Arc;
use tlog::{Checkpoint, KeyType, VerifierKey};
use verifier::{Anchor, Check, Clock, Outcome, Report, Verdict};

/// When the file was written: later than the cosignatures, at `NOW - 5`.
const WRITTEN: i64 = NOW * 1_000_000;

fn anchored(mut world: World, notes: &[(&str, String)]) -> Report {
    let anchors = notes.iter().map(|(name, note)| Anchor {
        name: (*name).to_owned(),
        note: note.clone(),
        written: Some(WRITTEN),
    });
    world.writer.claims().anchors = anchors.collect();
    world.verify()
}

#[track_caller]
fn assert_found(report: &Report, offset: u64, part: &str) {
    assert_eq!(report.outcome(), Outcome::Failed);
    let finding = &report.findings[0];
    assert_eq!(
        (finding.check, finding.offset),
        (Check::Anchors, Some(offset)),
        "{finding}"
    );
    assert!(finding.detail.contains(part), "{finding}");
    let others = report.findings.iter().filter(|finding| finding.check != Check::Anchors);
    assert_eq!(others.count(), 0, "{:#?}", report.findings);
}

#[test]
fn an_untouched_log_continues_every_anchor_and_is_dated_by_it() {
    let world = World::lively(40);
    let notes: Vec<(&str, String)> = world
        .checkpoints
        .iter()
        .rev()
        .map(|one| ("a", one.note.clone()))
        .collect();
    let (newest, count) = (world.newest().size, notes.len() as u64);
    let report = anchored(world, &notes);
    assert_eq!(report.outcome(), Outcome::Verified, "{:#?}", report.findings);
    assert_eq!(*report.verdict(Check::Anchors), Verdict::Passed);
    assert_eq!((report.dated.anchors, report.dated.verified), (count, count));
    // Two witnesses and the file for each.
    assert_eq!(report.dated.existed.len() as u64, 3 * count);
    let told: Vec<(u64, i64, Clock)> = report
        .dated
        .existed
        .iter()
        .skip(3 * (notes.len() - 1))
        .map(|existed| (existed.size, existed.by.micros(), existed.says.clone()))
        .collect();
    let witness = |name: &str| (newest, (NOW - 5) * 1_000_000, Clock::Witness(name.to_owned()));
    assert_eq!(
        told,
        [
            witness("w21"),
            witness("w22"),
            (newest, WRITTEN, Clock::File("a".to_owned()))
        ]
    );
    let lines = report.lines().join("\n");
    assert!(
        lines.contains(&format!(
            "the first {newest} records existed by 2027-01-15T08:00:05.000000Z (witness w21)"
        )),
        "{lines}"
    );
    assert_eq!(report.to_json()["anchors"]["verified"], count);
}

#[test]
fn a_log_put_back_behind_its_anchor_was_rolled_back() {
    let newest = World::lively(40).newest();
    let older = World::lively(30);
    let size = older.size();
    let report = anchored(older, &[("a", newest.note)]);
    assert_found(&report, size, "rolled back");
    let finding = &report.findings[0];
    assert_eq!(
        finding.expected.as_deref(),
        Some(format!("{} records", newest.size).as_str())
    );
    assert_eq!(finding.found.as_deref(), Some(format!("{size} records").as_str()));
    assert_eq!(
        *report.verdict(Check::Checkpoints),
        Verdict::Passed,
        "what it has is right"
    );
}

#[test]
fn a_log_that_was_written_anew_is_another_history() {
    let world = World::lively(40);
    let one = world.checkpoints[2].clone();
    let mut leaves = world.log_leaves(one.size);
    leaves.swap(5, 6);
    let forked = sign(one.size, root(&leaves), &[LATER_CHECKPOINT_KEY], &[], 0);
    let genuine: Vec<(&str, String)> = world.checkpoints.iter().map(|one| ("a", one.note.clone())).collect();
    let report = anchored(world, &[&genuine[..], &[("forked", forked)]].concat());
    assert_found(&report, one.size - 1, "another history");
    assert_eq!(*report.verdict(Check::Anchors), Verdict::Failed(1));
    assert_eq!(report.dated.verified, genuine.len() as u64);
}

#[test]
fn what_the_log_did_not_sign_is_no_anchor_of_it() {
    let world = World::lively(40);
    let (early, newest) = (world.checkpoints[1].clone(), world.newest());
    let leaves = |one: &Signed| root(&world.log_leaves(one.size));
    let other = VerifierKey::new(
        "example.org/other",
        KeyType::Ed25519,
        crate::build::public(77).as_bytes(),
    )
    .unwrap();
    let foreign = Checkpoint::sign(newest.size, leaves(&newest), &other, &key(77));
    let beyond = newest.size + 9;
    for (note, at) in [
        (sign(newest.size, leaves(&newest), &[77], &[], 0), Some(newest.size - 1)),
        // The key before the rotation signs nothing behind it.
        (
            sign(newest.size, leaves(&newest), &[CHECKPOINT_KEY], &[], 0),
            Some(newest.size - 1),
        ),
        (foreign.note().to_text(), Some(newest.size - 1)),
        (sign(beyond, leaves(&newest), &[77], &[], 0), Some(newest.size)),
        (early.note.replacen("\n\n", "\nx\n\n", 1), None),
        ("hello".to_owned(), None),
    ] {
        let report = anchored(World::lively(40), &[("a", note.clone())]);
        assert_eq!(report.outcome(), Outcome::Failed, "{note}");
        assert_eq!(*report.verdict(Check::Anchors), Verdict::Failed(1), "{note}");
        assert_eq!(
            (report.findings[0].check, report.findings[0].offset),
            (Check::Anchors, at),
            "{note}"
        );
        assert_eq!(report.dated.existed.len(), 0, "{note}");
    }
}

#[test]
fn behind_a_broken_record_an_anchor_is_not_called_right() {
    let world = World::lively(40);
    let (note, trust) = (world.newest().note, world.trust());
    let mut store = world.writer.finish();
    store.claims.anchors = vec![Anchor {
        name: "a".to_owned(),
        note,
        written: None,
    }];
    Arc::make_mut(&mut store.records[9].bytes)[20] ^= 1;
    let (claims, items) = (store.claims.clone(), store.items(5));
    let options = verifier::Options {
        trust: Some(&trust),
        ..Default::default()
    };
    let report = verifier::verify_log(items, Some(&mut store), &claims, &options);
    assert!(
        matches!(report.verdict(Check::Anchors), Verdict::NotChecked(_)),
        "{:?}",
        report.verdict(Check::Anchors)
    );
    assert_eq!(report.dated.verified, 0);
}

/// What the log says about an anchor of this checkpoint.
fn said(world: &World, one: &Signed) -> Value {
    json!({
        "size": one.size, "root": root(&world.log_leaves(one.size)).to_string(), "anchor": "dir", "place": "f",
        "note": one.note, "anchored_at": "2026-11-20T12:00:00.000000Z",
    })
}

#[test]
fn the_logs_own_word_dates_it_and_is_no_anchor() {
    let mut world = World::lively(20);
    let newest = world.newest();
    let told = said(&world, &newest);
    let offset = world.size();
    world.own("checkpoint.anchored", told);
    let ts = world.written[offset as usize].record.ts;
    let failed =
        json!({"size": newest.size, "anchor": "https", "place": "a.example.com:443", "error_class": "timeout"});
    world.own("checkpoint.anchor_failed", failed);
    world.checkpoint(world.size());
    let report = world.verify();
    assert_eq!(report.outcome(), Outcome::Verified, "{:#?}", report.findings);
    let Verdict::NotAsked(reason) = report.verdict(Check::Anchors) else {
        panic!("{:?}", report.verdict(Check::Anchors));
    };
    assert!(
        reason.contains(&format!("its first {} records were anchored by {ts}", newest.size)),
        "{reason}"
    );
    let anchor = "dir f".to_owned();
    assert_eq!(report.dated.existed[0].says, Clock::Log { offset, anchor });
    assert_eq!(report.dated.existed[0].by, ts);
}

#[test]
fn a_record_about_an_anchor_that_never_was_is_found() {
    let world = World::lively(20);
    let newest = world.newest();
    let honest = said(&world, &newest);
    let mut leaves = world.log_leaves(newest.size);
    leaves.swap(1, 2);
    let forked = sign(newest.size, root(&leaves), &[LATER_CHECKPOINT_KEY], &[], 0);
    let beyond = sign(newest.size + 1, root(&leaves), &[LATER_CHECKPOINT_KEY], &[], 0);
    let with = |root: &str, size: u64, note: &str| {
        let mut bent = honest.clone();
        (bent["root"], bent["size"], bent["note"]) = (json!(root), json!(size), json!(note));
        bent
    };
    let other = root(&leaves).to_string();
    for (payload, part) in [
        (with(&other, newest.size, &forked), "another history"),
        (
            with(&other, newest.size, &newest.note),
            "another checkpoint than the note",
        ),
        (with(&other, newest.size + 1, &beyond), "no map root"),
    ] {
        let mut world = World::lively(20);
        let offset = world.size();
        world.own("checkpoint.anchored", payload);
        world.checkpoint(world.size());
        assert_found(&world.verify(), offset, part);
    }
    let mut world = World::lively(20);
    let offset = world.size();
    world.writer.write("acme", "checkpoint.anchored", honest, &[]);
    let report = world.verify();
    assert_eq!(
        (report.findings[0].check, report.findings[0].offset),
        (Check::Chain, Some(offset))
    );
}
