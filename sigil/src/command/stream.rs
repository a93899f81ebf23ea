//! `sigil stream status|rebuild`: what the broker holds of a log, and an operator's consent to a new stream.
//!
//! A rebuild is the feed's own work. Where a ledger runs, the consent is left in its data directory and its feed takes it;
//! where none runs, the feed runs here until the stream holds the whole log.

use crate::bus;
use crate::cli::{ConfigArgs, StreamVerb};
use crate::command;
use crate::config::{Role, Settings, StreamRebuild};
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::place::Place;
use async_nats::Client;
use gateway::ops::Board;
use ledger::Handle;
use ledger::feed::{self, Consent, Feed, Found, Phase, Status};
use ledger_client::LedgerClient as _;
use record::{Record, Slug};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// How long a running ledger may take to notice the consent.
const NOTICED: Duration = Duration::from_secs(30);
/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(200);
/// Why a feed ended, when it says nothing.
const ENDED: &str = "the feed ended before the stream held the log";

/// Runs the verb.
pub async fn run(verb: StreamVerb, output: &Output) -> Result<Exit, Failure> {
    match verb {
        StreamVerb::Status { config, slug } => status(&settings(config)?, slug, output).await,
        StreamVerb::Rebuild { config, force } => {
            let consent = if force { Consent::Force } else { Consent::Rebuild };
            rebuild(&settings(config)?, consent, output).await
        }
    }
}

/// The feed's configuration.
fn feed_config(settings: &Settings) -> feed::Config {
    feed::Config {
        replicas: usize::from(settings.stream.replicas),
        rebuild_automatically: settings.stream.rebuild == StreamRebuild::Automatic,
        ..feed::Config::default()
    }
}

/// The stream is the ledger's, so its configuration counts.
fn settings(args: ConfigArgs) -> Result<Settings, Failure> {
    let args = ConfigArgs {
        role: Role::Ledger,
        ..args
    };
    Ok(command::config::load(&args)?.settings)
}

/// A client of the broker that is configured; one that does not come in time is unavailable.
pub async fn client(settings: &Settings) -> Result<Client, Failure> {
    let patience = Duration::from_millis(settings.nats.connect_timeout_ms.saturating_mul(2));
    let board = Board::new(Role::Ledger.as_str());
    let connected = tokio::time::timeout(patience, bus::connect(&settings.nats, Role::Ledger, &board)).await;
    let unreachable = |_| Failure::new(Exit::Unavailable, "the broker cannot be reached");
    Ok(connected.map_err(unreachable)??.client)
}

async fn status(settings: &Settings, slug: Option<String>, output: &Output) -> Result<Exit, Failure> {
    let remembered = feed::remembered(&settings.log.data_dir)?;
    let slug = match (slug, &remembered) {
        (Some(slug), _) => {
            let wrong = || Failure::new(Exit::Usage, "a slug is [a-z0-9-]{1,32}");
            Slug::parse(&slug).ok_or_else(wrong)?
        }
        (None, Some((slug, _))) => slug.clone(),
        (None, None) => own_slug(settings).await?,
    };
    let found = feed::survey(client(settings).await?, &slug).await;
    let found = found.map_err(|reason| Failure::new(Exit::Unavailable, reason))?;
    let base = remembered.map(|(_, base)| base);
    let newest = found.last();
    for stream in &found {
        output.data(&to_json(stream, newest), &to_text(stream, newest));
    }
    match (newest, base) {
        (None, None) => output.note("no stream yet: a ledger with a broker creates it"),
        (Some(newest), base) if base.is_none_or(|base| base <= newest.base) && !newest.sealed => {}
        _ => {
            output.note(
                "STREAM_DIVERGED: the stream that was published to last is gone or sealed: `sigil stream rebuild`",
            );
            return Ok(Exit::VerificationFailed);
        }
    }
    Ok(Exit::Ok)
}

fn state(stream: &Found, newest: Option<&Found>) -> &'static str {
    match (stream.retired, stream.sealed) {
        (true, _) => "retired",
        (_, true) => "sealed",
        _ if newest.is_some_and(|newest| newest.base == stream.base) => "current",
        _ => "left behind",
    }
}

fn to_json(stream: &Found, newest: Option<&Found>) -> Value {
    json!({
        "stream": stream.name, "base": stream.base, "messages": stream.messages, "bytes": stream.bytes,
        "next_offset": stream.base + stream.last_sequence, "state": state(stream, newest),
    })
}

fn to_text(stream: &Found, newest: Option<&Found>) -> String {
    let (name, base, next) = (&stream.name, stream.base, stream.base + stream.last_sequence);
    let (messages, state) = (stream.messages, state(stream, newest));
    format!("{name}  {state}  {messages} messages, offsets {base} to before {next}")
}

