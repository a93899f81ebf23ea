//! The sections of the configuration. What has a safe default has one; what has none is an `Option`, and the role that
//! needs it says so.

mod anchors;
mod limits;

pub use anchors::Anchors;
pub use limits::{ClientLimits, CommandLimits, LedgerLimits, Limits};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Everything that a configuration file may hold. Unknown keys are refused.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The log itself: roles `ledger` and `embedded`.
    pub log: Log,
    /// Who cosigns the log's checkpoints: roles `ledger` and `embedded`; `required` also `gateway`.
    pub witnesses: Witnesses,
    /// Where checkpoints are kept out of the reach of whoever has the log: roles `ledger` and `embedded`.
    pub anchors: Anchors,
    /// What is known of a log that lives in another process: roles `projector` and `gateway`.
    pub peer: Peer,
    /// The broker: roles `ledger`, `projector` and `gateway`.
    pub nats: Nats,
    /// The stream that the ledger publishes to: role `ledger`.
    pub stream: Stream,
    /// The read model's database: roles `projector` and `gateway`.
    pub postgres: Postgres,
    /// The API: roles `gateway` and `embedded`.
    pub http: Http,
    /// Health and metrics: every role.
    pub ops: Ops,
    /// Traces and diagnostics: every role.
    pub telemetry: Telemetry,
    /// The read model, whatever holds it: roles `projector` and `embedded`.
    pub projection: Projection,
    /// Limits, each with a default that is safe to run with.
    pub limits: Limits,
}

/// The log's files.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// The log's directory, made by `sigil init`. Default `sigil-data`. Also SIGIL_DATA_DIR.
    pub data_dir: PathBuf,
    /// The key file. Default: the directory's name with `.key`. Also SIGIL_KEY_FILE.
    pub key_file: Option<PathBuf>,
    /// A file whose first line is the passphrase, instead of a key file. Also SIGIL_PASSPHRASE_FILE.
    pub passphrase_file: Option<PathBuf>,
    /// How long a record waits for a signed checkpoint at most, in milliseconds; 0 for no checkpoints and no proofs. Default
    /// 1,000.
    pub checkpoint_interval_ms: u64,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            data_dir: "sigil-data".into(),
            key_file: None,
            passphrase_file: None,
            checkpoint_interval_ms: 1_000,
        }
    }
}

/// Witnesses of the log's checkpoints.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Witnesses {
    /// A tlog-policy (C2SP): witnesses with their keys and addresses, and how many make a quorum. The same file serves
    /// verifiers. Default: nobody is asked.
    pub policy_file: Option<PathBuf>,
    /// Authorities that witnesses' certificates are checked against (PEM). Default: those of the system.
    pub ca_file: Option<PathBuf>,
    /// How long one witness may take to answer. Default 2,000.
    pub timeout_ms: u64,
    /// Answer a write only when a quorum has cosigned a checkpoint that covers it. Read where the API is: roles `embedded`
    /// and `gateway`. Default false: witnesses never hold up a write.
    pub required: bool,
    /// With `required`, how long a write waits for the quorum before it is answered with a failure; it is stored all the
    /// same. Default 10,000.
    pub required_wait_ms: u64,
}

impl Default for Witnesses {
    fn default() -> Self {
        Self {
            policy_file: None,
            ca_file: None,
            timeout_ms: 2_000,
            required: false,
            required_wait_ms: 10_000,
        }
    }
}

/// A log that lives in another process.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Peer {
    /// The trust file that `sigil init` wrote: origin, genesis and keys that this process pins. Also SIGIL_TRUST.
    pub trust_file: Option<PathBuf>,
    /// The log's short name, as `sigil init --slug` set it. Default `audit`.
    pub slug: Option<String>,
    /// The key that signs this process's commands and reads, as `sigil gateway enroll` wrote it.
    pub command_key_file: Option<PathBuf>,
}

/// Files that a client of a broker or a database shows and checks.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ClientFiles {
    /// Authorities that the server's certificate is checked against (PEM). Default: those of the system.
    pub ca_file: Option<PathBuf>,
    /// This client's certificate (PEM), with `key_file`.
    pub cert_file: Option<PathBuf>,
    /// The key of `cert_file` (PEM).
    pub key_file: Option<PathBuf>,
}

