//! What decisions need to know, folded from the log: chains, keys, tenants.
//!
//! `decide` is asked before a record gets its place and changes nothing; `evolve` is the only way the state changes, for
//! a live commit and for a replay alike. State is complete: it can be written as a snapshot and read back.

mod chain;
mod gateways;
mod keys;
mod snapshot;

pub use chain::Chain;
pub use gateways::{Gateway, Gateways};
pub use keys::Keys;
pub use snapshot::Unreadable;

use crate::payload::{GatewayEnrolled, GatewayRevoked, Genesis, KeyRotated, LedgerRecovered, MapRoot, TenantCreated};
use record::{Hash, Kind, Origin, Record, Tenant, Timestamp};
use serde_json::Value;

/// Version of the fold. A snapshot of another version is dropped and the log folded again.
pub const EVOLVE_VERSION: u32 = 3;

/// The state of one log after some number of records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    log: Origin,
    size: u64,
    last_ts: Option<Timestamp>,
    keys: Option<Keys>,
    rotations: Vec<(u64, KeyRotated)>,
    gateways: Gateways,
    map_size: u64,
    chains: std::collections::BTreeMap<Tenant, Chain>,
}

/// The part of a payload that decisions or the fold look at.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// `ledger.genesis`.
    Genesis(Genesis),
    /// `key.rotated`.
    KeyRotated(KeyRotated),
    /// `ledger.recovered`.
    Recovered(LedgerRecovered),
    /// `ledger.map_root`.
    MapRoot(MapRoot),
    /// `tenant.created`.
    TenantCreated(TenantCreated),
    /// `gateway.enrolled`.
    GatewayEnrolled(GatewayEnrolled),
    /// `gateway.revoked`.
    GatewayRevoked(GatewayRevoked),
    /// Nothing that state depends on.
    Plain,
}

/// On whose authority a record is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authority {
    /// An authenticated caller.
    Caller,
    /// The ledger itself, carrying out a command of its operator.
    Ledger,
}

/// A record that somebody wants written.
#[derive(Debug, Clone, Copy)]
pub struct Command<'a> {
    /// The tenant whose chain it would continue.
    pub tenant: &'a Tenant,
    /// Whether the kind is one that only the ledger writes.
    pub ledger_authored: bool,
    /// What state depends on.
    pub body: &'a Body,
    /// Who asks.
    pub authority: Authority,
}

/// A committed record, as the fold sees it.
#[derive(Debug, Clone, Copy)]
pub struct Fact<'a> {
    /// Its tenant.
    pub tenant: &'a Tenant,
    /// Its hash.
    pub hash: &'a Hash,
    /// Its sequencing time.
    pub ts: Timestamp,
    /// What state depends on.
    pub body: &'a Body,
}

/// Why a record may not be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// The log has no genesis yet, or the command is a second one.
    #[error("a log begins with exactly one genesis")]
    GenesisMisplaced,
    /// Nothing is written for a tenant before `tenant.created`.
    #[error("this tenant does not exist: create it first")]
    TenantUnknown,
    /// The tenant is there already.
    #[error("this tenant exists already")]
    TenantExists,
    /// `sigil-ledger` and the ledger-authored kinds are the ledger's own.
    #[error("only the ledger itself writes this")]
    SystemSpaceProtected,
    /// A rotation lies on the ledger's own chain, where every verifier looks for it.
    #[error("a key rotation belongs to the ledger's own tenant")]
    RotationMisplaced,
    /// A recovery lies on the ledger's own chain, right behind what was recovered.
    #[error("a recovery is written on the ledger's own tenant, at the end of what was recovered")]
    RecoveryMisplaced,
    /// A map root lies on the ledger's own chain and covers no less than the one before, and nothing behind itself.
    #[error("a map root is written on the ledger's own tenant, for records before it")]
    MapRootMisplaced,
    /// The rotation replaces a key that is not the current one.
    #[error("the rotation does not start from the current key")]
    RotationStale,
    /// One of the rotation's two signatures does not verify, a key is malformed, or the new key is in use already.
    #[error("the rotation is not signed by the new key and the root key")]
    RotationUnproven,
    /// An enrolment lies on the ledger's own chain, where every verifier looks for it.
    #[error("an enrolment belongs to the ledger's own tenant")]
    GatewayMisplaced,
    /// The name is or was enrolled.
    #[error("this gateway is or was enrolled: take another name")]
    GatewayExists,
    /// Nobody of this name is enrolled any more.
    #[error("no gateway of this name is enrolled")]
    GatewayUnknown,
    /// The key is malformed, weak, or has another purpose already.
    #[error("the gateway's key is weak or in use already: make a new one")]
    GatewayKeyRefused,
}

