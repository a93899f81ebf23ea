//! How fast a rebuild is, beside the fastest ways by which the same rows go into the same tables.
//!
//! `cargo run --release -p projector-sqlite --example bulk -- [RECORDS]` makes that many signed records of about 1 KB,
//! rebuilds a read model from them with every check, and then loads the finished rows into empty tables with nothing to
//! check or project: by prepared multi-row inserts of values in memory, and by INSERT .. SELECT inside SQLite, each in one
//! transaction without journal or sync, indexes last. The live path, with all its indexes, runs too. Everything ends with
//! the same digest, or the program fails.

#[path = "../../tests/log/mod.rs"]
mod log;

use futures_util::TryStreamExt as _;
use log::Log;
use projector::{Cancel, ReadModel as _, Trigger};
use projector_sqlite::{ReadModel, schema, statements};
use serde_json::json;
use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqliteLockingMode, SqliteSynchronous};
use sqlx::{
    Arguments as _, AssertSqlSafe, Column as _, ConnectOptions as _, Connection as _, Row as _, SqliteConnection,
};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// The tables in the order in which they are filled.
const TABLES: [&str; 6] = [
    "records",
    "timeline",
    "timelines",
    "links",
    "canon_entries",
    "projection_state",
];

/// A value on its way from one database into another.
#[derive(Clone)]
enum Value {
    Null,
    Integer(i64),
    Text(String),
    Bytes(Vec<u8>),
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Outcome<()> {
    let records = std::env::args().nth(1).map_or(Ok(100_000), |count| count.parse())?;
    let log = synthetic(records);
    let bytes: usize = log.records.iter().map(|record| record.len()).sum();
    println!(
        "{} records of {} bytes on average",
        log.records.len(),
        bytes / log.records.len()
    );

    let (reading, checking) = check(&log)?;
    report("parse and hash, one thread", records, reading);
    report("check and project alone", records, checking);

    let dir = tempfile::tempdir()?;
    let model = ReadModel::open(&dir.path().join("model"), log.origin.clone()).await?;
    let rebuilt = timed(model.rebuild(&mut log.source(256), &mut |_| {}, &Cancel::never())).await?;
    report("rebuild, everything checked", records, rebuilt);

    let live = ReadModel::open(&dir.path().join("live"), log.origin.clone()).await?;
    let followed = timed(follow(&live, &log)).await?;
    report("live path, indexes in place", records, followed);

    let started = Instant::now();
    let digest = model.digest().await?;
    report("digest", records, started.elapsed());
    if live.digest().await? != digest {
        return Err("live and rebuilt tables differ".into());
    }
    model.close().await;
    let source = database(&dir.path().join("model"))?;
    let mut fastest = Duration::MAX;
    for (name, inside) in [("bulk, multi-row inserts", false), ("bulk, INSERT .. SELECT", true)] {
        let target = dir.path().join(if inside { "inside" } else { "outside" });
        let took = bulk(&source, &target, inside).await?;
        report(name, records, took);
        fastest = fastest.min(took);
        let copy = open_copy(&target, &log).await?;
        if copy.digest().await? != digest {
            return Err("the bulk copy differs".into());
        }
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

/// Times parsing alone, and checking with projecting, of batches as large as a consumer's.
fn check(log: &Log) -> Outcome<(Duration, Duration)> {
    let started = Instant::now();
    for bytes in &log.records {
        record::Record::parse(bytes.to_vec())?;
    }
    let reading = started.elapsed();
    let catalogue = std::sync::Arc::new(domain::Catalogue::builtin());
    let mut checker = projector::Checker::new(catalogue, domain::State::new(log.origin.clone()));
    let (started, mut changes) = (Instant::now(), 0);
    for batch in log.records.chunks(1_024) {
        let (next, checked) = checker.check(batch)?;
        changes += checked.iter().map(|one| one.changes().len()).sum::<usize>();
        checker = next;
    }
    assert!(changes > 4 * log.records.len());
    Ok((reading, started.elapsed()))
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

fn database(dir: &Path) -> Outcome<PathBuf> {
    let current = std::fs::read_to_string(dir.join("CURRENT"))?;
    Ok(dir.join(format!("{:08}.sqlite", current.trim().parse::<u64>()?)))
}

async fn open_copy(dir: &Path, log: &Log) -> Outcome<ReadModel> {
    std::fs::write(dir.join("CURRENT"), "1\n")?;
    Ok(ReadModel::open(dir, log.origin.clone()).await?)
}

/// Loads the rows of `source` into empty tables in `dir`; the time to read them into memory does not count.
async fn bulk(source: &Path, dir: &Path, inside: bool) -> Outcome<Duration> {
    std::fs::create_dir_all(dir)?;
    let options = SqliteConnectOptions::new()
        .filename(dir.join("00000001.sqlite"))
        .create_if_missing(true)
        .page_size(8_192)
        .journal_mode(SqliteJournalMode::Off)
        .synchronous(SqliteSynchronous::Off)
        .locking_mode(SqliteLockingMode::Exclusive)
        .pragma("cache_size", "-131072")
        .pragma("threads", "2")
        .disable_statement_logging();
    let mut connection = options.connect().await?;
    schema::migrate(&mut connection).await?;
    let indexes: Vec<(String, String)> = sqlx::query_as(statements::SELECT_LATE_INDEXES)
        .fetch_all(&mut connection)
        .await?;
    for (name, _) in &indexes {
        run(&mut connection, format!("DROP INDEX {name}")).await?;
    }
    run(&mut connection, format!("ATTACH '{}' AS source", source.display())).await?;
    let mut took = Duration::ZERO;
    run(&mut connection, "BEGIN".to_owned()).await?;
    for table in TABLES {
        took += if inside {
            let started = Instant::now();
            // The condition keeps SQLite from copying whole pages, which no rows from elsewhere could be.
            run(
                &mut connection,
                format!("INSERT INTO main.{table} SELECT * FROM source.{table} WHERE TRUE"),
            )
            .await?;
            started.elapsed()
        } else {
            insert(&mut connection, table).await?
        };
    }
    let started = Instant::now();
    run(&mut connection, "COMMIT".to_owned()).await?;
    for (_, text) in indexes {
        run(&mut connection, text).await?;
    }
    took += started.elapsed();
    connection.close().await?;
    Ok(took)
}

async fn run(connection: &mut SqliteConnection, statement: String) -> Outcome<()> {
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(connection).await?;
    Ok(())
}

async fn insert(connection: &mut SqliteConnection, table: &str) -> Outcome<Duration> {
    let (columns, mut rows) = read(connection, table).await?;
    let row = format!("({})", vec!["?"; columns].join(","));
    let mut took = Duration::ZERO;
    while !rows.is_empty() {
        let size = if rows.len() >= 256 { 256 } else { 1 };
        let chunk: Vec<Vec<Value>> = rows.drain(..size).collect();
        let text = format!("INSERT INTO main.{table} VALUES {}", vec![row.as_str(); size].join(","));
        let started = Instant::now();
        let mut values = SqliteArguments::default();
        for value in chunk.into_iter().flatten() {
            match value {
                Value::Null => values.add(None::<i64>)?,
                Value::Integer(integer) => values.add(integer)?,
                Value::Text(text) => values.add(text)?,
                Value::Bytes(bytes) => values.add(bytes)?,
            }
        }
        sqlx::query_with(AssertSqlSafe(text), values)
            .execute(&mut *connection)
            .await?;
        took += started.elapsed();
    }
    Ok(took)
}

async fn read(
    connection: &mut SqliteConnection,
    table: &str,
) -> Outcome<(usize, std::collections::VecDeque<Vec<Value>>)> {
    let statement = AssertSqlSafe(format!("SELECT * FROM source.{table}"));
    let mut rows = sqlx::query(statement).fetch(connection);
    let (mut columns, mut read) = (0, std::collections::VecDeque::new());
    while let Some(row) = rows.try_next().await? {
        columns = row.len();
        let mut values = Vec::with_capacity(columns);
        for column in row.columns() {
            values.push(value(&row, column.ordinal())?);
        }
        read.push_back(values);
    }
    Ok((columns, read))
}

fn value(row: &sqlx::sqlite::SqliteRow, at: usize) -> Outcome<Value> {
    use sqlx::{TypeInfo as _, ValueRef as _};
    let raw = row.try_get_raw(at)?;
    Ok(match raw.type_info().name() {
        _ if raw.is_null() => Value::Null,
        "INTEGER" => Value::Integer(row.try_get(at)?),
        "TEXT" => Value::Text(row.try_get(at)?),
        _ => Value::Bytes(row.try_get(at)?),
    })
}
