//! Enrolment: who may send commands over the bus, by records of the ledger's own chain.

use crate::Error;
use crate::handle::Handle;
use crate::init::own_record;
use domain::payload::{GatewayEnrolled, GatewayRevoked, GatewayRole};
use domain::state::Gateways;
use ledger_client::Receipt;
use record::{PublicKey, Tenant};
use serde::Serialize;

impl Handle {
    /// Enrols a gateway: commands signed by `key` are taken from the next commit on.
    ///
    /// # Errors
    /// [`ledger_client::Error::Denied`] when the name or the key was used before, [`ledger_client::Error::Refused`] when the
    /// name breaks its grammar; whatever an append may fail with.
    pub async fn enroll_gateway(
        &self,
        name: &str,
        key: &PublicKey,
        role: GatewayRole,
    ) -> Result<Receipt, ledger_client::Error> {
        let enrolled = GatewayEnrolled {
            gateway: name.to_owned(),
            public_key: key.to_base64(),
            role,
        };
        self.append_to_own_chain("gateway.enrolled", &enrolled).await
    }

    /// Ends an enrolment: no command of this gateway is taken behind the commit. What it wrote stays.
    ///
    /// # Errors
    /// [`ledger_client::Error::Denied`] when no such enrolment stands; whatever an append may fail with.
    pub async fn revoke_gateway(&self, name: &str) -> Result<Receipt, ledger_client::Error> {
        let revoked = GatewayRevoked {
            gateway: name.to_owned(),
        };
        self.append_to_own_chain("gateway.revoked", &revoked).await
    }

    /// Every enrolment, also those that have ended.
    ///
    /// # Errors
    /// [`ledger_client::Error::Unavailable`] when the log is closed.
    pub fn gateways(&self) -> Result<Gateways, ledger_client::Error> {
        let access = self.reader()?.access();
        Ok(access.map(|access| access.gateways.clone()).unwrap_or_default())
    }

    async fn append_to_own_chain(&self, kind: &str, payload: &impl Serialize) -> Result<Receipt, ledger_client::Error> {
        let unavailable = |error: Error| ledger_client::Error::Unavailable {
            reason: error.to_string(),
        };
        self.append_own(own_record(Tenant::ledger(), kind, payload).map_err(unavailable)?)
            .await
    }
}
