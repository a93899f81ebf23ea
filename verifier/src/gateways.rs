//! Who may send commands, while the log is walked: a name and a key are enrolled once, and only what stands is revoked.
//!
//! Judged here from the payloads alone, with rules of its own: the ledger's fold is what a forger would have bent.

use crate::check::Check;
use crate::finding::Finding;
use domain::payload::{GatewayEnrolled, GatewayRevoked};
use domain::state::Body;
use std::collections::{HashMap, HashSet};

/// The enrolments so far.
#[derive(Debug, Default)]
pub(crate) struct Gateways {
    /// Whether the name's enrolment stands.
    standing: HashMap<String, bool>,
    keys: HashSet<String>,
}

impl Gateways {
    /// Folds one record of a sound log; a finding when it breaks a rule. `lost` records may have held what is missing here.
    pub(crate) fn fold(&mut self, body: &Body, ledger_tenant: bool, lost: u64) -> Option<Finding> {
        let detail = match body {
            Body::GatewayEnrolled(_) | Body::GatewayRevoked(_) if !ledger_tenant => {
                Some("an enrolment stands in the ledger's own tenant only")
            }
            Body::GatewayEnrolled(enrolled) => self.enrol(enrolled),
            Body::GatewayRevoked(revoked) => self.revoke(revoked).filter(|_| lost == 0),
            _ => None,
        };
        detail.map(|detail| Finding::new(Check::Chain, "/payload", detail))
    }

    fn enrol(&mut self, enrolled: &GatewayEnrolled) -> Option<&'static str> {
        if self.standing.contains_key(&enrolled.gateway) {
            return Some("the gateway is or was enrolled");
        }
        self.standing.insert(enrolled.gateway.clone(), true);
        // The schema has one spelling for each key, so that texts may be compared.
        let fresh = self.keys.insert(enrolled.public_key.clone());
        (!fresh).then_some("the key is another gateway's")
    }

    fn revoke(&mut self, revoked: &GatewayRevoked) -> Option<&'static str> {
        let stood = self.standing.insert(revoked.gateway.clone(), false);
        (stood != Some(true)).then_some("no gateway of this name is enrolled")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::payload::GatewayRole;

    fn enrolled(gateway: &str, key: &str) -> Body {
        Body::GatewayEnrolled(GatewayEnrolled {
            gateway: gateway.to_owned(),
            public_key: key.to_owned(),
            role: GatewayRole::Gateway,
        })
    }

    fn revoked(gateway: &str) -> Body {
        Body::GatewayRevoked(GatewayRevoked {
            gateway: gateway.to_owned(),
        })
    }

    #[test]
    fn a_name_and_a_key_are_enrolled_once_and_only_what_stands_is_revoked() {
        let mut gateways = Gateways::default();
        let mut lawful = |body: &Body| gateways.fold(body, true, 0).is_none();
        assert!(lawful(&enrolled("a", "k1")));
        assert!(!lawful(&enrolled("a", "k2")), "the name is taken");
        assert!(!lawful(&enrolled("b", "k1")), "the key is taken");
        assert!(!lawful(&revoked("c")), "nobody is enrolled under this name");
        assert!(lawful(&revoked("a")));
        assert!(!lawful(&revoked("a")), "it was revoked before");
        assert!(!lawful(&enrolled("a", "k3")), "a name does not come back");
        assert!(lawful(&Body::Plain));
    }

    #[test]
    fn enrolments_stand_in_the_ledgers_tenant_and_lost_records_may_have_held_them() {
        let mut gateways = Gateways::default();
        assert!(gateways.fold(&enrolled("a", "k1"), false, 0).is_some());
        assert!(gateways.fold(&revoked("a"), false, 0).is_some());
        assert!(gateways.fold(&revoked("b"), true, 1).is_none());
        assert!(gateways.fold(&revoked("c"), true, 0).is_some());
    }
}
