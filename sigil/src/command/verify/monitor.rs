//! Monitor mode: a server is watched by somebody who trusts it in nothing.
//!
//! Each look: the newest checkpoint, who signed and cosigned it, and that it continues the newest one that was seen
//! before, also in an earlier run (`--state`). With a token that may read every tenant, all records are read once and
//! their tree, map roots and signatures computed again; and a few answers with proof are asked for and checked. What
//! could not be looked at is said.
//!
//! Invariant: the state is replaced only by a checkpoint that continues it. A server that is caught ends the watch with
//! exit code 3, and both notes stay as files beside the state.

mod look;
mod records;
mod samples;
mod server;
mod state;

use super::exit;
use super::file::{Beliefs, options};
use crate::cli::Verify;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::stop::Signals;
use look::Look;
use records::Records;
use samples::Samples;
use server::{Said, Server};
use state::State;
use std::time::Duration;
use tlog::CheckpointText;
use tokio::time::Instant;
use verifier::{Check, Outcome, ProofReport, Verdict};

/// Watches the server at `url`.
pub async fn run(url: &str, args: &Verify, output: &Output) -> Result<Exit, Failure> {
    let watch = &args.watch;
    let beliefs = Beliefs::read(args)?;
    let mut monitor = Monitor {
        server: Server::new(url, watch)?,
        records: Records::new(&beliefs)?,
        samples: Samples::default(),
        state: State::open(watch.state.clone())?,
        beliefs,
    };
    let mut signals = Signals::listen()?;
    loop {
        let look = tokio::select! {
            look = monitor.look() => look,
            _ = signals.requested() => return Ok(Exit::Interrupted),
        };
        match look {
            Ok(look) => {
                look.tell(output);
                if !watch.follow || look.outcome == Outcome::Failed {
                    return Ok(exit(look.outcome));
                }
            }
            Err(failure) if watch.follow && failure.exit == Exit::Unavailable => {
                output.note(&format!("sigil: {failure}; it is asked again"));
            }
            Err(failure) => return Err(failure),
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(watch.interval)) => {}
            _ = signals.requested() => return Ok(Exit::Interrupted),
        }
    }
}

/// How long a checkpoint may be without the cosignatures that the policy asks for.
const COSIGNING: Duration = Duration::from_secs(5);
const ASK_AGAIN: Duration = Duration::from_millis(250);

/// Whether something fails that no witness could mend.
fn fails_beyond_witnesses(report: &ProofReport) -> bool {
    let mut verdicts = report.verdicts.iter();
    verdicts.any(|(check, verdict)| *check != Check::Witnesses && matches!(verdict, Verdict::Failed(_)))
}

/// How a checkpoint stands to the newest one that was seen before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It is the first, or continues that one and takes its place.
    Newest,
    /// It is that one, or that one continues it.
    Known,
    /// It could not be compared.
    Unknown,
}

struct Monitor {
    server: Server,
    beliefs: Beliefs,
    records: Records,
    samples: Samples,
    state: State,
}

impl Monitor {
    async fn look(&mut self) -> Result<Look, Failure> {
        let (note, report) = self.newest().await?;
        let foreign = fails_beyond_witnesses(&report);
        let mut look = Look::begin(report);
        let Ok(head) = CheckpointText::parse(&note) else {
            return Ok(look);
        };
        if foreign {
            return Ok(look);
        }
        // Also without a quorum: that witnesses refuse may have the reason that is looked for here.
        let standing = self.compare(&head, &note, &mut look).await?;
        if look.is_forked() {
            self.state.keep_evidence(&note, &mut look.notes)?;
        }
        if look.outcome == Outcome::Failed {
            return Ok(look);
        }
        if standing != Standing::Unknown {
            self.read_records(&head, &note, &mut look).await?;
        }
        if look.outcome == Outcome::Failed {
            self.state.keep_evidence(&note, &mut look.notes)?;
            return Ok(look);
        }
        if standing == Standing::Newest {
            self.state.put(&note)?;
        }
        self.ask_samples(&mut look).await?;
        Ok(look)
    }

