//! What types cannot say: what a role needs, what excludes what, and what would send a secret in the clear.

use super::{ClientFiles, Problem, Role, Settings};
use std::net::IpAddr;

/// Adds every problem that `settings` have for `role`.
pub fn run(role: Role, settings: &Settings, problems: &mut Vec<Problem>) {
    let mut checks = Checks(problems);
    let distributed = role != Role::Embedded;
    if distributed {
        checks.nats(role, settings);
    }
    if matches!(role, Role::Projector | Role::Gateway) {
        checks.postgres(settings);
        checks.peer(settings);
    }
    if matches!(role, Role::Gateway | Role::Embedded) {
        checks.http(settings);
    }
    if matches!(role, Role::Ledger | Role::Embedded) {
        let log = &settings.log;
        checks.apart(
            "log.passphrase_file",
            &log.passphrase_file,
            "log.key_file",
            &log.key_file,
        );
        checks.at_least(
            "limits.ledger.queue_bytes",
            settings.limits.ledger.queue_bytes as u64,
            1 << 20,
        );
        checks.at_least("limits.ledger.snapshot_every", settings.limits.ledger.snapshot_every, 1);
        checks.at_least(
            "limits.ledger.signers",
            settings.limits.ledger.signers.unwrap_or(1) as u64,
            1,
        );
    }
    checks.witnesses(role, settings);
    if matches!(role, Role::Ledger | Role::Embedded) {
        checks.anchors(settings);
    }
    if role == Role::Ledger {
        checks.at_least("stream.in_flight", settings.stream.in_flight as u64, 1);
        checks.at_least(
            "stream.in_flight_bytes",
            settings.stream.in_flight_bytes as u64,
            1 << 20,
        );
        checks.at_least("limits.commands.requests", settings.limits.commands.requests as u64, 1);
        checks.at_least("limits.commands.bytes", settings.limits.commands.bytes as u64, 4 << 20);
    }
    if role == Role::Ledger && settings.stream.in_flight > 1_024 {
        checks.wrong(
            "stream.in_flight",
            "at most 1,024: so much of a stream's end is compared at a start",
        );
    }
    if role == Role::Ledger && !(1..=5).contains(&settings.stream.replicas) {
        checks.wrong("stream.replicas", "1 to 5 copies, an odd number on as many brokers");
    }
    checks.telemetry(settings);
}

struct Checks<'a>(&'a mut Vec<Problem>);

