//! `sigil restore`: a log from a backup, from copies of its records, or from both.
//!
//! The directory becomes a log only after the checks of `sigil verify` have passed on what was restored. Where records are
//! known that the copies do not have, going on would give their offsets again: refused with `LOG_BEHIND`, or, with
//! `--close`, kept for reading and never continued.

mod copies;
mod evidence;

use crate::cli::Restore;
use crate::command::verify;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::place::Place;
use crate::progress;
use ledger::restore::{Base, Ending, Evidence, Request, Restored, Staged, Work};
use record::Origin;
use serde_json::json;
use std::ops::ControlFlow;
use verifier::Trust;

/// Restores the log.
pub async fn run(args: Restore, output: &Output) -> Result<Exit, Failure> {
    let place = Place::of(&args.log)?;
    let trust = args.trust.as_deref().map(verify::read_trust).transpose()?;
    let mut known = evidence::gather(&args).await?;
    let work = copies::add(&args, begin(&args, &place).await?).await?;
    if let Some(alarm) = evidence::read_model_ahead(&args, &place, work.log(), work.size()).await {
        output.note(&alarm);
    }
    let ending = judge(&args, &work, &mut known)?;
    for sentence in known.ignored() {
        output.note(&format!("ignored: {sentence}"));
    }
    let staged = blocking(move || work.finish(ending)).await??;
    let staged = check(staged, &place, trust).await?;
    let recovered = args.has_copies() && ending == Ending::Open;
    let restored = if recovered {
        staged.accept_recovered().await?
    } else {
        staged.accept()?
    };
    tell(&args, &place, &restored, output);
    Ok(Exit::Ok)
}

/// Runs what blocks beside the async threads.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| anyhow::Error::from(error).into())
}

async fn begin(args: &Restore, place: &Place) -> Result<Work, Failure> {
    let request = Request {
        config: place.config(),
        base: base(args)?,
        scopes: args.scopes.clone(),
        expired_scopes: args.expired_scopes,
    };
    let bar = progress::bar("restoring", "records", 0);
    let work = blocking(move || {
        let mut show = |done, total| {
            bar.set_length(total);
            bar.set_position(done);
            ControlFlow::Continue(())
        };
        let work = Work::begin(&request, &mut show);
        bar.finish_and_clear();
        work
    });
    Ok(work.await??)
}

/// What is restored from: a backup, else the keyring of the lost log, else nothing but its name.
fn base(args: &Restore) -> Result<Base, Failure> {
    let usage = |message: &str| Failure::new(Exit::Usage, message);
    if let Some(backup) = &args.from {
        return Ok(Base::Backup(backup.clone()));
    }
    if !args.has_copies() {
        return Err(usage(
            "name a backup with --from, or copies with --from-stream or --copies",
        ));
    }
    let keyring = args
        .lost
        .as_ref()
        .map(|lost| lost.join("keyring"))
        .filter(|path| path.exists());
    if let Some(keyring) = keyring {
        return Ok(Base::Keyring(keyring));
    }
    let origin = args.origin.as_deref().and_then(Origin::parse);
    origin.map(Base::Nothing).ok_or_else(|| {
        usage("without a backup and without the keyring of the lost log, --log ORIGIN has to name it; it can then only be closed")
    })
}

/// Whether the log may go on: only when nothing that is known is missing.
fn judge(args: &Restore, work: &Work, known: &mut Evidence) -> Result<Ending, Failure> {
    let behind = match work.compare(known) {
        Ok(()) => unproven(args, work, known),
        Err(error @ ledger::Error::LogBehind { .. }) => Some(error.to_string()),
        Err(error) => return Err(error.into()),
    };
    match behind {
        None if args.close => Ok(Ending::Closed),
        None => Ok(Ending::Open),
        Some(_) if args.close => Ok(Ending::Closed),
        Some(reason) => {
            let ways =
                "or keep what there is for reading with --close, and begin a new log with `sigil init --predecessor`";
            Err(Failure::new(Exit::VerificationFailed, format!("{reason}; {ways}")))
        }
    }
}

/// Why a log that was brought back from copies must not go on although nothing says that a record is missing.
fn unproven(args: &Restore, work: &Work, known: &Evidence) -> Option<String> {
    let size = work.size();
    if !work.can_sign() {
        return Some(format!(
            "LOG_BEHIND: {size} records were restored, and the key that signs the next one is in no keyring that was given"
        ));
    }
    if args.has_copies() && known.head_size().is_none() {
        return Some(format!(
            "LOG_BEHIND: {size} records were restored from copies, and no HEAD survived to show that these were all: \
             give the lost directory with --lost"
        ));
    }
    None
}

/// Verifies what was restored; it stays unfinished when anything is wrong.
async fn check(staged: Staged, place: &Place, trust: Option<Trust>) -> Result<Staged, Failure> {
    let scratch = place.scratch("verify");
    let checked = blocking(move || -> Result<(Staged, Option<String>), ledger::Error> {
        let wrong = {
            let inspection = staged.inspect(&scratch)?;
            verify::first_wrong(&inspection, trust.as_ref(), staged.restored().disclosures_lost)
        };
        Ok((staged, wrong))
    });
    match checked.await?? {
        (staged, None) => Ok(staged),
        (_, Some(wrong)) => {
            let message = format!("what was restored does not verify: {wrong}");
            Err(Failure::new(Exit::VerificationFailed, message))
        }
    }
}

fn tell(args: &Restore, place: &Place, restored: &Restored, output: &Output) {
    let root: String = restored.root.iter().map(|byte| format!("{byte:02x}")).collect();
    let closed = restored.ending == Ending::Closed;
    let value = json!({
        "log": restored.log.as_str(), "genesis_hash": restored.genesis_hash.to_string(), "size": restored.size,
        "hash": restored.hash.to_string(), "root": root, "from_backup": restored.from_backup,
        "disclosures_lost": restored.disclosures_lost, "closed": closed, "trust_checked": args.trust.is_some(),
    });
    let mut text = format!(
        "restored {} records of {} to {} ({} of them from the backup), verified\n\
         ends with   {}\n\
         root        {root}\n\
         genesis     {}",
        restored.size,
        restored.log,
        place.data_dir.display(),
        restored.from_backup,
        restored.hash,
        restored.genesis_hash,
    );
    if args.trust.is_none() {
        text.push_str("   no trust file was given: compare it with one that came on another way");
    }
    if restored.disclosures_lost > 0 {
        text.push_str(&format!(
            "\nLOST        {} sealed values cannot be opened any more: their scope keys or the values are missing",
            restored.disclosures_lost
        ));
    }
    text.push_str(if closed {
        "\nCLOSED      it can be read and never written; begin a new log with `sigil init --predecessor`"
    } else {
        "\nfor 24 hours an idempotency key needs an id made by the client: keys used after the copy was made are not known"
    });
    output.data(&value, &text);
}
