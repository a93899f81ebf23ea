//! The tamper table: each class a thousand times, seeded. Every mutant is found, and by the check that its class is named
//! for; what else is reported may only be what follows from it. `SIGIL_TAMPER_ROUNDS` sets the number.

use crate::answers::{ACTOR, CHAIN};
use crate::build::Store;
use crate::world::{Asked, LATER_CHECKPOINT_KEY, NOW, Name, Signed, WITNESSES, World, options, root, sign};
use record::Opening;
use serde_json::{Value, json};
use std::sync::LazyLock;
use verifier::{
    Check, Finding, Options, Outcome, ProofOptions, ProofReport, Trust, verify_answer, verify_bundle,
    verify_consistency, verify_disclosures, verify_log, verify_record_proof,
};

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

#[test]
fn a_byte_of_a_record() {
    class("record byte", &CHANGED, &LEAF, |dice| {
        let mut store = SCENE.store.clone();
        let at = dice.below(store.records.len());
        let bytes = &mut store.records[at].bytes;
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
            let bytes = &mut store.records[at].bytes;
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
fn a_row_left_out_at_head_tail_or_middle() {
    class("row left out", &[Check::Completeness], &[], |dice| {
        let mut bent = [&SCENE.actor, &SCENE.chain, &SCENE.middle][dice.below(3)].clone();
        let rows = bent["data"].as_array_mut().unwrap();
        rows.remove(dice.below(rows.len()));
        answer(&bent)
    });
    // With an honest proof of the shorter page: the head or the tail is missing, and the page says that it is all.
    let (world, at) = (&SCENE.world, &SCENE.at);
    let mut shorter = Vec::new();
    for name in [ACTOR, CHAIN] {
        let count = world.timeline(name, at.map_size).len() as u64;
        let cuts = (1..count).flat_map(|cut| [cut..count, 0..cut]);
        for (rows, newest_first) in cuts.flat_map(|rows| [(rows.clone(), true), (rows, false)]) {
            let asked = Asked {
                newest_first,
                rows,
                ..Asked::all(0)
            };
            let mut bent = world.answer(name, &asked, at);
            // Nothing newer is shown either.
            bent["unproven"] = json!([]);
            shorter.push(bent);
        }
    }
    class("end left out", &[Check::Completeness], &[], |dice| {
        answer(&shorter[dice.below(shorter.len())])
    });
}

#[test]
fn rows_out_of_order_repeated_or_not_listed() {
    class("order", &[Check::Completeness], &[], |dice| {
        let mut bent = [&SCENE.actor, &SCENE.chain, &SCENE.middle][dice.below(3)].clone();
        let rows = bent["data"].as_array_mut().unwrap();
        let (a, b) = (dice.below(rows.len()), dice.below(rows.len() - 1));
        match dice.below(2) {
            0 => rows.swap(a, if b >= a { b + 1 } else { b }),
            _ => rows.insert(b, rows[a].clone()),
        }
        answer(&bent)
    });
    class("page", &[Check::Completeness], &[], |dice| {
        let mut bent = SCENE.middle.clone();
        match dice.below(3) {
            0 => bent["has_more"] = json!(false),
            1 => bent["query"]["cursor"] = json!(false),
            _ => bent["unproven"] = json!([dice.below(40)]),
        }
        answer(&bent)
    });
}

#[test]
fn an_answer_from_another_tenant_or_timeline() {
    let (world, at) = (&SCENE.world, &SCENE.at);
    let other = Name("zeta", "", "");
    let count = world.timeline(other, at.map_size).len() as u64;
    let foreign = world.answer(other, &Asked::all(count), at);
    class(
        "another tenant",
        &[Check::Completeness, Check::Maps],
        &[Check::Chain],
        |dice| {
            let mut bent = SCENE.chain.clone();
            match dice.below(3) {
                0 => {
                    let rows = bent["data"].as_array_mut().unwrap();
                    let row = dice.below(rows.len());
                    rows[row] = foreign["data"][dice.below(count as usize)].clone();
                    rows.sort_by_key(|row| std::cmp::Reverse(row["offset"].as_u64()));
                }
                1 => bent["data"] = foreign["data"].clone(),
                _ => {
                    bent["proof"]["tenant"] = json!("zeta");
                    bent["query"]["tenant"] = json!("zeta");
                }
            }
            answer(&bent)
        },
    );
    class("another timeline", &[Check::Completeness, Check::Maps], &[], |dice| {
        let mut bent = SCENE.actor.clone();
        if dice.below(2) == 0 {
            let rows = bent["data"].as_array_mut().unwrap();
            let row = dice.below(rows.len());
            // An event of the same tenant and another actor.
            let others: Vec<&Value> = SCENE.chain["data"].as_array().unwrap().iter().collect();
            let strangers: Vec<&&Value> = others
                .iter()
                .filter(|one| !one.to_string().contains("agent:a2"))
                .collect();
            rows[row] = (*strangers[dice.below(strangers.len())]).clone();
            rows.sort_by_key(|row| std::cmp::Reverse(row["offset"].as_u64()));
        } else {
            let target = format!("agent:a{}", dice.below(900) + 3);
            bent["proof"]["target"] = json!(target);
            bent["query"]["target"] = json!(target);
        }
        answer(&bent)
    });
}

#[test]
fn a_stale_head() {
    let scene = &*SCENE;
    let honest = scene.world.checkpoints.iter().map(|at| {
        let count = scene.world.timeline(ACTOR, at.map_size).len() as u64;
        scene.world.answer(ACTOR, &Asked::all(count), at).to_string()
    });
    let honest: Vec<String> = honest.collect();
    class("stale head", &[Check::Freshness], &[], |dice| {
        let late = ProofOptions {
            now: Some(NOW + 56 + dice.below(1 << 20) as i64),
            ..options(&scene.trust)
        };
        verify_answer(honest[dice.below(honest.len())].as_bytes(), &late).into()
    });
}

#[test]
fn the_proof_of_another_page_or_of_another_time() {
    let (world, at) = (&SCENE.world, &SCENE.at);
    let count = world.timeline(CHAIN, at.map_size).len();
    let rows = SCENE.middle["data"].as_array().unwrap().len();
    let others = (0..=count - rows).filter(|from| *from != 2);
    let others = others.flat_map(|from| [from..from + rows, from..count]);
    let others: Vec<Value> = others
        .map(|range| world.proof(CHAIN, Some(range.start as u64..range.end as u64), at))
        .collect();
    class("another page", &[Check::Completeness, Check::Inclusion], &[], |dice| {
        let mut bent = SCENE.middle.clone();
        bent["proof"] = others[dice.below(others.len())].clone();
        answer(&bent)
    });
    class("a node", &[Check::Maps, Check::Inclusion], &[], |dice| {
        let mut bent = [&SCENE.actor, &SCENE.chain, &SCENE.middle][dice.below(3)].clone();
        let places = [
            "/proof/map_path",
            "/proof/top/siblings",
            "/proof/map/siblings",
            "/proof/range/nodes",
        ];
        let place = loop {
            let place = places[dice.below(4)];
            if bent
                .pointer(place)
                .is_some_and(|nodes| !nodes.as_array().unwrap().is_empty())
            {
                break place;
            }
        };
        let nodes = bent.pointer_mut(place).unwrap().as_array_mut().unwrap();
        let at = dice.below(nodes.len());
        match dice.below(4) {
            0 => drop(nodes.remove(at)),
            1 => nodes.insert(at, nodes[at].clone()),
            _ => {
                let mut node = record::key::decode_base64::<32>(nodes[at].as_str().unwrap()).unwrap();
                node[dice.below(32)] ^= 1 << dice.below(8);
                nodes[at] = json!(record::key::encode_base64(&node));
            }
        }
        answer(&bent)
    });
    class(
        "a count or a position",
        &[Check::Maps, Check::Inclusion, Check::Completeness],
        &[Check::Chain],
        |dice| {
            let mut bent = SCENE.middle.clone();
            let places = [
                "/proof/as_of",
                "/proof/top/end/count",
                "/proof/map/end/count",
                "/proof/range/from",
                "/proof/range/until",
            ];
            let number = bent.pointer_mut(places[dice.below(5)]).unwrap();
            let old = number.as_u64().unwrap();
            *number = json!((old + 1 + dice.below(50) as u64) ^ (dice.below(2) as u64));
            if *number == json!(old) {
                *number = json!(old + 1);
            }
            answer(&bent)
        },
    );
}

#[test]
fn the_checkpoint_of_an_answer_and_its_cosignatures() {
    let also = [Check::Witnesses, Check::Inclusion, Check::Maps];
    let named = [Check::Checkpoints, Check::Readable, Check::Trust];
    class("checkpoint of an answer", &named, &also, |dice| {
        let mut bent = SCENE.actor.clone();
        let note = bent["proof"]["checkpoint"].as_str().unwrap().to_owned();
        let own = note.find("witness").unwrap() - 5;
        bent["proof"]["checkpoint"] = json!(dice.flip_text(&note, 0..own));
        answer(&bent)
    });
    class("cosignature", &[Check::Witnesses, Check::Readable], &[], |dice| {
        let mut bent = SCENE.actor.clone();
        let note = bent["proof"]["checkpoint"].as_str().unwrap().to_owned();
        let first = note.find("witness").unwrap();
        bent["proof"]["checkpoint"] = json!(dice.flip_text(&note, first..note.len() - 1));
        answer(&bent)
    });
    class(
        "stolen checkpoint key",
        &[Check::Witnesses],
        &[Check::Inclusion],
        |dice| {
            // The key signs anything, but no witness cosigns a tree that does not continue what it saw.
            let mut bent = SCENE.actor.clone();
            let tree = tlog::hash_leaf(&dice.roll().to_be_bytes());
            bent["proof"]["checkpoint"] = json!(sign(SCENE.at.size, tree, &[LATER_CHECKPOINT_KEY], &[], 0));
            answer(&bent)
        },
    );
}

#[test]
fn a_row_or_the_map_record_of_an_answer_changed() {
    let named = [&CHANGED[..], &[Check::Readable]].concat();
    let also = [
        Check::Completeness,
        Check::Chain,
        Check::Time,
        Check::Trust,
        Check::Inclusion,
        Check::Maps,
    ];
    class("row", &named, &also, |dice| {
        let bent = [&SCENE.actor, &SCENE.chain][dice.below(2)];
        let rows = bent["data"].as_array().unwrap().len();
        let place = match dice.below(rows + 1) {
            0 => "/proof/map_record".to_owned(),
            row => format!("/data/{}", row - 1),
        };
        let whole = bent.pointer(&place).unwrap();
        // Members and values alike, as long as it is JSON and says something else.
        let other: Value = loop {
            let mut bytes = whole.to_string().into_bytes();
            let at = dice.below(bytes.len());
            if bytes[at].is_ascii() {
                dice.flip(&mut bytes, at);
                match serde_json::from_slice(&bytes) {
                    Ok(other) if other != *whole => break other,
                    _ => {}
                }
            }
        };
        let mut bent = bent.clone();
        *bent.pointer_mut(&place).unwrap() = other;
        answer(&bent)
    });
}

#[test]
fn one_record_and_its_proof() {
    let scene = &*SCENE;
    let size = scene.at.size as usize;
    let proofs: Vec<String> = (0..size)
        .map(|offset| scene.world.tlog_proof(offset as u64, &scene.at))
        .collect();
    class("record proof", &[Check::Inclusion], &[], |dice| {
        let offset = dice.below(size);
        let other = (offset + 1 + dice.below(size - 1)) % size;
        let text = match dice.below(2) {
            0 => proofs[other].clone(),
            _ => {
                let mut lines: Vec<&str> = proofs[offset].split('\n').collect();
                let end = lines.iter().position(|line| line.is_empty()).unwrap();
                lines.remove(2 + dice.below(end - 2));
                lines.join("\n")
            }
        };
        verify_record_proof(&scene.world.written[offset].bytes, &text, &options(&scene.trust)).into()
    });
}

#[test]
fn an_opened_value_or_its_salt() {
    let scene = &*SCENE;
    let events: Vec<_> = scene
        .world
        .written
        .iter()
        .filter(|one| one.record.kind.as_str() == "audit.event")
        .collect();
    class("disclosure", &[Check::Disclosure], &[], |dice| {
        let written = events[dice.below(events.len())];
        let number = written
            .record
            .payload
            .pointer("/data/n")
            .and_then(Value::as_u64)
            .unwrap();
        let mut opening = Opening {
            pointer: "/payload/private".to_owned(),
            salt: [5; 32],
            value: json!({"secret": number}),
        };
        match dice.below(3) {
            0 => opening.salt[dice.below(32)] ^= 1 << dice.below(8),
            1 => opening.value = json!({"secret": number + 1 + dice.below(1 << 20) as u64}),
            _ => opening.value = json!({"secret": number, "more": dice.below(100)}),
        }
        let text = json!([opening.to_json()]).to_string();
        verify_disclosures(&written.bytes, text.as_bytes(), None, &options(&scene.trust)).into()
    });
}

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
