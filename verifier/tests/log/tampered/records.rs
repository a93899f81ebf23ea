//! Records of a log: changed, forged, dropped, repeated, moved, inserted.

use super::{CHANGED, Dice, LEAF, SCENE, class, log, rounds, value_of};
use crate::world::World;
use serde_json::json;
use std::sync::Arc;
use verifier::Check;

#[test]
fn a_byte_of_a_record() {
    class("record byte", &CHANGED, &LEAF, |dice| {
        let mut store = SCENE.store.clone();
        let at = dice.below(store.records.len());
        let bytes = Arc::make_mut(&mut store.records[at].bytes);
        let place = dice.below(bytes.len());
        if bytes[place].is_ascii() {
            dice.flip(bytes, place);
        } else {
            bytes[place] ^= 1;
        }
        log(&mut store)
    });
}

#[test]
fn a_signature_or_a_key_of_a_record() {
    for (member, named) in [("sig", Check::Signature), ("pub_key", Check::Key)] {
        class(member, &[named, Check::Schema], &LEAF, |dice| {
            let mut store = SCENE.store.clone();
            let at = dice.below(store.records.len());
            let bytes = Arc::make_mut(&mut store.records[at].bytes);
            let range = value_of(bytes, member);
            // The digits before the padding: those carry no bits that may not be set.
            let place = range.start + dice.below(range.len() - 3);
            let old = bytes[place];
            while bytes[place] == old {
                bytes[place] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[dice.below(64)];
            }
            log(&mut store)
        });
    }
}

#[test]
fn a_record_dropped_repeated_swapped_or_inserted() {
    // What is gone may be genesis, or a rotation, without which later keys are strangers.
    let also = [
        Check::Tree,
        Check::Checkpoints,
        Check::Timelines,
        Check::Head,
        Check::Trust,
        Check::Chain,
        Check::Key,
        Check::Maps,
    ];
    class("dropped", &[Check::Offsets, Check::Head], &also, |dice| {
        let mut store = SCENE.store.clone();
        store.records.remove(dice.below(store.records.len()));
        log(&mut store)
    });
    class("repeated", &[Check::Offsets], &also, |dice| {
        let mut store = SCENE.store.clone();
        let at = dice.below(store.records.len());
        let copy = store.records[at].clone();
        let to = dice.below(store.records.len() - at) + at;
        store.records.insert(to + 1, copy);
        log(&mut store)
    });
    class("swapped", &[Check::Offsets], &also, |dice| {
        let mut store = SCENE.store.clone();
        let (a, b) = (dice.below(store.records.len()), dice.below(store.records.len() - 1));
        store.records.swap(a, if b >= a { b + 1 } else { b });
        log(&mut store)
    });
    let forger = World::lively_with_keys(24, 40);
    class("inserted", &[Check::Offsets, Check::Key], &also, |dice| {
        let mut store = SCENE.store.clone();
        let at = 1 + dice.below(store.records.len() - 1);
        store.records.insert(at, forger.writer.records()[at].clone());
        log(&mut store)
    });
}

#[test]
fn a_record_of_a_forger_in_the_place_of_the_logs_own() {
    let forger = World::lively_with_keys(24, 40);
    let also = [
        Check::Tree,
        Check::Checkpoints,
        Check::Timelines,
        Check::Maps,
        Check::Head,
        Check::Chain,
    ];
    class("replaced", &[Check::Key, Check::Trust], &also, |dice| {
        let mut store = SCENE.store.clone();
        let at = 1 + dice.below(store.records.len() - 1);
        store.records[at].bytes = forger.writer.records()[at].bytes.clone();
        log(&mut store)
    });
}

#[test]
fn a_map_root_of_the_logs_own_key_that_is_not_right() {
    let rounds = rounds().min(60);
    for round in 0..rounds {
        let dice = &mut Dice(round << 20);
        let mut world = World::lively(6 + dice.below(6) as u64);
        let n = world.size();
        let wrong = match dice.below(2) {
            0 => tlog::hash_leaf(&dice.roll().to_be_bytes()),
            _ => world.top(1 + dice.below(n as usize - 1) as u64).1,
        };
        world.checkpoint_saying(json!({"size": n, "root": wrong.to_string()}), n);
        let report = world.verify();
        assert_eq!(
            report.findings.first().map(|finding| finding.check),
            Some(Check::Maps),
            "{:#?}",
            report.findings
        );
    }
}
