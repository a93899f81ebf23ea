//! `sigil projection`: how far the read model is, what is parked, rebuilding it, and comparing it with a replay.

mod parked;

use crate::cli::{ConfigArgs, ProjectionVerb, RecordsFrom};
use crate::config::{Role, Settings};
use crate::desk::PROJECTION;
use crate::embedded::Embedded;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::place::Place;
use crate::stop::Signals;
use crate::{bus, command, progress};
use domain::payload::ProjectionVerified;
use gateway::ops::Board;
use gateway::projections::verification_to_json;
use indicatif::ProgressBar;
use ledger_client::{LedgerClient as _, Report};
use projector::ReadModel as Model;
use projector::stream::StreamSource;
use projector::{Cancel, Digest, Error, PROJECTION_VERSION, Progress, Source, Stage, Trigger, Verification};
use projector_sqlite::ReadModel;
use record::{Origin, Record};
use serde_json::json;
use std::path::Path;
use std::time::Duration;

/// The database of an embedded read model.
pub const ENGINE: &str = "sqlite";

/// Runs one of the verbs.
pub async fn run(verb: ProjectionVerb, output: &Output) -> Result<Exit, Failure> {
    match verb {
        ProjectionVerb::Status { log } => {
            let embedded = Embedded::open(&Place::of(&log)?).await?;
            let shown = status(&embedded, output).await;
            embedded.close().await?;
            shown
        }
        ProjectionVerb::Rebuild { log, from } => {
            let embedded = open_for_rebuild(&Place::of(&log)?, output).await?;
            let rebuilt = rebuild_from(&embedded, &from).await;
            let shown = match rebuilt {
                Ok(()) => status(&embedded, output).await,
                Err(failure) => Err(failure),
            };
            embedded.close().await?;
            shown
        }
        ProjectionVerb::Verify { log, from } => verify(&Place::of(&log)?, &from, output).await,
        ProjectionVerb::Parked(verb) => parked::run(verb, output).await,
    }
}

/// A read model that cannot even be opened is begun anew: it holds nothing that the log does not give again.
async fn open_for_rebuild(place: &Place, output: &Output) -> Result<Embedded, Failure> {
    match Embedded::open(place).await {
        Err(failure) if failure.is_damaged_read_model() => {
            output.note(&format!("sigil: {failure}; beginning with an empty one"));
            Embedded::open_anew(place).await
        }
        opened => opened,
    }
}

async fn status(embedded: &Embedded, output: &Output) -> Result<Exit, Failure> {
    let head = embedded.handle.head().await?.size;
    let (position, digest) = embedded.read_model.digest().await?;
    let parked = embedded.read_model.parked(0, 1).await?.total;
    let digest = digest.value();
    let value = json!({"position": position, "head": head, "parked": parked, "digest": digest.to_string()});
    let mut text = format!("position {position} of {head}\ndigest   {digest}");
    if parked > 0 {
        text.push_str(&format!("\nparked   {parked}: see `sigil projection parked list`"));
    }
    output.data(&value, &text);
    Ok(Exit::Ok)
}

/// Rebuilds the read model from the log with a progress bar; Ctrl-C leaves the old one.
pub async fn rebuild(embedded: &Embedded) -> Result<(), Failure> {
    rebuild_with(embedded, &mut embedded.feed()).await
}

async fn rebuild_from(embedded: &Embedded, from: &RecordsFrom) -> Result<(), Failure> {
    let mut source = source(embedded, from).await?;
    rebuild_with(embedded, &mut *source).await
}

async fn rebuild_with(embedded: &Embedded, source: &mut dyn Source) -> Result<(), Failure> {
    let bar = progress::bar("rebuilding", "records", embedded.handle.head().await?.size);
    let rebuilt = until_interrupted(async |cancel| {
        let mut show = |progress: Progress| draw(&bar, progress);
        embedded.read_model.rebuild(source, &mut show, cancel).await
    });
    let rebuilt = rebuilt.await;
    bar.finish_and_clear();
    rebuilt
}

/// Runs `work` with something that Ctrl-C cancels, and waits for its orderly end.
async fn until_interrupted<T>(work: impl AsyncFnOnce(&Cancel) -> Result<T, Error>) -> Result<T, Failure> {
    let mut signals = Signals::listen()?;
    let (trigger, cancel) = Trigger::new();
    let mut work = std::pin::pin!(work(&cancel));
    let done = tokio::select! {
        done = &mut work => done,
        _ = signals.requested() => {
            trigger.cancel();
            work.await
        }
    };
    Ok(done?)
}

fn draw(bar: &ProgressBar, progress: Progress) {
    bar.set_length(progress.head);
    bar.set_position(progress.position);
    match progress.stage {
        Stage::Loading => {}
        stage => bar.set_message(stage.as_str()),
    }
}

