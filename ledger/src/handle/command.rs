//! What a command over the bus needs beyond the trait: it is carried out once, and appends keep the order they came in.

use super::{Handle, answered, fill, one};
use crate::guards::OnceKey;
use crate::init::{report_record, tenant_record};
use domain::state::Authority;
use ledger_client::{Append, Error, Receipt, Refusal, Report};
use record::{RecordId, Tenant};
use tokio::sync::oneshot;

/// A request that must not be carried out twice.
pub(crate) struct Asked {
    pub(crate) once: OnceKey,
    /// Its place among those that came before; `None` when order does not matter.
    pub(crate) turn: Option<Turn>,
}

/// A place in a line: come when the one before has gone, or has given up.
pub(crate) struct Turn {
    before: Option<oneshot::Receiver<()>>,
    /// Closed when this turn ends in whatever way.
    _after: oneshot::Sender<()>,
}

/// Gives out turns.
#[derive(Default)]
pub(crate) struct Turns(Option<oneshot::Receiver<()>>);

impl Turns {
    /// The next place in the line.
    pub(crate) fn next(&mut self) -> Turn {
        let (after, next) = oneshot::channel();
        Turn {
            before: self.0.replace(next),
            _after: after,
        }
    }
}

impl Turn {
    /// Waits until everybody before has gone.
    pub(super) async fn come(&mut self) {
        if let Some(before) = self.before.take() {
            // Nothing is ever sent: the end of the turn before is the signal.
            let _ended = before.await;
        }
    }
}

impl Handle {
    /// Appends what a command asks for, once. The first group of records carries the guard of all: what follows is sent
    /// only when the first was not refused as a repetition.
    pub(crate) async fn append_commanded(&self, appends: Vec<Append>, asked: Asked) -> Vec<Result<Receipt, Error>> {
        let (mut results, groups) = self.prepare_all(appends.into_iter());
        let mut groups = groups.into_iter();
        // Where no record can be prepared, the same command would meet the same refusals.
        let Some((places, group)) = groups.next() else {
            return answered(results);
        };
        let outcomes = self.submit(group, Some(asked)).await;
        let repeated = is_repeated(&outcomes);
        fill(&mut results, places, outcomes);
        let (places, groups): (Vec<_>, Vec<_>) = groups.unzip();
        if repeated {
            for places in places {
                fill(&mut results, places, Err(Error::CommandRefused(Refusal::Repeated)));
            }
            return answered(results);
        }
        let submits = groups.into_iter().map(|group| self.submit(group, None));
        for (places, outcomes) in places.into_iter().zip(futures_util::future::join_all(submits).await) {
            fill(&mut results, places, outcomes);
        }
        answered(results)
    }

    /// Begins a tenant, once.
    pub(crate) async fn create_tenant_commanded(
        &self,
        tenant: Tenant,
        name: String,
        id: RecordId,
        asked: Asked,
    ) -> Result<Receipt, Error> {
        let record = tenant_record(tenant, name, id)?;
        let prepared = self.inner.preparer.prepare(record, Authority::Ledger, None)?;
        one(self.submit(vec![prepared], Some(asked)).await?)
    }

    /// Writes down what a role did, as it asked for.
    pub(crate) async fn report_commanded(&self, report: &Report, id: RecordId, asked: Asked) -> Result<Receipt, Error> {
        let record = report_record(report, id)?;
        let prepared = self.inner.preparer.prepare(record, Authority::Ledger, None)?;
        one(self.submit(vec![prepared], Some(asked)).await?)
    }

    /// Remembers that this was asked for; durable when it returns.
    pub(crate) async fn note_commanded(&self, asked: Asked) -> Result<(), Error> {
        self.submit(Vec::new(), Some(asked))
            .await?
            .into_iter()
            .try_for_each(|outcome| outcome.map(drop))
    }
}

fn is_repeated(outcomes: &super::Answers) -> bool {
    let repeated = |error: &Error| *error == Error::CommandRefused(Refusal::Repeated);
    match outcomes {
        Ok(results) => results.iter().any(|result| result.as_ref().is_err_and(repeated)),
        Err(error) => repeated(error),
    }
}
