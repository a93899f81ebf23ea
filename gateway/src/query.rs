//! The query string, read strictly: every parameter is known, sent once, percent-encoded UTF-8 and not empty.

use crate::error::{Code, Problem};

/// Decoded parameters of one request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Query {
    pairs: Vec<(String, String)>,
}

impl Query {
    /// Reads `text` (without `?`); `known` are the names that the route takes.
    ///
    /// # Errors
    /// `PARAMETER_UNKNOWN`, `PARAMETER_REPEATED` or `PARAMETER_INVALID`, naming the parameter.
    pub(crate) fn parse(text: Option<&str>, known: &[&str]) -> Result<Self, Problem> {
        let mut query = Self::default();
        for part in text.unwrap_or_default().split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let name = decode(name).ok_or_else(|| {
                Problem::new(
                    Code::ParameterInvalid,
                    "a parameter's name is not percent-encoded UTF-8",
                )
            })?;
            let value = decode(value).ok_or_else(|| {
                let detail = "the value is not percent-encoded UTF-8";
                Problem::parameter(Code::ParameterInvalid, &shorten(&name), detail)
            })?;
            query.push(name, value, known)?;
        }
        Ok(query)
    }

    /// Takes one decoded parameter, as [`Query::parse`] does.
    ///
    /// # Errors
    /// As [`Query::parse`].
    pub(crate) fn push(&mut self, name: String, value: String, known: &[&str]) -> Result<(), Problem> {
        if !known.contains(&name.as_str()) {
            let detail = match known {
                [] => "this route takes no parameters".to_owned(),
                _ => format!("unknown, known are {}", known.join(", ")),
            };
            return Err(Problem::parameter(Code::ParameterUnknown, &shorten(&name), detail));
        }
        if self.value(&name).is_some() {
            return Err(Problem::parameter(
                Code::ParameterRepeated,
                &name,
                "sent more than once",
            ));
        }
        if value.is_empty() {
            let detail = "the value is empty: leave the parameter out";
            return Err(Problem::parameter(Code::ParameterInvalid, &name, detail));
        }
        self.pairs.push((name, value));
        Ok(())
    }

    /// The value of a parameter.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.pairs
            .iter()
            .find(|(taken, _)| taken == name)
            .map(|(_, value)| value.as_str())
    }

    /// What `read` makes of a parameter's value.
    ///
    /// # Errors
    /// `PARAMETER_INVALID` with `form` when `read` makes nothing of it.
    pub(crate) fn read<T>(
        &self,
        name: &str,
        form: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        let Some(value) = self.value(name) else { return Ok(None) };
        let read =
            read(value).ok_or_else(|| Problem::parameter(Code::ParameterInvalid, name, format!("expected {form}")));
        read.map(Some)
    }

    /// The same parameters without `name`.
    pub(crate) fn without(&self, name: &str) -> Self {
        let kept = self.pairs.iter().filter(|(taken, _)| taken != name);
        Self {
            pairs: kept.cloned().collect(),
        }
    }

    /// The query string again, with `name` set to `value`.
    pub(crate) fn with(&self, name: &str, value: &str) -> String {
        let kept = self.pairs.iter().filter(|(taken, _)| taken != name);
        let kept = kept.map(|(name, value)| format!("{}={}", encode(name), encode(value)));
        kept.chain([format!("{}={}", encode(name), encode(value))])
            .collect::<Vec<_>>()
            .join("&")
    }
}

/// An unknown name is repeated to its sender, but not at any length.
fn shorten(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(64).collect()
}

fn decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => digit(bytes.next()?)? << 4 | digit(bytes.next()?)?,
            other => other,
        });
    }
    String::from_utf8(out).ok()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b':') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> &'static str {
        Query::parse(Some(text), &["actor", "q"]).expect_err("refused").code()
    }

    #[test]
    fn values_are_decoded_and_encoded_again() {
        let query = Query::parse(Some("actor=agent%3Aa%2B1&q=a+b%20%C3%A9"), &["actor", "q"]).unwrap();
        assert_eq!(query.value("actor"), Some("agent:a+1"));
        assert_eq!(query.value("q"), Some("a b é"));
        let again = query.with("actor", "x y");
        assert_eq!(again, "q=a%20b%20%C3%A9&actor=x%20y");
        assert_eq!(
            Query::parse(Some(&again), &["actor", "q"]).unwrap().value("actor"),
            Some("x y")
        );
    }

    proptest::proptest! {
        #[test]
        fn what_is_encoded_decodes_to_itself(text in ".{1,40}") {
            let query = Query::default().with("q", &text);
            proptest::prop_assert!(query.bytes().all(|b| b.is_ascii_graphic()));
            let parsed = Query::parse(Some(&query), &["q"]).unwrap();
            proptest::prop_assert_eq!(parsed.value("q"), Some(text.as_str()));
        }
    }

    #[test]
    fn anything_else_is_refused_by_name() {
        assert_eq!(code("actor=a&actor=b"), "PARAMETER_REPEATED");
        assert_eq!(code("aktor=a"), "PARAMETER_UNKNOWN");
        for wrong in ["actor=%zz", "actor=%f", "actor=%ff", "actor=", "actor", "%ff=1"] {
            assert_eq!(code(wrong), "PARAMETER_INVALID", "{wrong}");
        }
        assert!(Query::parse(Some("&&"), &[]).is_ok());
        assert!(Query::parse(None, &[]).is_ok());
    }
}
