//! `sigil gateway enroll|revoke|list`: who may send commands over the bus, by records of the ledger's own chain.

use crate::cli::GatewayVerb;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::place::{Place, beside};
use domain::payload::GatewayRole;
use ledger::Handle;
use ledger_client::wire::{GatewayKey, is_gateway_name};
use ledger_client::{Error, Receipt};
use record::PublicKey;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Enrols, revokes or lists.
pub async fn run(verb: GatewayVerb, output: &Output) -> Result<Exit, Failure> {
    match verb {
        GatewayVerb::Enroll {
            log,
            name,
            role,
            command_key_file,
            public_key,
        } => {
            if !is_gateway_name(&name) {
                return Err(Failure::new(Exit::Usage, "a gateway's name is [a-z0-9][a-z0-9-]{0,62}"));
            }
            let place = Place::of(&log)?;
            let key = match public_key {
                Some(text) => Key::Public(public(&text)?),
                None => {
                    let extension = format!("{name}.command-key");
                    Key::New(command_key_file.unwrap_or_else(|| beside(&place.data_dir, &extension)))
                }
            };
            let role = GatewayRole::parse(&role).unwrap_or(GatewayRole::Reader);
            enroll(&place, &name, role, key, output).await
        }
        GatewayVerb::Revoke { log, name } => revoke(&Place::of(&log)?, &name, output).await,
        GatewayVerb::List { log } => list(&Place::of(&log)?, output).await,
    }
}

/// Which key is enrolled.
enum Key {
    /// A new one, in this file.
    New(PathBuf),
    /// One that was made elsewhere.
    Public(PublicKey),
}

async fn enroll(place: &Place, name: &str, role: GatewayRole, key: Key, output: &Output) -> Result<Exit, Failure> {
    let handle = open(place.signing()?).await?;
    let (public, file) = match key {
        Key::Public(public) => (public, None),
        Key::New(file) => {
            let key = GatewayKey::generate(name).map_err(anyhow::Error::from)?;
            // Durable before the enrolment is: no key is enrolled that nobody has.
            key.write(&file).map_err(anyhow::Error::from)?;
            (key.public(), Some(file))
        }
    };
    let enrolled = handle.enroll_gateway(name, &public, role).await;
    if let (Err(Error::Denied(_) | Error::Refused(_)), Some(file)) = (&enrolled, &file) {
        std::fs::remove_file(file)?;
    }
    close(handle).await?;
    let receipt = enrolled?;
    let written = file.as_deref().map(Path::display);
    let value = json!({
        "gateway": name, "role": role.as_str(), "public_key": public.to_base64(), "offset": receipt.committed.offset,
        "command_key_file": written.as_ref().map(ToString::to_string),
    });
    let whose = written.map_or_else(String::new, |file| {
        format!("; its key is in {file}: move it to where it is used")
    });
    let text = format!(
        "enrolled {name} as {} at offset {}{whose}",
        role.as_str(),
        receipt.committed.offset
    );
    output.data(&value, &text);
    Ok(Exit::Ok)
}

async fn revoke(place: &Place, name: &str, output: &Output) -> Result<Exit, Failure> {
    let handle = open(place.signing()?).await?;
    let revoked: Result<Receipt, Error> = handle.revoke_gateway(name).await;
    close(handle).await?;
    let offset = revoked?.committed.offset;
    output.data(
        &json!({"gateway": name, "offset": offset}),
        &format!("revoked {name} at offset {offset}"),
    );
    Ok(Exit::Ok)
}

async fn list(place: &Place, output: &Output) -> Result<Exit, Failure> {
    let handle = open(place.config()).await?;
    let gateways = handle.gateways();
    close(handle).await?;
    for (name, gateway) in gateways?.iter() {
        let state = if gateway.revoked { "revoked" } else { "enrolled" };
        let (role, key) = (gateway.role.as_str(), gateway.key.to_base64());
        let value = json!({"gateway": name, "role": role, "public_key": key, "state": state});
        output.data(&value, &format!("{name} {role} {state} {key}"));
    }
    Ok(Exit::Ok)
}

fn public(text: &str) -> Result<PublicKey, Failure> {
    let wrong = || Failure::new(Exit::Usage, "a public key is base64 of 32 bytes, not a weak one");
    PublicKey::from_base64(text).ok_or_else(wrong)
}

/// The log alone: a read model is not needed.
async fn open(config: ledger::Config) -> Result<Handle, Failure> {
    let opened = tokio::task::spawn_blocking(move || Handle::open(config)).await;
    Ok(opened.map_err(anyhow::Error::from)??)
}

async fn close(handle: Handle) -> Result<(), Failure> {
    tokio::task::spawn_blocking(move || handle.close())
        .await
        .map_err(|error| anyhow::Error::from(error).into())
}
