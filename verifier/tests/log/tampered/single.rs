//! One record with its proof, and the opened values of a record.

use super::{SCENE, class};
use crate::world::options;
use record::Opening;
use serde_json::{Value, json};
use verifier::{Check, verify_disclosures, verify_record_proof};

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
