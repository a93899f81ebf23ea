//! Where the database is and how it is talked to. Checked before anything is contacted.
//!
//! Invariant: off the loopback every connection is encrypted and the server's certificate is checked. No password is
//! ever printed: neither by `Debug` nor in an error.

use projector::Error;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr as _;
use std::time::Duration;

/// Bytes of a schema's name, so that a generation's name, at most 22 longer, is a name of Postgres.
const SCHEMA_BYTES: usize = 40;

/// How a read model is reached.
#[derive(Clone)]
pub struct Config {
    /// `postgres://user[:password]@host[:port]/database`, or with `?host=/directory` a Unix socket. Not through a pooler
    /// that hands one connection to several sessions: the lease of a projector is its session.
    pub url: String,
    /// A file that holds the password, in place of one in `url`. A line break at its end is no part of it.
    pub password_file: Option<PathBuf>,
    /// The control schema, `[a-z_][a-z0-9_]*`, at most 40 bytes. Generation 7 is in the schema `<schema>_g7`.
    pub schema: String,
    /// The role that questions are answered in. A projector creates it where it is missing and may; a gateway's login
    /// must be a member of it.
    pub reader_role: String,
    /// Connections that answer questions, at most. Default 8.
    pub readers: u32,
    /// How long a question waits for a connection. Default 5 s.
    pub acquire_timeout: Duration,
    /// How long a question may take once it has a connection. The server gives up then, and so do we. Default 30 s.
    pub statement_timeout: Duration,
    /// How long connecting for, beginning or applying one batch may take before the connection is given up as dead.
    /// Default 60 s.
    pub apply_timeout: Duration,
    /// How long a projector that neither works nor is dead, such as a suspended machine, keeps the others from applying.
    /// Default 30 s.
    pub lease_timeout: Duration,
    /// Default: [`Tls::Off`] on the loopback and on a Unix socket, [`Tls::VerifyFull`] elsewhere.
    pub tls: Option<Tls>,
    /// Certificates (PEM) of who may sign the server's, beside the public ones.
    pub ca: Option<PathBuf>,
    /// Our own certificate (PEM), where the server asks for one.
    pub client_certificate: Option<PathBuf>,
    /// The key (PEM) of that certificate.
    pub client_key: Option<PathBuf>,
}

/// How a connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// Not at all: on the loopback or a Unix socket only.
    Off,
    /// Encrypted, and the server's certificate is signed by a known authority.
    VerifyCa,
    /// And it is issued to the host that the URL names.
    VerifyFull,
}

impl Config {
    /// The defaults for the read model of a log with this slug: schema `sigil_<slug>`, role `sigil_<slug>_reader`.
    #[must_use]
    pub fn new(url: impl Into<String>, slug: &str) -> Self {
        let letter = |letter: char| match letter.to_ascii_lowercase() {
            letter @ ('a'..='z' | '0'..='9') => letter,
            _ => '_',
        };
        let schema = format!("sigil_{}", slug.chars().map(letter).collect::<String>());
        Self {
            url: url.into(),
            password_file: None,
            reader_role: format!("{schema}_reader"),
            schema,
            readers: 8,
            acquire_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(30),
            apply_timeout: Duration::from_secs(60),
            lease_timeout: Duration::from_secs(30),
            tls: None,
            ca: None,
            client_certificate: None,
            client_key: None,
        }
    }

    /// What a connection needs to know; nothing is contacted.
    ///
    /// # Errors
    /// [`Error::Configuration`].
    pub(crate) fn options(&self) -> Result<PgConnectOptions, Error> {
        self.check_names()?;
        let Ok(mut options) = PgConnectOptions::from_str(&self.url) else {
            // The parser's own words may quote the URL, and the URL may hold a password.
            return Err(wrong(
                "the URL is not of the form postgres://user@host:port/database".to_owned(),
            ));
        };
        if let Some(path) = &self.password_file {
            let read = std::fs::read_to_string(path);
            let password = read.map_err(|error| wrong(format!("the file {}: {error}", path.display())))?;
            options = options.password(password.trim_end_matches(['\r', '\n']));
        }
        let local = is_local(&options);
        let tls = self.tls.unwrap_or(if local { Tls::Off } else { Tls::VerifyFull });
        if tls == Tls::Off && !local {
            let host = options.get_host();
            return Err(wrong(format!(
                "the connection to {host} would not be encrypted, which is for the loopback and Unix sockets only"
            )));
        }
        Ok(self.protect(options, tls))
    }

    fn protect(&self, mut options: PgConnectOptions, tls: Tls) -> PgConnectOptions {
        options = options.ssl_mode(match tls {
            Tls::Off => PgSslMode::Disable,
            Tls::VerifyCa => PgSslMode::VerifyCa,
            Tls::VerifyFull => PgSslMode::VerifyFull,
        });
        if let Some(path) = &self.ca {
            options = options.ssl_root_cert(path);
        }
        if let Some(path) = &self.client_certificate {
            options = options.ssl_client_cert(path);
        }
        if let Some(path) = &self.client_key {
            options = options.ssl_client_key(path);
        }
        options
    }

