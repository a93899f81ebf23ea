//! Shapes of bodies, for the OpenAPI document only: answers are spliced from canonical bytes, not serialized from these.

#![expect(dead_code, reason = "the fields describe bodies that are written as bytes")]

mod proof;

pub(crate) use proof::{CheckpointPage, ConsistencyProof, RecordProof};

use serde_json::Value;
use utoipa::ToSchema;

/// A record as a client sends it.
#[derive(ToSchema)]
pub(crate) struct RecordIntake {
    /// The tenant; the credential's, or `default`, when absent.
    tenant: Option<String>,
    /// A UUIDv7. With one, sending the record again is safe.
    id: Option<String>,
    /// The kind, such as `audit.event`.
    #[schema(example = "audit.event")]
    kind: String,
    /// Version of the kind's payload, 1 when absent.
    #[schema(minimum = 1)]
    schema_version: Option<u32>,
    /// `user`.
    space: Option<String>,
    /// By kind and version; `schemas/` has the schema of each.
    #[schema(value_type = Object)]
    payload: Value,
    /// At most 64.
    links: Option<Vec<Link>>,
    /// When the client signed the record: who, with which key.
    author: Option<SignedBy>,
    /// Openings of members that the client sealed itself.
    disclosures: Option<Vec<Opening>>,
}

/// A relation of a record.
#[derive(ToSchema)]
pub(crate) struct Link {
    /// `actor`, `subject`, `resource`, `session`, `proposal`, `cause`, ...
    label: String,
    /// A handle such as `agent:a1`.
    target: String,
}

/// An author's signature.
#[derive(ToSchema)]
pub(crate) struct SignedBy {
    /// The caller's own id.
    id: String,
    /// `ed25519:<64 hex>`.
    key_id: String,
    /// Base64 of 64 bytes.
    sig: String,
}

/// What opens a sealed member.
#[derive(ToSchema)]
pub(crate) struct Opening {
    /// From the record's root, such as `/payload/private`.
    pointer: String,
    /// 64 hex digits.
    salt: String,
    /// The sealed value.
    value: Value,
}

/// CanonicalRecord v1, in RFC 8785 form.
#[derive(ToSchema)]
pub(crate) struct Record {
    author: Value,
    /// BLAKE3-256 of the record without `hash`, `sig` and `pub_key`, 64 hex digits.
    hash: String,
    id: String,
    kind: String,
    links: Vec<Link>,
    /// The log's origin.
    log: String,
    offset: u64,
    #[schema(value_type = Object)]
    payload: Value,
    /// Hash of the tenant's previous record.
    #[schema(required)]
    prev: Option<String>,
    /// Base64 of 32 bytes.
    pub_key: String,
    schema_version: u32,
    seq: u64,
    /// Base64 of 64 bytes: Ed25519 over `sigil/record/v1\n` and the hash's 32 bytes.
    sig: String,
    space: String,
    tenant: String,
    ts: String,
    v: u8,
    witnesses: Vec<Value>,
}

/// A committed record. With `Prefer: return=minimal`, `id` and `hash` stand in place of `record`.
#[derive(ToSchema)]
pub(crate) struct Written {
    /// Position in the log.
    offset: u64,
    record: Option<Record>,
    id: Option<String>,
    hash: Option<String>,
    /// `committed`, or with `until` what was reached: `included` or `witnessed`.
    state: String,
    /// Whether the log's stream had acknowledged the record; always `false` where no stream is configured.
    published: bool,
    /// The record was there before.
    replayed: Option<bool>,
    /// The record was there before and its sealed values could no longer be compared.
    sealed_unchecked: Option<bool>,
}

/// The result of one line: what was written, or the problem.
#[derive(ToSchema)]
pub(crate) struct LineResult {
    /// From 1.
    line: u64,
    /// 201, 200, or the problem's status.
    status: u16,
    offset: Option<u64>,
    id: Option<String>,
    hash: Option<String>,
    record: Option<Record>,
    state: Option<String>,
    published: Option<bool>,
    /// Of a problem.
    code: Option<String>,
    detail: Option<String>,
}

/// A write to the user canon.
#[derive(ToSchema)]
pub(crate) struct CanonWrite {
    /// 1 to 512 bytes.
    key: String,
    value: Value,
    /// Level of assurance that a reader needs, 0 when absent.
    #[schema(maximum = 5)]
    min_loa: Option<u8>,
    /// A session's handle; becomes a link.
    session_id: Option<String>,
    tenant: Option<String>,
    id: Option<String>,
}

