//! How a client finds a server: a `postgres://` address taken apart into the variables that libpq reads.
//!
//! Invariant: a password travels in the environment, never on a command line and never in an error.

use anyhow::{Context, Result, bail};

use super::Postgres;

/// The server at this address. Nothing is contacted yet.
pub fn connect(url: &str) -> Result<Postgres> {
    let (environment, port) = parse(url)?;
    let host = environment
        .iter()
        .find(|(name, _)| *name == "PGHOST")
        .map(|(_, host)| host.as_str());
    let socket_dir = host.filter(|host| host.starts_with('/')).map(Into::into);
    Ok(Postgres {
        port,
        socket_dir,
        bin_dir: None,
        environment,
        client: vec![],
        leash: None,
        _scratch: None,
    })
}

/// The variables that lead libpq to a server.
pub fn environment(
    host: &str,
    port: u16,
    user: &str,
    password: Option<&str>,
    database: &str,
) -> Vec<(&'static str, String)> {
    let mut environment = vec![
        ("PGHOST", host.to_owned()),
        ("PGPORT", port.to_string()),
        ("PGUSER", user.to_owned()),
        ("PGDATABASE", database.to_owned()),
    ];
    environment.extend(password.map(|password| ("PGPASSWORD", password.to_owned())));
    environment
}

/// The address for a client that reads no variables. A server in a folder of our own is reached by TCP: a test's process
/// may run as somebody who cannot enter it.
pub fn url(environment: &[(&'static str, String)]) -> String {
    let part = |name: &str| {
        environment
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value.as_str())
    };
    let host = part("PGHOST")
        .filter(|host| !host.starts_with('/'))
        .unwrap_or("127.0.0.1");
    let host = if host.contains(':') {
        format!("[{host}]")
    } else {
        encode(host)
    };
    let password = part("PGPASSWORD").map_or(String::new(), |password| format!(":{}", encode(password)));
    let mode = part("PGSSLMODE").map_or(String::new(), |mode| format!("?sslmode={mode}"));
    format!(
        "postgres://{}{password}@{host}:{}/{}{mode}",
        encode(part("PGUSER").unwrap_or_default()),
        part("PGPORT").unwrap_or("5432"),
        encode(part("PGDATABASE").unwrap_or_default())
    )
}

/// `postgres://user[:password]@host[:port][/database][?sslmode=..]`, each part percent-encoded.
fn parse(url: &str) -> Result<(Vec<(&'static str, String)>, u16)> {
    let shape = "the address of Postgres is not postgres://user[:password]@host[:port][/database][?sslmode=..]";
    let rest = url
        .strip_prefix("postgres://")
        .or_else(|| url.strip_prefix("postgresql://"))
        .context(shape)?;
    let (rest, query) = rest
        .split_once('?')
        .map_or((rest, None), |(rest, query)| (rest, Some(query)));
    let (account, place) = rest.rsplit_once('@').context(shape)?;
    let (place, database) = place.split_once('/').unwrap_or((place, ""));
    let (host, port) = host_and_port(place).context(shape)?;
    let (user, password) = account
        .split_once(':')
        .map_or((account, None), |(user, word)| (user, Some(word)));
    let (user, password) = (decode(user).context(shape)?, password.map(decode));
    let database = if database.is_empty() {
        user.clone()
    } else {
        decode(database).context(shape)?
    };
    if user.is_empty() || host.is_empty() || password == Some(None) {
        bail!(shape);
    }
    let mut environment = environment(&host, port, &user, password.flatten().as_deref(), &database);
    match query.map(|query| query.split_once('=')) {
        None => {}
        Some(Some(("sslmode", mode))) if !mode.contains('&') => environment.push(("PGSSLMODE", mode.to_owned())),
        Some(_) => bail!(shape),
    }
    Ok((environment, port))
}

/// An IPv6 address stands in brackets.
fn host_and_port(place: &str) -> Option<(String, u16)> {
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => rest
            .split_once(']')
            .map(|(host, port)| (host, port.strip_prefix(':')))?,
        None => place
            .split_once(':')
            .map_or((place, None), |(host, port)| (host, Some(port))),
    };
    Some((decode(host)?, port.map_or(Some(5432), |port| port.parse().ok())?))
}

fn decode(text: &str) -> Option<String> {
    let mut pieces = text.split('%');
    let mut bytes = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        bytes.push(u8::from_str_radix(piece.get(..2)?, 16).ok()?);
        bytes.extend(piece.get(2..)?.bytes());
    }
    String::from_utf8(bytes).ok()
}

/// What RFC 3986 leaves as it is in every part of an address.
fn encode(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    let encoded = text.bytes().map(|byte| {
        if plain(&byte) {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    });
    encoded.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_comes_back_from_its_variables() {
        for whole in [
            "postgres://a%40b:p%3A%2F@db.example:6000/audit?sslmode=require",
            "postgres://me@[::1]:5432/x",
        ] {
            assert_eq!(url(&parse(whole).unwrap().0), whole);
        }
        let by_socket = environment("/tmp/x", 7, "postgres", Some("p"), "postgres");
        assert_eq!(url(&by_socket), "postgres://postgres:p@127.0.0.1:7/postgres");
    }

    fn parsed(url: &str) -> Vec<String> {
        parse(url)
            .unwrap()
            .0
            .into_iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect()
    }

    #[test]
    fn every_part_of_an_address_is_read() {
        let whole = parsed("postgres://a%40b:p%3A%2F@db.example:6000/audit?sslmode=require");
        let parts = [
            "PGHOST=db.example",
            "PGPORT=6000",
            "PGUSER=a@b",
            "PGDATABASE=audit",
            "PGPASSWORD=p:/",
        ];
        assert_eq!(whole, [&parts[..], &["PGSSLMODE=require"]].concat());
        let short = parsed("postgresql://me@[::1]");
        assert_eq!(short, ["PGHOST=::1", "PGPORT=5432", "PGUSER=me", "PGDATABASE=me"]);
        assert!(connect("postgres://me@%2Fvar%2Frun/x").unwrap().socket_dir.is_some());
    }

    #[test]
    fn what_is_no_address_is_refused_without_repeating_it() {
        let bad = [
            "",
            "mysql://secret@h",
            "postgres://h",
            "postgres://u:secret@h:port",
            "postgres://u:secret%@h",
        ];
        for url in bad.into_iter().chain([
            "postgres://:secret@h",
            "postgres://u:secret@h?options=x",
            "postgres://u@",
        ]) {
            let error = format!("{:#}", parse(url).unwrap_err());
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
