//! A log that is followed record by record: what a monitor is told, and when.

use crate::world::World;
use verifier::{Check, Follower, Options};

fn follower(trust: &verifier::Trust, findings: usize) -> Follower {
    let options = Options {
        trust: Some(trust),
        findings,
        ..Options::default()
    };
    Follower::new(&options).unwrap()
}

fn records(world: &World) -> Vec<Vec<u8>> {
    world.written.iter().map(|one| one.bytes.clone()).collect()
}

#[test]
fn an_honest_log_is_followed_in_pages_and_held_against_its_checkpoints() {
    let world = World::lively(40);
    let trust = world.trust();
    let mut follower = follower(&trust, 20);
    world.checkpoints.iter().for_each(|one| follower.know(&one.note));
    for page in records(&world).chunks(7) {
        assert_eq!(follower.follow(page.to_vec()), []);
        assert_eq!(follower.missed(), Vec::<String>::new());
    }
    assert_eq!(follower.next(), world.size());
}

#[test]
fn a_checkpoint_of_another_history_is_told_when_its_records_have_passed() {
    let world = World::lively(40);
    let trust = world.trust();
    let mut leaves = world.log_leaves(world.size());
    leaves.swap(3, 4);
    let fork = crate::world::sign(world.size(), crate::world::root(&leaves), &[12], &[], 0);
    let mut follower = follower(&trust, 20);
    follower.know(&fork);
    let mut records = records(&world);
    let last = records.split_off(records.len() - 1);
    assert_eq!(follower.follow(records), []);
    let found = follower.follow(last);
    assert_eq!(found[0].check, Check::Checkpoints, "{found:#?}");
}

/// However much was told before, what is found later is told as well.
#[test]
fn findings_go_on_beyond_the_number_that_is_told_at_once() {
    let world = World::lively(30);
    let trust = world.trust();
    let mut follower = follower(&trust, 2);
    let mut told = 0;
    for mut record in records(&world) {
        let last = record.len() - 2;
        record[last] ^= 1;
        told += follower.follow([record]).len();
    }
    assert!(told as u64 >= world.size(), "{told} of {}", world.size());
}

/// Behind a broken record no map root can be computed again: that is no finding, and not silence either.
#[test]
fn what_could_not_be_checked_is_told_once() {
    let world = World::lively(30);
    let trust = world.trust();
    let mut records = records(&world);
    records[5].pop();
    let mut follower = follower(&trust, 20);
    assert_ne!(follower.follow(records), []);
    let missed = follower.missed();
    assert!(missed.iter().any(|reason| reason.starts_with("maps: ")), "{missed:?}");
    assert_eq!(follower.missed(), Vec::<String>::new(), "told once");
}
