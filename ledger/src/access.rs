//! Who may send commands over the bus, and the key that answers them: a view of the folded state, published with the
//! commit that changed it. Nothing here runs ahead of the disk.

use domain::State;
use domain::payload::KeyRotated;
use domain::payload::key_rotated::KeyRole;
use domain::state::Gateways;
use ed25519_dalek::SigningKey;
use record::PublicKey;

/// The view as of some offset.
pub(crate) struct Access {
    /// Who is or was enrolled.
    pub(crate) gateways: Gateways,
    /// What leads from the keys of genesis to those in force.
    pub(crate) rotations: Vec<KeyRotated>,
    /// The keys that sign checkpoints, one after another, each with the smallest size that it signs; genesis' key first.
    pub(crate) checkpoint_keys: Vec<(u64, PublicKey)>,
    /// The record key in force; `None` when this ledger does not hold it.
    pub(crate) key: Option<SigningKey>,
}

impl Access {
    /// The view of `state`; `None` before genesis.
    pub(crate) fn of(state: &State, held: impl FnOnce(&PublicKey) -> Option<SigningKey>) -> Option<Self> {
        let keys = state.keys()?;
        Some(Self {
            gateways: state.gateways().clone(),
            rotations: state.rotations().iter().map(|(_, rotated)| rotated.clone()).collect(),
            checkpoint_keys: checkpoint_keys(state)?,
            key: held(&keys.record),
        })
    }
}

/// The checkpoint keys that the rotations lead through. A rotation at offset k is covered from size k + 1 on.
pub(crate) fn checkpoint_keys(state: &State) -> Option<Vec<(u64, PublicKey)>> {
    let rotated = state
        .rotations()
        .iter()
        .filter(|(_, rotated)| rotated.role == KeyRole::Checkpoint);
    let rotated: Vec<_> = rotated.collect();
    let first = match rotated.first() {
        Some((_, first)) => PublicKey::from_base64(&first.old)?,
        None => state.keys()?.checkpoint,
    };
    let later = rotated
        .into_iter()
        .map(|(offset, rotated)| Some((offset + 1, PublicKey::from_base64(&rotated.new)?)));
    std::iter::once(Some((0, first))).chain(later).collect()
}
