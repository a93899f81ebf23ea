//! Where the collector is. Plain HTTP stays on this machine: spans say what a system does.

use crate::config;
use crate::exit::{Exit, Failure};
use std::path::Path;

/// A collector's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Whether it is spoken to over TLS.
    pub tls: bool,
    /// Host, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    authority: String,
    path: String,
}

impl Endpoint {
    /// Reads `http://host:port` or `https://host:port`, with a path where it is not the usual one.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").ok_or("a URL such as http://127.0.0.1:4318")?;
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        if authority.contains('@') {
            return Err(
                "a URL without credentials: name a file with headers in telemetry.otlp_headers_file".to_owned(),
            );
        }
        let written = config::host_of(authority);
        let port = authority
            .get(written.len()..)
            .unwrap_or_default()
            .trim_start_matches(':');
        let tls = match scheme {
            "https" => true,
            "http" if config::is_loopback(written) => false,
            "http" => return Err("beyond this machine only over https".to_owned()),
            _ => return Err("the scheme is http or https".to_owned()),
        };
        let port = match port {
            "" if tls => 443,
            "" => 80,
            port => port.parse().map_err(|_| "a port from 1 to 65535")?,
        };
        let host = written.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err("a URL with a host".to_owned());
        }
        let path = if path.trim_matches('/').is_empty() {
            "/v1/traces"
        } else {
            path
        };
        Ok(Self {
            tls,
            host: host.to_owned(),
            port,
            authority: authority.to_owned(),
            path: path.to_owned(),
        })
    }

    /// The whole address of the traces.
    pub fn url(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}{}", self.authority, self.path)
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
            assert_eq!((endpoint.url().as_str(), endpoint.port), (url, port), "{text}");
        }
        assert_eq!(Endpoint::parse("http://[::1]:4318").unwrap().host, "::1");
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
