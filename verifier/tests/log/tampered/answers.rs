//! Saved answers about timelines: rows, their order, whose they are, and what proves them.

use super::{CHANGED, SCENE, answer, class};
use crate::answers::{ACTOR, CHAIN};
use crate::world::{Asked, LATER_CHECKPOINT_KEY, NOW, Name, options, sign};
use serde_json::{Value, json};
use verifier::{Check, ProofOptions, verify_answer};

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
