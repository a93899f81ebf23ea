//! Who may send commands over the bus: folded from `gateway.enrolled` and `gateway.revoked`.
//!
//! A name means one key for ever, and a key one name: a revoked one stays in the list, so that neither comes back.

use super::{Denial, Keys};
use crate::payload::gateway_enrolled::GatewayRole;
use crate::payload::{GatewayEnrolled, GatewayRevoked};
use record::PublicKey;
use std::collections::BTreeMap;

/// One enrolment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gateway {
    /// The key that signs its commands.
    pub key: PublicKey,
    /// What it may ask for.
    pub role: GatewayRole,
    /// Whether the enrolment has ended.
    pub revoked: bool,
}

/// Every enrolment, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gateways(BTreeMap<String, Gateway>);

impl Gateways {
    /// The enrolment of this name, also an ended one.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Gateway> {
        self.0.get(name)
    }

    /// All enrolments, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Gateway)> {
        self.0.iter().map(|(name, gateway)| (name.as_str(), gateway))
    }

    /// What `enrolled` would add, in a log with these `keys`.
    ///
    /// # Errors
    /// [`Denial::GatewayExists`] or [`Denial::GatewayKeyRefused`].
    pub fn check_enrolment(&self, keys: &Keys, enrolled: &GatewayEnrolled) -> Result<Gateway, Denial> {
        if self.0.contains_key(&enrolled.gateway) {
            return Err(Denial::GatewayExists);
        }
        let key = PublicKey::from_base64(&enrolled.public_key).ok_or(Denial::GatewayKeyRefused)?;
        // One key, one purpose: a gateway that signs with a key of the log could sign replies to itself.
        let own = [&keys.record, &keys.checkpoint, &keys.root].contains(&&key);
        if own || self.0.values().any(|gateway| gateway.key == key) {
            return Err(Denial::GatewayKeyRefused);
        }
        Ok(Gateway {
            key,
            role: enrolled.role,
            revoked: false,
        })
    }

    /// Whether `revoked` ends an enrolment that stands.
    ///
    /// # Errors
    /// [`Denial::GatewayUnknown`].
    pub fn check_revocation(&self, revoked: &GatewayRevoked) -> Result<(), Denial> {
        match self.0.get(&revoked.gateway) {
            Some(gateway) if !gateway.revoked => Ok(()),
            _ => Err(Denial::GatewayUnknown),
        }
    }

    /// Adds an enrolment that passed the check.
    pub fn enrol(&mut self, name: &str, gateway: Gateway) {
        self.0.insert(name.to_owned(), gateway);
    }

    /// Ends the enrolment of this name.
    pub fn revoke(&mut self, name: &str) {
        if let Some(gateway) = self.0.get_mut(name) {
            gateway.revoked = true;
        }
    }
}
