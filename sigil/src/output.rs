//! Data to standard output, everything else to standard error. A reader who leaves early is no failure.

use crate::exit::Failure;
use serde_json::{Value, json};
use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

/// Where a command writes.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    json: bool,
}

impl Output {
    /// With `json`, data is JSON, one value a line.
    pub const fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether data is JSON.
    pub const fn is_json(self) -> bool {
        self.json
    }

    /// Writes data: `value` as JSON, or `text` for people.
    pub fn data(self, value: &Value, text: &str) {
        if self.json {
            self.line(&value.to_string())
        } else {
            self.line(text)
        }
    }

    /// Writes one line of data.
    pub fn line(self, text: &str) {
        write_out(text.as_bytes());
    }

    /// Writes a line of data that is bytes already.
    pub fn bytes(self, line: &[u8]) {
        write_out(line);
    }

    /// Tells a person something that is not data.
    pub fn note(self, text: &str) {
        // There is nobody left to tell.
        let _closed = writeln!(io::stderr().lock(), "{text}");
    }

    /// Reports a failure and gives its exit code.
    pub fn fail(self, failure: &Failure) -> ExitCode {
        if self.json {
            let value = json!({"error": failure.to_string(), "exit": failure.exit as u8});
            self.note(&value.to_string());
        } else {
            self.note(&format!("sigil: {failure}"));
        }
        failure.exit.into()
    }
}

/// Whether standard error is a terminal where progress may be drawn.
pub fn draws() -> bool {
    io::stderr().is_terminal()
}

fn write_out(line: &[u8]) {
    let mut out = io::stdout().lock();
    let written = out.write_all(line).and_then(|()| out.write_all(b"\n"));
    if let Err(error) = written {
        // `sigil record list | head` closes the pipe on purpose.
        let code = if error.kind() == io::ErrorKind::BrokenPipe {
            0
        } else {
            1
        };
        std::process::exit(code);
    }
}
