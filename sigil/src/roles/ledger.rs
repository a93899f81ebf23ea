//! The role `ledger`: holds the log, takes commands from the broker, publishes to the stream.
//!
//! The log is opened first and stays open whatever happens to the broker: what was acknowledged is on the disk, and what
//! was not published yet is published later.

use super::{OpsListener, Start, exit, ops_address};
use crate::anchors::Anchoring;
use crate::bus::{self, Bus, chain};
use crate::checkpoints;
use crate::config::{Role, Settings, StreamRebuild};
use crate::control::Control;
use crate::exit::{Exit, Failure};
use crate::place::Place;
use crate::witnesses::Asking;
use ::gateway::ops::{Board, Kind};
use ::ledger::feed::{self, Feed, Phase};
use ::ledger::rpc::{self, Service};
use ::ledger::{Config, Handle};
use ledger_client::LedgerClient as _;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// The parts' names on the board.
const LEDGER: &str = "ledger";
const FEED: &str = "feed";
const COMMANDS: &str = "commands";
/// Pause before commands are listened for again.
const RETRY: Duration = Duration::from_secs(1);
/// Every phase that a feed can be in, for metrics.
const PHASES: [(&str, &str); 6] = [
    ("starting", "feed_state{state=\"starting\"}"),
    ("live", "feed_state{state=\"live\"}"),
    ("waiting", "feed_state{state=\"waiting\"}"),
    ("unfit", "feed_state{state=\"unfit\"}"),
    ("diverged", "feed_state{state=\"diverged\"}"),
    ("stopped", "feed_state{state=\"stopped\"}"),
];

/// Opens the log and serves it until told to stop.
pub async fn run(start: Start<'_>) -> Result<Exit, Failure> {
    let Start {
        settings,
        board,
        mut signals,
        output,
    } = start;
    let asking = Asking::configured(settings)?;
    let anchoring = Anchoring::configured(&settings.anchors)?;
    let config = configured(settings, asking.as_ref(), true)?;
    let handle = tokio::task::spawn_blocking(move || Handle::open(config))
        .await
        .map_err(anyhow::Error::from)??;
    board.works(LEDGER);
    let head = handle.head().await?;
    meters(&board, &handle);
    checkpoints::meters(&board, &handle);
    let ops = match ops_address(Role::Ledger, settings) {
        Some(address) => Some(OpsListener::open(address, &board, settings).await?),
        None => None,
    };
    let at = ops.as_ref().map(|ops| ops.address.to_string());
    let value = json!({"role": "ledger", "ops": at, "log": head.log.as_str(), "size": head.size});
    output.data(
        &value,
        &format!("the ledger {} ({} records) is open", head.log, head.size),
    );
    let _control = Control::of(&handle);
    let witnessing = asking.map(|asking| asking.start(&handle, Some(&board))).transpose()?;
    let anchoring = anchoring.map(|anchoring| anchoring.start(&handle, Some(&board)));
    let (stop, stopped) = watch::channel(false);
    let mut serving = tokio::spawn(serve(handle.clone(), settings.clone(), Arc::clone(&board), stopped));
    let ended = tokio::select! {
        stopped = signals.requested() => {
            board.drain();
            output.note("stopping: commands under way are finished first");
            stop.send_replace(true);
            serving.await.map_err(anyhow::Error::from)?.map(|()| exit(stopped))
        }
        ended = &mut serving => match ended.map_err(anyhow::Error::from)? {
            Ok(()) => Err(Failure::new(Exit::Failure, "the ledger stopped serving")),
            Err(failure) => Err(failure),
        },
    };
    if let Some(ops) = ops {
        ops.close().await;
    }
    if let Some(witnessing) = witnessing {
        witnessing.finish(&handle).await;
    }
    if let Some(anchoring) = anchoring {
        anchoring.finish().await;
    }
    tokio::task::spawn_blocking(move || handle.close())
        .await
        .map_err(anyhow::Error::from)?;
    ended
}