    fn check_names(&self) -> Result<(), Error> {
        for (what, name, most) in [("schema", &self.schema, SCHEMA_BYTES), ("role", &self.reader_role, 63)] {
            let grammar = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
            let starts = name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit());
            if !starts || name.len() > most || !name.bytes().all(grammar) || name.starts_with("pg_") {
                return Err(wrong(format!(
                    "the name of the {what} is [a-z_][a-z0-9_]*, at most {most} bytes, and does not start with pg_"
                )));
            }
        }
        let looks_like_a_generation = self
            .schema
            .rsplit_once("_g")
            .is_some_and(|(_, number)| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()));
        if looks_like_a_generation {
            return Err(wrong(
                "the name of the schema may not end like that of a generation, _g and digits".to_owned(),
            ));
        }
        if self.client_certificate.is_some() != self.client_key.is_some() {
            return Err(wrong("a client certificate and its key are given together".to_owned()));
        }
        if self.lease_timeout < Duration::from_millis(100) {
            return Err(wrong("the lease of a projector lasts at least 100 ms".to_owned()));
        }
        if self.readers == 0 {
            return Err(wrong("questions need at least one connection".to_owned()));
        }
        Ok(())
    }
}

fn wrong(detail: String) -> Error {
    Error::Configuration(detail)
}

fn is_local(options: &PgConnectOptions) -> bool {
    let host = options.get_host();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    options.get_socket().is_some()
        || host.starts_with('/')
        || host == "localhost"
        || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("schema", &self.schema)
            .field("reader_role", &self.reader_role)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(config: &Config) -> String {
        config.options().unwrap_err().to_string()
    }

    #[test]
    fn a_connection_off_the_loopback_is_encrypted_and_checked() {
        let far = Config::new("postgres://u:secret@db.example:5432/audit", "test");
        assert!(matches!(far.options().unwrap().get_ssl_mode(), PgSslMode::VerifyFull));
        let open = Config {
            tls: Some(Tls::Off),
            ..far
        };
        let text = refusal(&open);
        assert!(
            text.contains("db.example") && text.contains("not be encrypted"),
            "{text}"
        );
        assert!(!text.contains("secret"));
        // What the URL says about it does not count.
        let lax = Config::new("postgres://u@db.example/audit?sslmode=disable", "test");
        assert!(matches!(lax.options().unwrap().get_ssl_mode(), PgSslMode::VerifyFull));
    }

    #[test]
    fn a_near_connection_may_be_in_the_clear() {
        for url in [
            "postgres://u@localhost/audit",
            "postgres://u@127.0.0.1:6000/audit",
            "postgres://u@[::1]/audit",
            "postgres:///audit?host=/run/postgresql&user=u",
        ] {
            let options = Config::new(url, "test").options().unwrap();
            assert!(matches!(options.get_ssl_mode(), PgSslMode::Disable), "{url}");
        }
        let tls = Config {
            tls: Some(Tls::VerifyCa),
            ..Config::new("postgres://u@localhost/audit", "test")
        };
        assert!(matches!(tls.options().unwrap().get_ssl_mode(), PgSslMode::VerifyCa));
    }

    #[test]
    fn names_that_could_be_anything_else_are_refused() {
        let of = |schema: &str| Config {
            schema: schema.to_owned(),
            ..Config::new("postgres://u@localhost/audit", "test")
        };
        assert_eq!(Config::new("", "acme-Prod.1").schema, "sigil_acme_prod_1");
        assert!(of("sigil_acme").options().is_ok());
        for schema in ["", "1a", "a b", "a;drop", "A", "pg_toast", "a_g1", &"a".repeat(41)] {
            assert!(refusal(&of(schema)).contains("schema"), "{schema}");
        }
        let role = Config {
            reader_role: "r\"".to_owned(),
            ..of("a")
        };
        assert!(refusal(&role).contains("role"));
    }

    #[test]
    fn a_password_is_read_from_a_file_and_printed_nowhere() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "hunter2\n").unwrap();
        let config = Config {
            password_file: Some(file.path().to_owned()),
            ..Config::new("postgres://u:other@localhost/audit", "test")
        };
        assert!(config.options().is_ok());
        let printed = format!("{config:?}");
        assert!(!printed.contains("other") && !printed.contains("hunter2"), "{printed}");
        let missing = Config {
            password_file: Some("/no/such/file".into()),
            ..config
        };
        assert!(refusal(&missing).contains("/no/such/file"));
        let nonsense = Config::new("postgres//u:secret@", "test");
        assert!(!refusal(&nonsense).contains("secret"));
    }
}
