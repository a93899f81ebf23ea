//! `sigil demo`: the whole product in one command, on a day of sample records, in plain words.

mod proof;

use crate::cli::Demo;
use crate::command::serve::{loopback_only, until_stopped};
use crate::command::{init, projection, timeline, verify};
use crate::embedded::Embedded;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::place::Place;
use crate::stop::Signals;
use crate::witnesses::local;
use crate::{sample, secret};
use gateway::LocalAuth;
use ledger_client::LedgerClient as _;
use ledger_client::proof::{Answer, Question, SignedCheckpoint};
use projector::ReadModel as _;
use projector::query::{Field, Order, Pattern, Queries as _, Span, Term, TimelineRequest};
use record::{Origin, Slug, Tenant};
use serde_json::json;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Instant;
use tokio::net::TcpListener;

/// How long a quorum of witnesses on this machine may take.
const QUORUM_WAIT_MS: u64 = 20_000;

/// Where the demo's log lives; a temporary directory goes with the demo.
struct Home {
    dir: PathBuf,
    temporary: bool,
}

impl Home {
    fn new(kept: Option<PathBuf>) -> Result<Self, Failure> {
        let temporary = kept.is_none();
        let dir = kept.unwrap_or_else(|| std::env::temp_dir().join(format!("sigil-demo-{}", std::process::id())));
        if dir.exists() {
            return Err(ledger::Error::Exists(dir).into());
        }
        std::fs::create_dir_all(&dir)?;
        Ok(Self { dir, temporary })
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if self.temporary {
            // Nobody can do anything about it any more.
            let _left = std::fs::remove_dir_all(&self.dir);
        }
    }
}

/// Runs the tour, then serves the page until Ctrl-C.
pub async fn run(args: Demo, output: &Output) -> Result<Exit, Failure> {
    loopback_only(args.listen)?;
    let mut signals = Signals::listen()?;
    let home = Home::new(args.data_dir)?;
    let place = Place::below(&home.dir);
    let verified = tokio::select! {
        verified = tour(&place, output) => verified?,
        // The temporary directory goes with `home`.
        _ = signals.requested() => return Ok(Exit::Interrupted),
    };
    if verified != Exit::Ok || args.exit {
        say(output, &format!("\nDone. The log was in {}.", place.data_dir.display()));
        return Ok(verified);
    }
    serve(&place, args.listen, &mut signals, output).await
}

async fn tour(place: &Place, output: &Output) -> Result<Exit, Failure> {
    let tenant = init::tenant("default")?;
    create(place, &tenant, output).await?;
    let (embedded, local) = local::open(place).await?;
    let records = append(&embedded, &tenant, output).await?;
    show_timeline(&embedded, &tenant, output).await?;
    rebuild(&embedded, output).await?;
    witnessed(&embedded, records, output).await?;
    embedded.catch_up().await?;
    proof::show(&embedded, &place.trust_file(), output).await?;
    local.close(embedded).await?;
    check(place, output).await
}

fn say(output: &Output, text: &str) {
    if !output.is_json() {
        output.line(text);
    }
}

async fn create(place: &Place, tenant: &Tenant, output: &Output) -> Result<(), Failure> {
    let init = ledger::Init {
        config: place.config(),
        root_key_file: place.root_key_file(),
        log: Origin::parse("localhost/demo").expect("the demo's origin is legal"),
        slug: Slug::parse("demo").expect("the demo's slug is legal"),
        tenants: vec![tenant.clone()],
    };
    let created = init::create(init, &place.trust_file()).await?;
    say(
        output,
        "1. A log was created: fresh keys, a signed genesis record, and a trust file for verifiers.",
    );
    say(output, &format!("   genesis {}", created.genesis_hash));
    Ok(())
}

/// Appends the sample; gives how many records the log has up to its last one.
async fn append(embedded: &Embedded, tenant: &Tenant, output: &Output) -> Result<u64, Failure> {
    let now = ledger::Clock::read(&ledger::SystemClock).wall;
    let records = sample::day(now, tenant);
    let start = Instant::now();
    let receipts = embedded.handle.append_many(records).await?;
    let receipts = receipts.into_iter().collect::<Result<Vec<_>, _>>()?;
    let (count, took) = (receipts.len(), start.elapsed());
    let ends = receipts.iter().map(|receipt| receipt.committed.offset + 1);
    let records = ends.max().unwrap_or_default();
    // With a map over them the log is quiet, and the read model can be compared with all of it.
    covered(embedded, records).await?;
    embedded.catch_up().await?;
    say(
        output,
        &format!(
            "\n2. {count} records of agent activity were signed, hash-chained, encrypted and fsynced in {} ms,\n   \
         then checked again and projected into the read model.",
            took.as_millis(),
        ),
    );
    if output.is_json() {
        output.line(&json!({"step": "append", "records": count, "took_ms": took.as_millis()}).to_string());
    }
    Ok(records)
}

