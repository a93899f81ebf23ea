//! Why an answer is not proven complete: a code that clients branch on, and a sentence.

use ledger_client::proof::Unprovable;
use serde_json::{Value, json};

/// The reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    Negation,
    Pattern,
    Field,
    OccurredRange,
    Order,
    StretchTooLong,
    Disabled,
    NotYet,
    TenantNotCovered,
    Expired,
    PageAhead,
    LedgerUnavailable,
}

impl Reason {
    /// Whether it lies in the question: asking again does not help.
    pub(crate) const fn is_of_question(self) -> bool {
        matches!(
            self,
            Self::Negation | Self::Pattern | Self::Field | Self::OccurredRange | Self::Order
        )
    }

    const fn code(self) -> &'static str {
        match self {
            Self::Negation => "negation",
            Self::Pattern => "pattern",
            Self::Field => "field",
            Self::OccurredRange => "occurred_range",
            Self::Order => "order",
            Self::StretchTooLong => "stretch_too_long",
            Self::Disabled => "checkpoints_off",
            Self::NotYet => "not_yet",
            Self::TenantNotCovered => "tenant_not_covered",
            Self::Expired => "expired",
            Self::PageAhead => "page_ahead",
            Self::LedgerUnavailable => "ledger_unavailable",
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Negation => "what a condition excludes has no timeline: ask without it and filter what comes",
            Self::Pattern => "a pattern has no timeline: ask for one target exactly",
            Self::Field => {
                "actions and outcomes have no timelines: ask for an actor, subject, resource, session, proposal or kind"
            }
            Self::OccurredRange => {
                "the time of happening is not the log's order: ask with recorded_from and recorded_to instead"
            }
            Self::Order => "the order of happening is not the log's order: ask with order=desc or order=asc",
            Self::StretchTooLong => {
                "between these records stand too many that meet one condition and not the others: ask for a smaller page \
                 or a shorter span with recorded_from and recorded_to, or for one condition with proof and filter what comes"
            }
            Self::Disabled => "this log is run without checkpoints",
            Self::NotYet => "no checkpoint covers these records for this read model yet: ask again in a moment",
            Self::TenantNotCovered => {
                "no map covers the beginning of this tenant: it is new, or there is no such tenant"
            }
            Self::Expired => "the maps of that time are no longer kept: ask again when the read model has caught up",
            Self::PageAhead => "the read model has not come as far as the page before: ask again in a moment",
            Self::LedgerUnavailable => "the ledger cannot answer at the moment: ask again",
        }
    }

    pub(crate) fn to_json(self) -> Value {
        json!({"code": self.code(), "text": self.text()})
    }
}

impl From<Unprovable> for Reason {
    fn from(why: Unprovable) -> Self {
        match why {
            Unprovable::Disabled => Self::Disabled,
            Unprovable::NotYet | Unprovable::BeyondEnd => Self::NotYet,
            Unprovable::TenantUnknown => Self::TenantNotCovered,
            Unprovable::Expired => Self::Expired,
        }
    }
}