/// The connection to NATS. Beyond this machine TLS is required.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Nats {
    /// Servers, separated by commas: `nats://127.0.0.1:4222`, `tls://broker.example.com:4222`. Never with a password.
    pub url: Option<String>,
    /// TLS files of the connection.
    pub tls: ClientFiles,
    /// Begin with TLS instead of asking for it after the server's greeting. Default false.
    pub tls_first: bool,
    /// A credentials file (JWT and seed, as `nsc` writes it).
    pub credentials_file: Option<PathBuf>,
    /// A file whose first line is an nkey seed.
    pub nkey_file: Option<PathBuf>,
    /// A user, with `password_file`.
    pub user: Option<String>,
    /// A file whose first line is the password of `user`.
    pub password_file: Option<PathBuf>,
    /// A file whose first line is a token.
    pub token_file: Option<PathBuf>,
    /// Subjects of replies begin so; permissions on the broker can keep each role's apart. Default `_INBOX.` and the role.
    pub inbox_prefix: Option<String>,
    /// What the broker shows as the connection's name. Default `sigil-` and the role.
    pub name: Option<String>,
    /// How long one attempt to connect may take. Default 5,000.
    pub connect_timeout_ms: u64,
    /// How long a command or a read may wait for its reply. Default 10,000.
    pub request_timeout_ms: u64,
    /// The longest pause between two attempts to connect. Default 5,000.
    pub reconnect_max_ms: u64,
}

impl Default for Nats {
    fn default() -> Self {
        Self {
            url: None,
            tls: ClientFiles::default(),
            tls_first: false,
            credentials_file: None,
            nkey_file: None,
            user: None,
            password_file: None,
            token_file: None,
            inbox_prefix: None,
            name: None,
            connect_timeout_ms: 5_000,
            request_timeout_ms: 10_000,
            reconnect_max_ms: 5_000,
        }
    }
}

/// What happens when the stream is lost or holds what the ledger never published.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StreamRebuild {
    /// The feed stops and waits for `sigil stream rebuild`.
    #[default]
    Manual,
    /// The feed moves the old stream aside and begins a new one by itself.
    Automatic,
}

/// The stream.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Stream {
    /// Copies that the brokers keep of the stream. Default 1.
    pub replicas: u8,
    /// `manual` or `automatic`. Default `manual`.
    pub rebuild: StreamRebuild,
    /// Records published and not yet acknowledged, at most 1,024. Default 512.
    pub in_flight: usize,
    /// Bytes of them. Default 8 MiB.
    pub in_flight_bytes: usize,
    /// How long the broker may take to acknowledge a record. Default 5,000.
    pub ack_timeout_ms: u64,
}

impl Default for Stream {
    fn default() -> Self {
        Self {
            replicas: 1,
            rebuild: StreamRebuild::Manual,
            in_flight: 512,
            in_flight_bytes: 8 << 20,
            ack_timeout_ms: 5_000,
        }
    }
}

/// The connection to Postgres. Beyond this machine TLS is required.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Postgres {
    /// `postgres://user@host:5432/database`, or with `?host=/directory` a Unix socket; never with a password.
    pub url: Option<String>,
    /// A file whose first line is the password.
    pub password_file: Option<PathBuf>,
    /// TLS files of the connection.
    pub tls: ClientFiles,
    /// The schema that holds the read model. Default `sigil_` and the log's slug.
    pub schema: Option<String>,
    /// The database role that questions are answered in. Default: the schema's name with `_reader`.
    pub reader_role: Option<String>,
    /// Connections that answer questions, at most. Default 8.
    pub readers: u32,
    /// How long a question waits for a connection. Default 5,000.
    pub acquire_timeout_ms: u64,
    /// How long one statement of a question may take. Default 30,000.
    pub statement_timeout_ms: u64,
    /// How long applying one batch may take before the connection is given up as dead. Default 60,000.
    pub apply_timeout_ms: u64,
}

