//! The end of a log and its checkpoints: cut, put back, signed for another history.

use super::{SCENE, class, log};
use crate::build::Store;
use crate::world::{LATER_CHECKPOINT_KEY, NOW, Signed, WITNESSES, World, options, root, sign};
use verifier::{Check, verify_consistency};

#[test]
fn a_cut_tail_and_a_directory_put_back() {
    class(
        "cut tail",
        &[Check::Head, Check::Checkpoints],
        &[Check::Tree, Check::Timelines],
        |dice| {
            let mut store = SCENE.store.clone();
            let left = 1 + dice.below(store.records.len() - 1);
            store.records.truncate(left);
            log(&mut store)
        },
    );
    let older: Vec<Store> = (3..9).map(|events| World::lively(events).writer.finish()).collect();
    class("put back", &[Check::Checkpoints], &[], |dice| {
        let mut store = older[dice.below(older.len())].clone();
        let size = store.records.len() as u64;
        let known: Vec<&Signed> = SCENE.world.checkpoints.iter().filter(|one| one.size > size).collect();
        store
            .claims
            .checkpoints
            .push(known[dice.below(known.len())].note.clone());
        log(&mut store)
    });
}

#[test]
fn a_stored_checkpoint_changed_or_signed_for_another_history() {
    class("checkpoint", &[Check::Checkpoints], &[Check::Witnesses], |dice| {
        let mut store = SCENE.store.clone();
        let notes = &mut store.claims.checkpoints;
        let at = dice.below(notes.len());
        let own = notes[at].find("witness").unwrap() - 5;
        notes[at] = dice.flip_text(&notes[at], 0..own);
        log(&mut store)
    });
    let small = World::lively(11);
    class("fork", &[Check::Checkpoints], &[], |dice| {
        let mut store = SCENE.store.clone();
        let size = store.records.len() as u64;
        let mut leaves = small.log_leaves(size);
        let (a, b) = (dice.below(leaves.len()), dice.below(leaves.len() - 1));
        leaves.swap(a, if b >= a { b + 1 } else { b });
        let note = sign(size, root(&leaves), &[LATER_CHECKPOINT_KEY], &WITNESSES, NOW as u64);
        store.claims.checkpoints.push(note);
        log(&mut store)
    });
    class("fork shown to a monitor", &[Check::Consistency], &[], |dice| {
        let scene = &*SCENE;
        let old = &scene.world.checkpoints[dice.below(scene.world.checkpoints.len() - 1)];
        let mut leaves = scene.world.log_leaves(scene.at.size);
        let at = dice.below(old.size as usize);
        leaves[at] = tlog::hash_leaf(&dice.roll().to_be_bytes());
        let note = sign(
            scene.at.size,
            root(&leaves),
            &[LATER_CHECKPOINT_KEY],
            &WITNESSES,
            NOW as u64,
        );
        let nodes = tlog::prove_consistency(old.size, scene.at.size, |node| crate::world::perfect(&leaves, node));
        verify_consistency(&old.note, &note, &nodes.unwrap(), &options(&scene.trust)).into()
    });
}

#[test]
fn a_directory_put_back_behind_an_anchor_and_an_anchor_changed() {
    let anchor = |note: String| verifier::Anchor {
        name: "anchor".to_owned(),
        note,
        written: None,
    };
    let older: Vec<Store> = (3..9).map(|events| World::lively(events).writer.finish()).collect();
    class("put back behind an anchor", &[Check::Anchors], &[], |dice| {
        let mut store = older[dice.below(older.len())].clone();
        let size = store.records.len() as u64;
        let known: Vec<&Signed> = SCENE.world.checkpoints.iter().filter(|one| one.size > size).collect();
        let note = known[dice.below(known.len())].note.clone();
        store.claims.anchors.push(anchor(note));
        log(&mut store)
    });
    class("anchor changed", &[Check::Anchors], &[], |dice| {
        let mut store = SCENE.store.clone();
        let note = &SCENE.world.checkpoints[dice.below(SCENE.world.checkpoints.len())].note;
        let own = note.find("witness").unwrap() - 5;
        let note = dice.flip_text(note, 0..own);
        store.claims.anchors.push(anchor(note));
        log(&mut store)
    });
}