impl Denial {
    /// Every denial.
    pub const ALL: [Self; 13] = [
        Self::GenesisMisplaced,
        Self::TenantUnknown,
        Self::TenantExists,
        Self::SystemSpaceProtected,
        Self::RotationMisplaced,
        Self::RecoveryMisplaced,
        Self::MapRootMisplaced,
        Self::RotationStale,
        Self::RotationUnproven,
        Self::GatewayMisplaced,
        Self::GatewayExists,
        Self::GatewayUnknown,
        Self::GatewayKeyRefused,
    ];

    /// The denial with this code.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|denial| denial.code() == code)
    }

    /// The stable text that clients branch on.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::GenesisMisplaced => "GENESIS_MISPLACED",
            Self::TenantUnknown => "TENANT_UNKNOWN",
            Self::TenantExists => "ALREADY_EXISTS",
            Self::SystemSpaceProtected => "SYSTEM_SPACE_PROTECTED",
            Self::RotationMisplaced => "ROTATION_MISPLACED",
            Self::RecoveryMisplaced => "RECOVERY_MISPLACED",
            Self::MapRootMisplaced => "MAP_ROOT_MISPLACED",
            Self::RotationStale => "ROTATION_STALE",
            Self::RotationUnproven => "ROTATION_UNPROVEN",
            Self::GatewayMisplaced => "GATEWAY_MISPLACED",
            Self::GatewayExists => "GATEWAY_EXISTS",
            Self::GatewayUnknown => "GATEWAY_UNKNOWN",
            Self::GatewayKeyRefused => "GATEWAY_KEY_REFUSED",
        }
    }
}

impl Body {
    /// Reads what state depends on from a payload that has passed its schema; `Plain` for every other kind.
    ///
    /// # Errors
    /// The payload does not match its type, which its schema should have refused.
    pub fn read(kind: &Kind, schema_version: u32, payload: &Value) -> Result<Self, serde_json::Error> {
        Ok(match (kind.as_str(), schema_version) {
            ("ledger.genesis", 1) => Self::Genesis(serde_json::from_value(payload.clone())?),
            ("key.rotated", 1) => Self::KeyRotated(serde_json::from_value(payload.clone())?),
            ("ledger.recovered", 1) => Self::Recovered(serde_json::from_value(payload.clone())?),
            ("ledger.map_root", 1) => Self::MapRoot(serde_json::from_value(payload.clone())?),
            ("tenant.created", 1) => Self::TenantCreated(serde_json::from_value(payload.clone())?),
            ("gateway.enrolled", 1) => Self::GatewayEnrolled(serde_json::from_value(payload.clone())?),
            ("gateway.revoked", 1) => Self::GatewayRevoked(serde_json::from_value(payload.clone())?),
            _ => Self::Plain,
        })
    }

    /// Reads what state depends on from a stored record.
    ///
    /// # Errors
    /// As [`Body::read`].
    pub fn of(record: &Record) -> Result<Self, serde_json::Error> {
        Self::read(&record.kind, record.schema_version, &record.payload)
    }
}

impl State {
    /// The state before the first record of `log`.
    #[must_use]
    pub fn new(log: Origin) -> Self {
        Self {
            log,
            size: 0,
            last_ts: None,
            keys: None,
            rotations: Vec::new(),
            gateways: Gateways::default(),
            map_size: 0,
            chains: std::collections::BTreeMap::new(),
        }
    }

