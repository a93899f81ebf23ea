//! The role `projector`: builds the read model in Postgres from the stream, with the ledger behind it for what the stream
//! does not give. Any number may run: one applies, the others stand by.

use super::lag::watch_lag;
use super::peer::Peer;
use super::{OpsListener, Start, exit, ops_address, scratch_dir, secret_of, verify_interval};
use crate::bus::chain;
use crate::config::{Role, Settings};
use crate::desk::{Desk, Setup};
use crate::exit::{Exit, Failure};
use crate::feed::Feed;
use crate::follow::{self, follow};
use ::gateway::ops::{Board, Kind};
use ::gateway::{App, LocalAuth};
use ::projector::query::Queries as _;
use ::projector::stream::StreamSource;
use ::projector::{Cancel, Error, ReadModel as _, Trigger};
use ledger_client::LedgerClient;
use projector_postgres::{ReadModel, Standing};
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// The database of the read model.
const ENGINE: &str = "postgres";
/// The part's name on the board.
const POSTGRES: &str = "postgres";
/// Time between two looks at the database, and how long one may take.
const LOOK: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(5);

/// Projects until told to stop.
pub async fn run(start: Start<'_>) -> Result<Exit, Failure> {
    let Start {
        settings,
        board,
        mut signals,
        output,
    } = start;
    let peer = Peer::of(settings)?;
    let ops = match ops_address(Role::Projector, settings) {
        Some(address) => Some(OpsListener::open(address, &board, settings).await?),
        None => None,
    };
    let at = ops.as_ref().map(|ops| ops.address.to_string());
    let value = json!({"role": "projector", "ops": at, "log": peer.origin.as_str()});
    output.data(&value, &format!("the projector of {} has started", peer.origin));
    let (trigger, cancel) = Trigger::new();
    let mut projecting = tokio::spawn(project(peer, settings.clone(), Arc::clone(&board), cancel));
    let ended = tokio::select! {
        stopped = signals.requested() => {
            board.drain();
            output.note("stopping: the batch in work is finished first");
            trigger.cancel();
            projecting.await.map_err(anyhow::Error::from)?.map(|()| exit(stopped))
        }
        // A configuration that cannot work; what halts a projector is waited out with it.
        ended = &mut projecting => ended.map_err(anyhow::Error::from)?.map(|()| Exit::Ok),
    };
    if let Some(ops) = ops {
        ops.close().await;
    }
    ended
}

