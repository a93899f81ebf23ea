//! The address of a database, `postgres://user[:password]@host[:port][/database][?parameters]`, and its parts.
//!
//! Invariant: every part stays percent-encoded as it came, and no error repeats one of them.

use anyhow::{Context, Result};

/// See the module.
#[derive(Clone, Debug)]
pub struct Address {
    pub user: String,
    pub password: Option<String>,
    /// Host and port.
    pub place: String,
    pub database: String,
    /// What follows `?`.
    pub parameters: Option<String>,
}

impl Address {
    /// Takes an address apart.
    pub fn parse(url: &str) -> Result<Self> {
        Self::parts(url).context("not postgres://user[:password]@host[:port][/database][?parameters]")
    }

    fn parts(url: &str) -> Option<Self> {
        let rest = url
            .strip_prefix("postgres://")
            .or_else(|| url.strip_prefix("postgresql://"))?;
        let (rest, parameters) = rest
            .split_once('?')
            .map_or((rest, None), |(rest, more)| (rest, Some(more)));
        let (account, place) = rest.rsplit_once('@')?;
        let (place, database) = place.split_once('/').unwrap_or((place, ""));
        let (user, password) = account
            .split_once(':')
            .map_or((account, None), |(user, word)| (user, Some(word)));
        let database = if database.is_empty() { user } else { database };
        (!user.is_empty() && !place.is_empty()).then(|| Self {
            user: user.to_owned(),
            password: password.map(str::to_owned),
            place: place.to_owned(),
            database: database.to_owned(),
            parameters: parameters.map(str::to_owned),
        })
    }

    /// The same server, another database.
    pub fn database(&self, name: &str) -> Self {
        Self {
            database: name.to_owned(),
            ..self.clone()
        }
    }

    /// The same database, another role.
    pub fn role(&self, name: &str) -> Self {
        Self {
            user: name.to_owned(),
            ..self.clone()
        }
    }

    /// The whole address.
    pub fn url(&self) -> String {
        self.write(self.password.as_deref())
    }

    /// The address without its password, for a command line that everybody may see.
    pub fn url_without_password(&self) -> String {
        self.write(None)
    }

    /// The password as it is typed.
    pub fn plain_password(&self) -> Option<String> {
        decode(self.password.as_deref()?)
    }

    fn write(&self, password: Option<&str>) -> String {
        let password = password.map_or(String::new(), |password| format!(":{password}"));
        let parameters = self
            .parameters
            .as_ref()
            .map_or(String::new(), |parameters| format!("?{parameters}"));
        format!(
            "postgres://{}{password}@{}/{}{parameters}",
            self.user, self.place, self.database
        )
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_kept_and_can_be_replaced() {
        let whole = "postgres://a%40b:p%3A@h:6000/audit?sslmode=require";
        let address = Address::parse(whole).unwrap();
        assert_eq!(address.url(), whole);
        assert_eq!(address.plain_password().unwrap(), "p:");
        assert_eq!(
            address.url_without_password(),
            "postgres://a%40b@h:6000/audit?sslmode=require"
        );
        assert_eq!(
            address.database("x").role("r").url(),
            "postgres://r:p%3A@h:6000/x?sslmode=require"
        );
        assert_eq!(Address::parse("postgresql://me@h").unwrap().url(), "postgres://me@h/me");
    }

    #[test]
    fn what_is_no_address_is_refused_without_repeating_it() {
        for url in [
            "",
            "mysql://secret@h",
            "postgres://secret",
            "postgres://:secret@h",
            "postgres://secret@",
        ] {
            let error = format!("{:#}", Address::parse(url).unwrap_err());
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
