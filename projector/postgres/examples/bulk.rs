//! How fast a rebuild into Postgres is, beside the ways by which the same rows go into the same tables.
//!
//! `SIGIL_BENCH_POSTGRES_URL=postgres://.. cargo run --release -p projector-postgres --example bulk -- [RECORDS]` makes
//! that many signed records of about 1 KB, rebuilds a read model from them with every check, and then loads the finished
//! rows into empty tables with nothing to check or project: by UNNEST of arrays in memory, 1,024 rows at a time, and by
//! COPY of a text in memory, each without waiting for the disk, indexes and ANALYZE last. The live path, with all its
//! indexes and a commit that waits for the disk, runs too. Everything ends with the same digest, or the program fails.
//! Without the variable it starts a server of its own, and says so: its disk is not waited for.

#[path = "../../tests/log/mod.rs"]
mod log;

use log::Log;
use projector::{Cancel, ReadModel as _, Trigger};
use projector_postgres::{Config, ReadModel, statements};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use std::time::{Duration, Instant};

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// The tables with their columns and types, in the order in which they are filled.
const TABLES: [(&str, &[(&str, &str)]); 5] = [
    (
        "records",
        &[
            ("\"offset\"", "BIGINT"),
            ("tenant", "TEXT"),
            ("seq", "BIGINT"),
            ("id", "BYTEA"),
            ("kind", "TEXT"),
            ("hash", "BYTEA"),
            ("bytes", "BYTEA"),
        ],
    ),
    (
        "timeline",
        &[
            ("\"offset\"", "BIGINT"),
            ("tenant", "TEXT"),
            ("kind", "TEXT"),
            ("at", "BIGINT"),
            ("ts", "BIGINT"),
            ("action", "TEXT"),
            ("outcome", "TEXT"),
        ],
    ),
    (
        "timelines",
        &[
            ("id", "BIGINT"),
            ("tenant", "TEXT"),
            ("label", "TEXT"),
            ("target", "TEXT"),
            ("count", "BIGINT"),
        ],
    ),
    (
        "links",
        &[
            ("timeline", "BIGINT"),
            ("\"offset\"", "BIGINT"),
            ("position", "BIGINT"),
            ("at", "BIGINT"),
            ("tenant", "TEXT"),
        ],
    ),
    (
        "canon_entries",
        &[
            ("tenant", "TEXT"),
            ("key", "TEXT"),
            ("value", "BYTEA"),
            ("min_loa", "BIGINT"),
            ("\"offset\"", "BIGINT"),
        ],
    ),
];

/// Rows of one statement, as many records as a batch of the projector has.
const CHUNK: usize = 1_024;

