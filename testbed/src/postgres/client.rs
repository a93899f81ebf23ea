//! SQL by `psql`, because a client library here would tie every test to one version of it.

use std::process::Command;

use anyhow::{Context, Result, bail};

use super::address::Address;
use crate::programs;

/// Runs statements and gives what they printed: one line per row, columns between `|`.
pub async fn psql(address: &Address, sql: &str) -> Result<String> {
    let (address, sql) = (address.clone(), sql.to_owned());
    tokio::task::spawn_blocking(move || psql_now(&address, &sql)).await?
}

/// The same for a destructor, which cannot wait otherwise.
pub fn psql_now(address: &Address, sql: &str) -> Result<String> {
    let mut command = Command::new(programs::psql()?);
    command.args(["-X", "-w", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql, "-d"]);
    command.arg(address.url_without_password());
    command.env("PGCONNECT_TIMEOUT", "60");
    if let Some(password) = address.plain_password() {
        command.env("PGPASSWORD", password);
    }
    let output = command.output().context("cannot start psql")?;
    if !output.status.success() {
        bail!("psql failed: {}", String::from_utf8_lossy(&output.stderr).trim_end());
    }
    String::from_utf8(output.stdout).context("psql printed something that is not UTF-8")
}

/// The same address for `role`, which is created when it does not exist and can log in with the server's password.
pub async fn role(server: &Address, role: &str) -> Result<Address> {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if role.is_empty() || !role.chars().all(is_plain) {
        bail!("the name of a role in a test is lower case letters, digits and _");
    }
    let password = server.plain_password().map_or(String::new(), |password| {
        format!(" password '{}'", password.replace('\'', "''"))
    });
    // Roles belong to the server, which tests share: one at a time.
    let sql = format!(
        "do $do$ begin perform pg_advisory_xact_lock(1); \
         if not exists (select from pg_roles where rolname = '{role}') then create role {role}; end if; \
         alter role {role} login{password}; end $do$"
    );
    psql(server, &sql).await?;
    Ok(server.role(role))
}
