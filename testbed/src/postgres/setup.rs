//! What a cluster needs before it runs, and how it is started.
//!
//! Invariant: a password is on no command line and in no file that stays. A server takes sessions when `launch` returns.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{ClusterOptions, ready};
use crate::account::Account;
use crate::certificates::{self, Certificates, Identity};
use crate::leash::Leash;
use crate::wait;

/// SIGQUIT ends all its processes at once. They hear of it only when they are not stopped.
const STOP: &str = "kill -QUIT $pid; kill -CONT $pid";

/// Creates the files of a cluster whose owner `postgres` has this password.
pub async fn initialize(bin: &Path, folder: &Path, account: Account, password: &str) -> Result<()> {
    let secret = folder.join("password");
    certificates::write_secret(&secret, password)?;
    account.own(&secret)?;
    let mut initdb = Command::new(bin.join("initdb"));
    initdb.args(["-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync"]);
    initdb
        .args(["--auth-local=trust", "--auth-host=scram-sha-256", "--pwfile"])
        .arg(&secret);
    initdb.arg("-D").arg(folder.join("data")).current_dir("/");
    account.assume(&mut initdb);
    let output = tokio::task::spawn_blocking(move || initdb.output())
        .await?
        .context("cannot start initdb")?;
    if !output.status.success() {
        bail!("initdb failed: {}", String::from_utf8_lossy(&output.stderr).trim_end());
    }
    std::fs::remove_file(&secret).context("cannot remove the password file")
}

/// Copies what the server shows, since it accepts only a key of its own account, and refuses TCP without TLS.
pub fn require_tls(folder: &Path, account: Account, certificates: &Certificates) -> Result<()> {
    let data = folder.join("data");
    let Identity { certificate, key } = certificates.server();
    for (from, to) in [
        (certificate, "server.crt"),
        (key, "server.key"),
        (&certificates.authority(), "authority.crt"),
    ] {
        let to = data.join(to);
        certificates::write_secret(&to, &std::fs::read_to_string(from)?)?;
        account.own(&to)?;
    }
    let rules = "local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256 clientcert=verify-ca\n";
    std::fs::write(data.join("pg_hba.conf"), rules).context("cannot write who may connect")
}

/// Starts the server over these files and waits until it takes sessions.
pub async fn launch(bin: &Path, folder: &Path, account: Account, port: u16, options: &ClusterOptions) -> Result<Leash> {
    let mut server = Command::new(bin.join("postgres"));
    server.arg("-D").arg(folder.join("data"));
    for setting in settings(folder, port, options) {
        server.arg("-c").arg(setting);
    }
    let leash = Leash::start(folder, account, STOP, &server)?;
    let socket: PathBuf = folder.join(format!(".s.PGSQL.{port}"));
    wait::until("Postgres was to answer", async || {
        leash.check("Postgres")?;
        let socket = socket.clone();
        Ok(tokio::task::spawn_blocking(move || ready::is_ready(&socket))
            .await?
            .then_some(()))
    })
    .await?;
    Ok(leash)
}

fn settings(folder: &Path, port: u16, options: &ClusterOptions) -> Vec<String> {
    let mut settings = vec![
        format!("port={port}"),
        "listen_addresses=127.0.0.1".to_owned(),
        format!("unix_socket_directories={}", folder.display()),
        // In the folder, so that it goes with it.
        "dynamic_shared_memory_type=mmap".to_owned(),
        "max_connections=200".to_owned(),
    ];
    if !options.is_durable {
        settings.extend(["fsync=off", "full_page_writes=off"].map(str::to_owned));
    }
    if options.certificates.is_some() {
        settings.extend(["ssl=on", "ssl_ca_file=authority.crt"].map(str::to_owned));
    }
    settings.extend(options.settings.iter().cloned());
    settings
}

/// Sixteen random bytes in hexadecimal.
pub fn password() -> Result<String> {
    let mut bytes = [0_u8; 16];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .context("no source of randomness")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