    /// Whether `command` may be written now.
    ///
    /// # Errors
    /// The reason why not.
    pub fn decide(&self, command: &Command<'_>) -> Result<(), Denial> {
        let own = command.ledger_authored || command.tenant.is_ledger();
        if own && command.authority == Authority::Caller {
            return Err(Denial::SystemSpaceProtected);
        }
        let known = self.chains.contains_key(command.tenant);
        match (command.body, &self.keys) {
            (Body::Genesis(genesis), None) if command.tenant.is_ledger() => {
                Keys::from_genesis(genesis).map(drop).ok_or(Denial::GenesisMisplaced)
            }
            (Body::Genesis(_), _) | (_, None) => Err(Denial::GenesisMisplaced),
            (Body::TenantCreated(_), Some(_)) if known => Err(Denial::TenantExists),
            (Body::TenantCreated(created), Some(_)) if created.tenant != command.tenant.as_str() => {
                Err(Denial::TenantUnknown)
            }
            (Body::TenantCreated(_), Some(_)) => Ok(()),
            (_, Some(_)) if !known => Err(Denial::TenantUnknown),
            (Body::Recovered(recovered), Some(_)) if !command.tenant.is_ledger() || recovered.to != self.size => {
                Err(Denial::RecoveryMisplaced)
            }
            (Body::MapRoot(root), Some(_))
                if !command.tenant.is_ledger() || !(self.map_size..=self.size).contains(&root.size) =>
            {
                Err(Denial::MapRootMisplaced)
            }
            (Body::KeyRotated(_), Some(_)) if !command.tenant.is_ledger() => Err(Denial::RotationMisplaced),
            (Body::KeyRotated(rotated), Some(keys)) => keys.check_rotation(&self.log, rotated).map(drop),
            (Body::GatewayEnrolled(_) | Body::GatewayRevoked(_), Some(_)) if !command.tenant.is_ledger() => {
                Err(Denial::GatewayMisplaced)
            }
            (Body::GatewayEnrolled(enrolled), Some(keys)) => self.gateways.check_enrolment(keys, enrolled).map(drop),
            (Body::GatewayRevoked(revoked), Some(_)) => self.gateways.check_revocation(revoked),
            (Body::Recovered(_) | Body::MapRoot(_) | Body::Plain, Some(_)) => Ok(()),
        }
    }

    /// Folds one committed record. Total: what `decide` would have refused does not reach a log, and where it does the
    /// verifier names it.
    pub fn evolve(&mut self, fact: &Fact<'_>) {
        self.size += 1;
        self.last_ts = Some(fact.ts);
        match self.chains.get_mut(fact.tenant) {
            Some(chain) => chain.extend(*fact.hash),
            None => {
                let mut chain = Chain::default();
                chain.extend(*fact.hash);
                self.chains.insert(fact.tenant.clone(), chain);
            }
        }
        match fact.body {
            _ if !fact.tenant.is_ledger() => {}
            Body::Genesis(genesis) if self.keys.is_none() => self.keys = Keys::from_genesis(genesis),
            Body::KeyRotated(rotated) => {
                let next = self
                    .keys
                    .as_ref()
                    .and_then(|keys| keys.check_rotation(&self.log, rotated).ok());
                if let Some(next) = next {
                    self.keys = Some(next);
                    self.rotations.push((self.size - 1, rotated.clone()));
                }
            }
            Body::GatewayEnrolled(enrolled) => {
                let checked = self
                    .keys
                    .as_ref()
                    .map(|keys| self.gateways.check_enrolment(keys, enrolled));
                if let Some(Ok(gateway)) = checked {
                    self.gateways.enrol(&enrolled.gateway, gateway);
                }
            }
            Body::MapRoot(root) if (self.map_size..self.size).contains(&root.size) => self.map_size = root.size,
            Body::GatewayRevoked(revoked) => self.gateways.revoke(&revoked.gateway),
            _ => {}
        }
    }

    /// The log this state belongs to.
    #[must_use]
    pub const fn log(&self) -> &Origin {
        &self.log
    }

    /// Number of records folded: the next record's offset.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Sequencing time of the last record.
    #[must_use]
    pub const fn last_ts(&self) -> Option<Timestamp> {
        self.last_ts
    }

    /// The keys in force for the next record; `None` before genesis.
    #[must_use]
    pub const fn keys(&self) -> Option<&Keys> {
        self.keys.as_ref()
    }

    /// Every rotation so far with its offset, in order: what leads from the keys of genesis to those in force.
    #[must_use]
    pub fn rotations(&self) -> &[(u64, KeyRotated)] {
        &self.rotations
    }

    /// Number of records that the newest `ledger.map_root` covers; 0 before the first one.
    #[must_use]
    pub const fn map_size(&self) -> u64 {
        self.map_size
    }

    /// Who may send commands over the bus.
    #[must_use]
    pub const fn gateways(&self) -> &Gateways {
        &self.gateways
    }

    /// The tenant's chain; `None` when nothing was written for it.
    #[must_use]
    pub fn chain(&self, tenant: &Tenant) -> Option<&Chain> {
        self.chains.get(tenant)
    }

    /// All chains, by tenant.
    pub fn chains(&self) -> impl Iterator<Item = (&Tenant, &Chain)> {
        self.chains.iter()
    }
}