impl Checks<'_> {
    fn wrong(&mut self, key: &str, message: impl Into<String>) {
        // A key that could not be read is at its default now: one problem a key is enough.
        if self.0.iter().any(|known| known.key == key) {
            return;
        }
        self.0.push(Problem {
            key: key.to_owned(),
            source: None,
            message: message.into(),
        });
    }

    fn nats(&mut self, role: Role, settings: &Settings) {
        let nats = &settings.nats;
        match nats.url.as_deref() {
            None => self.wrong("nats.url", format!("the role {} needs a broker", role.as_str())),
            Some(url) => {
                for server in url.split(',') {
                    if let Err(message) = nats_server(server.trim()) {
                        self.wrong("nats.url", message);
                    }
                }
            }
        }
        self.client_files("nats.tls", &nats.tls);
        self.together("nats.user", &nats.user, "nats.password_file", &nats.password_file);
        let ways = [
            nats.credentials_file.is_some(),
            nats.nkey_file.is_some(),
            nats.user.is_some(),
            nats.token_file.is_some(),
        ];
        if ways.iter().filter(|given| **given).count() > 1 {
            let message = "credentials_file, nkey_file, user and token_file exclude one another";
            self.wrong("nats", message);
        }
        let prefix = nats.inbox_prefix.as_deref().unwrap_or("_INBOX");
        let is_subject =
            |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_graphic() && b != b'*' && b != b'>');
        if !prefix.split('.').all(is_subject) {
            self.wrong(
                "nats.inbox_prefix",
                "a subject without wildcards: words separated by dots",
            );
        }
        self.at_least("nats.connect_timeout_ms", nats.connect_timeout_ms, 1);
        self.at_least("nats.request_timeout_ms", nats.request_timeout_ms, 1);
        self.at_least("nats.reconnect_max_ms", nats.reconnect_max_ms, 1);
    }

    fn witnesses(&mut self, role: Role, settings: &Settings) {
        let witnesses = &settings.witnesses;
        if witnesses.required {
            self.at_least("witnesses.required_wait_ms", witnesses.required_wait_ms, 1);
            let serves = matches!(role, Role::Gateway | Role::Embedded);
            if serves && witnesses.required_wait_ms >= settings.limits.http.request_timeout_ms {
                // The request would end first, and say that nobody knows whether the record was stored.
                let message = "must be less than limits.http.request_timeout_ms";
                self.wrong("witnesses.required_wait_ms", message);
            }
        }
        if !matches!(role, Role::Ledger | Role::Embedded) {
            return;
        }
        self.at_least("witnesses.timeout_ms", witnesses.timeout_ms, 1);
        if witnesses.policy_file.is_some() && settings.log.checkpoint_interval_ms == 0 {
            let message = "witnesses cosign checkpoints: log.checkpoint_interval_ms must not be 0";
            self.wrong("witnesses.policy_file", message);
        }
        if role == Role::Embedded && witnesses.required && witnesses.policy_file.is_none() {
            self.wrong(
                "witnesses.required",
                "needs witnesses.policy_file: nobody cosigns without it",
            );
        }
    }

    fn anchors(&mut self, settings: &Settings) {
        let (anchors, log) = (&settings.anchors, &settings.log);
        if let Some(dir) = &anchors.dir {
            if dir.starts_with(&log.data_dir) {
                let message = "within the log's own directory it is rolled back together with it: name another place";
                self.wrong("anchors.dir", message);
            }
            if log.checkpoint_interval_ms == 0 {
                let message = "checkpoints are what is anchored: log.checkpoint_interval_ms must not be 0";
                self.wrong("anchors.dir", message);
            }
        }
        if let Some(url) = &anchors.https_url {
            if let Err(reason) = crate::anchors::accept_url(url) {
                self.wrong("anchors.https_url", reason);
            }
            if log.checkpoint_interval_ms == 0 {
                let message = "checkpoints are what is anchored: log.checkpoint_interval_ms must not be 0";
                self.wrong("anchors.https_url", message);
            }
        }
        if anchors.https_url.is_none() {
            for (key, given) in [
                ("anchors.https_token_file", anchors.https_token_file.is_some()),
                ("anchors.https_ca_file", anchors.https_ca_file.is_some()),
            ] {
                if given {
                    self.wrong(key, "needs anchors.https_url: nobody is asked without it");
                }
            }
        }
        self.at_least("anchors.https_timeout_ms", anchors.https_timeout_ms, 1);
        self.at_least("anchors.interval_s", anchors.interval_s, 1);
    }

    fn postgres(&mut self, settings: &Settings) {
        let postgres = &settings.postgres;
        match postgres.url.as_deref() {
            None => self.wrong("postgres.url", "this role needs the read model's database"),
            Some(url) => {
                if let Err(message) = postgres_url(url) {
                    self.wrong("postgres.url", message);
                }
            }
        }
        self.client_files("postgres.tls", &postgres.tls);
        for (key, name, most) in [
            ("postgres.schema", &postgres.schema, 40),
            ("postgres.reader_role", &postgres.reader_role, 63),
        ] {
            let legal = |name: &str| {
                let form = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
                name.bytes().all(form) && (1..=most).contains(&name.len()) && !name.starts_with("pg_")
            };
            if name.as_deref().is_some_and(|name| !legal(name)) {
                self.wrong(key, format!("[a-z0-9_], at most {most} bytes, not beginning with pg_"));
            }
        }
        self.at_least("postgres.readers", postgres.readers.into(), 1);
        self.at_least("postgres.acquire_timeout_ms", postgres.acquire_timeout_ms, 1);
        self.at_least("postgres.statement_timeout_ms", postgres.statement_timeout_ms, 1);
        self.at_least("postgres.apply_timeout_ms", postgres.apply_timeout_ms, 1);
    }

    fn peer(&mut self, settings: &Settings) {
        let peer = &settings.peer;
        if peer.trust_file.is_none() {
            self.wrong(
                "peer.trust_file",
                "needed: the trust file that `sigil init` wrote says which log this is",
            );
        }
        if peer.command_key_file.is_none() {
            self.wrong(
                "peer.command_key_file",
                "needed: the ledger answers nobody whose key is not enrolled",
            );
        }
        if peer
            .slug
            .as_deref()
            .is_some_and(|slug| record::Slug::parse(slug).is_none())
        {
            self.wrong("peer.slug", "[a-z0-9-]{1,32}");
        }
    }

    fn http(&mut self, settings: &Settings) {
        let http = &settings.http;
        if http.token_file.is_none() {
            self.wrong("http.token_file", "needed: a service has no token of its own to print");
        }
        self.together(
            "http.tls_cert_file",
            &http.tls_cert_file,
            "http.tls_key_file",
            &http.tls_key_file,
        );
        let confidential = http.tls_cert_file.is_some() || http.plaintext_behind_proxy;
        if !http.listen.ip().is_loopback() && !confidential {
            let message = "beyond this machine only with tls_cert_file and tls_key_file, or with plaintext_behind_proxy = \
                           true where a proxy does the TLS: the token must not be read on its way";
            self.wrong("http.listen", message);
        }
        if http.tls_cert_file.is_some() && http.plaintext_behind_proxy {
            self.wrong("http.plaintext_behind_proxy", "with a certificate nothing is plain");
        }
        let limits = &settings.limits.http;
        for (key, value, least) in [
            ("record_bytes", limits.record_bytes as u64, 1_024),
            ("ndjson_bytes", limits.ndjson_bytes as u64, 1_024),
            ("headers", limits.headers as u64, 16),
            ("header_bytes", limits.header_bytes as u64, 1_024),
            ("header_timeout_ms", limits.header_timeout_ms, 1),
            ("request_timeout_ms", limits.request_timeout_ms, 1),
            ("connections", limits.connections as u64, 1),
            ("write_timeout_ms", limits.write_timeout_ms, 1),
            ("streams", limits.streams as u64, 1),
            ("stream_buffer_bytes", limits.stream_buffer_bytes as u64, 1_048_576),
            ("stream_bytes_per_second", limits.stream_bytes_per_second, 65_536),
            ("stream_heartbeat_ms", limits.stream_heartbeat_ms, 1),
            ("page_default", limits.page_default.into(), 1),
        ] {
            self.at_least(&format!("limits.http.{key}"), value, least);
        }
        if !(limits.page_default..=500).contains(&limits.page_max) {
            self.wrong("limits.http.page_max", "from page_default to 500");
        }
    }

    fn telemetry(&mut self, settings: &Settings) {
        let telemetry = &settings.telemetry;
        if !(0.0..=1.0).contains(&telemetry.sample_ratio) {
            self.wrong("telemetry.sample_ratio", "a share, from 0 to 1");
        }
        if let Some(endpoint) = &telemetry.otlp_endpoint
            && let Err(error) = crate::telemetry::Endpoint::parse(endpoint)
        {
            self.wrong("telemetry.otlp_endpoint", error);
        }
        if let Some(filter) = &telemetry.filter
            && let Err(error) = tracing_subscriber::EnvFilter::try_new(filter)
        {
            self.wrong("telemetry.filter", error.to_string());
        }
    }

    fn client_files(&mut self, section: &str, files: &ClientFiles) {
        let (cert, key) = (format!("{section}.cert_file"), format!("{section}.key_file"));
        self.together(&cert, &files.cert_file, &key, &files.key_file);
    }

    fn together<A, B>(&mut self, one: &str, first: &Option<A>, other: &str, second: &Option<B>) {
        match (first, second) {
            (Some(_), None) => self.wrong(other, format!("needed with {one}")),
            (None, Some(_)) => self.wrong(one, format!("needed with {other}")),
            _ => {}
        }
    }

    fn apart<A, B>(&mut self, one: &str, first: &Option<A>, other: &str, second: &Option<B>) {
        if first.is_some() && second.is_some() {
            self.wrong(one, format!("excludes {other}"));
        }
    }

    fn at_least(&mut self, key: &str, value: u64, least: u64) {
        if value < least {
            self.wrong(key, format!("{value} is below the least that works, {least}"));
        }
    }
}

