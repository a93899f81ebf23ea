//! A request to stop, from whoever started long work to the work itself.
//!
//! It is a wish: the work stops at its next safe point, leaves nothing half done, and says that it stopped.

use futures_util::future::{Either, select};
use std::pin::pin;
use tokio::sync::watch;

/// The side that asks. Dropping it without [`Trigger::cancel`] asks for nothing.
#[derive(Debug)]
pub struct Trigger(watch::Sender<bool>);

/// The side that listens.
#[derive(Debug, Clone)]
pub struct Cancel(watch::Receiver<bool>);

impl Trigger {
    /// A trigger and what listens to it.
    #[must_use]
    pub fn new() -> (Self, Cancel) {
        let (sender, receiver) = watch::channel(false);
        (Self(sender), Cancel(receiver))
    }

    /// Asks the work to stop.
    pub fn cancel(&self) {
        self.0.send_replace(true);
    }
}

impl Cancel {
    /// Never cancelled.
    #[must_use]
    pub fn never() -> Self {
        Trigger::new().1
    }

    /// Whether stopping was asked for.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        *self.0.borrow()
    }

    /// Resolves once stopping is asked for; never, when the trigger is gone without asking.
    pub async fn cancelled(&self) {
        let mut receiver = self.0.clone();
        if receiver.wait_for(|cancelled| *cancelled).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// The outcome of `work`; `None` when stopping was asked for first, and `work` is dropped where it stood.
    pub async fn guard<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        match select(pin!(self.cancelled()), pin!(work)).await {
            Either::Left(_) => None,
            Either::Right((outcome, _)) => Some(outcome),
        }
    }
}