/// A committed write to the user canon.
#[derive(ToSchema)]
pub(crate) struct CanonWritten {
    success: bool,
    /// `null`.
    #[schema(required)]
    error: Option<String>,
    offset: u64,
    record: Record,
    state: String,
    published: bool,
    replayed: Option<bool>,
}

/// One page of a timeline.
#[derive(ToSchema)]
pub(crate) struct TimelinePage {
    data: Vec<Record>,
    has_more: bool,
    #[schema(required)]
    next_cursor: Option<String>,
    /// Records of the tenant that this read model cannot read; absent when there is none.
    parked: Option<u64>,
    /// With `proof=true`: `proven`, `superset` or `not_provable`.
    completeness: Option<String>,
    /// Why it is not proven.
    reason: Option<Reason>,
    /// What was asked, as the proof answers it.
    #[schema(value_type = Option<Object>)]
    query: Option<Value>,
    /// With `superset`: what else stands in the timeline that the proof is about.
    others: Option<Vec<Record>>,
    /// Offsets of rows that no checkpoint covers yet.
    unproven: Option<Vec<u64>>,
    /// `before` and `after`: records beside the page that lie outside the span of time.
    boundary: Option<Boundary>,
    /// The proof, as docs/FORMAT.md has it.
    #[schema(value_type = Option<Object>)]
    proof: Option<Value>,
}

/// Why a page is not proven complete.
#[derive(ToSchema)]
pub(crate) struct Reason {
    /// Stable, such as `negation` or `not_yet`.
    code: String,
    text: String,
}

/// Records on either side of a page.
#[derive(ToSchema)]
pub(crate) struct Boundary {
    before: Option<Record>,
    after: Option<Record>,
}

/// The projections of a process.
#[derive(ToSchema)]
pub(crate) struct Projections {
    data: Vec<Projection>,
}

/// How a projection is.
#[derive(ToSchema)]
pub(crate) struct Projection {
    /// Its name.
    projection: String,
    /// The database that holds it: `sqlite` or `postgres`.
    engine: String,
    /// Version of the projection.
    version: u32,
    /// `live`, `rebuilding` or `halted`.
    state: String,
    /// Number of records applied.
    position: u64,
    /// Number of committed records, when the ledger answers.
    #[schema(required)]
    head: Option<u64>,
    /// The difference.
    #[schema(required)]
    lag: Option<u64>,
    /// Number of parked records.
    parked: u64,
    /// Why it follows the log no more.
    #[schema(required)]
    halt: Option<ProjectionHalt>,
    /// The work under way.
    #[schema(required)]
    work: Option<ProjectionWork>,
    /// How the last work ended.
    #[schema(required)]
    last: Option<ProjectionWorkEnded>,
}

/// Why a projection stands still.
#[derive(ToSchema)]
pub(crate) struct ProjectionHalt {
    reason: String,
    /// The record that it stopped before, where it is one.
    #[schema(required)]
    offset: Option<u64>,
}

/// Long work and how far it is.
#[derive(ToSchema)]
pub(crate) struct ProjectionWork {
    /// `rebuild` or `verify`.
    what: String,
    /// `ledger` or `stream`.
    from: String,
    /// `starting`, `loading`, `indexing` or `comparing`.
    stage: String,
    position: u64,
    head: u64,
    records_per_second: u64,
    #[schema(required)]
    eta_seconds: Option<u64>,
}

/// Long work that has ended.
#[derive(ToSchema)]
pub(crate) struct ProjectionWorkEnded {
    /// `rebuild` or `verify`.
    what: String,
    /// `done`, `cancelled` or `failed`.
    outcome: String,
    #[schema(required)]
    detail: Option<String>,
    #[schema(required)]
    verification: Option<ProjectionVerification>,
    /// Offset of the `projection.verified` that says so in the log.
    #[schema(required)]
    reported: Option<u64>,
}

/// What a comparison with a replay found.
#[derive(ToSchema)]
pub(crate) struct ProjectionVerification {
    position: u64,
    digest: String,
    replayed_digest: String,
    equal: bool,
    /// Number of parked records at that position.
    parked: u64,
    /// The buckets that differ.
    differences: Vec<String>,
    /// Number of damaged rows found.
    damaged: u64,
    /// The first of them.
    rows: Vec<DamagedRow>,
    /// Whether `rows` holds all that was found in all differing buckets.
    complete: bool,
}

