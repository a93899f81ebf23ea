//! `sigil gateway`: who may send commands, from the command line to the record that says so.

use crate::log::Log;
use serde_json::json;
use std::os::unix::fs::PermissionsExt as _;

#[test]
fn a_gateway_is_enrolled_listed_and_revoked_by_records_that_verify() {
    let log = Log::new();
    let file = log.write("gw-1.key", String::new());
    std::fs::remove_file(&file).expect("a name that is free");
    let path = file.to_str().expect("text");
    let enrolled = log.run(&["--json", "gateway", "enroll", "gw-1", "--command-key-file", path]);
    let enrolled = enrolled.exits(0).json();
    assert_eq!(
        (&enrolled["gateway"], &enrolled["role"]),
        (&json!("gw-1"), &json!("gateway"))
    );
    assert_eq!(enrolled["command_key_file"], json!(path));
    let line = std::fs::read_to_string(&file).expect("the key");
    assert!(line.starts_with("sigil-gateway-key-v1:gw-1:"));
    assert_eq!(
        std::fs::metadata(&file).expect("is there").permissions().mode() & 0o777,
        0o600
    );
    let secret = line.trim_end().rsplit(':').next().expect("hex");
    let public = enrolled["public_key"].as_str().expect("text");
    let reader = log.run(&[
        "gateway",
        "enroll",
        "reader",
        "--role",
        "reader",
        "--public-key",
        public,
    ]);
    let refused = reader.exits(1);
    assert!(refused.err.contains("weak or in use"), "{refused:?}");
    let other = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    let reader = log.run(&[
        "--json",
        "gateway",
        "enroll",
        "reader",
        "--role",
        "reader",
        "--public-key",
        other,
    ]);
    assert_eq!(reader.exits(0).json()["command_key_file"], json!(null));
    let revoked = log.run(&["gateway", "revoke", "gw-1"]).exits(0);
    assert!(revoked.out.contains("revoked gw-1"), "{revoked:?}");
    assert!(
        log.run(&["gateway", "revoke", "gw-1"])
            .exits(1)
            .err
            .contains("no gateway")
    );
    let listed = log.run(&["--json", "gateway", "list"]).exits(0).lines();
    let states: Vec<_> = listed
        .iter()
        .map(|one| [&one["gateway"], &one["role"], &one["state"]])
        .collect();
    assert_eq!(
        json!(states),
        json!([["gw-1", "gateway", "revoked"], ["reader", "reader", "enrolled"]])
    );
    let kinds: Vec<_> = log.asked().iter().map(|record| record["kind"].clone()).collect();
    assert_eq!(kinds[2..], ["gateway.enrolled", "gateway.enrolled", "gateway.revoked"]);
    assert!(
        !json!(log.records()).to_string().contains(secret),
        "the log has the public half alone"
    );
    log.verify(&log.trust_file()).exits(0);
}

#[test]
fn what_cannot_be_enrolled_leaves_no_key_behind() {
    let log = Log::new();
    let usage = log.run(&["gateway", "enroll", "GW"]).exits(2);
    assert!(usage.err.contains("[a-z0-9]"), "{usage:?}");
    for wrong in [
        &["gateway", "enroll", "gw", "--role", "admin"][..],
        &["gateway", "enroll", "gw", "--public-key", "x"],
    ] {
        log.run(wrong).exits(2);
    }
    log.run(&["gateway", "enroll", "gw"]).exits(0);
    let before = log.records().len();
    let again = log.run(&["gateway", "enroll", "gw"]).exits(1);
    assert!(
        again.err.contains("create"),
        "the first key is not overwritten: {again:?}"
    );
    let file = log.write("second.key", String::new());
    std::fs::remove_file(&file).expect("a name that is free");
    let path = file.to_str().expect("text");
    let again = log
        .run(&["gateway", "enroll", "gw", "--command-key-file", path])
        .exits(1);
    assert!(again.err.contains("take another name"), "{again:?}");
    assert!(!file.exists(), "a key that is not enrolled is not left behind");
    assert_eq!(log.records().len(), before);
}
