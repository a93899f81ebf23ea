//! Whether a request is taken: who, signed, which log, when, what. Nothing is parsed before the signature is checked.

use super::Config;
use super::intake::Arrival;
use crate::access::Access;
use crate::standing::Standing;
use ledger_client::Refusal;
use ledger_client::wire::{Command, Verb, command_message};
use record::{Origin, Timestamp};

/// What a request is judged by.
pub(super) struct Bench<'a> {
    pub(super) log: &'a Origin,
    pub(super) access: &'a Access,
    pub(super) config: &'a Config,
    pub(super) now: Timestamp,
    pub(super) standing: Option<Standing>,
}

impl Bench<'_> {
    /// The command of a request that may be carried out.
    pub(super) fn judge(&self, arrival: &Arrival) -> Result<(Verb, Command), Refusal> {
        let frame = &arrival.frame;
        let gateway = self
            .access
            .gateways
            .find(&frame.gateway)
            .ok_or(Refusal::GatewayUnknown)?;
        if !gateway
            .key
            .verifies(&command_message(&arrival.document), &frame.signature)
        {
            return Err(Refusal::SignatureInvalid);
        }
        // Told only to whoever holds the key.
        if gateway.revoked {
            return Err(Refusal::GatewayRevoked);
        }
        let verb = arrival.verb.ok_or(Refusal::VerbUnknown)?;
        let command = Command::read(&arrival.document)?;
        if command.log != self.log.as_str() {
            return Err(Refusal::WrongLog);
        }
        // What stands around the document was not signed: it has to say the same.
        if command.gateway != frame.gateway || command.id != frame.request_id || command.op != verb.as_str() {
            return Err(Refusal::Malformed);
        }
        self.check_times(&command)?;
        if !verb.permitted(gateway.role) {
            return Err(Refusal::VerbDenied);
        }
        Ok((verb, command))
    }

    fn check_times(&self, command: &Command) -> Result<(), Refusal> {
        let (now, tolerance) = (self.now.micros(), self.config.tolerance_micros());
        let (issued, expires) = (command.issued_at.micros(), command.expires_at.micros());
        if expires.saturating_add(tolerance) <= now {
            return Err(Refusal::Expired);
        }
        // A restored log does not remember what was asked of the one that was lost.
        let standing = self.standing.as_ref();
        if standing.is_some_and(|standing| standing.may_be_repeated(command.issued_at, tolerance)) {
            return Err(Refusal::Expired);
        }
        if issued > now.saturating_add(tolerance) {
            return Err(Refusal::NotYetValid);
        }
        if expires <= issued || expires - issued > i64::from(self.config.lifetime_s) * 1_000_000 {
            return Err(Refusal::LifetimeTooLong);
        }
        Ok(())
    }
}
