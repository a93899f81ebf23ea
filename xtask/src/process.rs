//! Running other programs: cargo above all.
//!
//! Invariant: nothing that runs here can wait for a keyboard, and a failure names the command line that failed.
//! It does not retry and does not interpret output.

use std::ffi::OsStr;
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail};

use crate::workspace;

/// The cargo that started us (else the one on the path), in the root of the workspace.
pub fn cargo<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace::root()).args(args);
    // What `cargo run` tells us of our own package is no business of the next cargo: build scripts that look at it would
    // run again, and everything behind them, whenever a verb follows a plain cargo command.
    let names = std::env::vars_os().map(|(name, _)| name);
    let of_our_package = names.filter(|name| {
        let name = name.to_string_lossy();
        name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
    });
    for name in of_our_package {
        command.env_remove(name);
    }
    command
}

/// Runs with our own output streams. An exit status other than 0 is an error.
pub fn run(command: &mut Command) -> Result<()> {
    let shown = line(command);
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("cannot start `{shown}`"))?;
    if !status.success() {
        bail!("`{shown}` failed: {status}");
    }
    Ok(())
}

/// Runs and keeps both output streams; the caller judges the status.
pub fn capture(command: &mut Command) -> Result<Output> {
    let shown = line(command);
    command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start `{shown}`"))
}

/// Standard output as text. An exit status other than 0 is an error that carries standard error.
pub fn read(command: &mut Command) -> Result<String> {
    let shown = line(command);
    let output = capture(command)?;
    if !output.status.success() {
        bail!(
            "`{shown}` failed: {}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{shown}` printed something that is not UTF-8"))
}

/// True when the program starts and says that all is well: being on the path is not enough.
pub fn answers(command: &mut Command) -> bool {
    capture(command).is_ok_and(|output| output.status.success())
}

/// The command as one would type it, with the program's folder left out.
pub fn line(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let name = program
        .file_name()
        .unwrap_or(program.as_os_str())
        .to_string_lossy()
        .into_owned();
    command
        .get_args()
        .fold(name, |line, arg| line + " " + &arg.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_command_is_an_error_that_names_it() {
        assert!(run(&mut Command::new("true")).is_ok());
        let error = run(Command::new("false").arg("x")).unwrap_err().to_string();
        assert!(error.starts_with("`false x` failed"), "{error}");
        assert!(read(&mut Command::new("false")).is_err());
    }

    #[test]
    fn a_missing_program_does_not_answer() {
        assert!(answers(&mut Command::new("true")));
        assert!(!answers(&mut Command::new("false")));
        assert!(!answers(&mut Command::new("no-such-program-here")));
    }
}
