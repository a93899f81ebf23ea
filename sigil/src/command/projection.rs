//! `sigil projection`: how far the read model is, rebuilding it, and comparing it with a replay of the log.

use crate::cli::ProjectionVerb;
use crate::embedded::Embedded;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::place::Place;
use crate::progress;
use crate::stop::Signals;
use ledger_client::LedgerClient as _;
use projector::{Cancel, Digest, Progress, ReadModel as _, Source, Stage, Trigger};
use projector_sqlite::ReadModel;
use record::Origin;
use serde_json::json;
use std::path::Path;

/// Runs one of the verbs.
pub async fn run(verb: ProjectionVerb, output: &Output) -> Result<Exit, Failure> {
    match verb {
        ProjectionVerb::Status { log } => status(&Embedded::open(&Place::of(&log)?).await?, output).await,
        ProjectionVerb::Rebuild { log } => {
            let embedded = open_for_rebuild(&Place::of(&log)?, output).await?;
            let rebuilt = rebuild(&embedded).await;
            let shown = match rebuilt {
                Ok(()) => status(&embedded, output).await,
                Err(failure) => Err(failure),
            };
            embedded.close().await?;
            shown
        }
        ProjectionVerb::Verify { log } => verify(&Place::of(&log)?, output).await,
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
    let value = json!({"position": position, "head": head, "digest": digest.value().to_string()});
    output.data(
        &value,
        &format!("position {position} of {head}\ndigest   {}", digest.value()),
    );
    Ok(Exit::Ok)
}

/// Rebuilds the read model with a progress bar; Ctrl-C leaves the old one.
pub async fn rebuild(embedded: &Embedded) -> Result<(), Failure> {
    let bar = progress::bar("rebuilding", "records", embedded.handle.head().await?.size);
    let mut signals = Signals::listen()?;
    let (trigger, cancel) = Trigger::new();
    let mut feed = embedded.feed();
    let mut show = |progress: Progress| {
        bar.set_length(progress.head);
        bar.set_position(progress.position);
        if progress.stage == Stage::Indexing {
            bar.set_message("indexing");
        }
    };
    let mut work = std::pin::pin!(embedded.read_model.rebuild(&mut feed, &mut show, &cancel));
    let rebuilt = tokio::select! {
        rebuilt = &mut work => rebuilt,
        _ = signals.requested() => {
            trigger.cancel();
            work.await
        }
    };
    bar.finish_and_clear();
    Ok(rebuilt?)
}

async fn verify(place: &Place, output: &Output) -> Result<Exit, Failure> {
    let embedded = Embedded::open(place).await?;
    embedded.catch_up().await?;
    let live = embedded.read_model.digest().await?;
    let replayed = replay(&place.scratch("replay"), embedded.handle.origin(), &mut embedded.feed()).await?;
    embedded.close().await?;
    Ok(report(&live, &replayed, output))
}

/// The position and digest of a scratch read model built from everything that `source` has.
pub async fn replay(scratch: &Path, log: &Origin, source: &mut dyn Source) -> Result<(u64, Digest), Failure> {
    let fresh = ReadModel::open(scratch, log.clone()).await?;
    let replayed = fresh.rebuild(source, &mut |_| {}, &Cancel::never()).await;
    let digest = match replayed {
        Ok(()) => fresh.digest().await,
        Err(error) => Err(error),
    };
    fresh.close().await;
    std::fs::remove_dir_all(scratch)?;
    Ok(digest?)
}

/// Says whether two digests are equal, and where they differ.
pub fn report(live: &(u64, Digest), replayed: &(u64, Digest), output: &Output) -> Exit {
    let differences: Vec<String> = live
        .1
        .differences(&replayed.1)
        .iter()
        .map(ToString::to_string)
        .collect();
    let same = live.0 == replayed.0 && live.1.value() == replayed.1.value();
    let value = json!({
        "position": live.0, "digest": live.1.value().to_string(), "replayed_digest": replayed.1.value().to_string(),
        "equal": same, "differences": differences,
    });
    let verdict = if same { "equals" } else { "DIFFERS from" };
    let mut text = format!(
        "the read model at position {} {verdict} a replay of the log\ndigest   {}",
        live.0,
        live.1.value()
    );
    for difference in &differences {
        text.push_str(&format!("\ndiffers  {difference}"));
    }
    output.data(&value, &text);
    if same { Exit::Ok } else { Exit::VerificationFailed }
}