/// A column of many rows.
enum Values {
    Integers(Vec<i64>),
    Texts(Vec<Option<String>>),
    Bytes(Vec<Vec<u8>>),
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Outcome<()> {
    let records = std::env::args().nth(1).map_or(Ok(100_000), |count| count.parse())?;
    let mut _own = None;
    let url = match std::env::var("SIGIL_BENCH_POSTGRES_URL") {
        Ok(url) => url,
        Err(_) => {
            let cluster = testbed::Postgres::cluster().await;
            println!("a server of its own, whose disk is not waited for");
            let url = cluster.url();
            _own = Some(cluster);
            url
        }
    };
    let log = synthetic(records);
    let bytes: usize = log.records.iter().map(|record| record.len()).sum();
    println!(
        "{} records of {} bytes on average",
        log.records.len(),
        bytes / log.records.len()
    );
    let config = Config::new(url.clone(), "bench");
    let model = ReadModel::reset(config.clone(), log.origin.clone()).await?;
    let rebuilt = timed(model.rebuild(&mut log.source(256), &mut |_| {}, &Cancel::never())).await?;
    report("rebuild, everything checked", records, rebuilt);

    let live_config = Config::new(url.clone(), "bench_live");
    let live = ReadModel::reset(live_config, log.origin.clone()).await?;
    let followed = timed(follow(&live, &log)).await?;
    report("live path, indexes in place", records, followed);

    let started = Instant::now();
    let digest = model.digest().await?;
    report("digest", records, started.elapsed());
    if live.digest().await? != digest {
        return Err("live and rebuilt tables differ".into());
    }
    let mut fastest = Duration::MAX;
    for (name, copies) in [("bulk, UNNEST", false), ("bulk, COPY", true)] {
        let copy = ReadModel::reset(Config::new(url.clone(), "bench_copy"), log.origin.clone()).await?;
        let took = bulk(&url, copies).await?;
        report(name, records, took);
        fastest = fastest.min(took);
        if copy.digest().await? != digest {
            return Err("the bulk copy differs".into());
        }
        copy.close().await;
    }
    let percent = 100.0 * fastest.as_secs_f64() / rebuilt.as_secs_f64();
    println!("rebuild at {percent:.0} % of the fastest bulk rate");
    Ok(())
}

fn report(name: &str, records: usize, took: Duration) {
    let rate = records as f64 / took.as_secs_f64();
    println!("{name:<30} {:>8.2} s {rate:>10.0} records/s", took.as_secs_f64());
}

async fn timed<E: std::error::Error + Send + Sync + 'static>(
    work: impl Future<Output = Result<(), E>>,
) -> Outcome<Duration> {
    let started = Instant::now();
    work.await?;
    Ok(started.elapsed())
}

/// Events of about 1 KB with the four usual timelines: few kinds, hundreds of actors, many sessions and resources.
fn synthetic(records: usize) -> Log {
    let mut log = Log::sample(100);
    let filler = "x".repeat(60);
    for at in log.records.len()..records {
        log.next.ts += 90;
        let (actor, session) = (format!("agent:a{}", at % 500), format!("session:s{}", at / 40));
        let resource = format!("file:srv/data/{}", at * 7_919 % 20_000);
        let data: Vec<String> = (0..8).map(|line| format!("{filler}-{at}-{line}")).collect();
        let payload = json!({
            "action": format!("tool.call{}", at % 12), "outcome": if at % 50 == 0 { "denied" } else { "success" },
            "source": "bench", "data": {"lines": data},
        });
        let links = [("actor", &*actor), ("session", &*session), ("resource", &*resource)];
        log.append("acme", "audit.event", payload, &links);
    }
    log
}

async fn follow(model: &ReadModel, log: &Log) -> Result<(), projector::Error> {
    let (trigger, cancel) = Trigger::new();
    let mut positions = model.positions();
    let until = log.records.len() as u64;
    let mut source = log.source(256);
    let reached = async {
        if positions.wait_for(|position| *position >= until).await.is_ok() {
            trigger.cancel();
        }
    };
    let (outcome, ()) = tokio::join!(model.run(&mut source, &cancel), reached);
    outcome
}

/// The schema that is current in a control schema.
async fn generation(connection: &mut PgConnection, control: &str) -> Outcome<String> {
    let select = AssertSqlSafe(format!("SELECT generation FROM {control}.pointer"));
    let number: i64 = sqlx::query_scalar(select).fetch_one(connection).await?;
    Ok(format!("{control}_g{number}"))
}

