//! Who may send commands over the bus, and the key that answers them: a view of the folded state, published with the
//! commit that changed it. Nothing here runs ahead of the disk.

use domain::State;
use domain::payload::KeyRotated;
use domain::state::Gateways;
use ed25519_dalek::SigningKey;
use record::PublicKey;

/// The view as of some offset.
pub(crate) struct Access {
    /// Who is or was enrolled.
    pub(crate) gateways: Gateways,
    /// What leads from the keys of genesis to those in force.
    pub(crate) rotations: Vec<KeyRotated>,
    /// The record key in force; `None` when this ledger does not hold it.
    pub(crate) key: Option<SigningKey>,
}

impl Access {
    /// The view of `state`; `None` before genesis.
    pub(crate) fn of(state: &State, held: impl FnOnce(&PublicKey) -> Option<SigningKey>) -> Option<Self> {
        let keys = state.keys()?;
        Some(Self {
            gateways: state.gateways().clone(),
            rotations: state.rotations().to_vec(),
            key: held(&keys.record),
        })
    }
}
