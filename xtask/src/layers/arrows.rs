//! Which dependencies a crate may declare: arrows inside the workspace, monopolies, pure rooms.
//!
//! Invariant: a crate or an arrow that no table lists is refused, so the tables stay complete. Dev-dependencies are
//! exempt, except that the verifier never sees the ledger, not even in a test.

use crate::finding::Finding;
use crate::workspace::{Dependency, Package, Purpose};

const ALL: &[&str] = &["*"];

/// The rooms of docs/ARCHITECTURE.md with the rooms that each may depend on.
const ROOMS: [(&str, &[&str]); 15] = [
    ("record", &[]),
    ("tlog", &[]),
    ("domain", &["record"]),
    ("import", &["record", "domain"]),
    ("ledger", &["record", "tlog", "domain", "ledger-client"]),
    ("ledger-client", &["record", "domain"]),
    ("projector", &["record", "domain", "tlog"]),
    ("projector-sqlite", &["record", "domain", "projector", "tlog"]),
    ("projector-postgres", &["record", "domain", "projector", "tlog"]),
    (
        "gateway",
        &["record", "domain", "tlog", "ledger-client", "projector", "witness"],
    ),
    ("verifier", &["record", "tlog", "domain"]),
    ("witness", &["tlog"]),
    ("sigil", ALL),
    ("testbed", &[]),
    ("xtask", &[]),
];

/// Foreign crates that only some rooms may use. A trailing or leading `*` stands for anything.
const MONOPOLIES: [(&str, &[&str]); 6] = [
    ("fjall", &["ledger"]),
    ("sqlx", &["projector-sqlite", "projector-postgres"]),
    ("axum", &["gateway"]),
    ("async-nats", &["ledger", "ledger-client", "projector", "sigil"]),
    ("opentelemetry*", &["sigil"]),
    ("*-opentelemetry", &["sigil"]),
];

/// Rooms without a clock, I/O or randomness, and the crates that would bring them.
const PURE: [&str; 4] = ["record", "tlog", "domain", "import"];
const IMPURE: [&str; 8] = [
    "tokio",
    "getrandom",
    "fjall",
    "sqlx",
    "axum",
    "hyper",
    "reqwest",
    "rand",
];

/// Every arrow out of `package` that is not allowed.
pub fn check(package: &Package, workspace: &[Package]) -> Vec<Finding> {
    let Some((_, allowed)) = ROOMS.iter().find(|(room, _)| *room == package.name) else {
        let message = "no room of this name: list it in docs/ARCHITECTURE.md and in xtask/src/layers/arrows.rs";
        return vec![Finding::fail(&package.name, 0, message)];
    };
    let ours = |name: &str| workspace.iter().any(|other| other.name == name);
    let judged = package.dependencies.iter().filter_map(|dependency| {
        let name = dependency.name.as_str();
        let refused = if name == package.name {
            None
        } else {
            refusal(&package.name, dependency, allowed, ours(name))
        };
        refused.map(|message| Finding::fail(&package.name, 0, message))
    });
    judged.collect()
}

fn refusal(room: &str, dependency: &Dependency, allowed: &[&str], ours: bool) -> Option<String> {
    let name = dependency.name.as_str();
    if room == "verifier" && name == "ledger" {
        return Some("the verifier never depends on the ledger, not even in a test".to_owned());
    }
    if dependency.purpose == Purpose::Dev {
        return None;
    }
    if ours && allowed != ALL && !allowed.contains(&name) {
        return Some(format!(
            "may not depend on {name}: docs/ARCHITECTURE.md lists no such arrow"
        ));
    }
    if let Some((_, holders)) = MONOPOLIES.iter().find(|(pattern, _)| fits(pattern, name))
        && !holders.contains(&room)
    {
        return Some(format!("may not depend on {name}: only {} may", holders.join(", ")));
    }
    if PURE.contains(&room) && IMPURE.contains(&name) {
        return Some(format!(
            "may not depend on {name}: this room is pure (no clock, no I/O, no randomness)"
        ));
    }
    None
}

fn fits(pattern: &str, name: &str) -> bool {
    match (pattern.strip_suffix('*'), pattern.strip_prefix('*')) {
        (Some(start), _) => name.starts_with(start),
        (_, Some(end)) => name.ends_with(end),
        _ => pattern == name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(room: &str, name: &str, purpose: Purpose) -> bool {
        let package = |name: &str, dependencies| Package {
            name: name.to_owned(),
            folder: String::new(),
            dependencies,
            tests: vec![],
        };
        let workspace: Vec<Package> = ROOMS.iter().map(|(name, _)| package(name, vec![])).collect();
        let dependency = Dependency {
            name: name.to_owned(),
            purpose,
        };
        !check(&package(room, vec![dependency]), &workspace).is_empty()
    }

    #[test]
    fn an_arrow_that_is_not_listed_is_refused() {
        assert!(refused("record", "domain", Purpose::Normal));
        assert!(refused("gateway", "ledger", Purpose::Normal));
        assert!(refused("gateway", "ledger", Purpose::Build));
        assert!(refused("xtask", "record", Purpose::Normal));
        assert!(!refused("gateway", "ledger", Purpose::Dev));
        assert!(!refused("gateway", "ledger-client", Purpose::Normal));
        assert!(!refused("sigil", "ledger", Purpose::Normal));
        assert!(!refused("projector-sqlite", "tlog", Purpose::Normal));
    }

    #[test]
    fn a_room_that_is_not_listed_is_refused() {
        assert!(refused("cache", "serde", Purpose::Normal));
        assert!(!refused("gateway", "serde", Purpose::Normal));
    }

    #[test]
    fn every_monopoly_is_kept() {
        for name in [
            "fjall",
            "sqlx",
            "axum",
            "async-nats",
            "opentelemetry-otlp",
            "tracing-opentelemetry",
        ] {
            assert!(refused("verifier", name, Purpose::Normal), "{name}");
            assert!(!refused("verifier", name, Purpose::Dev), "{name}");
        }
        let holders = [
            ("ledger", "fjall"),
            ("projector-sqlite", "sqlx"),
            ("gateway", "axum"),
            ("sigil", "opentelemetry"),
        ];
        for (room, name) in holders {
            assert!(!refused(room, name, Purpose::Normal), "{room} {name}");
        }
        assert!(refused("sigil", "fjall", Purpose::Normal));
        assert!(!refused("gateway", "axum-extra", Purpose::Normal));
    }

    #[test]
    fn a_pure_room_stays_pure() {
        for name in IMPURE {
            for room in PURE {
                assert!(refused(room, name, Purpose::Normal), "{room} {name}");
                assert!(!refused(room, name, Purpose::Dev), "{room} {name}");
            }
        }
        assert!(!refused("ledger", "tokio", Purpose::Normal));
        assert!(!refused("record", "serde_json", Purpose::Normal));
    }

    #[test]
    fn the_verifier_never_sees_the_ledger() {
        assert!(refused("verifier", "ledger", Purpose::Normal));
        assert!(refused("verifier", "ledger", Purpose::Dev));
        assert!(!refused("verifier", "tlog", Purpose::Normal));
    }
}