/// How the log is opened; with `after_stream`, no checkpoint has records that the log's stream does not hold.
pub fn configured(settings: &Settings, asking: Option<&Asking>, after_stream: bool) -> Result<Config, Failure> {
    let limits = &settings.limits.ledger;
    let policy = asking.map(|asking| asking.policy.clone());
    let mut config = Place::configured(settings)?.signing_under(policy)?;
    if let Some(checkpoints) = &mut config.checkpoints {
        checkpoints.after_stream = after_stream;
    }
    Ok(Config {
        queue_bytes: limits.queue_bytes,
        queue_wait_ms: limits.queue_wait_ms,
        signers: limits.signers.unwrap_or(config.signers),
        cache_bytes: limits.cache_bytes,
        snapshot_every: limits.snapshot_every,
        max_clock_jump_s: limits.max_clock_jump_s,
        ..config
    })
}

/// Everything that needs the broker, from its first answer to the end.
async fn serve(
    handle: Handle,
    settings: Settings,
    board: Arc<Board>,
    stopped: watch::Receiver<bool>,
) -> Result<(), Failure> {
    board.waits(FEED, "the broker");
    board.waits(COMMANDS, "the broker");
    let connected = tokio::select! {
        connected = bus::connect(&settings.nats, Role::Ledger, &board) => connected?,
        () = told(stopped.clone()) => return Ok(()),
    };
    let feed = Feed::new(handle.clone(), connected.client.clone(), feed_config(&settings));
    let commands = tokio::spawn({
        let compared = compared(feed.status(), handle.is_freshly_restored());
        let commands = commands(handle, connected, settings.clone(), Arc::clone(&board), stopped.clone());
        let stopped = told(stopped.clone());
        async move {
            tokio::select! {
                () = compared => commands.await,
                () = stopped => Ok(()),
            }
        }
    });
    let watched = tokio::spawn(watch_feed(feed.status(), Arc::clone(&board)));
    show_feed(&board, feed.status());
    let published = feed.run(told(stopped)).await;
    watched.abort();
    match published {
        // What the feed cannot go on with does not end before it was seen by whoever looks.
        Err(error) => {
            board.halts(FEED, chain(&error));
            commands.abort();
            Err(failure(error))
        }
        Ok(()) => commands.await.map_err(anyhow::Error::from)?,
    }
}