/// The log's records from where the command line says.
async fn source(embedded: &Embedded, from: &RecordsFrom) -> Result<Box<dyn Source>, Failure> {
    let ledger = Box::new(embedded.feed());
    if from.from == crate::cli::FromArg::Ledger {
        return Ok(ledger);
    }
    let args = ConfigArgs {
        role: Role::Ledger,
        config: from.config.clone(),
        nats: from.nats.clone(),
        ..ConfigArgs::default()
    };
    let settings: Settings = command::config::load(&args)?.settings;
    let patience = Duration::from_millis(settings.nats.connect_timeout_ms.saturating_mul(2));
    let board = Board::new(Role::Ledger.as_str());
    let connected = tokio::time::timeout(patience, bus::connect(&settings.nats, Role::Ledger, &board)).await;
    let unreachable = |_| Failure::new(Exit::Unavailable, "the broker cannot be reached");
    let client = connected.map_err(unreachable)??.client;
    let genesis = embedded.handle.read(0, 1).await?.into_iter().next();
    let genesis = genesis.and_then(|first| Record::parse(first.bytes.to_vec()).ok());
    let slug = genesis.and_then(|genesis| record::Slug::parse(genesis.payload.get("slug")?.as_str()?));
    let slug = slug.ok_or_else(|| Failure::new(Exit::Failure, "the log has no genesis that names it"))?;
    Ok(Box::new(StreamSource::new(client, slug, ledger)))
}

async fn verify(place: &Place, from: &RecordsFrom, output: &Output) -> Result<Exit, Failure> {
    let embedded = Embedded::open_to_write(place).await?;
    let verified = verify_open(&embedded, place, from).await;
    let reported = match &verified {
        Ok(found) => Some(embedded.handle.report(self::verified(found, ENGINE)).await),
        Err(_) => None,
    };
    embedded.close().await?;
    let found = verified?;
    let offset = reported.transpose()?.map(|receipt| receipt.committed.offset);
    Ok(report(&found, offset, output))
}

async fn verify_open(embedded: &Embedded, place: &Place, from: &RecordsFrom) -> Result<Verification, Failure> {
    embedded.catch_up().await?;
    let mut source = source(embedded, from).await?;
    let bar = progress::bar("replaying", "records", embedded.handle.head().await?.size);
    let (scratch, origin) = (place.scratch("replay"), embedded.handle.origin());
    let found = until_interrupted(async |cancel| {
        let mut show = |progress: Progress| draw(&bar, progress);
        compare(&*embedded.read_model, &scratch, origin, &mut *source, &mut show, cancel).await
    });
    let found = found.await;
    bar.finish_and_clear();
    found
}

/// Compares `live` with a replay of `source` in a scratch read model below `scratch`, which is gone afterwards.
///
/// # Errors
/// As [`projector::verify`].
pub async fn compare(
    live: &dyn Model,
    scratch: &Path,
    log: &Origin,
    source: &mut dyn Source,
    progress: &mut (dyn FnMut(Progress) + Send),
    cancel: &Cancel,
) -> Result<Verification, Error> {
    let fresh = ReadModel::open(scratch, log.clone()).await?;
    let found = projector::verify(live, &fresh, source, progress, cancel).await;
    fresh.close().await;
    drop(fresh);
    let removed = std::fs::remove_dir_all(scratch);
    if let Err(error) = removed {
        tracing::warn!(%error, "the scratch read model of a comparison is left behind");
    }
    found
}

/// What a comparison found, in the words of the log.
pub fn verified(found: &Verification, engine: &str) -> Report {
    Report::ProjectionVerified(ProjectionVerified {
        projection: PROJECTION.to_owned(),
        version: PROJECTION_VERSION,
        engine: engine.to_owned(),
        position: found.position,
        digest: found.digest.to_string(),
        replayed_digest: found.replayed.to_string(),
        equal: found.equal(),
        differences: found.differences.len() as u64,
        parked: found.parked,
    })
}

/// Says what a comparison found, and where the log says so.
fn report(found: &Verification, reported: Option<u64>, output: &Output) -> Exit {
    let mut value = verification_to_json(found);
    if let Some(members) = value.as_object_mut() {
        members.insert("reported".to_owned(), json!(reported));
    }
    let verdict = if found.equal() { "equals" } else { "DIFFERS from" };
    let mut text = format!(
        "the read model at position {} {verdict} a replay of the log\ndigest   {}",
        found.position, found.digest
    );
    for difference in &found.differences {
        text.push_str(&format!("\ndiffers  {difference}"));
    }
    for row in &found.rows {
        text.push_str(&format!("\nrow      {row}"));
    }
    let named = found.rows.len() as u64;
    if found.damaged > named || found.cut {
        text.push_str(&format!(
            "\nrow      and more: {} damaged rows were found in all",
            found.damaged
        ));
    }
    output.data(&value, &text);
    exit(found.equal())
}

/// Says whether a rebuild has changed anything.
pub fn report_rebuilt(before: &(u64, Digest), after: &(u64, Digest), output: &Output) -> Exit {
    let differences: Vec<String> = before.1.differences(&after.1).iter().map(ToString::to_string).collect();
    let same = before.0 == after.0 && differences.is_empty();
    let value = json!({
        "position": before.0, "digest": before.1.value().to_string(), "replayed_digest": after.1.value().to_string(),
        "equal": same, "differences": differences,
    });
    let verdict = if same { "equals" } else { "DIFFERS from" };
    let text = format!(
        "the read model at position {} {verdict} a replay of the log\ndigest   {}",
        before.0,
        before.1.value()
    );
    output.data(&value, &text);
    exit(same)
}

const fn exit(equal: bool) -> Exit {
    if equal { Exit::Ok } else { Exit::VerificationFailed }
}
