//! The verbs of a witness.

use clap::{Args, Subcommand};
use std::net::SocketAddr;
use std::path::PathBuf;

/// `sigil cosigner ...`.
#[derive(Debug, Subcommand)]
pub enum CosignerVerb {
    /// Make the key of a witness, and print what others put into their policy.
    Init(CosignerInit),
    /// Cosign checkpoints of the logs that are named, over the C2SP tlog-witness protocol.
    Serve(CosignerServe),
}

/// `sigil cosigner init`.
#[derive(Debug, Args)]
pub struct CosignerInit {
    /// The witness's name, like a URL without a scheme: witness.example.com. It never changes.
    #[arg(long)]
    pub name: String,
    /// Where to write the key.
    #[arg(long, env = "SIGIL_COSIGNER_KEY_FILE")]
    pub key_file: PathBuf,
    /// Where others will reach it, for the line that is printed.
    #[arg(long)]
    pub url: Option<String>,
}

/// `sigil cosigner serve`.
#[derive(Debug, Args)]
pub struct CosignerServe {
    /// The key that `sigil cosigner init` wrote.
    #[arg(long, env = "SIGIL_COSIGNER_KEY_FILE")]
    pub key_file: PathBuf,
    /// Where the witness remembers what it cosigned. An older copy of it must never be put back.
    #[arg(long, env = "SIGIL_COSIGNER_STATE_DIR")]
    pub state_dir: PathBuf,
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:7483")]
    pub listen: SocketAddr,
    /// The verifier key of a log to cosign, <origin>+<key id>+<base64>; may be repeated.
    #[arg(long = "log", value_name = "KEY")]
    pub logs: Vec<String>,
    /// A file whose `log` lines name logs to cosign (C2SP tlog-policy).
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// The trust file of a log to cosign, as `sigil init` wrote it; may be repeated.
    #[arg(long, value_name = "FILE")]
    pub trust: Vec<PathBuf>,
    /// The listener's certificate chain (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_key_file")]
    pub tls_cert_file: Option<PathBuf>,
    /// The key of the certificate (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_cert_file")]
    pub tls_key_file: Option<PathBuf>,
    /// Listen beyond this machine without TLS, because a proxy in front does it.
    #[arg(long, conflicts_with = "tls_cert_file")]
    pub plaintext_behind_proxy: bool,
}