/// The slug that genesis pins, where no feed has left it in the data directory.
async fn own_slug(settings: &Settings) -> Result<Slug, Failure> {
    let handle = open(settings).await?;
    let genesis = handle.read(0, 1).await?.into_iter().next();
    let slug = genesis
        .and_then(|genesis| Record::parse(genesis.bytes.to_vec()).ok())
        .and_then(|genesis| {
            let slug = genesis.payload.get("slug").and_then(Value::as_str);
            slug.and_then(Slug::parse)
        });
    close(handle).await?;
    slug.ok_or_else(|| Failure::new(Exit::VerificationFailed, "the log holds no genesis with a slug"))
}

async fn rebuild(settings: &Settings, consent: Consent, output: &Output) -> Result<Exit, Failure> {
    let dir = &settings.log.data_dir;
    let opened = open(settings).await;
    if let Err(failure) = &opened
        && failure.exit != Exit::Unavailable
    {
        return opened.map(|_| Exit::Ok);
    }
    feed::agree(dir, consent)?;
    let done = match opened {
        Ok(handle) => here(handle, settings, output).await,
        Err(in_use) => elsewhere(settings, in_use, output).await,
    };
    // A consent that nobody used must not stand for a later divergence.
    if feed::withdraw(dir)? && done.is_ok() {
        return Err(Failure::new(Exit::Unavailable, "the feed did not take the consent"));
    }
    done
}

/// The feed runs in this process until the stream holds the log.
async fn here(handle: Handle, settings: &Settings, output: &Output) -> Result<Exit, Failure> {
    let feed = Feed::new(handle.clone(), client(settings).await?, feed_config(settings));
    let mut status = feed.status();
    let size = handle.head().await?.size;
    let complete = |status: &Status| status.phase == Phase::Live && status.published >= size;
    let hopeless = |status: &Status| matches!(&status.phase, Phase::Diverged(found) if found.reason.needs_force());
    let force = matches!(feed::consent(&settings.log.data_dir)?, Some(Consent::Force));
    let waiting = async {
        let reached = status.wait_for(|status| complete(status) || (!force && hopeless(status)));
        // A feed that ended says why itself.
        reached.await.map(|status| status.clone()).ok()
    };
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(feed.run(async {
        let _either = stopped.await;
    }));
    let last = waiting.await;
    drop(stop);
    let ended = running.await.map_err(anyhow::Error::from)?;
    close(handle).await?;
    ended.map_err(anyhow::Error::from)?;
    match last {
        Some(status) if complete(&status) => {
            report(&status, output);
            Ok(Exit::Ok)
        }
        Some(Status {
            phase: Phase::Diverged(found),
            ..
        }) => Err(Failure::new(Exit::VerificationFailed, found)),
        _ => Err(Failure::new(Exit::Failure, ENDED)),
    }
}

/// The feed of the ledger that runs takes the consent.
async fn elsewhere(settings: &Settings, in_use: Failure, output: &Output) -> Result<Exit, Failure> {
    output.note(&format!("{in_use}: its feed is asked"));
    let since = Instant::now();
    while since.elapsed() < NOTICED {
        if feed::consent(&settings.log.data_dir)?.is_none() {
            let stream = feed::remembered(&settings.log.data_dir)?;
            let name = stream.map(|(slug, base)| record::wire::stream_name(&slug, base));
            output.data(
                &json!({"stream": name, "rebuilt": true}),
                &format!(
                    "the running ledger publishes to {}",
                    name.as_deref().unwrap_or("its stream")
                ),
            );
            return Ok(Exit::Ok);
        }
        tokio::time::sleep(LOOK).await;
    }
    let text = "the running ledger did not take the consent: its stream is right, or it has no broker";
    Err(Failure::new(Exit::Unavailable, text))
}

fn report(status: &Status, output: &Output) {
    let stream = status.stream.as_deref().unwrap_or_default();
    let value = json!({"stream": stream, "published": status.published});
    output.data(
        &value,
        &format!("{stream} holds the log up to offset {}", status.published),
    );
}

async fn open(settings: &Settings) -> Result<Handle, Failure> {
    let config = Place::configured(settings)?.config();
    let opened = tokio::task::spawn_blocking(move || Handle::open(config)).await;
    Ok(opened.map_err(anyhow::Error::from)??)
}

async fn close(handle: Handle) -> Result<(), Failure> {
    Ok(tokio::task::spawn_blocking(move || handle.close())
        .await
        .map_err(anyhow::Error::from)?)
}
