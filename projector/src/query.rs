//! What a read model answers: one record, one page of a timeline, the position it has reached.
//!
//! The traits are what `gateway` knows of a read model. Filters are typed: parsing a request's text is the gateway's, SQL
//! is the sub-crates'. Every answer comes from one snapshot and says how far that snapshot had come.

use record::{RecordId, Tenant, Timestamp};
use std::future::Future;
use std::pin::Pin;

/// An answer that is still under way.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, crate::Error>> + Send + 'a>>;

/// One read model.
pub trait Queries: Send + Sync + 'static {
    /// Number of records that the read model has applied.
    fn position(&self) -> Pending<'_, u64>;

    /// The record with this id in this tenant.
    fn record(&self, tenant: Tenant, id: RecordId) -> Pending<'_, Option<Row>>;

    /// The record at this position of the tenant's chain.
    fn record_at(&self, tenant: Tenant, seq: u64) -> Pending<'_, Option<Row>>;

    /// One page of a timeline.
    fn timeline(&self, request: TimelineRequest) -> Pending<'_, Page>;

    /// Number of records of this tenant that are parked: in the tables, but without what only their payload tells.
    fn parked_count(&self, tenant: Tenant) -> Pending<'_, u64>;

    /// The newest value under a key of the tenant's canon.
    fn canon_entry(&self, tenant: Tenant, key: String) -> Pending<'_, Option<CanonEntry>>;
}

/// A record as the read model holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Global position.
    pub offset: u64,
    /// When it happened: `occurred_at` where the record has one, else its sequencing time.
    pub at: Timestamp,
    /// Canonical bytes.
    pub bytes: Vec<u8>,
}

/// The newest write of a canon key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CanonEntry {
    /// Canonical bytes of the value.
    pub value: Vec<u8>,
    /// Level of assurance a reader needs.
    pub min_loa: u8,
    /// Offset of the record that wrote it.
    pub offset: u64,
}

/// A page that somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelineRequest {
    /// Whose records.
    pub tenant: Tenant,
    /// All of these must hold.
    pub terms: Vec<Term>,
    /// Bounds of `at`.
    pub happened: Span,
    /// Bounds of the sequencing time.
    pub recorded: Span,
    /// By what and in which direction the page runs.
    pub order: Order,
    /// The last row of the page before.
    pub after: Option<Place>,
    /// Rows at most, 1 to 500.
    pub limit: u16,
}

/// One condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// What is compared.
    pub field: Field,
    /// With what.
    pub pattern: Pattern,
    /// Whether it must not match.
    pub negated: bool,
}

/// What a condition compares: the targets of a link's label, or a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Field {
    /// Targets of `actor` links.
    Actor,
    /// Targets of `subject` links.
    Subject,
    /// Targets of `resource` links.
    Resource,
    /// Targets of `session` links.
    Session,
    /// Targets of `proposal` links.
    Proposal,
    /// The record's kind.
    Kind,
    /// `action` of an audit event.
    Action,
    /// `outcome` of an audit event.
    Outcome,
}

impl Field {
    /// The label under which the log keeps a timeline for each target; `None` for a column, which has none.
    #[must_use]
    pub const fn label(self) -> Option<&'static str> {
        match self {
            Self::Actor => Some("actor"),
            Self::Subject => Some("subject"),
            Self::Resource => Some("resource"),
            Self::Session => Some("session"),
            Self::Proposal => Some("proposal"),
            Self::Kind => Some("kind"),
            Self::Action | Self::Outcome => None,
        }
    }
}

/// What a field must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pattern {
    /// This text.
    Exact(String),
    /// Any text that starts so (written `text*`).
    Prefix(String),
}

/// A half-open interval of time: `from <= t < until`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    /// Inclusive.
    pub from: Option<Timestamp>,
    /// Exclusive.
    pub until: Option<Timestamp>,
}

/// How a page runs. Recording order is the log's order; happening order is (`at`, offset).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Newest recorded first.
    RecordedDescending,
    /// Oldest recorded first.
    RecordedAscending,
    /// Latest happened first.
    HappenedDescending,
    /// Earliest happened first.
    HappenedAscending,
}

/// Where a row stands in either order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// When it happened.
    pub at: Timestamp,
    /// Global position.
    pub offset: u64,
}

/// One page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The rows, in the order asked for.
    pub rows: Vec<Row>,
    /// Whether rows follow.
    pub more: bool,
    /// Number of records that the read model had applied.
    pub position: u64,
    /// Number of parked records of the tenant ([`Queries::parked_count`]). Filters that read payloads may have missed
    /// them, so a page is not silently complete while this is not zero.
    pub parked: u64,
}