/// Resolves when commands may be taken. A log that was just restored may be behind its stream, and would give offsets again
/// that others have seen: it waits until the feed has compared the two.
async fn compared(mut feed: watch::Receiver<feed::Status>, restored: bool) {
    if restored {
        let compared = |status: &feed::Status| matches!(status.phase, Phase::Live | Phase::Diverged(_));
        // A feed that ended has said why, and takes the role with it.
        if feed.wait_for(compared).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Takes commands until the end.
async fn commands(
    handle: Handle,
    bus: Bus,
    settings: Settings,
    board: Arc<Board>,
    stopped: watch::Receiver<bool>,
) -> Result<(), Failure> {
    loop {
        let config = commands_config(&settings, bus.confidential);
        let reason = match Service::start(handle.clone(), bus.client.clone(), config).await {
            Ok(service) => {
                board.works(COMMANDS);
                show_commands(&board, &service);
                service.run(told(stopped.clone())).await;
                if *stopped.borrow() {
                    return Ok(());
                }
                "the subscription ended".to_owned()
            }
            Err(error) => chain(&error),
        };
        board.waits(COMMANDS, reason);
        tokio::select! {
            () = tokio::time::sleep(RETRY) => {}
            () = told(stopped.clone()) => return Ok(()),
        }
    }
}

fn commands_config(settings: &Settings, protected: bool) -> rpc::Config {
    let limits = &settings.limits.commands;
    rpc::Config {
        requests: limits.requests,
        bytes: limits.bytes,
        waits: limits.waits,
        clock_tolerance_s: limits.clock_tolerance_s,
        lifetime_s: limits.lifetime_s,
        drain_ms: limits.drain_ms,
        ..rpc::Config::new(protected)
    }
}

fn feed_config(settings: &Settings) -> feed::Config {
    let stream = &settings.stream;
    feed::Config {
        replicas: stream.replicas.into(),
        in_flight: stream.in_flight,
        in_flight_bytes: stream.in_flight_bytes,
        ack_timeout_ms: stream.ack_timeout_ms,
        timeout_ms: settings.nats.request_timeout_ms,
        rebuild_automatically: stream.rebuild == StreamRebuild::Automatic,
    }
}

/// Resolves when the end was asked for.
async fn told(mut stopped: watch::Receiver<bool>) {
    // A sender that is gone asks for the end, too.
    let _gone = stopped.wait_for(|stop| *stop).await;
}

/// Puts on the board what the feed says.
async fn watch_feed(mut status: watch::Receiver<feed::Status>, board: Arc<Board>) {
    loop {
        let phase = status.borrow_and_update().phase.clone();
        match phase {
            Phase::Live => board.works(FEED),
            Phase::Starting => board.waits(FEED, "it compares the stream with the log"),
            Phase::Waiting { reason } => board.waits(FEED, reason),
            Phase::Unfit { reason } => board.halts(FEED, reason),
            Phase::Diverged(divergence) => board.halts(FEED, divergence.to_string()),
            Phase::Stopped => return,
        }
        if status.changed().await.is_err() {
            return;
        }
    }
}

fn meters(board: &Board, handle: &Handle) {
    let committed = handle.committed();
    let text = "Committed records: the offset that the next one gets.";
    board.meter("ledger_head_offset", Kind::Gauge, text, move || {
        Some(*committed.borrow() as f64)
    });
}

fn show_feed(board: &Board, status: watch::Receiver<feed::Status>) {
    let published = status.clone();
    let text = "Records that the stream has acknowledged; never more than ledger_head_offset.";
    board.meter("outbox_published_offset", Kind::Gauge, text, move || {
        Some(published.borrow().published as f64)
    });
    for (phase, name) in PHASES {
        let status = status.clone();
        let text = "1 for the state that the feed is in.";
        board.meter(name, Kind::Gauge, text, move || {
            Some(f64::from(u8::from(status.borrow().phase.as_str() == phase)))
        });
    }
}

fn show_commands(board: &Board, service: &Service) {
    let counters = service.counters();
    let text = "Requests of gateways that were carried out.";
    let taken = Arc::clone(&counters);
    board.meter("commands_taken_total", Kind::Counter, text, move || {
        Some(taken.read().taken as f64)
    });
    let text = "Records in them that were to be appended.";
    let records = Arc::clone(&counters);
    board.meter("command_records_total", Kind::Counter, text, move || {
        Some(records.read().records as f64)
    });
    let text = "Requests that were refused: unknown or revoked keys, wrong signatures, repeated or expired requests.";
    let refused = Arc::clone(&counters);
    board.meter("commands_refused_total", Kind::Counter, text, move || {
        Some(refused.read().refused.iter().map(|(_, count)| *count).sum::<u64>() as f64)
    });
    let text = "Requests that were refused for want of room.";
    let overloaded = Arc::clone(&counters);
    board.meter("commands_overloaded_total", Kind::Counter, text, move || {
        Some(overloaded.read().overloaded as f64)
    });
    let text = "Messages that could not be answered.";
    board.meter("commands_dropped_total", Kind::Counter, text, move || {
        Some(counters.read().dropped as f64)
    });
}

fn failure(error: feed::Error) -> Failure {
    let exit = match &error {
        feed::Error::Unfit(_) => Exit::Unavailable,
        feed::Error::LogBehind { .. } => Exit::VerificationFailed,
        feed::Error::Ledger(_) => Exit::Failure,
    };
    Failure::new(exit, chain(&error))
}