/// Whether a host is this machine, as it is written: a name that only resolves to it does not count.
pub fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

/// Whether one server of `nats.url` may be spoken to at all.
fn nats_server(url: &str) -> Result<(), String> {
    let (scheme, rest) = url
        .split_once("://")
        .ok_or("a URL such as tls://broker.example.com:4222")?;
    let authority = rest.split('/').next().unwrap_or_default();
    if authority.contains('@') {
        return Err("a URL without credentials: name files that hold them instead".to_owned());
    }
    let host = host_of(authority);
    match scheme {
        _ if host.is_empty() => Err("a URL with a host".to_owned()),
        "tls" => Ok(()),
        "nats" if is_loopback(host) => Ok(()),
        "nats" => Err("TLS is required beyond this machine: write tls:// in place of nats://".to_owned()),
        _ => Err("the scheme is nats or tls".to_owned()),
    }
}

fn postgres_url(url: &str) -> Result<(), String> {
    let rest = url
        .strip_prefix("postgres://")
        .or_else(|| url.strip_prefix("postgresql://"));
    let rest = rest.ok_or("a URL such as postgres://sigil@db.example.com/sigil")?;
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
    if user.contains(':') || rest.contains("password=") {
        return Err("a URL without a password: name the file that holds it in postgres.password_file".to_owned());
    }
    Ok(())
}

/// The host of `host:port`.
pub fn host_of(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !host.ends_with(':') => host,
        _ => authority,
    }
}
