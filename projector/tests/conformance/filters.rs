//! Every combination of filters against a plain filter over the records themselves.

use super::{Log, Model, Place, START, run_to, tenant};
use projector::query::{Field, Order, Pattern, Place as Cursor, Queries as _, Row, Span, Term, TimelineRequest};
use proptest::prelude::*;
use record::{Record, Timestamp};
use serde_json::json;
use std::cmp::Reverse;
use std::sync::LazyLock;
use tokio::runtime::Runtime;

/// One read model for all cases: several hundred records over small alphabets.
struct World {
    runtime: Runtime,
    model: Model,
    records: Vec<Record>,
    _place: Place,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let log = world_log();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let (place, model) = runtime.block_on(async {
        let place = Place::new().await;
        let model = place.open(&log.origin).await;
        run_to(&model, &mut log.source(100), log.records.len()).await;
        (place, model)
    });
    let records = log
        .records
        .iter()
        .map(|bytes| Record::parse(bytes.to_vec()).unwrap())
        .collect();
    World {
        runtime,
        model,
        records,
        _place: place,
    }
});

pub fn world_log() -> Log {
    let mut log = Log::sample(60);
    for at in 0..440_usize {
        let name = if at % 5 == 0 { "globex" } else { "acme" };
        log.next.ts += i64::from(at % 3 == 0) * 1_000;
        // A prime stride walks through all combinations of small alphabets.
        let step = at * 7_919;
        let targets = [
            ("actor", format!("agent:{}", ["a", "ab", "b", "\u{10ffff}"][step % 4])),
            ("actor", format!("agent:{}", ["x", "ab"][step / 4 % 2])),
            ("session", format!("session:s{}", step / 8 % 90)),
            ("subject", format!("user:{}", ["u", "v"][step / 3 % 2])),
            ("resource", format!("file:{}", step / 5 % 3)),
            ("proposal", format!("proposal:p{}", step / 7 % 4)),
        ];
        let links = targets.iter().enumerate().filter(|(bit, _)| (at >> bit) & 1 == 1);
        let links: Vec<(&str, &str)> = links.map(|(_, (label, target))| (*label, target.as_str())).collect();
        if at % 11 == 0 {
            log.append(
                name,
                "canon.user.write",
                json!({"key": "k", "value": at, "min_loa": 0}),
                &links,
            );
            continue;
        }
        let action = ["tool.call", "tool.read", "s3:Get", "tool"][step % 4];
        let outcome = ["success", "failure", "denied", "unknown"][step / 2 % 4];
        let mut payload = json!({"action": action, "outcome": outcome, "source": "test"});
        if at % 4 != 0 {
            let happened = START + (step as i64 % 40) * 1_000;
            payload["occurred_at"] = json!(Timestamp::from_micros(happened).unwrap().to_string());
        }
        log.append(name, "audit.event", payload, &links);
    }
    log
}

fn happened(record: &Record) -> Timestamp {
    let at = record.payload.get("occurred_at").and_then(|at| at.as_str());
    at.and_then(Timestamp::parse).unwrap_or(record.ts)
}

fn values<'a>(record: &'a Record, field: Field) -> Vec<&'a str> {
    let links = |label: &str| -> Vec<&'a str> {
        let links = record.links.iter().filter(|link| link.label() == label);
        links.map(record::Link::target).collect()
    };
    let member = |name: &str| {
        record
            .payload
            .get(name)
            .and_then(|value| value.as_str())
            .into_iter()
            .collect()
    };
    match field {
        Field::Actor => links("actor"),
        Field::Subject => links("subject"),
        Field::Resource => links("resource"),
        Field::Session => links("session"),
        Field::Proposal => links("proposal"),
        Field::Kind => vec![record.kind.as_str()],
        Field::Action => member("action"),
        Field::Outcome => member("outcome"),
    }
}

fn holds(record: &Record, term: &Term) -> bool {
    let matched = values(record, term.field).into_iter().any(|value| match &term.pattern {
        Pattern::Exact(text) => value == text,
        Pattern::Prefix(text) => value.starts_with(text.as_str()),
    });
    matched != term.negated
}

fn within(span: Span, time: Timestamp) -> bool {
    span.from.is_none_or(|from| from <= time) && span.until.is_none_or(|until| time < until)
}

/// The offsets that a request means, in its order, from a plain reading of the records.
fn expected(records: &[Record], request: &TimelineRequest) -> Vec<u64> {
    let matches = |record: &&Record| {
        record.tenant == request.tenant
            && request.terms.iter().all(|term| holds(record, term))
            && within(request.happened, happened(record))
            && within(request.recorded, record.ts)
    };
    let mut found: Vec<&Record> = records.iter().filter(matches).collect();
    match request.order {
        Order::RecordedAscending => found.sort_by_key(|record| record.offset),
        Order::RecordedDescending => found.sort_by_key(|record| Reverse(record.offset)),
        Order::HappenedAscending => found.sort_by_key(|record| (happened(record), record.offset)),
        Order::HappenedDescending => found.sort_by_key(|record| Reverse((happened(record), record.offset))),
    }
    found.into_iter().map(|record| record.offset).collect()
}

/// All pages of a request, one after the other by cursor.
async fn walk(model: &Model, mut request: TimelineRequest) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    loop {
        let page = model.timeline(request.clone()).await.unwrap();
        assert!(page.rows.len() <= usize::from(request.limit));
        assert!(!page.more || page.rows.len() == usize::from(request.limit));
        rows.extend(page.rows);
        let Some(last) = rows.last().filter(|_| page.more) else {
            return rows;
        };
        let (at, offset) = (last.at, last.offset);
        request.after = Some(Cursor { at, offset });
    }
}

