//! The demo's records: a day in the life of five agents, made by rule, so that every run shows the same story.
//!
//! Several sessions, tool calls with their resources, refusals and failures, a few sealed prompts, and notes that agents
//! keep in the canon. Nothing in it is about anybody.

use record::{Auth, Author, Kind, Link, NewRecord, RecordId, Space, Tenant, Timestamp};
use serde_json::{Value, json};

/// What one agent does: its name, the tools it calls with their resources, and what it is refused.
struct Part {
    agent: &'static str,
    person: &'static str,
    tools: &'static [(&'static str, &'static str)],
    refused: (&'static str, &'static str, &'static str),
}

const CAST: [Part; 5] = [
    Part {
        agent: "agent:planner",
        person: "user:mira",
        tools: &[
            ("tool.search", "index:tickets"),
            ("tool.plan", "doc:roadmap"),
            ("tool.delegate", "agent:coder"),
        ],
        refused: ("tool.delegate", "agent:deployer", "delegation needs an approval"),
    },
    Part {
        agent: "agent:researcher",
        person: "user:mira",
        tools: &[
            ("tool.fetch", "url:docs.example.com"),
            ("tool.search", "index:papers"),
            ("tool.summarize", "doc:brief"),
        ],
        refused: (
            "tool.fetch",
            "url:intranet.example.com",
            "host is not on the allow list",
        ),
    },
    Part {
        agent: "agent:coder",
        person: "user:jonas",
        tools: &[
            ("tool.read", "repo:billing"),
            ("tool.edit", "repo:billing"),
            ("tool.test", "repo:billing"),
        ],
        refused: ("tool.push", "branch:billing/main", "the branch is protected"),
    },
    Part {
        agent: "agent:deployer",
        person: "user:jonas",
        tools: &[
            ("tool.build", "image:billing"),
            ("tool.deploy", "env:staging"),
            ("tool.probe", "env:staging"),
        ],
        refused: ("tool.deploy", "env:production", "two approvals are missing"),
    },
    Part {
        agent: "agent:support",
        person: "user:lena",
        tools: &[
            ("tool.read", "mailbox:support"),
            ("tool.reply", "ticket:4711"),
            ("tool.refund", "order:2093"),
        ],
        refused: ("tool.refund", "order:2094", "the amount is above the budget"),
    },
];

const SESSIONS: u64 = 24;
const STEPS: u64 = 16;
const DAY_MICROS: i64 = 86_400 * 1_000_000;

/// The day that ends at `now`, oldest first, for `tenant`.
pub fn day(now: Timestamp, tenant: &Tenant) -> Vec<NewRecord> {
    let start = now.micros() - DAY_MICROS;
    let mut records = Vec::new();
    for session in 0..SESSIONS {
        for step in 0..STEPS {
            let number = session * STEPS + step;
            let micros = start + (DAY_MICROS / (SESSIONS * STEPS) as i64) * number as i64 + jitter(number);
            let Some(at) = Timestamp::from_micros(micros) else {
                continue;
            };
            records.push(event(tenant, session, step, at));
        }
    }
    records.extend((0..12).map(|number| note(tenant, number, now)));
    records
}

fn event(tenant: &Tenant, session: u64, step: u64, at: Timestamp) -> NewRecord {
    let number = session * STEPS + step;
    let part = pick(&CAST, session);
    let (action, resource, outcome, reason) = match (step, mix(number) % 11) {
        (0, _) => ("session.open", "queue:work", "success", None),
        (step, _) if step == STEPS - 1 => ("session.close", "queue:work", "success", None),
        (_, 0) => (part.refused.0, part.refused.1, "denied", Some(part.refused.2)),
        (_, 1) => {
            let (tool, resource) = pick(part.tools, number);
            (*tool, *resource, "failure", Some("the tool timed out"))
        }
        _ => {
            let (tool, resource) = pick(part.tools, number);
            (*tool, *resource, "success", None)
        }
    };
    let mut data = json!({"step": step, "latency_ms": 20 + mix(number) % 900, "model": "assistant-3"});
    put(&mut data, "reason", reason.map(|reason| json!(reason)));
    let mut payload = json!({
        "action": action, "outcome": outcome, "occurred_at": at.to_string(), "source": "agent-runtime", "data": data,
    });
    let prompt = || json!({"prompt": format!("Please take care of work item {}.", 4_000 + session)});
    put(&mut payload, "private", (step == 1).then(prompt));
    let links = [
        ("actor", part.agent.to_owned()),
        ("subject", part.person.to_owned()),
        ("session", format!("session:{:04}", 1_000 + session)),
        ("resource", resource.to_owned()),
    ];
    new(tenant, "audit.event", payload, &links, at, number)
}

fn put(object: &mut Value, name: &str, value: Option<Value>) {
    if let (Some(members), Some(value)) = (object.as_object_mut(), value) {
        members.insert(name.to_owned(), value);
    }
}

fn note(tenant: &Tenant, number: u64, now: Timestamp) -> NewRecord {
    let part = pick(&CAST, number);
    let key = format!("notes/{}/{}", part.agent.trim_start_matches("agent:"), number / 5);
    let payload = json!({"key": key, "value": {"remember": "ask before touching production"}, "min_loa": 1});
    new(
        tenant,
        "canon.user.write",
        payload,
        &[("actor", part.agent.to_owned())],
        now,
        100_000 + number,
    )
}

fn new(tenant: &Tenant, kind: &str, payload: Value, links: &[(&str, String)], at: Timestamp, number: u64) -> NewRecord {
    let link =
        |(label, target): &(&str, String)| Link::new(*label, target.clone()).expect("the sample's links are legal");
    let unix_ms = u64::try_from(at.micros() / 1_000).unwrap_or(0);
    let [a, b, c, d, e, f, g, h] = mix(number).to_be_bytes();
    let mut links: Vec<Link> = links.iter().map(link).collect();
    links.sort();
    NewRecord {
        tenant: tenant.clone(),
        kind: Kind::parse(kind).expect("the sample's kinds are legal"),
        schema_version: 1,
        id: RecordId::new(unix_ms, [a, b, c, d, e, f, g, h, 0, 0]),
        space: Space::User,
        author: Author::new("local:demo", Auth::Local),
        payload,
        links,
        disclosures: Vec::new(),
    }
}

fn pick<T>(items: &[T], number: u64) -> &T {
    let at = usize::try_from(number).unwrap_or(0) % items.len().max(1);
    items.get(at).expect("the sample's lists are not empty")
}

/// Up to two minutes, in microseconds.
fn jitter(number: u64) -> i64 {
    i64::try_from(mix(number) % 120_000_000).unwrap_or(0)
}

/// SplitMix64: numbers that look random and are the same everywhere.
fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_of_the_day_passes_its_kind_and_no_id_repeats() {
        let now = Timestamp::parse("2026-11-20T12:00:00.000000Z").expect("a time");
        let records = day(now, &Tenant::parse("default").expect("a tenant"));
        let catalogue = domain::Catalogue::builtin();
        for record in &records {
            let spec = catalogue
                .find(&record.kind, record.schema_version)
                .expect("a known kind");
            assert_eq!(spec.check_intake(&record.payload), []);
        }
        let mut ids: Vec<RecordId> = records.iter().map(|record| record.id).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), records.len());
        assert!(records.len() > 300);
        let denied = records
            .iter()
            .filter(|record| record.payload["outcome"] == "denied")
            .count();
        assert!(denied > 10, "{denied}");
    }
}
