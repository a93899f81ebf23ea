//! Contracts generated from the code: JSON Schemas per kind and version, OpenAPI, AsyncAPI, the error catalogue.

mod asyncapi;

use crate::exit::{Exit, Failure};
use domain::Catalogue;
use serde_json::Value;
use std::fs;
use std::path::Path;

/// Writes all contracts below `out`.
pub fn write(out: &Path) -> Result<Exit, Failure> {
    for spec in Catalogue::builtin().iter() {
        let name = format!("{}/{}", spec.kind, spec.schema_version);
        write_json(&out.join(format!("kinds/{name}.intake.json")), spec.intake_schema())?;
        write_json(&out.join(format!("kinds/{name}.stored.json")), spec.stored_schema())?;
    }
    write_json(&out.join("openapi.json"), &gateway::openapi())?;
    write_json(&out.join("config.schema.json"), &crate::config::schema())?;
    write_json(&out.join("asyncapi.json"), &asyncapi::document())?;
    write_json(&out.join("errors.json"), &gateway::catalogue())?;
    Ok(Exit::Ok)
}

fn write_json(path: &Path, value: &Value) -> Result<(), Failure> {
    let mut text = serde_json::to_string_pretty(value).map_err(anyhow::Error::from)?;
    text.push('\n');
    fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
    Ok(fs::write(path, text)?)
}
