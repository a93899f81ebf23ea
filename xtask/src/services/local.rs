//! A Postgres of our own from the programs on this machine: a fresh cluster in a folder that only it may enter.
//!
//! Invariant: it listens on 127.0.0.1 with a password made for this run, and on a socket in that folder without one.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::account::Account;
use super::leash::Leash;
use super::{Postgres, Purpose};
use crate::process;
use crate::scratch::Scratch;

/// Creates and starts a cluster with the programs in `bin_dir`. It may not answer yet.
pub fn start(bin_dir: &Path, purpose: Purpose) -> Result<Postgres> {
    let (account, scratch, password) = (Account::ordinary()?, Scratch::new("postgres")?, password()?);
    account.own(scratch.path())?;
    create_cluster(bin_dir, &account, scratch.path(), &password)?;
    let port = free_port()?;
    let folder = scratch.path().display().to_string();
    let server = server(&bin_dir.join("postgres").display().to_string(), &folder, port, purpose);
    let leash = Leash::start(scratch.path(), account, "kill -QUIT $pid", &server)?;
    Ok(Postgres {
        port,
        socket_dir: Some(scratch.path().to_path_buf()),
        bin_dir: Some(bin_dir.to_path_buf()),
        environment: super::address::environment(&folder, port, "postgres", Some(&password), "postgres"),
        client: vec![],
        leash: Some(leash),
        _scratch: Some(scratch),
    })
}

fn create_cluster(bin_dir: &Path, account: &Account, folder: &Path, password: &str) -> Result<()> {
    let secret = folder.join("password");
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&secret)?;
    writeln!(file, "{password}")?;
    account.own(&secret)?;
    let mut initdb = Command::new(bin_dir.join("initdb"));
    initdb.args(["-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync"]);
    initdb
        .args(["--auth-local=trust", "--auth-host=scram-sha-256", "--pwfile"])
        .arg(&secret);
    initdb.arg("-D").arg(folder.join("data")).current_dir("/");
    process::read(account.assume(&mut initdb)).context("cannot create a Postgres cluster")?;
    fs::remove_file(&secret).context("cannot remove the password file")
}

fn server(postgres: &str, folder: &str, port: u16, purpose: Purpose) -> Vec<String> {
    let mut line = vec![postgres.to_owned(), "-D".to_owned(), format!("{folder}/data")];
    let place = [
        format!("port={port}"),
        "listen_addresses=127.0.0.1".to_owned(),
        format!("unix_socket_directories={folder}"),
    ];
    let settings = purpose
        .settings()
        .iter()
        .map(|&setting| setting.to_owned())
        .chain(place);
    line.extend(settings.flat_map(|setting| ["-c".to_owned(), setting]));
    line
}

/// A port that nothing listens on at this moment.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))
        .context("no free port on 127.0.0.1")?
        .local_addr()?
        .port())
}

/// Sixteen random bytes in hexadecimal.
pub fn password() -> Result<String> {
    let mut bytes = [0_u8; 16];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .context("no source of randomness")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::programs;

    #[test]
    fn passwords_differ() {
        let (one, other) = (password().unwrap(), password().unwrap());
        assert_eq!(one.len(), 32);
        assert_ne!(one, other);
    }

    #[test]
    fn a_server_of_our_own_answers_is_durable_and_goes_away() {
        let Some(bin_dir) = programs::find() else {
            println!("skipped: no Postgres programs on this machine, and no test installs them for itself");
            return;
        };
        let postgres = start(&bin_dir, Purpose::Bench).unwrap().ready().unwrap();
        assert_eq!(postgres.psql("select 6 * 7, current_user").unwrap(), "42|postgres\n");
        assert_eq!(
            postgres.psql("show fsync; show synchronous_commit").unwrap(),
            "on\non\n"
        );
        assert_eq!(
            postgres.psql("show shared_buffers; show max_wal_size").unwrap(),
            "512MB\n4GB\n"
        );
        assert!(postgres.psql("select nothing").is_err());
        assert!(over_tcp(&postgres, true).is_ok());
        assert!(over_tcp(&postgres, false).is_err());
        assert!(
            postgres
                .bench_environment()
                .iter()
                .any(|(name, _)| *name == "SIGIL_BENCH_PGBENCH")
        );
        let (folder, port) = (postgres.socket_dir.clone().unwrap(), postgres.port);
        drop(postgres);
        assert!(!folder.exists());
        assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
    }

    fn over_tcp(postgres: &Postgres, with_password: bool) -> Result<String> {
        let mut command = Command::new(postgres.program("psql"));
        command
            .envs(postgres.environment.clone())
            .env("PGHOST", "127.0.0.1")
            .args(["-w", "-c", "select 1"]);
        if !with_password {
            command.env_remove("PGPASSWORD");
        }
        process::read(&mut command)
    }

    #[test]
    fn a_server_that_cannot_start_says_why() {
        let Some(bin_dir) = programs::find() else {
            println!("skipped: no Postgres programs on this machine, and no test installs them for itself");
            return;
        };
        let (scratch, account) = (Scratch::new("postgres").unwrap(), Account::ordinary().unwrap());
        account.own(scratch.path()).unwrap();
        let server = server(
            &bin_dir.join("postgres").display().to_string(),
            &scratch.path().display().to_string(),
            1,
            Purpose::Tests,
        );
        let leash = Leash::start(scratch.path(), account, "kill -QUIT $pid", &server).unwrap();
        let environment = super::super::address::environment("127.0.0.1", 1, "postgres", None, "postgres");
        let broken = Postgres {
            port: 1,
            socket_dir: None,
            bin_dir: Some(bin_dir),
            environment,
            client: vec![],
            leash: Some(leash),
            _scratch: Some(scratch),
        };
        let error = broken.ready().err().unwrap().to_string();
        assert!(
            error.contains("ended before it answered") && error.contains("data"),
            "{error}"
        );
    }
}
