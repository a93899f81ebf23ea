//! The read model can be dropped: a projector that starts on an empty database replays the log from zero, and every page
//! of the timeline is the same, byte for byte.

use crate::client::Client;
use crate::house::{House, Role, address, at_rest};
use crate::load::Load;
use crate::outcome;
use std::net::SocketAddr;

/// Records that are written: enough for several pages of every timeline.
const RECORDS: u64 = 2_000;
/// Pages to read; each is followed to its end.
const QUESTIONS: [&str; 6] = [
    "limit=200",
    "limit=200&order=asc",
    "limit=100&order=occurred_desc",
    "limit=50&actor=agent:a3",
    "limit=7&session=session:4&order=asc",
    "limit=100&kind=audit.event",
];

#[test]
fn a_dropped_schema_is_replayed_from_zero_and_every_page_is_the_same() {
    let house = House::new();
    let ledger = house.start(Role::Ledger);
    let projector = house.start(Role::Projector);
    let gateway = house.start(Role::Gateway);
    let load = Load::new(Vec::new(), address(&gateway));
    std::thread::scope(|scope| {
        let client = scope.spawn(|| load.run());
        crate::process::until("records are acknowledged", || {
            (load.acknowledged() >= RECORDS).then_some(())
        });
        load.end();
        client.join().expect("no answer was wrong");
    });
    let size = at_rest(address(&gateway));
    let before = pages(address(&gateway));
    assert!(
        before.iter().map(Vec::len).sum::<usize>() > QUESTIONS.len() * 2,
        "pages are followed"
    );
    let digest = outcome::digest_of_postgres(&house);
    projector.stop();
    let dropped = house.runtime.block_on(drop_schemas(&house));
    assert!(dropped > 0, "there was a read model to drop");
    let projector = house.start(Role::Projector);
    assert_eq!(at_rest(address(&gateway)), size);
    assert_eq!(outcome::digest_of_postgres(&house), digest);
    let after = pages(address(&gateway));
    for ((question, before), after) in QUESTIONS.iter().zip(&before).zip(&after) {
        assert!(
            before == after,
            "{question}: {} pages before, {} after",
            before.len(),
            after.len()
        );
    }
    for process in [gateway, projector, ledger] {
        process.stop();
    }
}

/// Every page of every question, as it came.
fn pages(gateway: SocketAddr) -> Vec<Vec<Vec<u8>>> {
    QUESTIONS.map(|question| followed(gateway, question)).into()
}

fn followed(gateway: SocketAddr, question: &str) -> Vec<Vec<u8>> {
    let mut client = Client::connect(gateway).expect("the gateway listens");
    let (mut pages, mut cursor) = (Vec::new(), None);
    loop {
        let behind = cursor.map_or(String::new(), |cursor: String| format!("&cursor={cursor}"));
        let page = client.get(&format!("/v1/audit/timeline?{question}{behind}")).is(200);
        cursor = page.json()["next_cursor"].as_str().map(str::to_owned);
        pages.push(page.body);
        if cursor.is_none() {
            return pages;
        }
    }
}

/// Drops every schema of the read model and says how many there were.
async fn drop_schemas(house: &House) -> usize {
    let schemas = house
        .postgres
        .psql("select nspname from pg_namespace where nspname like 'sigil%'")
        .await;
    for schema in schemas.lines() {
        house.postgres.psql(&format!("drop schema \"{schema}\" cascade")).await;
    }
    schemas.lines().count()
}
