//! C2SP tlog-witness v1.0.0, both sides: [`Client`] asks the witnesses of a policy to cosign checkpoints, [`Cosigner`] is
//! a witness.
//!
//! A witness says with its cosignature that a checkpoint continues everything it cosigned before. So a log cannot show
//! different histories to different readers unless it wins over as many witnesses as the reader's policy asks for.
//!
//! Invariants: a [`Cosigner`] remembers durably before it answers, and never cosigns two checkpoints of one log of which
//! neither continues the other. A [`Client`] gives back nothing that it has not verified under the policy's keys, and
//! holds up nobody: what a witness does not answer in time is asked again later.
//!
//! No HTTP here: a [`Transport`] carries the requests, and `gateway` has the cosigner's routes. No clock and no randomness:
//! both come from the caller.

mod client;
mod cosigner;
mod key;

pub use client::{
    Answered, Client, Failing, Failure, Head, Log, NoProof, Pending, Standing, Transport, TransportError, Watching,
    Witness,
};
pub use cosigner::{Config, Cosigner, OpenError, Refused, Reply, origin_hash};
pub use key::{CosignerKey, KeyError};
