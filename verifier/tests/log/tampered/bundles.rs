//! Proof bundles: their records, their head, and whole ones of another log.

use super::{CHANGED, Dice, SCENE, bundle, class, rounds};
use crate::world::World;
use serde_json::Value;
use verifier::{Check, Outcome};

#[test]
fn a_bundle_with_records_left_out_repeated_or_moved() {
    class("bundle records", &[Check::Completeness], &[], |dice| {
        let mut lines = [&SCENE.log_bundle, &SCENE.timeline_bundle][dice.below(2)].clone();
        let (a, b) = (1 + dice.below(lines.len() - 1), 1 + dice.below(lines.len() - 2));
        match dice.below(3) {
            0 => drop(lines.remove(a)),
            1 => lines.insert(b, lines[a].clone()),
            _ => lines.swap(a, if b >= a { b + 1 } else { b }),
        }
        bundle(lines)
    });
    class("bundle record byte", &CHANGED, &[], |dice| {
        let mut lines = [&SCENE.log_bundle, &SCENE.timeline_bundle][dice.below(2)].clone();
        let line = 1 + dice.below(lines.len() - 1);
        let at = dice.below(lines[line].len());
        if lines[line][at].is_ascii() {
            dice.flip(&mut lines[line], at);
        } else {
            lines[line][at] ^= 1;
        }
        // A changed signature or key leaves the hash as it is, and the leaf of the log's tree covers both.
        let mut found = bundle(lines);
        found.findings.retain(|finding| finding.check != Check::Inclusion);
        found
    });
}

#[test]
fn the_head_of_a_bundle_changed_anywhere() {
    // Which check finds it depends on the place; that nothing passes does not.
    for round in 0..rounds() {
        let dice = &mut Dice(round << 20);
        let mut lines = [&SCENE.log_bundle, &SCENE.timeline_bundle][dice.below(2)].clone();
        let whole: Value = serde_json::from_slice(&lines[0]).unwrap();
        let at = dice.below(lines[0].len());
        if !lines[0][at].is_ascii() {
            continue;
        }
        dice.flip(&mut lines[0], at);
        let says_the_same = |other: Value| {
            let with = |mut value: Value| {
                // For information only, and never believed.
                value["policy"] = Value::Null;
                value
            };
            with(other) == with(whole.clone())
        };
        if serde_json::from_slice(&lines[0]).is_ok_and(says_the_same) {
            continue;
        }
        let found = bundle(lines);
        let told = format!("round {round}, byte {at}: {:#?}", found.findings);
        // A line of a third, unknown signer may say what it wants.
        let of_a_stranger = found.outcome == Outcome::Verified && told.is_empty();
        assert!(of_a_stranger || found.outcome == Outcome::Failed, "{told}");
    }
}

#[test]
fn a_whole_bundle_signed_again_with_other_keys() {
    let also = [Check::Checkpoints, Check::Key];
    let forgers: Vec<Vec<Vec<u8>>> = (40..48)
        .map(|shift| {
            let forger = World::lively_with_keys(24, shift);
            forger.log_bundle(2, 14, &forger.newest())
        })
        .collect();
    class("signed again", &[Check::Trust], &also, |dice| {
        bundle(forgers[dice.below(forgers.len())].clone())
    });
}
