//! The filter in memory and the SQL of the SQLite read model about the same records.

use super::{Event, Filter};
use crate::testing::Memory;
use crate::trial::{Trial, event};
use projector::query::{Field, Order, Pattern, Pending, Queries as _, Span, Term, TimelineRequest};
use projector::{Error, ReadModel as _, Source, Trigger};
use projector_sqlite::ReadModel;
use proptest::prelude::*;
use proptest::sample::select;
use record::{Origin, Tenant, Timestamp};
use serde_json::{Value, json};
use std::sync::Arc;

/// The records of a log in memory.
struct Replay(Arc<Memory>);

impl Source for Replay {
    fn next(&mut self, from: u64) -> Pending<'_, Vec<Arc<[u8]>>> {
        Box::pin(async move {
            let rest = self.0.records().into_iter().filter(|record| record.offset >= from);
            let rest: Vec<Arc<[u8]>> = rest.map(|record| record.bytes().into()).collect();
            if rest.is_empty() {
                std::future::pending::<()>().await;
            }
            Ok(rest)
        })
    }

    fn head(&mut self) -> Pending<'_, u64> {
        Box::pin(async { Ok::<_, Error>(self.0.size()) })
    }
}

/// Texts that are prefixes of one another, that order oddly, and that mean something in SQL.
const TEXTS: [&str; 8] = ["a", "a:b", "a:b%", "a:b_c", "a:é", "a:\u{10ffff}", "A:b", "b"];
const OUTCOMES: [&str; 4] = ["success", "failure", "denied", "unknown"];
const LABELS: [&str; 5] = ["actor", "subject", "resource", "session", "proposal"];

fn target() -> impl Strategy<Value = String> {
    select(TEXTS.as_slice()).prop_map(|text| format!("x:{text}"))
}

fn day() -> impl Strategy<Value = String> {
    (1..28_u8).prop_map(|day| format!("2026-11-{day:02}T00:00:00.000000Z"))
}

fn records() -> impl Strategy<Value = Vec<Value>> {
    let links = prop::collection::btree_set((select(LABELS.as_slice()), target()), 0..5);
    let one = (
        links,
        select(TEXTS.as_slice()),
        select(OUTCOMES.as_slice()),
        prop::option::of(day()),
        0..5_u8,
    );
    let one = one.prop_map(|(links, action, outcome, occurred, shape)| {
        let links: Vec<Value> = links.iter().map(|(label, target)| json!({"label": label, "target": target})).collect();
        if shape == 0 {
            // A kind of another shape, with members of the same names inside its value.
            let value = json!({"action": action, "outcome": outcome});
            return json!({"kind": "canon.user.write", "payload": {"key": action, "value": value, "min_loa": 0}, "links": links});
        }
        let mut event = event("x:a", action, outcome);
        event["links"] = json!(links);
        if shape == 1 {
            event["tenant"] = json!("sigil-other");
        }
        if let Some(occurred) = occurred {
            event["payload"]["occurred_at"] = json!(occurred);
        }
        event
    });
    prop::collection::vec(one, 1..40)
}

fn term() -> impl Strategy<Value = Term> {
    let field = select(vec![
        Field::Actor,
        Field::Subject,
        Field::Resource,
        Field::Session,
        Field::Kind,
        Field::Action,
        Field::Outcome,
    ]);
    (
        field,
        select(TEXTS.as_slice()),
        select(OUTCOMES.as_slice()),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(field, text, outcome, prefix, negated)| {
            let text = match field {
                Field::Action => text.to_owned(),
                Field::Outcome if prefix => outcome.chars().take(3).collect(),
                Field::Outcome => outcome.to_owned(),
                Field::Kind if prefix => format!("audit.{}", if negated { "event" } else { "" }),
                Field::Kind => "audit.event".to_owned(),
                _ => format!("x:{text}"),
            };
            let pattern = if prefix {
                Pattern::Prefix(text)
            } else {
                Pattern::Exact(text)
            };
            Term {
                field,
                pattern,
                negated,
            }
        })
}

fn span(first: &'static str) -> impl Strategy<Value = Span> {
    let bound = move || {
        prop::option::of((0..28 * 86_400_i64).prop_map(move |seconds| {
            let first = Timestamp::parse(first).unwrap().micros();
            Timestamp::from_micros(first + seconds * 1_000_000).unwrap()
        }))
    };
    (bound(), bound()).prop_map(|(from, until)| Span { from, until })
}

fn question() -> impl Strategy<Value = TimelineRequest> {
    let spans = prop_oneof![
        3 => Just((Span::default(), Span::default())),
        1 => (span("2026-11-01T00:00:00.000000Z"), Just(Span::default())),
        // Records are a second apart.
        1 => (Just(Span::default()), (0..40_i64, 0..40_i64).prop_map(|(from, until)| {
            let first = Timestamp::parse("2026-11-20T12:00:00.000000Z").unwrap().micros();
            let time = |seconds: i64| Timestamp::from_micros(first + seconds * 1_000_000);
            Span { from: time(from), until: time(until) }
        })),
    ];
    (prop::collection::vec(term(), 0..4), spans).prop_map(|(terms, (happened, recorded))| TimelineRequest {
        tenant: Tenant::parse("default").unwrap(),
        terms,
        happened,
        recorded,
        order: Order::RecordedAscending,
        after: None,
        limit: 500,
    })
}

async fn compare(records: Vec<Value>, questions: Vec<TimelineRequest>) -> Result<(), TestCaseError> {
    let trial = Trial::new();
    let tenant = json!({"tenant": "sigil-other", "name": "Other"});
    trial.post("/admin/tenants", &tenant).await;
    for record in &records {
        trial.append(record).await;
    }
    let dir = tempfile::tempdir().unwrap();
    let model = ReadModel::open(dir.path(), Origin::parse("example.com/audit").unwrap())
        .await
        .unwrap();
    let (trigger, cancel) = Trigger::new();
    let mut source = Replay(Arc::clone(&trial.memory));
    let mut positions = model.positions();
    let (ran, ()) = tokio::join!(model.run(&mut source, &cancel), async {
        positions
            .wait_for(|position| *position == trial.memory.size())
            .await
            .unwrap();
        trigger.cancel();
    });
    ran.unwrap();
    let events: Vec<Event> = trial
        .memory
        .records()
        .iter()
        .map(|record| Event::parse(record.bytes().into()).unwrap())
        .collect();
    for question in questions {
        let filter = Filter::of(&question);
        let found: Vec<u64> = events
            .iter()
            .filter(|event| event.tenant == question.tenant && filter.matches(event))
            .map(|event| event.offset)
            .collect();
        let rows = model.timeline(question.clone()).await.unwrap().rows;
        prop_assert_eq!(
            found,
            rows.iter().map(|row| row.offset).collect::<Vec<_>>(),
            "{:?}",
            question
        );
        for row in rows {
            let event = &events[usize::try_from(row.offset).unwrap()];
            prop_assert_eq!((event.at, &*event.bytes), (row.at, row.bytes.as_slice()));
        }
    }
    model.close().await;
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn memory_and_sql_agree(records in records(), questions in prop::collection::vec(question(), 30)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(compare(records, questions))?;
    }
}
