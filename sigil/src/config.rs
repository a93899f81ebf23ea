//! Configuration: flags win over `SIGIL_*` variables, which win over the project file, which wins over the user's file.
//!
//! One file may serve every role on a machine: [`Settings`] knows all sections, and a key that none has is refused. A role
//! takes what is its own ([`Ledger`], [`Projector`], [`Gateway`], [`Embedded`]). Every problem is reported at once, before
//! anything is opened. Secrets are never values: a key names the file that holds one, so printing shows nothing secret.

mod check;
mod load;
mod print;
mod schema;
mod settings;
mod variables;

pub use check::{host_of, is_loopback};
pub use load::{Given, Loaded, Problem, load, of_files, peek};
pub use schema::schema;
pub use settings::{
    Anchors, ClientFiles, ClientLimits, CommandLimits, Http, LedgerLimits, Limits, Log, LogFormat, Nats, Ops, Peer,
    Postgres, Settings, Stream, StreamRebuild, Telemetry, Witnesses,
};

use clap::ValueEnum;
use serde::Serialize;

/// What a process is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Holds the log: sequences, commits, publishes, answers commands.
    Ledger,
    /// Builds the read model in Postgres from the stream.
    Projector,
    /// Speaks HTTP: writes through the ledger, reads from Postgres.
    Gateway,
    /// All of it in one process, with SQLite.
    #[default]
    Embedded,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Ledger, Self::Projector, Self::Gateway, Self::Embedded];

    /// The name on the command line, in metrics and in traces.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ledger => "ledger",
            Self::Projector => "projector",
            Self::Gateway => "gateway",
            Self::Embedded => "embedded",
        }
    }

    /// What the role reads; the others' sections are checked for their form only.
    pub const fn sections(self) -> &'static [&'static str] {
        match self {
            Self::Ledger => &[
                "log",
                "witnesses",
                "anchors",
                "nats",
                "stream",
                "ops",
                "telemetry",
                "limits.ledger",
                "limits.commands",
            ],
            Self::Projector => &[
                "peer",
                "nats",
                "postgres",
                "ops",
                "telemetry",
                "limits.apply_retry_ms",
                "limits.client",
            ],
            Self::Gateway => &[
                "peer",
                "witnesses.required",
                "witnesses.required_wait_ms",
                "nats",
                "postgres",
                "http",
                "ops",
                "telemetry",
                "limits.http",
                "limits.client",
            ],
            Self::Embedded => &[
                "log",
                "witnesses",
                "anchors",
                "http",
                "ops",
                "telemetry",
                "limits.ledger",
                "limits.http",
            ],
        }
    }
}

/// Where a role serves health and metrics when nobody says otherwise; a gateway and an embedded log serve them beside
/// the API.
pub const OPS_LISTEN: [(Role, &str); 2] = [(Role::Ledger, "127.0.0.1:7481"), (Role::Projector, "127.0.0.1:7482")];
