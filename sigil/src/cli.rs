//! The command line: verbs and flags. Flags win over `SIGIL_*` variables, which win over configuration files.

mod config;
mod cosigner;
mod export;
mod stream;

pub use config::{ConfigArgs, ConfigVerb};
pub use cosigner::{CosignerInit, CosignerServe, CosignerVerb};
pub use export::{ExportProof, ExportVerb};
pub use stream::StreamVerb;

mod restore;
mod verify;

pub use restore::{Backup, Restore};
pub use verify::{Verify, Watch};

use clap::{Args, Parser, Subcommand};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Sigil Ledger: a signed, hash-chained audit ledger for systems in which software agents act.
#[derive(Debug, Parser)]
#[command(name = "sigil", version, max_term_width = 100, after_help = EXITS)]
pub struct Cli {
    /// Print data as JSON, one value a line.
    #[arg(long, global = true)]
    pub json: bool,
    /// Say more on standard error; twice for everything. SIGIL_LOG sets a filter instead.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

const EXITS: &str = "Exit codes: 0 ok, 1 failure, 2 usage, 3 verification failed, 4 not allowed, \
                     5 could not be checked, 6 unavailable, 130 interrupted.";

/// One command.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run everything embedded on sample records: append, show, rebuild, verify, and serve a page.
    Demo(Demo),
    /// Serve an existing log on this machine: API, page and read model in one process.
    Dev(Dev),
    /// Run one role of a distributed ledger, or, without --role, all of it in one process as a service.
    Serve(ConfigArgs),
    /// Ask a role on this machine whether it is ready; for containers and service managers.
    Health(ConfigArgs),
    /// Check the configuration, or print what is in force and where it comes from.
    #[command(subcommand)]
    Config(ConfigVerb),
    /// Create a log: data directory, key file, trust file and root key.
    Init(Init),
    /// Import foreign audit logs; importing the same file again adds nothing.
    Import(Import),
    /// Show a timeline.
    Timeline(Timeline),
    /// Append, get or list records.
    #[command(subcommand)]
    Record(RecordVerb),
    /// Check a log, a proof, a saved answer or a running server against a trust file.
    Verify(Box<Verify>),
    /// Take records out of a log, with what proves them.
    #[command(subcommand)]
    Export(ExportVerb),
    /// Look at or rebuild the read model.
    #[command(subcommand)]
    Projection(ProjectionVerb),
    /// Replace a signing key, with the root key's consent.
    #[command(subcommand)]
    Key(KeyVerb),
    /// Say who may send commands to the ledger over the bus.
    #[command(subcommand)]
    Gateway(GatewayVerb),
    /// Look at the log's stream on the broker, or agree to a new one.
    #[command(subcommand)]
    Stream(StreamVerb),
    /// Be a witness: cosign checkpoints of other logs, so that none of them can show different histories.
    #[command(subcommand)]
    Cosigner(CosignerVerb),
    /// Copy a log to a directory, while it runs or while nobody has it open.
    Backup(Backup),
    /// Make a log from a backup, from copies of its records, or from both.
    Restore(Restore),
    /// Look for what is wrong with a log's files, and say what to do.
    Doctor(Doctor),
    /// Print a completion script for a shell.
    Completion {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Write the generated contracts (schemas, OpenAPI, error catalogue).
    #[command(hide = true)]
    Contracts {
        /// Where to.
        #[arg(long)]
        out: PathBuf,
    },
}

/// Which log.
#[derive(Debug, Clone, Args)]
pub struct LogArgs {
    /// The log's directory [default: log.data_dir of a configuration file, or sigil-data].
    #[arg(long, env = "SIGIL_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// The key file [default: the data directory's name with `.key`; or 64 hex digits in SIGIL_KEY].
    #[arg(long, env = "SIGIL_KEY_FILE")]
    pub key_file: Option<PathBuf>,
    /// A file whose first line is the passphrase, instead of a key file.
    #[arg(long, env = "SIGIL_PASSPHRASE_FILE", conflicts_with = "key_file")]
    pub passphrase_file: Option<PathBuf>,
}

/// `sigil demo`.
#[derive(Debug, Args)]
pub struct Demo {
    /// Where to serve the page; another free port when this one is taken.
    #[arg(long, default_value = "127.0.0.1:7480")]
    pub listen: SocketAddr,
    /// Keep the demo's log in this new directory instead of a temporary one.
    #[arg(long)]
    pub data_dir: Option<PathBuf>,
    /// End after the tour instead of serving the page.
    #[arg(long)]
    pub exit: bool,
}

/// `sigil dev`.
#[derive(Debug, Args)]
pub struct Dev {
    #[command(flatten)]
    pub log: LogArgs,
    /// Where to serve; loopback only.
    #[arg(long, env = "SIGIL_LISTEN", default_value = "127.0.0.1:7480")]
    pub listen: SocketAddr,
    /// A file whose first line is the token to accept; otherwise a fresh one is printed.
    #[arg(long, env = "SIGIL_TOKEN_FILE")]
    pub token_file: Option<PathBuf>,
    /// Let the page on this machine read without the token.
    #[arg(long)]
    pub open_reads: bool,
    /// Start no local witnesses: checkpoints are signed by the log alone.
    #[arg(long)]
    pub no_witnesses: bool,
}

/// `sigil init`.
#[derive(Debug, Args)]
pub struct Init {
    #[command(flatten)]
    pub log: LogArgs,
    /// The log's origin: a name like a URL without a scheme, which never changes.
    #[arg(long = "log", value_name = "ORIGIN", default_value = "localhost/audit")]
    pub origin: String,
    /// The log's short name, [a-z0-9-]{1,32}.
    #[arg(long, default_value = "audit")]
    pub slug: String,
    /// A tenant that begins with the log; may be repeated.
    #[arg(long = "tenant", default_value = "default")]
    pub tenants: Vec<String>,
    /// The directory of a closed log that the new one continues; SIGIL_KEY and the like open both.
    #[arg(long, value_name = "DIR")]
    pub predecessor: Option<PathBuf>,
    /// The key file of the closed log [default: its directory's name with `.key`].
    #[arg(long, value_name = "FILE", requires = "predecessor")]
    pub predecessor_key_file: Option<PathBuf>,
    /// Where to write the trust file [default: the data directory's name with `.trust`].
    #[arg(long)]
    pub trust_file: Option<PathBuf>,
    /// Where to write the root key [default: the data directory's name with `.root`].
    #[arg(long)]
    pub root_key_file: Option<PathBuf>,
}

/// `sigil import`.
#[derive(Debug, Args)]
pub struct Import {
    #[command(flatten)]
    pub log: LogArgs,
    /// windows, cloudtrail, cloudevents or jsonl [default: what the beginning of the file looks like].
    #[arg(long)]
    pub format: Option<String>,
    /// The tenant that gets the events; created when it does not exist.
    #[arg(long, env = "SIGIL_TENANT", default_value = "default")]
    pub tenant: String,
    /// Files, zip archives of files, or - for standard input.
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
}

/// `sigil timeline`.
#[derive(Debug, Args)]
pub struct Timeline {
    #[command(flatten)]
    pub log: LogArgs,
    /// Whose records.
    #[arg(long, env = "SIGIL_TENANT", default_value = "default")]
    pub tenant: String,
    /// Target of an `actor` link, such as agent:a1.
    #[arg(long)]
    pub actor: Option<String>,
    /// Target of a `subject` link.
    #[arg(long)]
    pub subject: Option<String>,
    /// Target of a `session` link.
    #[arg(long)]
    pub session: Option<String>,
    /// Target of a `resource` link.
    #[arg(long)]
    pub resource: Option<String>,
    /// Kind of record.
    #[arg(long)]
    pub kind: Option<String>,
    /// Action of an audit event.
    #[arg(long)]
    pub action: Option<String>,
    /// Outcome of an audit event: success, failure, denied, unknown.
    #[arg(long)]
    pub outcome: Option<String>,
    /// Happened at or after this date or RFC 3339 time.
    #[arg(long)]
    pub from: Option<String>,
    /// Happened before this time, or on or before this date.
    #[arg(long)]
    pub to: Option<String>,
    /// A phrase of qualifiers: 'actor:agent:a1 -kind:trust.* outcome:denied'.
    #[arg(short)]
    pub q: Option<String>,
    /// desc, asc, occurred_desc or occurred_asc.
    #[arg(long)]
    pub order: Option<String>,
    /// Rows at most; 0 for all.
    #[arg(long, default_value_t = 50)]
    pub limit: u64,
    /// Print only the number of rows, of all pages.
    #[arg(long)]
    pub count: bool,
}

/// `sigil record ...`.
#[derive(Debug, Subcommand)]
pub enum RecordVerb {
    /// Append records from a file or standard input: one JSON document, or one a line.
    Append {
        #[command(flatten)]
        log: LogArgs,
        /// The tenant, when the record does not name one.
        #[arg(long, env = "SIGIL_TENANT", default_value = "default")]
        tenant: String,
        /// Each line is a record of its own.
        #[arg(long)]
        ndjson: bool,
        /// The file, or - for standard input.
        #[arg(default_value = "-")]
        file: PathBuf,
    },
    /// Print the canonical bytes of one record.
    Get {
        #[command(flatten)]
        log: LogArgs,
        /// The tenant.
        #[arg(long, env = "SIGIL_TENANT", default_value = "default")]
        tenant: String,
        /// The record's id.
        id: String,
    },
    /// Print records in the order of the log.
    List {
        #[command(flatten)]
        log: LogArgs,
        /// The first offset.
        #[arg(long, default_value_t = 0)]
        from: u64,
        /// How many.
        #[arg(long, default_value_t = 100)]
        limit: u64,
    },
    /// Print the newest records.
    Tail {
        #[command(flatten)]
        log: LogArgs,
        /// How many.
        #[arg(short = 'n', long, default_value_t = 10)]
        lines: u64,
    },
}

/// `sigil projection ...`.
#[derive(Debug, Subcommand)]
pub enum ProjectionVerb {
    /// How far the read model is, and its digest.
    Status {
        #[command(flatten)]
        log: LogArgs,
    },
    /// Build the read model anew from offset zero, then switch to it.
    Rebuild {
        #[command(flatten)]
        log: LogArgs,
        #[command(flatten)]
        from: RecordsFrom,
    },
    /// Compare the read model with a replay of the log, name damaged rows, and append the outcome to the log.
    Verify {
        #[command(flatten)]
        log: LogArgs,
        #[command(flatten)]
        from: RecordsFrom,
    },
    /// Records whose payload the build that applied them could not read.
    #[command(subcommand)]
    Parked(ParkedVerb),
}

/// `sigil projection parked ...`.
#[derive(Debug, Subcommand)]
pub enum ParkedVerb {
    /// List them, and why each is parked.
    List {
        #[command(flatten)]
        log: LogArgs,
    },
    /// Read their payloads again with this build.
    Retry {
        #[command(flatten)]
        log: LogArgs,
    },
}

/// Where the log's records come from.
#[derive(Debug, Clone, Args)]
pub struct RecordsFrom {
    /// The log itself, or its stream on the broker (with the log behind it for what the stream lacks).
    #[arg(long, value_enum, default_value_t = FromArg::Ledger)]
    pub from: FromArg,
    /// The configuration file that says how to reach the broker.
    #[arg(long)]
    pub config: Option<PathBuf>,
    /// nats.url: the broker.
    #[arg(long)]
    pub nats: Option<String>,
}

/// `--from`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum FromArg {
    /// The ledger's own records.
    Ledger,
    /// The stream that the ledger publishes to.
    Stream,
}