impl Default for Postgres {
    fn default() -> Self {
        Self {
            url: None,
            password_file: None,
            tls: ClientFiles::default(),
            schema: None,
            reader_role: None,
            readers: 8,
            acquire_timeout_ms: 5_000,
            statement_timeout_ms: 30_000,
            apply_timeout_ms: 60_000,
        }
    }
}

/// The read model's upkeep.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Projection {
    /// Seconds between two comparisons of the read model with a replay of the log; 0 for none. Each reads the whole log.
    /// Default 0.
    pub verify_interval_s: u64,
    /// Where a comparison builds its replay, as large as a read model in SQLite. Default: beside the log, or the system's
    /// temporary directory.
    pub scratch_dir: Option<PathBuf>,
}

/// The API's listener.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// Where to listen. Default `127.0.0.1:7480`; beyond this machine only with TLS files or behind a proxy. Also
    /// SIGIL_LISTEN.
    pub listen: SocketAddr,
    /// A file whose first line is the operator's token. Also SIGIL_TOKEN_FILE.
    pub token_file: Option<PathBuf>,
    /// The listener's certificate chain (PEM), with `tls_key_file`.
    pub tls_cert_file: Option<PathBuf>,
    /// The key of `tls_cert_file` (PEM).
    pub tls_key_file: Option<PathBuf>,
    /// Listen beyond this machine without TLS: a proxy on a network that nobody else can read does the TLS. Whoever reads
    /// that network gets the token. Default false.
    pub plaintext_behind_proxy: bool,
    /// A file whose first line authenticates cursors, the same on every gateway of a log. Default: derived from the token,
    /// so gateways with one token agree.
    pub cursor_key_file: Option<PathBuf>,
    /// Serve the log's checkpoint and tiles (`/tlog`) without a token, for monitors, mirrors and witnesses: hashes, numbers
    /// and signatures, nothing of any tenant but how fast the log grows. Default false.
    pub public_tlog: bool,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 7480)),
            token_file: None,
            tls_cert_file: None,
            tls_key_file: None,
            plaintext_behind_proxy: false,
            cursor_key_file: None,
            public_tlog: false,
        }
    }
}

/// Health and metrics.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Ops {
    /// Where to serve `/livez /readyz /healthz /metrics`. Default `127.0.0.1:7481` for a ledger, `127.0.0.1:7482` for a
    /// projector, beside the API for the other roles.
    pub listen: Option<SocketAddr>,
    /// A projector that is further behind than this many records is not ready. Default 100,000.
    pub ready_lag_records: u64,
}

impl Default for Ops {
    fn default() -> Self {
        Self {
            listen: None,
            ready_lag_records: 100_000,
        }
    }
}

/// The form of diagnostics on standard error.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, with the trace's id.
    Json,
}

/// Traces and diagnostics.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Telemetry {
    /// What is written to standard error, as `tracing` filters: `info`, `warn,ledger=debug`. Default `warn`. Also
    /// SIGIL_LOG.
    pub filter: Option<String>,
    /// `text` or `json`. Default `text`.
    pub format: LogFormat,
    /// Where traces go, over OTLP (HTTP, protobuf): `http://127.0.0.1:4318`, `https://collector.example.com`. Default:
    /// nowhere. Plain HTTP only on this machine.
    pub otlp_endpoint: Option<String>,
    /// Authorities that the collector's certificate is checked against (PEM). Default: those of the system.
    pub otlp_ca_file: Option<PathBuf>,
    /// A file with headers for the collector, one `name: value` a line.
    pub otlp_headers_file: Option<PathBuf>,
    /// The share of the traces beginning here that is exported, 0 to 1; traces of callers follow their flag. Default 0.1.
    pub sample_ratio: f64,
    /// The service's name in traces. Default `sigil-` and the role.
    pub service_name: Option<String>,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            filter: None,
            format: LogFormat::Text,
            otlp_endpoint: None,
            otlp_ca_file: None,
            otlp_headers_file: None,
            sample_ratio: 0.1,
            service_name: None,
        }
    }
}
