//! What a command does, verb by verb, and the body of its answer.

use super::service::Shared;
use crate::guards::once_key;
use crate::handle::{Asked, Turn};
use ledger_client::proof::{Answer, Question};
use ledger_client::wire::{Command, Verb, body};
use ledger_client::{Append, Error, LedgerClient as _, Receipt, Refusal};
use record::Fault;
use std::time::Duration;

/// How long the answer to `wait` is held back at most.
const WAIT_MS: u64 = 30_000;

impl Shared {
    /// Carries out a command that was judged.
    pub(super) async fn carry_out(&self, verb: Verb, command: Command, turn: Option<Turn>) -> Result<Vec<u8>, Error> {
        let handle = &self.handle;
        match verb {
            Verb::Append => self.append(command, turn).await,
            Verb::Tenant => {
                let asked = self.asked(&command, None);
                let (tenant, name, id) = body::read_tenant(&command.body).map_err(Error::CommandRefused)?;
                let receipt = handle.create_tenant_commanded(tenant, name, id, asked).await;
                Ok(body::results(&[receipt]))
            }
            Verb::Report => {
                let asked = self.asked(&command, None);
                let (report, id) = body::read_report(&command.body).map_err(Error::CommandRefused)?;
                if !report.is_of_any_role() {
                    return Err(Error::CommandRefused(Refusal::VerbDenied));
                }
                let receipt = handle.report_commanded(&report, id, asked).await;
                Ok(body::results(&[receipt]))
            }
            Verb::Head => Ok(body::head(&handle.head().await?)),
            Verb::Read => {
                let (from, limit) =
                    body::read_numbers(&command.body, "from", "limit").map_err(Error::CommandRefused)?;
                let records = handle.read(from, usize::try_from(limit).unwrap_or(usize::MAX)).await?;
                Ok(body::records(&records))
            }
            Verb::Find => {
                let (tenant, id) = body::read_one_record(&command.body).map_err(Error::CommandRefused)?;
                Ok(body::found(handle.find(tenant, id).await?.as_ref()))
            }
            Verb::Open => self.open(command).await,
            Verb::Wait => {
                let (above, for_ms) =
                    body::read_numbers(&command.body, "above", "for_ms").map_err(Error::CommandRefused)?;
                Ok(body::size(self.wait(above, for_ms.min(WAIT_MS)).await))
            }
            Verb::Prove => {
                let question = body::read_question(command.body).map_err(Error::CommandRefused)?;
                let unwritable = |error: serde_json::Error| Error::Corrupt(error.to_string());
                body::answer(&self.prove(question).await?).map_err(unwritable)
            }
            Verb::Keys => self.keys().await,
        }
    }

    /// What leads from a pinned genesis to the key that signs replies.
    pub(super) async fn keys(&self) -> Result<Vec<u8>, Error> {
        let genesis = self.handle.read(0, 1).await?.into_iter().next();
        let genesis = genesis.ok_or_else(|| Error::Corrupt("the log has no genesis".to_owned()))?;
        let rotations = self.access().map(|access| access.rotations.clone()).unwrap_or_default();
        Ok(body::keys(&genesis.bytes, &rotations))
    }

    async fn append(&self, command: Command, turn: Option<Turn>) -> Result<Vec<u8>, Error> {
        let asked = self.asked(&command, turn);
        let items = body::read_append(command.body).map_err(Error::CommandRefused)?;
        self.counters.records(items.len());
        let (appends, faults) = split(items);
        let mut outcomes = self.handle.append_commanded(appends, asked).await.into_iter();
        let results: Vec<Result<Receipt, Error>> = faults
            .into_iter()
            .map(|fault| match fault {
                Some(fault) => Err(fault.into()),
                None => outcomes.next().unwrap_or_else(|| Err(missing())),
            })
            .collect();
        Ok(body::results(&results))
    }

    async fn open(&self, command: Command) -> Result<Vec<u8>, Error> {
        if !self.config.protected {
            return Err(Error::CommandRefused(Refusal::Unprotected));
        }
        let (tenant, id) = body::read_one_record(&command.body).map_err(Error::CommandRefused)?;
        // Whoever caught the request must not be able to ask again, not even behind a restart.
        self.handle.note_commanded(self.asked(&command, None)).await?;
        let openings = self.handle.open_sealed(tenant, id).await?;
        Ok(body::openings(openings.as_deref()))
    }

    /// The size of the log once it is above `above`, or after a while, or when the service ends.
    async fn wait(&self, above: u64, for_ms: u64) -> u64 {
        let mut committed = self.handle.committed();
        let mut ending = self.ending.subscribe();
        tokio::select! {
            _grown = committed.wait_for(|size| *size > above) => {}
            () = tokio::time::sleep(Duration::from_millis(for_ms)) => {}
            _ended = ending.wait_for(|ending| *ending) => {}
        }
        *self.handle.committed().borrow()
    }

    /// Answers a question; one that is waited for is answered as things are when the service ends.
    async fn prove(&self, question: Question) -> Result<Answer, Error> {
        let mut ending = self.ending.subscribe();
        let mut at_once = question.clone();
        if let Question::Checkpoint { wait_ms, .. } = &mut at_once {
            *wait_ms = 0;
        }
        tokio::select! {
            answer = self.handle.prove(question) => return answer,
            _ended = ending.wait_for(|ending| *ending) => {}
        }
        self.handle.prove(at_once).await
    }

    fn asked(&self, command: &Command, turn: Option<Turn>) -> Asked {
        let index = &self.handle.inner.preparer.index;
        let request = index.request(&command.gateway, &command.id.to_string());
        Asked {
            once: once_key(command.expires_at, &request),
            turn,
        }
    }
}

/// Items that are records, and for each item the fault of one that is none.
fn split(items: Vec<body::Item>) -> (Vec<Append>, Vec<Option<Fault>>) {
    let mut appends = Vec::with_capacity(items.len());
    let mut faults = Vec::with_capacity(items.len());
    for item in items {
        match item {
            Ok(append) => {
                appends.push(append);
                faults.push(None);
            }
            Err(fault) => faults.push(Some(fault)),
        }
    }
    (appends, faults)
}

fn missing() -> Error {
    Error::Corrupt("a record of the request got no answer".to_owned())
}
