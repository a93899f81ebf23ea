//! The tamper table: each class a thousand times, seeded. Every mutant is found, and by the check that its class is named
//! for; what else is reported may only be what follows from it. `SIGIL_TAMPER_ROUNDS` sets the number.

mod answers;
mod bundles;
mod ends;
mod records;
mod single;

use crate::answers::{ACTOR, CHAIN};
use crate::build::Store;
use crate::world::{Asked, Signed, World, options};
use serde_json::Value;
use std::sync::LazyLock;
use verifier::{Check, Finding, Options, Outcome, ProofReport, Trust, verify_answer, verify_bundle, verify_log};

/// A log, what its server says about it, and who verifies.
struct Scene {
    world: World,
    trust: Trust,
    at: Signed,
    store: Store,
    actor: Value,
    chain: Value,
    middle: Value,
    log_bundle: Vec<Vec<u8>>,
    timeline_bundle: Vec<Vec<u8>>,
}

static SCENE: LazyLock<Scene> = LazyLock::new(|| {
    let world = World::lively(24);
    let at = world.newest();
    let count = |name| world.timeline(name, at.map_size).len() as u64;
    let middle = Asked {
        newest_first: true,
        rows: 2..count(CHAIN) - 2,
        cursor: true,
        has_more: true,
        from: false,
        to: false,
    };
    Scene {
        trust: world.trust(),
        store: World::lively(11).writer.finish(),
        actor: world.answer(ACTOR, &Asked::all(count(ACTOR)), &at),
        chain: world.answer(CHAIN, &Asked::all(count(CHAIN)), &at),
        middle: world.answer(CHAIN, &middle, &at),
        log_bundle: world.log_bundle(2, 14, &at),
        timeline_bundle: world.timeline_bundle(CHAIN, 0..count(CHAIN), &at),
        at,
        world,
    }
});

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.roll() % limit as u64) as usize
    }

    /// Another byte at this place, one that JSON text may hold.
    fn flip(&mut self, bytes: &mut [u8], at: usize) {
        let old = bytes[at];
        while bytes[at] == old {
            bytes[at] = b' ' + self.below(95) as u8;
        }
    }

    fn flip_text(&mut self, text: &str, range: std::ops::Range<usize>) -> String {
        let mut bytes = text.as_bytes().to_vec();
        let mut at = range.start + self.below(range.len());
        // The dash of a signature line is not ASCII: the byte behind it is as good.
        while !bytes[at].is_ascii() {
            at += 1;
        }
        self.flip(&mut bytes, at);
        String::from_utf8(bytes).unwrap()
    }
}

fn rounds() -> u64 {
    let set = std::env::var("SIGIL_TAMPER_ROUNDS").ok();
    set.map_or(1_000, |set| set.parse().expect("SIGIL_TAMPER_ROUNDS is a number"))
}

/// What was found, whatever was verified.
struct Found {
    outcome: Outcome,
    findings: Vec<Finding>,
}

impl From<ProofReport> for Found {
    fn from(report: ProofReport) -> Self {
        Self {
            outcome: report.outcome(),
            findings: report.findings,
        }
    }
}

/// Makes the mutants of one class. `named` is what has to be found, `also` what may follow from it.
fn class(name: &str, named: &[Check], also: &[Check], mut mutant: impl FnMut(&mut Dice) -> Found) {
    let seed = name
        .bytes()
        .fold(7, |seed: u64, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte)));
    for round in 0..rounds() {
        let found = mutant(&mut Dice(seed ^ (round << 20)));
        let told = format!("{name}, round {round}: {:#?}", found.findings);
        assert_eq!(found.outcome, Outcome::Failed, "{told}");
        let checks: Vec<Check> = found.findings.iter().map(|finding| finding.check).collect();
        assert!(checks.iter().any(|check| named.contains(check)), "{told}");
        let unrelated = checks
            .iter()
            .find(|check| !named.contains(check) && !also.contains(check));
        assert_eq!(unrelated, None, "{told}");
    }
}

fn log(store: &mut Store) -> Found {
    let scene = &*SCENE;
    let options = Options {
        trust: Some(&scene.trust),
        findings: 1_000,
        ..Options::default()
    };
    let claims = store.claims.clone();
    let report = verify_log(store.items(7), Some(store), &claims, &options);
    Found {
        outcome: report.outcome(),
        findings: report.findings,
    }
}

fn answer(answer: &Value) -> Found {
    verify_answer(answer.to_string().as_bytes(), &options(&SCENE.trust)).into()
}

fn bundle(lines: Vec<Vec<u8>>) -> Found {
    verify_bundle(lines.into_iter().map(Ok), &options(&SCENE.trust)).into()
}

/// What a changed record is found by: its bytes, its hash, or the member that no longer has its form.
const CHANGED: [Check; 5] = [
    Check::Canonical,
    Check::Hash,
    Check::Schema,
    Check::Key,
    Check::Signature,
];
/// What follows for the log when a record's bytes are not those of its leaf.
const LEAF: [Check; 4] = [Check::Tree, Check::Checkpoints, Check::Head, Check::Trust];

/// Where the value of a member begins, and how long it is to the next quote.
fn value_of(bytes: &[u8], member: &str) -> std::ops::Range<usize> {
    let text = std::str::from_utf8(bytes).unwrap();
    let start = text.rfind(&format!("\"{member}\":\"")).unwrap() + member.len() + 4;
    start..start + text[start..].find('"').unwrap()
}

#[test]
fn untouched_data_raises_no_alarm() {
    let scene = &*SCENE;
    let found = log(&mut scene.store.clone());
    assert_eq!(found.outcome, Outcome::Verified, "{:#?}", found.findings);
    for honest in [&scene.actor, &scene.chain, &scene.middle] {
        assert_eq!(answer(honest).outcome, Outcome::Verified);
    }
    for honest in [&scene.log_bundle, &scene.timeline_bundle] {
        assert_eq!(bundle(honest.clone()).outcome, Outcome::Verified);
    }
}
