//! Where the collector is. Plain HTTP stays on this machine: spans say what a system does.

use crate::exit::{Exit, Failure};
use crate::http::Url;
use std::path::Path;

/// A collector's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The whole address of the traces.
    pub url: Url,
}

impl Endpoint {
    /// Reads `http://host:port` or `https://host:port`, with a path where it is not the usual one.
    pub fn parse(text: &str) -> Result<Self, String> {
        let url = Url::parse(text)?;
        let url = if url.is_bare() { url.at("/v1/traces") } else { url };
        Ok(Self { url })
    }
}

/// Headers from a file, one `name: value` a line.
pub fn headers(path: &Path) -> Result<Vec<(String, String)>, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::new(Exit::Usage, format!("read {}: {error}", path.display())))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines
        .map(|line| {
            // Without the line: it holds a secret.
            let wrong = || Failure::new(Exit::Usage, format!("{}: each line is `name: value`", path.display()));
            let (name, value) = line.split_once(':').ok_or_else(wrong)?;
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_path_is_added_and_another_kept() {
        for (text, url, port) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces", 4318),
            ("http://[::1]:4318/", "http://[::1]:4318/v1/traces", 4318),
            ("http://localhost", "http://localhost/v1/traces", 80),
            ("https://c.example.com", "https://c.example.com/v1/traces", 443),
            (
                "https://c.example.com/otlp/traces",
                "https://c.example.com/otlp/traces",
                443,
            ),
        ] {
            let endpoint = Endpoint::parse(text).unwrap();
            assert_eq!(
                (endpoint.url.to_string().as_str(), endpoint.url.port),
                (url, port),
                "{text}"
            );
        }
        assert_eq!(Endpoint::parse("http://[::1]:4318").unwrap().url.host, "::1");
    }

    #[test]
    fn spans_do_not_leave_this_machine_in_the_clear() {
        for text in [
            "http://collector.example.com:4318",
            "http://192.0.2.7",
            "http://localhost.example.com",
            "https://user:secret@c.example.com",
            "grpc://127.0.0.1:4317",
            "https://",
            "https://c.example.com:99999",
            "127.0.0.1:4318",
        ] {
            let error = Endpoint::parse(text).expect_err(text);
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
