//! `docker-compose.yml` and the files it mounts, against the configuration: every variable is a key, every role has what
//! it needs, and every file that is named is made by the setup and mounted where it is read.

use crate::log::{Ran, sigil};
use serde_norway::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn compose() -> Value {
    let mut value: Value = serde_norway::from_str(&text("docker-compose.yml")).expect("the file is YAML");
    value.apply_merge().expect("anchors are merged");
    value
}

fn strings(value: &Value) -> Vec<String> {
    let items = value.as_sequence().map(Vec::as_slice).unwrap_or_default();
    items
        .iter()
        .map(|item| item.as_str().expect("a string").to_owned())
        .collect()
}

fn environment(service: &Value) -> BTreeMap<String, String> {
    let entries = service["environment"].as_mapping().into_iter().flatten();
    entries
        .map(|(name, value)| {
            let text = |value: &Value| value.as_str().expect("names and values are strings").to_owned();
            (text(name), text(value))
        })
        .collect()
}

/// Container path and volume of every mount.
fn mounts(service: &Value) -> BTreeMap<String, String> {
    let parts = |mount: &String| {
        let mut parts = mount.split(':');
        let source = parts.next().expect("a source").to_owned();
        (parts.next().expect("a target").to_owned(), source)
    };
    strings(&service["volumes"]).iter().map(parts).collect()
}

const ROLES: [&str; 3] = ["ledger", "projector", "gateway"];

#[test]
fn every_role_has_a_configuration_that_passes_its_own_check() {
    let compose = compose();
    let nowhere = tempfile::tempdir().expect("a directory without a configuration file");
    for role in ROLES {
        let service = &compose["services"][role];
        assert_eq!(strings(&service["command"]), ["serve", "--role", role]);
        assert_eq!(
            strings(&service["healthcheck"]["test"]),
            ["CMD", "sigil", "health", "--role", role]
        );
        let environment = environment(service);
        let checked = Ran::of(
            sigil()
                .args(["config", "check", "--json", "--role", role])
                .envs(&environment)
                .current_dir(nowhere.path()),
        );
        let checked = checked.exits(0).json();
        assert_eq!(
            checked["notes"],
            serde_json::json!([]),
            "{role}: a variable that nobody reads"
        );
        // Each variable sets exactly one key of this role: none is there for nothing.
        let printed = Ran::of(
            sigil()
                .args(["config", "print", "--json", "--role", role])
                .envs(&environment)
                .current_dir(nowhere.path()),
        );
        let printed = printed.exits(0).json();
        let from_variables: BTreeSet<&str> = printed
            .as_object()
            .expect("an object")
            .values()
            .filter_map(|entry| entry["source"].as_str()?.strip_prefix("variable "))
            .collect();
        let given: BTreeSet<&str> = environment.keys().map(String::as_str).collect();
        assert_eq!(from_variables, given, "{role}");
    }
}

#[test]
fn every_file_that_a_role_reads_is_made_by_the_setup_and_mounted() {
    let compose = compose();
    let setup = &compose["services"]["setup"];
    let script = text("docker/setup.sh");
    let made = mounts(setup);
    for role in ROLES {
        let service = &compose["services"][role];
        let mounted = mounts(service);
        for (name, value) in environment(service).iter().filter(|(_, value)| value.starts_with('/')) {
            let path = Path::new(value);
            let (target, volume) = mounted
                .iter()
                .find(|(target, _)| path.starts_with(target))
                .unwrap_or_else(|| panic!("{role}: {name}={value} is not mounted"));
            // The same volume is where the setup writes it.
            let (place, _) = made
                .iter()
                .find(|(_, source)| *source == volume)
                .expect("the setup has the volume");
            let below = path.strip_prefix(target).expect("it is below").to_str().expect("text");
            let written = Path::new(place).join(below);
            let file = written.file_name().and_then(|file| file.to_str()).expect("a name");
            assert!(script.contains(file), "{role}: {name}: the setup makes no {file}");
        }
        // What belongs to others is out of reach.
        for volume in mounted.values() {
            let own = volume == &format!("{role}-secrets") || (role == "ledger" && volume == "ledger-data");
            assert!(own, "{role} has {volume}");
        }
    }
    let declared: BTreeSet<&str> = compose["volumes"]
        .as_mapping()
        .expect("volumes")
        .keys()
        .filter_map(Value::as_str)
        .collect();
    let services = compose["services"].as_mapping().expect("services");
    let used: BTreeSet<String> = services
        .values()
        .flat_map(|service| mounts(service).into_values())
        .filter(|source| !source.starts_with('.'))
        .collect();
    assert_eq!(declared, used.iter().map(String::as_str).collect());
    for source in services.values().flat_map(|service| mounts(service).into_values()) {
        assert!(
            !source.starts_with('.') || root().join(&source).exists(),
            "{source} is mounted and not there"
        );
    }
}

#[test]
fn nothing_secret_is_a_value_and_only_the_gateway_is_reached_from_outside() {
    let compose = compose();
    for (name, service) in compose["services"].as_mapping().expect("services") {
        let name = name.as_str().expect("a name");
        for (variable, value) in environment(service) {
            let secret = ["PASSWORD", "TOKEN", "KEY"].iter().any(|word| variable.contains(word));
            assert!(!secret || variable.ends_with("_FILE"), "{name}: {variable}={value}");
        }
        let published = strings(&service["ports"]);
        assert_eq!(published.is_empty(), name != "gateway", "{name}: {published:?}");
        assert!(
            published.iter().all(|port| port.starts_with("127.0.0.1:")),
            "{published:?}"
        );
    }
    for role in ROLES {
        let service = &compose["services"][role];
        assert_eq!(service["read_only"], Value::Bool(true), "{role}");
        assert_eq!(strings(&service["cap_drop"]), ["ALL"], "{role}");
    }
    let dockerfile = text("Dockerfile");
    assert!(dockerfile.contains("USER 10001:10001"), "not as root");
    for target in ["sigil", "setup"] {
        assert!(dockerfile.contains(&format!(" AS {target}\n")), "{target}");
    }
}
