//! `SIGIL_*` variables: nested keys by double underscore, and the names that were there before there were sections.

use super::schema::{at, takes};
use serde_json::{Number, Value};

/// Names of their own, and the keys they set.
pub const NAMED: [(&str, &str); 8] = [
    ("SIGIL_DATA_DIR", "log.data_dir"),
    ("SIGIL_KEY_FILE", "log.key_file"),
    ("SIGIL_PASSPHRASE_FILE", "log.passphrase_file"),
    ("SIGIL_LISTEN", "http.listen"),
    ("SIGIL_TOKEN_FILE", "http.token_file"),
    ("SIGIL_TRUST", "peer.trust_file"),
    ("SIGIL_LOG", "telemetry.filter"),
    ("SIGIL_OPS_LISTEN", "ops.listen"),
];

/// Variables that are no configuration: read where they are needed.
const APART: [&str; 3] = ["SIGIL_KEY", "SIGIL_TENANT", "SIGIL_CONFIG"];

/// What a variable is.
#[derive(Debug, Clone, PartialEq)]
pub enum Meaning {
    /// It sets the key at this path.
    Sets(Vec<String>, Value),
    /// Read elsewhere.
    Apart,
    /// It has the form of a key that does not exist.
    Unknown,
    /// Nothing that this program reads.
    Foreign,
}

/// What the variable `name` with this text means.
pub fn meaning(schema: &Value, name: &str, text: &str) -> Meaning {
    let Some(rest) = name.strip_prefix("SIGIL_") else {
        return Meaning::Foreign;
    };
    if APART.contains(&name) {
        return Meaning::Apart;
    }
    let named = NAMED.iter().find(|(known, _)| *known == name);
    let path: Vec<String> = match named {
        Some((_, key)) => key.split('.').map(str::to_owned).collect(),
        None if name.contains("__") => rest.split("__").map(str::to_lowercase).collect(),
        None => return Meaning::Foreign,
    };
    let keys: Vec<&str> = path.iter().map(String::as_str).collect();
    match at(schema, &keys) {
        Some(leaf) if leaf.get("properties").is_none() => Meaning::Sets(path, typed(leaf, text)),
        _ => Meaning::Unknown,
    }
}

/// The text as the type that the key takes; text that does not fit stays text, and the check names it.
pub fn typed(leaf: &Value, text: &str) -> Value {
    let as_text = || Value::String(text.to_owned());
    if takes(leaf, "boolean") {
        return match text {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            _ => as_text(),
        };
    }
    if takes(leaf, "integer") {
        return text.parse::<u64>().map_or_else(|_| as_text(), Value::from);
    }
    if takes(leaf, "number") {
        let number = text.parse().ok().and_then(Number::from_f64);
        return number.map_or_else(as_text, Value::Number);
    }
    as_text()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::schema;

    fn sets(name: &str, text: &str) -> (String, Value) {
        match meaning(&schema(), name, text) {
            Meaning::Sets(path, value) => (path.join("."), value),
            other => panic!("{name}: {other:?}"),
        }
    }

    #[test]
    fn nested_and_named_variables_set_keys_of_the_right_type() {
        assert_eq!(sets("SIGIL_NATS__URL", "12"), ("nats.url".to_owned(), "12".into()));
        assert_eq!(
            sets("SIGIL_NATS__TLS__CA_FILE", "ca"),
            ("nats.tls.ca_file".to_owned(), "ca".into())
        );
        let (key, value) = sets("SIGIL_LIMITS__HTTP__CONNECTIONS", "7");
        assert_eq!((key.as_str(), value), ("limits.http.connections", 7.into()));
        assert_eq!(sets("SIGIL_HTTP__PLAINTEXT_BEHIND_PROXY", "true").1, true);
        assert_eq!(sets("SIGIL_TELEMETRY__SAMPLE_RATIO", "0.5").1, 0.5);
        assert_eq!(sets("SIGIL_POSTGRES__READERS", "many").1, "many", "the check names it");
        assert_eq!(sets("SIGIL_DATA_DIR", "d"), ("log.data_dir".to_owned(), "d".into()));
    }

    #[test]
    fn every_named_variable_sets_a_key_that_exists() {
        for (name, key) in NAMED {
            assert_eq!(sets(name, "x").0, key);
        }
    }

    #[test]
    fn a_wrong_name_is_unknown_and_another_programs_is_foreign() {
        let schema = schema();
        for name in [
            "SIGIL_NATS__URI",
            "SIGIL_NATS__",
            "SIGIL_NATS__TLS__",
            "SIGIL__URL",
            "SIGIL_LIMITS__HTTP",
        ] {
            assert_eq!(meaning(&schema, name, "x"), Meaning::Unknown, "{name}");
        }
        for name in ["SIGIL_SERVICE_HOST", "PATH"] {
            assert_eq!(meaning(&schema, name, "x"), Meaning::Foreign, "{name}");
        }
        assert_eq!(meaning(&schema, "SIGIL_KEY", "x"), Meaning::Apart);
    }
}
