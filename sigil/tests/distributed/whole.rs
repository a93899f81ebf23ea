//! `kill -9` of each role in turn, and of the servers now and then, while both real logs go in over HTTP: what was
//! acknowledged is there once, Postgres has what a read model built from the log has, every checkpoint that was served is
//! kept and continued, and the log verifies.
//!
//! `SIGIL_KILL_ROUNDS` sets the number of rounds and `SIGIL_KILL_SEED` repeats a run.

use crate::checkpoints::Watched;
use crate::house::{House, Role, address, at_rest, position};
use crate::load::{Learned, Load};
use crate::outcome;
use crate::process::{Process, until};
use crate::sample;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const ROUNDS: u64 = 100;
/// In one round of so many a server is killed beside the role.
const SERVER_ROUNDS: u64 = 20;
const CLIENTS: usize = 3;
const SEED: u64 = 0x51_61_11;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

/// SplitMix64: enough to vary the moments, and the same for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

/// The running roles.
struct Roles(Vec<(Role, Process)>);

impl Roles {
    fn start(house: &House) -> Self {
        Self(Role::ALL.map(|role| (role, house.start(role))).into())
    }

    fn take(&mut self, role: Role) -> Process {
        let at = self
            .0
            .iter()
            .position(|(running, _)| *running == role)
            .expect("it runs");
        self.0.remove(at).1
    }

    fn gateway(&self) -> &Process {
        let found = self.0.iter().find(|(role, _)| *role == Role::Gateway);
        &found.expect("it runs").1
    }
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_happens_twice_when_each_role_is_killed_in_turn() {
    let (rounds, seed) = (setting("SIGIL_KILL_ROUNDS", ROUNDS), setting("SIGIL_KILL_SEED", SEED));
    let began = Instant::now();
    let mut house = House::new();
    let mut roles = Roles::start(&house);
    let load = Load::new(sample::records(), address(roles.gateway()));
    let over = AtomicBool::new(false);
    let (learned, watched): (Vec<Learned>, Watched) = std::thread::scope(|scope| {
        let watching = scope.spawn(|| Watched::watch(&load, &over));
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(|| load.run())).collect();
        let mut dice = Dice(seed);
        let _over = Over(&over);
        for round in 0..rounds {
            kill_one(&mut house, &mut roles, &load, round, &mut dice);
            if round % 10 == 9 {
                let acknowledged = load.acknowledged();
                eprintln!(
                    "seed {seed}, round {}: {acknowledged} acknowledged, {:?}",
                    round + 1,
                    began.elapsed()
                );
            }
        }
        load.end();
        let clients = clients.into_iter();
        let learned = clients
            .map(|client| client.join().expect("no answer was wrong"))
            .collect();
        over.store(true, Ordering::SeqCst);
        (learned, watching.join().expect("no checkpoint was wrong"))
    });
    let replayed: u64 = learned.iter().map(|learned| learned.replayed).sum();
    let lost: u64 = learned.iter().map(|learned| learned.attempts_lost).sum();
    let mut offsets = HashMap::new();
    for (id, offset) in learned.into_iter().flat_map(|learned| learned.offsets) {
        assert_eq!(
            offsets.insert(id, offset),
            None,
            "two clients never send the same record"
        );
    }
    eprintln!(
        "{} records, {lost} attempts lost, {replayed} found by a retry, {:?}",
        offsets.len(),
        began.elapsed()
    );
    assert!(lost >= rounds / 4, "the kills did not reach the clients");
    let size = at_rest(address(roles.gateway()));
    eprintln!(
        "at rest at {size}, {} checkpoints were served, {:?}",
        watched.len(),
        began.elapsed()
    );
    assert!(
        watched.len() as u64 >= rounds / 4,
        "checkpoints were served between the kills"
    );
    watched.hold(address(roles.gateway()), &house.log);
    settle(&house, roles, &offsets, (size, &watched));
    eprintln!("{rounds} rounds in {:?}", began.elapsed());
}

/// Says that it is over, also when something failed: a client that nobody stops would keep the test from ending.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Kills a role when it has done something since it was last killed, and starts it again.
fn kill_one(house: &mut House, roles: &mut Roles, load: &Load, round: u64, dice: &mut Dice) {
    let role = Role::ALL[usize::try_from(round % 3).expect("one of three")];
    let before = load.acknowledged();
    until("a record is acknowledged", || {
        (load.acknowledged() > before).then_some(())
    });
    if role == Role::Projector {
        let gateway = load.gateway();
        let before = until("a gateway answers", || position(gateway));
        until("a record is projected", || {
            position(gateway).filter(|now| *now > before)
        });
    }
    std::thread::sleep(Duration::from_millis(dice.below(150))); // waits for: the moment of the crash, which varies
    roles.take(role).kill();
    match round % SERVER_ROUNDS {
        9 => house.runtime.block_on(house.nats.restart()),
        19 => house.runtime.block_on(house.postgres.restart()),
        _ => {}
    }
    let started = house.start(role);
    if role == Role::Gateway {
        load.moved(address(&started));
    }
    roles.0.push((role, started));
}

/// Ends everything in order and looks at what is left.
fn settle(house: &House, roles: Roles, offsets: &HashMap<String, u64>, (size, served): (u64, &Watched)) {
    for (_, process) in roles.0 {
        process.stop();
    }
    let records = house.log.records();
    outcome::holds(&records, offsets);
    outcome::streamed(house, &records);
    let (postgres, sqlite) = (
        outcome::digest_of_postgres(house),
        outcome::digest_of_sqlite(&house.log),
    );
    assert_eq!(postgres, sqlite);
    assert_eq!(postgres.0, size);
    outcome::verifies(&house.log, size, served);
}