/// Connects to everything, then follows the log until cancelled. A projector that has halted stays, so that its state can
/// be seen, and fails at the end.
async fn project(peer: Peer, settings: Settings, board: Arc<Board>, cancel: Cancel) -> Result<(), Failure> {
    board.waits(follow::PART, "its neighbours");
    board.waits(POSTGRES, "the first connection");
    // Each at its own pace, whichever is there first; both end with this future.
    let mut opening = JoinSet::new();
    opening.spawn(open(peer.clone(), settings.clone()));
    let Some(connected) = cancel.guard(peer.connect(&settings, Role::Projector, &board)).await else {
        return Ok(());
    };
    let (client, bus) = connected?;
    let Some(opened) = cancel.guard(opening.join_next()).await else {
        return Ok(());
    };
    let opened = opened.ok_or_else(|| Failure::new(Exit::Failure, "the read model was not opened"))?;
    let read_model = opened.map_err(anyhow::Error::from)??;
    let ledger: Arc<dyn LedgerClient> = Arc::new(client);
    let standing = tokio::spawn(watch_database(read_model.clone(), Arc::clone(&board)));
    show_standing(&board, read_model.standing());
    let most = settings.ops.ready_lag_records;
    let lag = tokio::spawn(watch_lag(
        Arc::clone(&board),
        ledger.committed(),
        read_model.positions(),
        most,
    ));
    let stream = {
        let (client, slug, ledger) = (bus.client, peer.slug.clone(), Arc::clone(&ledger));
        move || StreamSource::new(client.clone(), slug.clone(), Box::new(Feed::new(Arc::clone(&ledger))))
    };
    let mut source = stream();
    let desk = Desk::new(Setup {
        model: Arc::new(read_model.clone()),
        engine: ENGINE,
        origin: peer.origin.clone(),
        ledger: Arc::clone(&ledger),
        records: {
            let ledger = Arc::clone(&ledger);
            Box::new(move || Box::new(Feed::new(Arc::clone(&ledger))))
        },
        stream: Some(Box::new(move || Box::new(stream()))),
        scratch: scratch_dir(&settings).unwrap_or_else(system_scratch),
    });
    serve_desk(&desk, &ledger, &read_model, &settings, &board)?;
    let verifying = verify_interval(&settings).map(|interval| desk.verify_every(interval));
    let pause = Duration::from_millis(settings.limits.apply_retry_ms);
    let followed = loop {
        let followed = follow(&read_model, &mut source, &cancel, Some(pause), Some(&board)).await;
        let Err(error) = &followed else { break followed };
        desk.halted(error);
        // It stays so that its state can be seen. What a rebuild puts right is tried again.
        let mut rebuilt = desk.rebuilt();
        if cancel.guard(rebuilt.changed()).await.is_none() {
            break followed;
        }
        desk.goes_on();
    };
    if let Some(verifying) = verifying {
        verifying.abort();
    }
    desk.close().await;
    standing.abort();
    lag.abort();
    read_model.close().await;
    match followed {
        Ok(()) | Err(Error::Cancelled) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Serves `/admin/projections` beside the board, to callers on this machine that have the operator's token.
fn serve_desk(
    desk: &Desk,
    ledger: &Arc<dyn LedgerClient>,
    read_model: &ReadModel,
    settings: &Settings,
    board: &Arc<Board>,
) -> Result<(), Failure> {
    let Some(token_file) = &settings.http.token_file else {
        tracing::info!("without http.token_file the projector has no /admin/projections");
        return Ok(());
    };
    let app = App {
        ledger: Arc::clone(ledger),
        queries: Arc::new(read_model.clone()),
        auth: LocalAuth::new(&secret_of(token_file)?, false),
        // No route here hands out a cursor.
        cursor_key: [0; 32],
        config: settings.limits.http.clone(),
        board: None,
    };
    board.serve(app.projection_router(Arc::new(desk.clone())));
    Ok(())
}

fn system_scratch() -> PathBuf {
    std::env::temp_dir().join(format!("sigil-replay-{}", std::process::id()))
}

/// Opens the read model, or begins a new one where another build's tables are: they hold nothing that the log does not
/// give again.
async fn open(peer: Peer, settings: Settings) -> Result<ReadModel, Failure> {
    let config = peer.postgres(&settings.postgres);
    match ReadModel::open(config.clone(), peer.origin.clone()).await {
        Err(Error::Outdated { expected, found }) if found < expected => {
            tracing::warn!(
                found,
                expected,
                "the read model is of an older build: it is built again"
            );
            Ok(ReadModel::reset(config, peer.origin.clone()).await?)
        }
        Err(error @ Error::Configuration(_)) => Err(Failure::new(Exit::Usage, chain(&error))),
        opened => Ok(opened?),
    }
}

/// Puts on the board how the database is: what the read model says of its connection, and, since one that has nothing to
/// apply does not notice, whether a question is answered.
async fn watch_database(read_model: ReadModel, board: Arc<Board>) {
    let (standing, parked) = (read_model.standing(), show_parked(&board));
    let mut ticks = tokio::time::interval(LOOK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let asked = tokio::time::timeout(PATIENCE, read_model.position()).await;
        match asked {
            Ok(Ok(_)) if *standing.borrow() == Standing::Unconnected => board.waits(POSTGRES, "the connection"),
            Ok(Ok(_)) => board.works(POSTGRES),
            // What a database says may hold values: it stays in the diagnostics.
            Ok(Err(error)) => {
                tracing::debug!(reason = chain(&error), "the database does not answer");
                board.waits(POSTGRES, error.to_string());
            }
            Err(_elapsed) => board.waits(POSTGRES, "no answer in time"),
        }
        let count = tokio::time::timeout(PATIENCE, read_model.parked(0, 1)).await;
        parked.send_replace(count.ok().and_then(Result::ok).map(|parked| parked.total));
    }
}

/// Shows how many records are parked, once that is known.
fn show_parked(board: &Board) -> watch::Sender<Option<u64>> {
    let (told, known) = watch::channel(None);
    let text = "Records that this build could not read: run `sigil projection parked list`.";
    board.meter("projector_parked_records", Kind::Gauge, text, move || {
        known.borrow().map(|count: u64| count as f64)
    });
    told
}

fn show_standing(board: &Board, standing: watch::Receiver<Standing>) {
    let text = "1 on the one projector that applies; 0 on those that stand by.";
    board.meter("projector_applies", Kind::Gauge, text, move || {
        Some(f64::from(u8::from(*standing.borrow() == Standing::Applying)))
    });
}
