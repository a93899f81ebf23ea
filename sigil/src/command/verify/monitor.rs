//! Monitor mode: a server is watched by somebody who trusts it in nothing.
//!
//! Each look: the newest checkpoint, who signed and cosigned it, and that it continues the newest one that was seen
//! before, also in an earlier run (`--state`). With a token that may read every tenant, all records are read once and
//! their tree, map roots and signatures computed again; and a few answers with proof are asked for and checked. What
//! could not be looked at is said.
//!
//! Invariant: the state is replaced only by a checkpoint that continues it. A server that is caught ends the watch with
//! exit code 3, and both notes stay as files beside the state.

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
use records::Records;
use samples::Samples;
use serde_json::json;
use server::{Said, Server};
use state::State;
use std::time::Duration;
use tlog::CheckpointText;
use tokio::time::Instant;
use verifier::{Check, Finding, Outcome, ProofReport, Verdict};

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

struct Monitor {
    server: Server,
    beliefs: Beliefs,
    records: Records,
    samples: Samples,
    state: State,
}

/// What one look has shown.
struct Look {
    outcome: Outcome,
    /// About the checkpoint, and about its consistency with the one before.
    reports: Vec<ProofReport>,
    /// What is wrong with the records.
    findings: Vec<Finding>,
    /// Records that were read so far, all of them from the first.
    records: Option<u64>,
    notes: Vec<String>,
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
        let newer = self.compare(&head, &note, &mut look).await?;
        if look.is_forked() {
            self.state.keep_evidence(&note, &mut look.notes)?;
        }
        if look.outcome == Outcome::Failed {
            return Ok(look);
        }
        if newer {
            self.read_records(&head, &note, &mut look).await?;
        }
        if look.outcome == Outcome::Failed {
            self.state.keep_evidence(&note, &mut look.notes)?;
            return Ok(look);
        }
        if newer {
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

    /// Holds the checkpoint against the newest one that was seen before; whether it takes that one's place.
    async fn compare(&mut self, head: &CheckpointText, note: &str, look: &mut Look) -> Result<bool, Failure> {
        let Some(known) = self.state.note().map(str::to_owned) else {
            return Ok(true);
        };
        let Ok(before) = CheckpointText::parse(&known) else {
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
                    return Ok(false);
                }
            },
        };
        let report = verifier::verify_consistency(&known, note, &nodes, &options(&self.beliefs));
        look.add(report);
        if head.size() < before.size() {
            let note = format!(
                "the server shows {} records, it has shown {} before",
                head.size(),
                before.size()
            );
            look.miss(note);
        }
        Ok(head.size() > before.size() || self.records.is_behind(head.size()))
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
        for query in self.samples.take() {
            match self.server.answer(&query).await? {
                Said::Yes(answer) => {
                    let report = verifier::verify_answer(&answer, &options(&self.beliefs));
                    // What cannot be proven yet will be asked for again.
                    match report.outcome() {
                        Outcome::Unchecked => look.notes.push("an answer could not be proven yet".to_owned()),
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

impl Look {
    fn begin(report: ProofReport) -> Self {
        Self {
            outcome: report.outcome(),
            reports: vec![report],
            findings: Vec::new(),
            records: None,
            notes: Vec::new(),
        }
    }

    /// Whether the checkpoint does not continue the one that was seen before.
    fn is_forked(&self) -> bool {
        let mut reports = self.reports.iter();
        reports.any(|report| matches!(report.verdict(Check::Consistency), Some(Verdict::Failed(_))))
    }

    fn add(&mut self, report: ProofReport) {
        self.worsen(report.outcome());
        self.reports.push(report);
    }

    fn find(&mut self, findings: Vec<Finding>) {
        if !findings.is_empty() {
            self.worsen(Outcome::Failed);
        }
        self.findings.extend(findings);
    }

    fn miss(&mut self, note: String) {
        self.worsen(Outcome::Unchecked);
        self.notes.push(note);
    }

    fn worsen(&mut self, outcome: Outcome) {
        self.outcome = match (self.outcome, outcome) {
            (Outcome::Failed, _) | (_, Outcome::Failed) => Outcome::Failed,
            (Outcome::Unchecked, _) | (_, Outcome::Unchecked) => Outcome::Unchecked,
            (Outcome::Verified, Outcome::Verified) => Outcome::Verified,
        };
    }

    fn tell(&self, output: &Output) {
        let value = json!({
            "outcome": self.outcome.as_str(),
            "reports": self.reports.iter().map(ProofReport::to_json).collect::<Vec<_>>(),
            "findings": self.findings.iter().map(Finding::to_json).collect::<Vec<_>>(),
            "records": self.records,
            "notes": self.notes,
        });
        let mut lines: Vec<String> = Vec::new();
        for report in &self.reports {
            lines.push(format!("{}:", report.subject.as_str()));
            lines.extend(report.lines().into_iter().map(|line| format!("  {line}")));
        }
        lines.extend(
            self.findings
                .iter()
                .map(|finding| format!("FAILED   records: {finding}")),
        );
        if let Some(records) = self.records {
            lines.push(format!("{records} records computed again, with their map roots"));
        }
        lines.extend(self.notes.iter().map(|note| format!("note: {note}")));
        lines.push(self.outcome.as_str().to_owned());
        output.data(&value, &lines.join("\n"));
    }
}