async fn show_timeline(embedded: &Embedded, tenant: &Tenant, output: &Output) -> Result<(), Failure> {
    say(
        output,
        "\n3. What was refused lately (sigil timeline --outcome denied):\n",
    );
    let request = TimelineRequest {
        tenant: tenant.clone(),
        terms: vec![Term {
            field: Field::Outcome,
            pattern: Pattern::Exact("denied".to_owned()),
            negated: false,
        }],
        happened: Span::default(),
        recorded: Span::default(),
        order: Order::HappenedDescending,
        after: None,
        limit: 8,
    };
    for row in &embedded.read_model.timeline(request).await?.rows {
        timeline::show(row, output)?;
    }
    Ok(())
}

async fn rebuild(embedded: &Embedded, output: &Output) -> Result<(), Failure> {
    let before = embedded.read_model.digest().await?;
    projection::rebuild(embedded).await?;
    let after = embedded.read_model.digest().await?;
    say(
        output,
        "\n4. The read model was thrown away and built again from offset zero; every row came back the same:",
    );
    let exit = projection::report_rebuilt(&before, &after, output);
    if exit != Exit::Ok {
        return Err(Failure::new(exit, "the rebuilt read model differs"));
    }
    Ok(())
}

/// The first checkpoint that a quorum has cosigned and whose map covers the first `records` records. It is the last one
/// while nothing is appended: what comes while a map is made, only the next one has.
async fn covered(embedded: &Embedded, records: u64) -> Result<SignedCheckpoint, Failure> {
    let mut covering = records;
    loop {
        let question = Question::Checkpoint {
            covering,
            witnessed: true,
            wait_ms: QUORUM_WAIT_MS,
        };
        match embedded.handle.prove(question).await? {
            Answer::Checkpoint(Some(found)) if found.size < covering || found.witnessed != Some(true) => {
                let message = "no quorum of the local witnesses was reached";
                return Err(Failure::new(Exit::Unavailable, message));
            }
            Answer::Checkpoint(Some(found)) if found.map_size >= records => return Ok(found),
            Answer::Checkpoint(Some(found)) => covering = found.size + 1,
            _ => return Err(Failure::new(Exit::Unavailable, "no checkpoint was signed")),
        }
    }
}

/// Shows who has cosigned the newest checkpoint.
async fn witnessed(embedded: &Embedded, records: u64, output: &Output) -> Result<(), Failure> {
    let checkpoint = covered(embedded, records).await?;
    let note = tlog::Note::parse(&checkpoint.note).map_err(anyhow::Error::from)?;
    let signers: Vec<&str> = note.lines().iter().skip(1).map(tlog::Line::name).collect();
    let count = signers.len();
    say(
        output,
        &format!(
            "\n5. A checkpoint over {} records was signed, and {count} of 3 witnesses have cosigned it ({}; 2 are enough):\n   \
             this log can no longer show another history to anybody who asks for their signatures.",
            checkpoint.size,
            signers.join(", "),
        ),
    );
    if output.is_json() {
        let value =
            json!({"step": "witnesses", "size": checkpoint.size, "cosigned": count, "witnesses": 3, "needed": 2});
        output.line(&value.to_string());
    }
    Ok(())
}

async fn check(place: &Place, output: &Output) -> Result<Exit, Failure> {
    say(
        output,
        "\n7. The whole log was verified against the trust file (sigil verify):\n",
    );
    verify::place(place, &place.trust_file(), output).await
}

async fn serve(place: &Place, listen: SocketAddr, signals: &mut Signals, output: &Output) -> Result<Exit, Failure> {
    let (embedded, local) = local::open(place).await?;
    let listener = match TcpListener::bind(listen).await {
        Ok(listener) => listener,
        Err(_) => TcpListener::bind(SocketAddr::new(listen.ip(), 0)).await?,
    };
    let token = secret::token()?;
    let url = format!("http://{}", listener.local_addr()?);
    let text = next_steps(&url, &token, &place.data_dir);
    output.data(
        &json!({"step": "serve", "url": url, "token": token, "data_dir": place.data_dir}),
        &text,
    );
    until_stopped(embedded, listener, LocalAuth::new(&token, true), local, signals, output).await
}

fn next_steps(url: &str, token: &str, data_dir: &Path) -> String {
    format!(
        "\nNow open {url} : a live timeline whose records your browser verifies itself.\n\n\
         Append one more record and watch it arrive:\n  \
         curl -s {url}/v1/records -H 'authorization: Bearer {token}' -H 'content-type: application/json' \\\n    \
         -d '{{\"kind\":\"audit.event\",\"payload\":{{\"action\":\"hello\",\"outcome\":\"success\",\"source\":\"me\"}},\"links\":[{{\"label\":\"actor\",\"target\":\"user:me\"}}]}}'\n\
         Ask for a timeline:\n  \
         curl -s '{url}/v1/audit/timeline?actor=agent:coder&limit=3'\n\n\
         The log is in {} and goes with this demo (keep one with --data-dir). Ctrl-C ends.",
        data_dir.display()
    )
}
