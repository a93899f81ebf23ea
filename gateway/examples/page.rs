//! The page over a ledger in memory, to look at it: `cargo run -p gateway --example page`, then open the printed address.
//!
//! A record is added every few seconds. `page open` serves the page without a token; `page <port>` uses that port.

#[path = "../src/testing/mod.rs"]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "shared with the tests, where it is allowed"
)]
mod testing;

use gateway::{App, Config, LocalAuth};
use ledger_client::{Append, LedgerClient as _};
use record::{Auth, Author, Kind, Link, NewRecord, RecordId, Space, Tenant};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let open = arguments.iter().any(|argument| argument == "open");
    let port = arguments
        .iter()
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(8_080_u16);
    let memory = testing::Memory::new();
    for number in 0..120 {
        memory.append(sample(number)).await.expect("the sample is valid");
    }
    memory.checkpoint();
    memory.witness();
    let app = App {
        ledger: Arc::clone(&memory) as _,
        queries: Arc::clone(&memory) as _,
        auth: LocalAuth::new("example-token", open),
        cursor_key: [1; 32],
        config: Config::default(),
        board: None,
    };
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port))
        .await
        .expect("the port is free");
    println!(
        "http://{}/ token: example-token",
        listener.local_addr().expect("it is bound")
    );
    tokio::spawn(async move {
        for number in 120.. {
            tokio::time::sleep(Duration::from_secs(3)).await;
            memory.append(sample(number)).await.expect("the sample is valid");
            memory.checkpoint();
            memory.witness();
        }
    });
    gateway::serve(listener, app.router(), &Config::default(), std::future::pending()).await;
}

fn sample(number: u64) -> Append {
    let pick = |of: &[&'static str], by: u64| {
        *of.get(usize::try_from((number * by) % of.len() as u64).unwrap_or(0))
            .unwrap_or(&"x")
    };
    let mut entropy = [0; 10];
    entropy[2..].copy_from_slice(&number.to_be_bytes());
    let target = |label: &str, target: String| Link::new(label, target).expect("the sample's targets are valid");
    let links = vec![
        target(
            "actor",
            format!("agent:{}", pick(&["planner", "coder", "reviewer", "deployer"], 7)),
        ),
        target(
            "resource",
            format!(
                "repo:{}",
                pick(&["billing/main.rs", "docs/README.md", "infra/prod.tf"], 5)
            ),
        ),
        target("session", format!("session:{}", number / 15)),
    ];
    let payload = json!({
        "action": pick(&["tool.call", "file.write", "approval.request", "deploy.start", "login"], 3),
        "outcome": pick(&["success", "success", "success", "denied", "failure", "success", "unknown"], 1),
        "source": "agent-runtime",
        "data": {"step": number, "note": "wrote <b>markup</b> & \"quotes\""},
    });
    let record = NewRecord {
        tenant: Tenant::parse("default").expect("a valid name"),
        kind: Kind::parse("audit.event").expect("a valid name"),
        schema_version: 1,
        id: RecordId::new(1_763_640_000_000 + number, entropy),
        space: Space::User,
        author: Author::new("local:operator", Auth::Local),
        payload,
        links: record::link::normalize(links).expect("three links"),
        disclosures: Vec::new(),
    };
    Append { record, guard: None }
}