/// `sigil key ...`.
#[derive(Debug, Subcommand)]
pub enum KeyVerb {
    /// Replace a signing key, with the root key's consent.
    Rotate {
        #[command(flatten)]
        log: LogArgs,
        /// record: the key that signs records, from the next one on; checkpoint: the one that signs checkpoints, from the
        /// first one behind the rotation on.
        #[arg(long, default_value = "record", value_parser = ["record", "checkpoint"])]
        role: String,
        /// The root key [default: the data directory's name with `.root`].
        #[arg(long)]
        root_key_file: Option<PathBuf>,
    },
}

/// `sigil gateway ...`. The log must not be in use: stop its ledger first, and start it again afterwards.
#[derive(Debug, Subcommand)]
pub enum GatewayVerb {
    /// Let somebody send commands: makes a key, or takes the public half of one that was made elsewhere.
    Enroll {
        #[command(flatten)]
        log: LogArgs,
        /// What it is called, [a-z0-9][a-z0-9-]{0,62}; a name is used once.
        name: String,
        /// gateway may ask for everything; reader may read what the log holds, and nothing that is sealed.
        #[arg(long, default_value = "gateway", value_parser = ["gateway", "reader"])]
        role: String,
        /// Where to write the new key [default: the data directory's name with `.NAME.command-key`].
        #[arg(long)]
        command_key_file: Option<PathBuf>,
        /// The public half of a key that exists, base64 of 32 bytes; no key is made.
        #[arg(long, conflicts_with = "command_key_file")]
        public_key: Option<String>,
    },
    /// Take no more commands under a name. What it wrote stays.
    Revoke {
        #[command(flatten)]
        log: LogArgs,
        /// What it was enrolled as.
        name: String,
    },
    /// Everybody who is or was enrolled.
    List {
        #[command(flatten)]
        log: LogArgs,
    },
}

/// `sigil doctor`.
#[derive(Debug, Args)]
pub struct Doctor {
    #[command(flatten)]
    pub log: LogArgs,
    /// Repair what can be repaired without losing anything.
    #[arg(long)]
    pub fix: bool,
}
