//! A Postgres in a container, for a machine that has docker and nothing else.
//!
//! Invariant: the container is removed with its volume when we end, and its port is bound to 127.0.0.1 alone. It has
//! no socket on our side, so a client reaches it by TCP.

use std::process::Command;

use anyhow::{Result, bail};

use super::account::Account;
use super::leash::Leash;
use super::{Postgres, Purpose, address, local};
use crate::process;
use crate::scratch::Scratch;

const IMAGE: &str = "postgres:17";

/// Pulls the image and starts the server. It may not answer yet.
pub fn start(purpose: Purpose) -> Result<Postgres> {
    if !process::answers(Command::new("docker").arg("info")) {
        bail!("no docker that answers");
    }
    process::run(Command::new("docker").args(["pull", "-q", IMAGE]))?;
    let (port, password, scratch) = (local::free_port()?, local::password()?, Scratch::new("postgres")?);
    let name = format!("sigil-postgres-{}-{port}", std::process::id());
    // Docker reads the password from this file, so that it is on no command line.
    let secret = scratch.path().join("environment");
    std::fs::write(&secret, format!("POSTGRES_PASSWORD={password}\n"))?;
    let stop = format!("docker rm -f -v {name}");
    let leash = Leash::start(
        scratch.path(),
        Account::ours(),
        &stop,
        &server(&name, port, &secret.display().to_string(), purpose),
    )?;
    let client = ["docker", "exec", &name, "psql", "-U", "postgres", "-h", "127.0.0.1"];
    Ok(Postgres {
        port,
        socket_dir: None,
        bin_dir: None,
        environment: address::environment("127.0.0.1", port, "postgres", Some(&password), "postgres"),
        client: client.map(str::to_owned).to_vec(),
        leash: Some(leash),
        _scratch: Some(scratch),
    })
}

fn server(name: &str, port: u16, env_file: &str, purpose: Purpose) -> Vec<String> {
    let publish = format!("127.0.0.1:{port}:5432");
    let run = [
        "docker",
        "run",
        "--rm",
        "--name",
        name,
        "--shm-size=1g",
        "-p",
        &publish,
        "--env-file",
        env_file,
        IMAGE,
    ];
    let settings = purpose.settings().iter().flat_map(|&setting| ["-c", setting]);
    run.into_iter().chain(settings).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_container_is_bound_to_this_machine_and_durable() {
        let line = server("sigil-postgres-1", 5433, "secret", Purpose::Bench).join(" ");
        assert!(
            line.contains("-p 127.0.0.1:5433:5432") && line.contains("--rm"),
            "{line}"
        );
        assert!(
            line.contains("-c fsync=on") && line.contains("-c synchronous_commit=on"),
            "{line}"
        );
    }
}