/// A damaged row.
#[derive(ToSchema)]
pub(crate) struct DamagedRow {
    table: String,
    /// A JSON array.
    key: String,
    /// `missing`, `extra` or `changed`.
    is: String,
}

/// Parked records.
#[derive(ToSchema)]
pub(crate) struct ParkedRecords {
    data: Vec<ParkedRecord>,
    /// Number of all parked records.
    total: u64,
    /// `from` of the next page; null on the last one.
    #[schema(required)]
    next_from: Option<u64>,
}

/// A record whose payload this build cannot read.
#[derive(ToSchema)]
pub(crate) struct ParkedRecord {
    offset: u64,
    tenant: String,
    kind: String,
    schema_version: u32,
    /// `KIND_UNKNOWN`, `SCHEMA_VERSION_UNKNOWN` or `SCHEMA_INVALID`.
    code: String,
    detail: String,
    /// Version of the projection that parked it.
    version: u32,
}

/// What came of trying the parked records again.
#[derive(ToSchema)]
pub(crate) struct RetriedRecords {
    /// Parked no more.
    projected: u64,
    /// Still parked.
    left: u64,
}

/// Records in the order of the log.
#[derive(ToSchema)]
pub(crate) struct EventPage {
    data: Vec<Record>,
    /// Whether more is there already.
    has_more: bool,
    /// `from` of the following page.
    next: u64,
}

/// A record as a CloudEvent (version 1.0 in JSON format).
#[derive(ToSchema)]
pub(crate) struct CloudEvent {
    /// `1.0`.
    specversion: String,
    /// The record's id; unique within `source`.
    id: String,
    /// `//<log>/<tenant>`.
    source: String,
    /// `sigil.<kind>.v<schema_version>`.
    r#type: String,
    /// Target of the record's first `subject` link.
    subject: Option<String>,
    /// Sequencing time.
    time: String,
    /// `sigil:kind/<kind>/<schema_version>`.
    dataschema: String,
    /// `application/json`.
    datacontenttype: String,
    /// The record's offset, 20 digits.
    sequence: String,
    /// The record's hash, 64 hex digits.
    recordhash: String,
    data: Record,
}

/// The end of the log.
#[derive(ToSchema)]
pub(crate) struct Head {
    /// The log's origin.
    log: String,
    /// Number of committed records.
    size: u64,
    /// Hash of the last record.
    #[schema(required)]
    hash: Option<String>,
    /// RFC 6962 root over all records, 64 hex digits.
    root: String,
    /// Sequencing time of the last record.
    #[schema(required)]
    ts: Option<String>,
    /// Number of records that the read model has applied.
    position: u64,
}

/// A record with its neighbours and the server's own checks.
#[derive(ToSchema)]
pub(crate) struct Audit {
    record: Record,
    chain: Value,
    verification: Value,
}

/// What opens the sealed members of a record.
#[derive(ToSchema)]
pub(crate) struct Disclosures {
    id: String,
    disclosures: Vec<Opening>,
}

/// A tenant to create.
#[derive(ToSchema)]
pub(crate) struct NewTenant {
    /// `[a-z0-9][a-z0-9-]{0,62}`.
    tenant: String,
    /// For people, 1 to 256 characters.
    name: String,
}

/// RFC 9457 problem details.
#[derive(ToSchema)]
pub(crate) struct Problem {
    r#type: String,
    title: String,
    status: u16,
    detail: String,
    instance: String,
    /// What clients branch on.
    code: String,
    /// The same as `detail`.
    error: String,
    request_id: String,
    timestamp: String,
    docs_url: String,
    /// What to do next.
    action: String,
    /// Whether the unchanged request may succeed later.
    retryable: bool,
    errors: Option<Vec<Finding>>,
    /// Where the record is, when it is stored although the write failed: it has no quorum of witnesses yet.
    offset: Option<u64>,
    /// `committed`, with `offset`.
    state: Option<String>,
    /// `false`, where existing clients expect it.
    success: Option<bool>,
}

/// One thing that is wrong.
#[derive(ToSchema)]
pub(crate) struct Finding {
    /// RFC 6901 pointer into the body.
    pointer: Option<String>,
    /// Name of a query parameter.
    parameter: Option<String>,
    code: String,
    detail: String,
}
