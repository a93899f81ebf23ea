//! A state as JSON, so that opening a log folds only what came after it.
//!
//! A snapshot is a shortcut, never the truth: one that is unreadable or of another fold version is dropped and the log is
//! folded again from the start.

use super::{Chain, EVOLVE_VERSION, Gateway, Gateways, Keys, State};
use crate::payload::{GatewayRole, KeyRotated};
use record::{Hash, Origin, PublicKey, Tenant, Timestamp};
use serde_json::{Value, json};

/// The snapshot cannot be used: fold the log instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the snapshot is not one of this fold version")]
pub struct Unreadable;

impl State {
    /// This state as JSON.
    #[must_use]
    pub fn to_snapshot(&self) -> Value {
        let chain = |(tenant, chain): (&Tenant, &Chain)| {
            json!([tenant.as_str(), chain.length(), chain.last().map(Hash::to_string)])
        };
        let keys = self
            .keys
            .as_ref()
            .map(|keys| [&keys.record, &keys.checkpoint, &keys.root].map(PublicKey::to_base64));
        let gateway = |(name, gateway): (&str, &Gateway)| {
            json!([name, gateway.key.to_base64(), gateway.role.as_str(), gateway.revoked])
        };
        json!({
            "rotations": self.rotations, "gateways": self.gateways.iter().map(gateway).collect::<Value>(),
            "evolve_version": EVOLVE_VERSION, "log": self.log.as_str(), "size": self.size,
            "last_ts": self.last_ts.map(Timestamp::micros), "keys": keys, "map_size": self.map_size,
            "chains": self.chains.iter().map(chain).collect::<Value>(),
        })
    }

    /// Reads the form of [`State::to_snapshot`].
    ///
    /// # Errors
    /// [`Unreadable`] for any other form or version.
    pub fn from_snapshot(snapshot: &Value) -> Result<Self, Unreadable> {
        read(snapshot).ok_or(Unreadable)
    }
}

fn read(snapshot: &Value) -> Option<State> {
    if snapshot.get("evolve_version")?.as_u64()? != u64::from(EVOLVE_VERSION) {
        return None;
    }
    let chain = |item: &Value| -> Option<(Tenant, Chain)> {
        let [tenant, length, last] = item.as_array()?.as_slice() else {
            return None;
        };
        let last = optional(last, |last| Hash::from_hex(last.as_str()?))?;
        Some((Tenant::parse(tenant.as_str()?)?, Chain::new(length.as_u64()?, last)))
    };
    let keys = |keys: &Value| -> Option<Keys> {
        let [record, checkpoint, root] = keys.as_array()?.as_slice() else {
            return None;
        };
        let key = |key: &Value| PublicKey::from_base64(key.as_str()?);
        Some(Keys {
            record: key(record)?,
            checkpoint: key(checkpoint)?,
            root: key(root)?,
        })
    };
    let state = State {
        log: Origin::parse(snapshot.get("log")?.as_str()?)?,
        size: snapshot.get("size")?.as_u64()?,
        last_ts: optional(snapshot.get("last_ts")?, |ts| Timestamp::from_micros(ts.as_i64()?))?,
        keys: optional(snapshot.get("keys")?, keys)?,
        rotations: serde_json::from_value::<Vec<(u64, KeyRotated)>>(snapshot.get("rotations")?.clone()).ok()?,
        gateways: gateways(snapshot.get("gateways")?)?,
        map_size: snapshot.get("map_size")?.as_u64()?,
        chains: snapshot
            .get("chains")?
            .as_array()?
            .iter()
            .map(chain)
            .collect::<Option<_>>()?,
    };
    // Every record extends exactly one chain.
    let chained = state
        .chains
        .values()
        .try_fold(0_u64, |sum, chain| sum.checked_add(chain.length()));
    (chained == Some(state.size) && state.map_size <= state.size).then_some(state)
}

fn gateways(list: &Value) -> Option<Gateways> {
    let mut gateways = Gateways::default();
    for item in list.as_array()? {
        let [name, key, role, revoked] = item.as_array()?.as_slice() else {
            return None;
        };
        let gateway = Gateway {
            key: PublicKey::from_base64(key.as_str()?)?,
            role: GatewayRole::parse(role.as_str()?)?,
            revoked: revoked.as_bool()?,
        };
        gateways.enrol(name.as_str()?, gateway);
    }
    Some(gateways)
}

/// `Some(None)` for JSON null, `None` when there is a value that does not read.
fn optional<T>(value: &Value, read: impl Fn(&Value) -> Option<T>) -> Option<Option<T>> {
    if value.is_null() {
        Some(None)
    } else {
        read(value).map(Some)
    }
}
