//! A stream that is not the log's any more makes room for a new one, which begins at the first offset that no stream
//! holds rightly.
//!
//! Every step can be done again: a rebuild that was interrupted is finished by the next start. Crash points: after the
//! old stream was moved and sealed, the sealed stream itself says that a new one is due; after the new one was created,
//! it is simply the highest.

use super::Feed;
use super::compare::Comparison;
use super::failure::Failure;
use super::marker::Consent;
use super::status::{Divergence, Reason};
use super::stream;
use async_nats::jetstream::Context;
use record::{Slug, wire};

impl Feed {
    /// Moves the diverged stream aside and creates its successor.
    pub(super) async fn rebuild(&self, context: &Context, slug: &Slug, consent: Consent) -> Result<(), Failure> {
        if let Some(base) = stream::bases(context, slug).await?.last().copied()
            && let Some(found) = stream::find(context, slug, base).await?
        {
            stream::retire(context, slug, base, &found).await?;
        }
        self.succeed(context, slug, consent).await
    }

    /// Creates the stream that follows the streams that are there, all of which are sealed.
    pub(super) async fn succeed(&self, context: &Context, slug: &Slug, consent: Consent) -> Result<(), Failure> {
        let Some(last) = stream::bases(context, slug).await?.last().copied() else {
            return self.begin(context, slug, 0).await;
        };
        let Some(old) = stream::find(context, slug, last).await? else {
            return Err(Failure::Passing("a stream vanished while it was looked at".to_owned()));
        };
        let comparison = Comparison {
            handle: &self.handle,
            slug,
            stream: &old,
            base: last,
            timeout: self.config.timeout(),
        };
        let end = old.cached_info().state.last_sequence;
        let wrong = comparison.first_wrong(1, end).await?;
        let first = wrong.as_ref().map_or(end + 1, |(sequence, _)| *sequence);
        let base = wire::offset(last, first).unwrap_or(u64::MAX);
        if base == last {
            return self.replace(context, slug, base, consent).await;
        }
        self.begin(context, slug, base).await
    }

    /// Deletes a stream that holds nothing of this log, because its name is needed. Never without an operator's word.
    async fn replace(&self, context: &Context, slug: &Slug, base: u64, consent: Consent) -> Result<(), Failure> {
        let name = wire::stream_name(slug, base);
        if consent != Consent::Force {
            return Err(Failure::diverged(&name, Reason::NameTaken));
        }
        context.delete_stream(&name).await.map_err(Failure::passing)?;
        tracing::warn!(
            stream = name,
            "deleted a stream that held nothing of this log, as the operator agreed"
        );
        self.begin(context, slug, base).await
    }

    async fn begin(&self, context: &Context, slug: &Slug, base: u64) -> Result<(), Failure> {
        stream::create(context, slug, base, self.config.replicas).await?;
        self.marker.remember(slug, base)?;
        tracing::warn!(stream = wire::stream_name(slug, base), base, "a new stream begins");
        Ok(())
    }

    /// The consent that stands for a rebuild of this divergence: an operator's, or the configuration's.
    pub(super) fn consent(&self, divergence: &Divergence) -> Result<Option<Consent>, Failure> {
        let given = self.marker.consent()?;
        let automatic = self.config.rebuild_automatically.then_some(Consent::Rebuild);
        let consent = given.or(automatic);
        Ok(consent.filter(|consent| *consent == Consent::Force || !divergence.reason.needs_force()))
    }
}