fn pattern(field: Field) -> BoxedStrategy<Pattern> {
    let exact: &[&str] = match field {
        Field::Actor => &[
            "agent:a",
            "agent:ab",
            "agent:b",
            "agent:\u{10ffff}",
            "agent:a1",
            "agent:none",
        ],
        Field::Subject => &["user:u", "user:none", "user:u\u{0}"],
        Field::Resource => &["file:0", "file:2"],
        Field::Session => &["session:s1", "session:s7", "session:s88"],
        Field::Proposal => &["proposal:p1", "proposal:none"],
        Field::Kind => &["audit.event", "canon.user.write", "tenant.created", "no.kind"],
        Field::Action => &["tool", "tool\u{0}", "tool.call", "s3:Get", "tool.call1", "none"],
        Field::Outcome => &["denied", "success", "none"],
    };
    let prefix: &[&str] = match field {
        Field::Actor => &["", "agent:", "agent:a", "agent:\u{10ffff}", "z"],
        Field::Subject => &["user:", "x", "user:\u{0}"],
        Field::Resource => &["file:", "f"],
        Field::Session => &["session:", "session:s1", "session:s8"],
        Field::Proposal => &["proposal:", "q"],
        Field::Kind => &["", "a", "canon.", "z"],
        Field::Action => &["", "tool", "tool\u{0}", "tool.", "z"],
        Field::Outcome => &["", "d", "s"],
    };
    prop_oneof![
        3 => prop::sample::select(exact).prop_map(|text| Pattern::Exact(text.to_owned())),
        2 => prop::sample::select(prefix).prop_map(|text| Pattern::Prefix(text.to_owned())),
    ]
    .boxed()
}

fn term() -> impl Strategy<Value = Term> {
    let fields = [
        Field::Actor,
        Field::Subject,
        Field::Resource,
        Field::Session,
        Field::Proposal,
        Field::Kind,
        Field::Action,
        Field::Outcome,
    ];
    prop::sample::select(fields.to_vec()).prop_flat_map(|field| {
        (pattern(field), prop::bool::weighted(0.3)).prop_map(move |(pattern, negated)| Term {
            field,
            pattern,
            negated,
        })
    })
}

fn span(width: i64) -> impl Strategy<Value = Span> {
    let bound = || {
        prop::option::weighted(
            0.3,
            (-2..=width).prop_map(|at| Timestamp::from_micros(START + at * 500).unwrap()),
        )
    };
    (bound(), bound()).prop_map(|(from, until)| Span { from, until })
}

pub fn request() -> impl Strategy<Value = TimelineRequest> {
    let orders = [
        Order::RecordedAscending,
        Order::RecordedDescending,
        Order::HappenedAscending,
        Order::HappenedDescending,
    ];
    (
        prop::sample::select(&["acme", "acme", "globex", "nobody"][..]),
        prop::collection::vec(term(), 0..4),
        span(90),
        prop_oneof![3 => Just(Span::default()), 1 => span(60_000)],
        prop::sample::select(orders.to_vec()),
        prop::sample::select(vec![1_u16, 3, 50, 500]),
    )
        .prop_map(|(name, terms, happened, recorded, order, limit)| TimelineRequest {
            tenant: tenant(name),
            terms,
            happened,
            recorded,
            order,
            after: None,
            limit,
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn pages_hold_exactly_what_a_plain_filter_finds(request in request()) {
        let world = &*WORLD;
        let rows = world.runtime.block_on(walk(&world.model, request.clone()));
        let found: Vec<u64> = rows.iter().map(|row| row.offset).collect();
        prop_assert_eq!(found, expected(&world.records, &request), "{:?}", request);
        for row in rows {
            let record = &world.records[row.offset as usize];
            prop_assert_eq!((row.bytes.as_slice(), row.at), (record.bytes(), happened(record)));
        }
    }

    #[test]
    fn a_cursor_from_anywhere_is_a_place_in_the_order(request in request(), at in -5_i64..90, offset in any::<u64>()) {
        let world = &*WORLD;
        let (at, offset) = (Timestamp::from_micros(START + at * 500).unwrap(), if offset % 2 == 0 { offset } else { offset % 500 });
        let after = |record: &Record| match request.order {
            Order::RecordedAscending => record.offset > offset,
            Order::RecordedDescending => record.offset < offset,
            Order::HappenedAscending => (happened(record), record.offset) > (at, offset),
            Order::HappenedDescending => (happened(record), record.offset) < (at, offset),
        };
        let behind: Vec<Record> = world.records.iter().filter(|record| after(record)).cloned().collect();
        let cursor = TimelineRequest { after: Some(Cursor { at, offset }), ..request.clone() };
        let rows = world.runtime.block_on(walk(&world.model, cursor));
        let found: Vec<u64> = rows.iter().map(|row| row.offset).collect();
        prop_assert_eq!(found, expected(&behind, &request), "{:?}", request);
    }
}

#[test]
fn the_page_says_how_far_the_read_model_is_and_bounds_its_size() {
    let world = &*WORLD;
    let all = TimelineRequest {
        tenant: tenant("acme"),
        terms: vec![],
        happened: Span::default(),
        recorded: Span::default(),
        order: Order::RecordedDescending,
        after: None,
        limit: u16::MAX,
    };
    let page = world.runtime.block_on(world.model.timeline(all.clone())).unwrap();
    assert_eq!(page.position, world.records.len() as u64);
    assert!(page.rows.len() <= 500 && !page.rows.is_empty());
    let one = world
        .runtime
        .block_on(world.model.timeline(TimelineRequest { limit: 0, ..all }))
        .unwrap();
    assert_eq!((one.rows.len(), one.more), (1, true));
}
