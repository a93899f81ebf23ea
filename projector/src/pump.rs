//! The overlap of checking and applying: while one batch is written, the next one is fetched, checked and projected.
//!
//! Batches are applied in order and one at a time. When the next batch is refused, the one before it is still applied.

use crate::query::Pending;
use crate::{Batch, Consumer, Error};
use futures_util::future::{Either, select};

/// Who writes changes down.
pub trait Sink: Send {
    /// Applies a batch whole or not at all. A sink that failed is not used again.
    ///
    /// # Errors
    /// [`Error::Database`], [`Error::PositionConflict`].
    fn apply(&mut self, batch: Batch) -> Pending<'_, ()>;
}

/// Moves records from `consumer` into `sink` until at least `until` of them are applied.
///
/// # Errors
/// What the consumer or the sink fails with; every batch before it is applied.
pub async fn pump<'a>(consumer: Consumer<'a>, sink: &mut dyn Sink, until: u64) -> Result<Consumer<'a>, Error> {
    if consumer.position() >= until {
        return Ok(consumer);
    }
    let (mut consumer, mut batch) = consumer.next().await?;
    while consumer.position() < until {
        let next = Box::pin(consumer.next());
        (consumer, batch) = match select(apply(sink, batch), next).await {
            Either::Left((applied, next)) => {
                applied?;
                next.await?
            }
            Either::Right((next, applied)) => {
                applied.await?;
                next?
            }
        };
    }
    apply(sink, batch).await?;
    Ok(consumer)
}

/// Applies one batch in a span of its own, which is exported where spans are.
fn apply<'s>(sink: &'s mut dyn Sink, batch: Batch) -> Pending<'s, ()> {
    let span = tracing::info_span!(
        target: "sigil::span",
        "project",
        otel.kind = "consumer",
        offset.from = batch.from,
        records = batch.until - batch.from,
        error = tracing::field::Empty
    );
    Box::pin(async move {
        let applied = sink.apply(batch).await;
        span.record("error", applied.is_err());
        applied
    })
}
