//! The check of every record before anything is projected: form, hash, log, offset, schema, chain, key and signature.
//!
//! A batch passes whole or not at all, and the error names the first record that is wrong. Checking consumes the
//! checker, so that one that has refused a record cannot go on: whoever stopped resumes from what was applied. Whether
//! a record may have been written at all (`decide`) was the ledger's to judge and is the verifier's to check again.
//!
//! One thing does not halt: a payload that this build cannot read, in a record that is otherwise right. A newer ledger
//! may write kinds that an older projector has never heard of. Such a record passes with its [`Checked::refusal`] and is
//! parked (docs/adr/0022). Records that set keys are the exception: what comes after them is judged by them.

use crate::{Change, Error, park, project};
use domain::state::{Body, Fact};
use domain::{Catalogue, State};
use record::{Code, Fault, PublicKey, Record};
use std::sync::Arc;

/// The state that the next record of a log is checked against.
#[derive(Clone)]
pub struct Checker {
    catalogue: Arc<Catalogue>,
    state: State,
}

/// Records below which a second thread costs more than it saves.
const WORTH_A_THREAD: usize = 32;

/// A record that continues the log, rightly signed.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// The record.
    pub record: Record,
    /// Why this build cannot read its payload: an unknown kind or version, or a payload that its schema refuses.
    pub refusal: Option<Fault>,
}

impl Checked {
    /// What the record changes: everything, or where it is parked, what needs no payload.
    #[must_use]
    pub fn changes(&self) -> Vec<Change> {
        match &self.refusal {
            None => project(&self.record),
            Some(refusal) => park(&self.record, refusal),
        }
    }
}

/// A record that is whole in itself: canonical and hashed, and its payload read if it can be.
struct Whole {
    checked: Checked,
    body: Body,
}

/// A record that continues the log, and the key that must have signed it.
struct Admitted {
    checked: Checked,
    key: PublicKey,
}

impl Checker {
    /// A checker that goes on after `state`. Compiles every schema: make one catalogue and keep it.
    #[must_use]
    pub const fn new(catalogue: Arc<Catalogue>, state: State) -> Self {
        Self { catalogue, state }
    }

    /// Number of records that have passed: the offset of the next one.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.state.size()
    }

    /// What the records so far fold to.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// Checks the records that follow.
    ///
    /// # Errors
    /// [`Error::Gap`], [`Error::BrokenChain`] or [`Error::Unverified`] for the first record that fails.
    pub fn check(mut self, batch: &[Arc<[u8]>]) -> Result<(Self, Vec<Checked>), Error> {
        let read = |bytes: &[Arc<[u8]>]| bytes.iter().map(|bytes| self.read(bytes)).collect::<Vec<_>>();
        let (first, second) = in_halves(batch, read);
        let mut admitted = Vec::with_capacity(batch.len());
        let refused = first
            .into_iter()
            .chain(second)
            .find_map(|whole| self.admit(whole).map(|one| admitted.push(one)).err());
        // A forged signature before the refused record is the first thing wrong.
        let (first, second) = in_halves(&admitted, verify_signatures);
        first.and(second)?;
        match refused {
            Some(error) => Err(error),
            None => Ok((self, admitted.into_iter().map(|one| one.checked).collect())),
        }
    }

    /// Checks what needs no other record.
    fn read(&self, bytes: &[u8]) -> Result<Whole, Fault> {
        let record = Record::parse(bytes.to_vec())?;
        // Keys are looked up in one tenant when a read model resumes, so they may come from nowhere else.
        if matches!(record.kind.as_str(), "ledger.genesis" | "key.rotated") && !record.tenant.is_ledger() {
            let detail = "only the ledger's own tenant has keys of the log";
            return Err(Fault::new(Code::EnvelopeInvalid, "/tenant", detail));
        }
        let (body, refusal) = match read_payload(&self.catalogue, &record) {
            Ok(body) => (body, None),
            Err(fault) if sets_keys(&record) => return Err(fault),
            Err(fault) => (Body::Plain, Some(fault)),
        };
        let checked = Checked { record, refusal };
        Ok(Whole { checked, body })
    }

    /// Checks everything else but the signature, and folds the record.
    fn admit(&mut self, whole: Result<Whole, Fault>) -> Result<Admitted, Error> {
        let offset = self.state.size();
        let unverified = |fault| Error::Unverified { offset, fault };
        let Whole { checked, body } = whole.map_err(unverified)?;
        let record = &checked.record;
        self.check_place(record)?;
        self.check_chain(record)?;
        let key = self.key_in_force(&body).map_err(unverified)?;
        if record.pub_key != key {
            let detail = "this is not the log's record key at this offset";
            return Err(unverified(Fault::new(Code::SignatureInvalid, "/pub_key", detail)));
        }
        let (tenant, hash, ts) = (&record.tenant, &record.hash, record.ts);
        self.state.evolve(&Fact {
            tenant,
            hash,
            ts,
            body: &body,
        });
        Ok(Admitted { checked, key })
    }

    fn check_place(&self, record: &Record) -> Result<(), Error> {
        let expected = self.state.size();
        let wrong = |pointer: &str, detail: String| {
            let fault = Fault::new(Code::EnvelopeInvalid, pointer, detail);
            Err(Error::Unverified {
                offset: expected,
                fault,
            })
        };
        if record.log != *self.state.log() {
            return wrong("/log", format!("the record belongs to log {}", record.log));
        }
        if record.offset != expected {
            return Err(Error::Gap {
                expected,
                found: record.offset,
            });
        }
        match self.state.last_ts() {
            Some(last) if record.ts < last => wrong("/ts", format!("the record before it has the later time {last}")),
            _ => Ok(()),
        }
    }

    fn check_chain(&self, record: &Record) -> Result<(), Error> {
        let chain = self.state.chain(&record.tenant).copied().unwrap_or_default();
        if record.seq == chain.length() && record.prev.as_ref() == chain.last() {
            return Ok(());
        }
        let text = |hash: Option<&record::Hash>| hash.map_or("null".to_owned(), ToString::to_string);
        let detail = format!(
            "tenant {} goes on with seq {} after {}, the record has seq {} after {}",
            record.tenant,
            chain.length(),
            text(chain.last()),
            record.seq,
            text(record.prev.as_ref())
        );
        Err(Error::BrokenChain {
            offset: record.offset,
            detail,
        })
    }

    /// The key that must have signed the next record: the one that genesis pins, for genesis itself too.
    fn key_in_force(&self, body: &Body) -> Result<PublicKey, Fault> {
        let pinned = match (self.state.keys(), body) {
            (Some(keys), _) => Some(keys.record),
            (None, Body::Genesis(genesis)) => domain::state::Keys::from_genesis(genesis).map(|keys| keys.record),
            (None, _) => None,
        };
        pinned.ok_or_else(|| {
            let detail = "a log begins with a genesis that pins its keys";
            Fault::new(Code::SignatureInvalid, "/pub_key", detail)
        })
    }
}