/// Loads the rows of the rebuilt tables into the empty ones of `sigil_bench_copy`; the time to read them into memory does
/// not count.
async fn bulk(url: &str, copies: bool) -> Outcome<Duration> {
    let mut connection = PgConnection::connect(url).await?;
    let source = generation(&mut connection, "sigil_bench").await?;
    let target = generation(&mut connection, "sigil_bench_copy").await?;
    run(
        &mut connection,
        "SET synchronous_commit = off; SET maintenance_work_mem = '128MB'".to_owned(),
    )
    .await?;
    run(&mut connection, format!("SET search_path = {target}")).await?;
    let indexes: Vec<(String, String)> = sqlx::query_as(statements::SELECT_LATE_INDEXES)
        .bind(&target)
        .fetch_all(&mut connection)
        .await?;
    for (name, _) in &indexes {
        run(&mut connection, format!("DROP INDEX {target}.{name}")).await?;
    }
    let mut took = Duration::ZERO;
    for (table, columns) in TABLES {
        took += if copies {
            copy(&mut connection, &source, table).await?
        } else {
            unnest(&mut connection, &source, table, columns).await?
        };
    }
    let started = Instant::now();
    for (_, text) in indexes {
        run(&mut connection, text).await?;
    }
    run(&mut connection, statements::ANALYZE.to_owned()).await?;
    took += started.elapsed();
    let state = format!(
        "UPDATE projection_state SET position = (SELECT position FROM {source}.projection_state WHERE name = 'timeline')"
    );
    run(&mut connection, state).await?;
    connection.close().await?;
    Ok(took)
}

async fn run(connection: &mut PgConnection, statement: String) -> Outcome<()> {
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(connection).await?;
    Ok(())
}

/// The server's own COPY into the client's memory, and from there into the other table.
async fn copy(connection: &mut PgConnection, source: &str, table: &str) -> Outcome<Duration> {
    use futures_util::TryStreamExt as _;
    let out = format!("COPY {source}.{table} TO STDOUT (FORMAT binary)");
    let pieces: Vec<_> = connection.copy_out_raw(&out).await?.try_collect().await?;
    let bytes: Vec<u8> = pieces.concat();
    let started = Instant::now();
    let mut input = connection
        .copy_in_raw(&format!("COPY {table} FROM STDIN (FORMAT binary)"))
        .await?;
    for piece in bytes.chunks(1 << 20) {
        input.send(piece).await?;
    }
    input.finish().await?;
    Ok(started.elapsed())
}

async fn unnest(
    connection: &mut PgConnection,
    source: &str,
    table: &str,
    columns: &[(&str, &str)],
) -> Outcome<Duration> {
    let mut took = Duration::ZERO;
    let mut read = Vec::new();
    for (name, kind) in columns {
        let select = AssertSqlSafe(format!("SELECT {name} FROM {source}.{table} ORDER BY ctid"));
        read.push(match *kind {
            "BIGINT" => Values::Integers(sqlx::query_scalar(select).fetch_all(&mut *connection).await?),
            "TEXT" => Values::Texts(sqlx::query_scalar(select).fetch_all(&mut *connection).await?),
            _ => Values::Bytes(sqlx::query_scalar(select).fetch_all(&mut *connection).await?),
        });
    }
    let arrays: Vec<String> = (1..)
        .zip(columns)
        .map(|(at, (_, kind))| format!("${at}::{kind}[]"))
        .collect();
    let text = format!("INSERT INTO {table} SELECT * FROM unnest({})", arrays.join(", "));
    let rows = read.first().map_or(0, Values::len);
    for from in (0..rows).step_by(CHUNK) {
        let until = (from + CHUNK).min(rows);
        let started = Instant::now();
        let insert = read.iter().fold(
            sqlx::query(AssertSqlSafe(text.clone())),
            |insert, column| match column {
                Values::Integers(values) => insert.bind(values.get(from..until).unwrap_or_default().to_vec()),
                Values::Texts(values) => insert.bind(values.get(from..until).unwrap_or_default().to_vec()),
                Values::Bytes(values) => insert.bind(values.get(from..until).unwrap_or_default().to_vec()),
            },
        );
        insert.execute(&mut *connection).await?;
        took += started.elapsed();
    }
    Ok(took)
}

impl Values {
    fn len(&self) -> usize {
        match self {
            Self::Integers(values) => values.len(),
            Self::Texts(values) => values.len(),
            Self::Bytes(values) => values.len(),
        }
    }
}
