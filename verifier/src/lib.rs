//! The independent check of a log, by somebody who trusts neither the store nor its operator.
//!
//! It never depends on the ledger: records come in as bytes ([`source`]), what is believed beforehand comes in a trust
//! file ([`trust`]), and everything else is recomputed. Canonical form is proven by a scanner of its own, with
//! `serde_jcs` beside it in `thorough` mode; the trees are rebuilt; keys are folded from genesis.
//!
//! [`verify_log`] walks a whole log, [`verify_record`] looks at one record. Both answer with a verdict for every
//! [`Check`], also for those that were not made, and with findings that name offset, member and what was expected.
//! [`Outcome::Verified`] needs a pass in every check that was asked for: what could not be checked is never taken for
//! right.
//!
//! What travels without the log ([`proof`]: a saved answer, a record with its proof, checkpoints, bundles) has reports of
//! its own. A tenant computes the root of its own map with [`tenant_map`].
//!
//! No clock, no I/O and no randomness. Evidence packs are not read here yet.

pub mod anchors;
mod chain;
pub mod check;
mod checkpoints;
mod envelope;
mod examine;
pub mod finding;
pub mod follow;
mod gateways;
mod keyring;
pub mod log;
mod maps;
pub mod own;
pub mod proof;
pub mod report;
mod scan;
mod signature;
pub mod single;
pub mod source;
mod tenant;
mod timeline;
pub mod trust;
mod walk;

pub use anchors::{Clock, Dated, Existed};
pub use check::{Check, Outcome, Verdict};
pub use finding::Finding;
pub use follow::Follower;
pub use log::{Options, verify_log};
pub use own::{OwnMap, tenant_map};
pub use proof::{
    ProofOptions, ProofReport, verify_answer, verify_bundle, verify_checkpoint, verify_consistency, verify_disclosures,
    verify_record_proof,
};
pub use report::Report;
pub use single::{RecordReport, verify_record};
pub use source::{
    Anchor, Claims, Damaged, Derived, Head, Item, MapVersion, StoredMaps, StoredRecord, TimelineEntry, TimelineName,
    TreeHead,
};
pub use tlog::{KeyType, VerifierKey};
pub use trust::{Trust, TrustError};