/// Reads a payload by what this build knows of its kind.
///
/// # Errors
/// [`Code::KindUnknown`], [`Code::SchemaVersionUnknown`], or the first thing that the kind's stored schema refuses.
pub(crate) fn read_payload(catalogue: &Catalogue, record: &Record) -> Result<Body, Fault> {
    let spec = catalogue.find(&record.kind, record.schema_version)?;
    if let Some(fault) = spec.check_stored(&record.payload).into_iter().next() {
        return Err(fault);
    }
    Body::of(record).map_err(|error| Fault::new(Code::SchemaInvalid, "/payload", error.to_string()))
}

/// Whether the keys of the log may depend on this record, at any version and by any kind that is still to come.
fn sets_keys(record: &Record) -> bool {
    let kind = record.kind.as_str();
    record.tenant.is_ledger() && (kind == "ledger.genesis" || kind.starts_with("key."))
}

/// Does `work` on both halves of `items`, the second one on a thread of its own where that is worth it.
pub(crate) fn in_halves<T: Sync, R: Send>(items: &[T], work: impl Fn(&[T]) -> R + Sync) -> (R, R) {
    let (first, second) = items.split_at(items.len() / 2);
    if items.len() < WORTH_A_THREAD {
        return (work(first), work(second));
    }
    std::thread::scope(|scope| {
        let second = scope.spawn(|| work(second));
        let first = work(first);
        (
            first,
            second.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
        )
    })
}

/// One equation for all of `admitted`: sound because every key is a [`PublicKey`], which is never weak. When it does not
/// hold, each signature is checked strictly to name the record.
fn verify_signatures(admitted: &[Admitted]) -> Result<(), Error> {
    let messages: Vec<[u8; 48]> = admitted.iter().map(|one| one.checked.record.signed_message()).collect();
    let messages: Vec<&[u8]> = messages.iter().map(<[u8; 48]>::as_slice).collect();
    let signature = |one: &Admitted| ed25519_dalek::Signature::from_bytes(&one.checked.record.sig);
    let signatures: Vec<_> = admitted.iter().map(signature).collect();
    let keys: Vec<_> = admitted.iter().map(|one| *one.key.as_dalek()).collect();
    if admitted.is_empty() || ed25519_dalek::verify_batch(&messages, &signatures, &keys).is_ok() {
        return Ok(());
    }
    admitted.iter().try_for_each(|one| {
        let offset = one.checked.record.offset;
        let unverified = |fault| Error::Unverified { offset, fault };
        one.checked.record.verify_signature(&one.key).map_err(unverified)
    })
}
