//! Where a request goes. Plain HTTP stays on this machine, and no address holds credentials.

use crate::config;
use std::fmt;

/// An `http` or `https` address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// Whether it is spoken to over TLS.
    pub tls: bool,
    /// Host, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    authority: String,
    /// Path and query, beginning with `/`; empty where the text had none.
    path: String,
}

impl Url {
    /// Reads `https://host:port/path?query`, or `http://` for a host that is this machine.
    ///
    /// # Errors
    /// What is wrong, without the text: it may hold a secret in the wrong place.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").ok_or("a URL such as https://host.example.com")?;
        let (authority, path) = rest.find(['/', '?']).map_or((rest, ""), |at| rest.split_at(at));
        if authority.contains('@') {
            return Err("a URL without credentials: they belong into a file".to_owned());
        }
        let printable = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
        if !printable(authority) || !printable(path) || path.starts_with('?') {
            return Err("a URL of printable ASCII, with a path before its query and without a fragment".to_owned());
        }
        let written = config::host_of(authority);
        let port = authority.get(written.len()..).unwrap_or_default();
        let tls = match scheme {
            "https" => true,
            "http" if config::is_loopback(written) => false,
            "http" => return Err("beyond this machine only over https".to_owned()),
            _ => return Err("the scheme is http or https".to_owned()),
        };
        let port = match port.strip_prefix(':') {
            None if tls => 443,
            None => 80,
            Some(port) => port
                .parse()
                .ok()
                .filter(|port| *port != 0)
                .ok_or("a port from 1 to 65535")?,
        };
        let host = written.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err("a URL with a host".to_owned());
        }
        Ok(Self {
            tls,
            host: host.to_owned(),
            port,
            authority: authority.to_owned(),
            path: path.to_owned(),
        })
    }

    /// The same place with this path and query in place of its own.
    #[must_use]
    pub fn at(&self, path: &str) -> Self {
        Self {
            path: path.to_owned(),
            ..self.clone()
        }
    }

    /// `tail` below this address taken as a prefix: `https://host/a` and `b` make `https://host/a/b`.
    #[must_use]
    pub fn below(&self, tail: &str) -> Self {
        self.at(&format!("{}/{tail}", self.path.trim_end_matches('/')))
    }

    /// Host and port as they were written: the value of a `Host` header.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Path and query, as a request line has them.
    #[must_use]
    pub fn path(&self) -> &str {
        if self.path.is_empty() { "/" } else { &self.path }
    }

    /// Whether it names nothing below its host.
    #[must_use]
    pub fn is_bare(&self) -> bool {
        self.path.trim_matches('/').is_empty()
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_apart() {
        for (text, host, port, path) in [
            ("http://127.0.0.1:4318", "127.0.0.1", 4318, "/"),
            ("http://[::1]:4318/a", "::1", 4318, "/a"),
            ("http://localhost", "localhost", 80, "/"),
            ("https://c.example.com", "c.example.com", 443, "/"),
            ("https://c.example.com/a/b?c=1", "c.example.com", 443, "/a/b?c=1"),
            ("https://[2001:db8::1]", "2001:db8::1", 443, "/"),
        ] {
            let url = Url::parse(text).unwrap();
            assert_eq!((url.host.as_str(), url.port, url.path()), (host, port, path), "{text}");
            assert_eq!(url.to_string(), text);
        }
    }

    #[test]
    fn what_leaves_this_machine_is_encrypted_and_holds_no_secret() {
        for text in [
            "http://collector.example.com:4318",
            "http://192.0.2.7",
            "http://localhost.example.com",
            "http://localhost@c.example.com",
            "https://user:secret@c.example.com",
            "grpc://127.0.0.1:4317",
            "https://",
            "https://c.example.com:99999",
            "https://c.example.com:0",
            "https://c.example.com/a b",
            "https://c.example.com/a\r\nx: secret",
            "https://c.example.com#secret",
            "127.0.0.1:4318",
        ] {
            let error = Url::parse(text).expect_err(text);
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn paths_are_joined_with_one_slash() {
        for prefix in ["https://w.example.com/x", "https://w.example.com/x/"] {
            let url = Url::parse(prefix).unwrap().below("add-checkpoint");
            assert_eq!(url.to_string(), "https://w.example.com/x/add-checkpoint");
        }
        let url = Url::parse("https://w.example.com").unwrap().below("add-checkpoint");
        assert_eq!(url.path(), "/add-checkpoint");
    }
}
