//! `sigil backup`: a copy of a log, while it runs or while nobody has it open.
//!
//! Where another process has the log, that process is asked through its control socket, and writes the files itself.

use crate::cli::Backup;
use crate::control;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::place::Place;
use crate::progress;
use crate::stop::Signals;
use ledger::Handle;
use ledger::backup::{Request, Written};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Writes the backup.
pub async fn run(args: Backup, output: &Output) -> Result<Exit, Failure> {
    let place = Place::of(&args.log)?;
    let request = Request {
        scopes_to: args.scopes_to.as_deref().map(absolute).transpose()?,
        scope_days: args.scope_days,
        ..Request::new(absolute(&args.to)?)
    };
    let mut signals = Signals::listen()?;
    let written = tokio::select! {
        written = write(&place, &request) => written?,
        // The files go with the process that writes them: ours by the flag, the ledger's by the closed connection.
        _ = signals.requested() => return Ok(Exit::Interrupted),
    };
    tell(&written, &args, output);
    Ok(Exit::Ok)
}

async fn write(place: &Place, request: &Request) -> Result<Written, Failure> {
    let bar = progress::bar("backing up", "records", 0);
    let show = |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    };
    let config = place.config();
    let opened = tokio::task::spawn_blocking(move || Handle::open(config)).await;
    let handle = match opened.map_err(anyhow::Error::from)? {
        Ok(handle) => handle,
        Err(in_use @ ledger::Error::InUse { .. }) => {
            let asked = control::ask(&place.data_dir, request, show).await?;
            // Somebody has the log and does not listen: an import, a check, or a ledger that is just starting.
            return asked.ok_or_else(|| in_use.into());
        }
        Err(error) => return Err(error.into()),
    };
    let cancelled = Arc::new(AtomicBool::new(false));
    let _cancel = Cancel(Arc::clone(&cancelled));
    let (request, bar) = (request.clone(), bar.clone());
    let work = tokio::task::spawn_blocking(move || {
        let mut show = |done, total| {
            bar.set_length(total);
            bar.set_position(done);
            if cancelled.load(Ordering::Relaxed) {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        let written = handle.backup(&request, &mut show);
        handle.close();
        written
    });
    Ok(work.await.map_err(anyhow::Error::from)??)
}

/// Ends the work when nobody waits for it any more.
struct Cancel(Arc<AtomicBool>);

impl Drop for Cancel {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    Ok(std::path::absolute(path)?)
}

fn tell(written: &Written, args: &Backup, output: &Output) {
    let mut value = control::encode_written(written);
    let mut text = format!(
        "backed up {} records of {} ({} bytes) to {}\n\
         ends with   {}\n\
         sealed      {} values, encrypted under {} scope keys",
        written.size,
        written.log,
        written.bytes,
        args.to.display(),
        written.hash,
        written.disclosures,
        written.scope_keys,
    );
    match &args.scopes_to {
        Some(path) => {
            if let Some(members) = value.as_object_mut() {
                members.insert("scopes_to".to_owned(), path.display().to_string().into());
            }
            text.push_str(&format!(
                "\nscope keys  {}   delete it after {} days: an erasure has to reach every copy",
                path.display(),
                args.scope_days
            ));
        }
        None if written.scope_keys > 0 => {
            text.push_str(
                "\nscope keys  not copied: without them no sealed value can be opened after a restore (--scopes-to)",
            );
        }
        None => {}
    }
    output.data(&value, &text);
    output.note("the key file is not in the backup: keep a copy of it apart, nothing else opens this log");
}