    /// The newest checkpoint. One that was just published is given a moment for its cosignatures.
    async fn newest(&self) -> Result<(String, ProofReport), Failure> {
        let until = Instant::now() + COSIGNING;
        loop {
            let note = self.server.checkpoint().await?;
            let report = verifier::verify_checkpoint(&note, &options(&self.beliefs));
            let waits = report.outcome() == Outcome::Failed && !fails_beyond_witnesses(&report);
            if !waits || Instant::now() >= until {
                return Ok((note, report));
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }

    /// Holds the checkpoint against the newest one that was seen before.
    async fn compare(&self, head: &CheckpointText, note: &str, look: &mut Look) -> Result<Standing, Failure> {
        let Some(known) = self.state.note() else {
            return Ok(Standing::Newest);
        };
        let Ok(before) = CheckpointText::parse(known) else {
            let path = self.state.path();
            let detail = format!("{path}: the state is no checkpoint: move it away to begin anew");
            return Err(Failure::new(Exit::Unchecked, detail));
        };
        let (from, to) = (before.size().min(head.size()), before.size().max(head.size()));
        let nodes = match from == to || from == 0 {
            true => Vec::new(),
            false => match self.server.consistency(from, to).await? {
                Said::Yes(nodes) => nodes,
                Said::No(reason) => {
                    let note = format!("whether {to} records continue {from} could not be checked: {reason}");
                    look.miss(note);
                    return Ok(Standing::Unknown);
                }
            },
        };
        let report = verifier::verify_consistency(known, note, &nodes, &options(&self.beliefs));
        look.add(report);
        if head.size() < before.size() {
            let note = format!(
                "the server shows {} records, it has shown {} before",
                head.size(),
                before.size()
            );
            look.miss(note);
        }
        // An older one never takes the place of a newer one, or what lies between could be exchanged afterwards.
        Ok(match head.size() > before.size() {
            true => Standing::Newest,
            false => Standing::Known,
        })
    }

    async fn read_records(&mut self, head: &CheckpointText, note: &str, look: &mut Look) -> Result<(), Failure> {
        self.records.know(note, head.size());
        while self.records.is_behind(head.size()) {
            match self.server.records(self.records.next(), head.size()).await? {
                Said::Yes(page) if page.is_empty() => {
                    look.notes
                        .push("records below the checkpoint are not shown yet".to_owned());
                    return Ok(());
                }
                Said::Yes(page) => {
                    page.iter().for_each(|bytes| self.samples.see(bytes));
                    let (found, missed) = self.records.follow(page).await?;
                    look.find(found);
                    missed.into_iter().for_each(|reason| look.miss(reason));
                    look.records = Some(self.records.next());
                    if look.outcome == Outcome::Failed {
                        return Ok(());
                    }
                }
                Said::No(reason) => {
                    let note = format!("records and map roots were not checked: {reason}");
                    look.notes.push(note);
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Asks for a few answers with proof.
    async fn ask_samples(&mut self, look: &mut Look) -> Result<(), Failure> {
        for sample in self.samples.take() {
            match self.server.answer(&sample.query()).await? {
                Said::Yes(answer) => {
                    let report = verifier::verify_answer(&answer, &options(&self.beliefs));
                    // What cannot be proven yet will be asked for again.
                    match report.outcome() {
                        Outcome::Unchecked => look.notes.push("an answer could not be proven yet".to_owned()),
                        Outcome::Verified if !sample.is_answered_by(&answer) => look.refuse(sample.refused()),
                        Outcome::Verified | Outcome::Failed => look.add(report),
                    }
                }
                Said::No(reason) => look
                    .notes
                    .push(format!("an answer with proof was not checked: {reason}")),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
