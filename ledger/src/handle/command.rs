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

/// A place in a line: come when everybody before has gone. Who gives his up holds up nobody, and lets nobody pass those
/// who still stand before him.
pub(crate) struct Turn {
    before: Option<oneshot::Receiver<()>>,
    /// Closed when this turn is over, and those before it are.
    after: Option<oneshot::Sender<()>>,
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
            after: Some(after),
        }
    }
}

impl Turn {
    /// Waits until everybody before has gone.
    pub(super) async fn come(&mut self) {
        if let Some(before) = &mut self.before {
            // Nothing is ever sent: the end of the turn before is the signal.
            let _ended = before.await;
        }
        self.before = None;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let (Some(before), Some(after)) = (self.before.take(), self.after.take()) else {
            return;
        };
        // Given up before it came. Without a runtime nobody waits.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let _ended = before.await;
                drop(after);
            });
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::guards::once_key;
    use crate::log::{Log, event, plain, tenant};
    use crate::probe::{Probe, Step};
    use ledger_client::LedgerClient as _;
    use record::Timestamp;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    fn asked(n: u8) -> Asked {
        let expires = Timestamp::from_micros(1 << 50).expect("in range");
        Asked {
            once: once_key(expires, &[n; 32]),
            turn: None,
        }
    }

    const REPEATED: Error = Error::CommandRefused(Refusal::Repeated);

    #[tokio::test]
    async fn a_command_is_carried_out_once_also_behind_a_restart() {
        let log = Log::create().await;
        let handle = log.open();
        let many: Vec<Append> = (0..150).map(|n| plain(event(&format!("many.{n}")))).collect();
        let results = handle.append_commanded(many.clone(), asked(1)).await;
        assert!(results.len() == 150 && results.iter().all(Result::is_ok));
        let begun = handle.create_tenant_commanded(tenant("t2"), "T".to_owned(), event("x").id, asked(2));
        assert!(begun.await.is_ok());
        assert_eq!(handle.note_commanded(asked(3)).await, Ok(()));
        let mut stranger = event("denied");
        stranger.tenant = tenant("nobody");
        let denied = handle.append_commanded(vec![plain(stranger.clone())], asked(4)).await;
        assert_eq!(denied, [Err(Error::Denied(domain::Denial::TenantUnknown))]);
        let size = handle.head().await.expect("a head").size;
        let mut handle = handle;
        for _ in 0..2 {
            let again = handle.append_commanded(many.clone(), asked(1)).await;
            assert!(again.len() == 150 && again.iter().all(|result| *result == Err(REPEATED)));
            let again = handle.create_tenant_commanded(tenant("t3"), "T".to_owned(), event("x").id, asked(2));
            assert_eq!(again.await, Err(REPEATED));
            assert_eq!(handle.note_commanded(asked(3)).await, Err(REPEATED));
            let again = handle.append_commanded(vec![plain(stranger.clone())], asked(4)).await;
            assert_eq!(again, [Err(REPEATED)]);
            assert_eq!(handle.head().await.expect("a head").size, size);
            handle.close();
            drop(handle);
            handle = log.open();
        }
    }

    #[tokio::test]
    async fn what_is_not_durable_is_not_taken_for_done() {
        let log = Log::create().await;
        let broken = Arc::new(AtomicBool::new(true));
        let breaks = Arc::clone(&broken);
        let probe = Probe::failing(move |step| {
            let hit = step == Step::Commit && breaks.load(Ordering::Relaxed);
            hit.then(|| std::io::Error::from(std::io::ErrorKind::StorageFull))
        });
        let handle = Handle::open_with(log.config(), Arc::new(SystemClock), probe).expect("opens");
        assert!(matches!(
            handle.note_commanded(asked(1)).await,
            Err(Error::Unavailable { .. })
        ));
        let lost = handle.append_commanded(vec![plain(event("lost"))], asked(2)).await;
        assert!(matches!(lost.as_slice(), [Err(Error::Unavailable { .. })]), "{lost:?}");
        broken.store(false, Ordering::Relaxed);
        assert_eq!(handle.note_commanded(asked(1)).await, Ok(()));
        let stored = handle.append_commanded(vec![plain(event("stored"))], asked(2)).await;
        assert!(matches!(stored.as_slice(), [Ok(_)]), "{stored:?}");
    }

    #[tokio::test]
    async fn turns_come_in_order_and_one_that_gives_up_holds_up_nobody() {
        let mut turns = Turns::default();
        let (mut first, second, mut third) = (turns.next(), turns.next(), turns.next());
        drop(second);
        first.come().await;
        let mut comes = std::pin::pin!(third.come());
        for _ in 0..100 {
            assert!(futures_util::poll!(&mut comes).is_pending(), "the first is not done");
            tokio::task::yield_now().await;
        }
        drop(first);
        comes.await;
    }
}
