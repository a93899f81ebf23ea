//! `sigil config check|print`: is the configuration right, and what is in force.

use crate::cli::{ConfigArgs, ConfigVerb};
use crate::config;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use serde_json::json;

/// Runs the verb. Nothing but configuration files is read, and nothing is opened.
pub fn run(verb: ConfigVerb, output: &Output) -> Result<Exit, Failure> {
    let (args, print) = match verb {
        ConfigVerb::Check(args) => (args, false),
        ConfigVerb::Print(args) => (args, true),
    };
    let loaded = load(&args)?;
    for note in &loaded.notes {
        output.note(note);
    }
    let role = args.role;
    if print {
        output.data(&loaded.json(role), &loaded.text(role));
    } else {
        let value = json!({"role": role, "ok": true, "notes": loaded.notes});
        output.data(
            &value,
            &format!("the configuration is right for the role {}", role.as_str()),
        );
    }
    Ok(Exit::Ok)
}

/// The configuration that these arguments, the environment and the files give.
pub fn load(args: &ConfigArgs) -> Result<config::Loaded, Failure> {
    let given = config::Given::here(args.config.clone(), args.flags()?);
    Ok(config::load(args.role, &given)?)
}
