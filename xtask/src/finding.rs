//! What a check found, and how a set of findings is reported.
//!
//! Invariant: one failure among the findings fails the verb; a warning never does.

use anyhow::{Result, bail};

/// Whether a finding stops the verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    Fail,
    Warn,
}

/// One broken rule at one place. `line` counts from 1; 0 means the whole file or crate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    pub place: String,
    pub line: usize,
    pub weight: Weight,
    pub message: String,
}

impl Finding {
    pub fn fail(place: &str, line: usize, message: impl Into<String>) -> Self {
        Self {
            place: place.to_owned(),
            line,
            weight: Weight::Fail,
            message: message.into(),
        }
    }

    pub fn warn(place: &str, line: usize, message: impl Into<String>) -> Self {
        Self {
            weight: Weight::Warn,
            ..Self::fail(place, line, message)
        }
    }

    fn render(&self) -> String {
        let mark = if self.weight == Weight::Warn { "warning: " } else { "" };
        let line = if self.line == 0 {
            String::new()
        } else {
            format!(":{}", self.line)
        };
        format!("{}{line}: {mark}{}", self.place, self.message)
    }
}

/// Prints every finding, and fails when one of them does.
pub fn report(mut findings: Vec<Finding>, looked_at: &str) -> Result<()> {
    findings.sort();
    for finding in &findings {
        println!("{}", finding.render());
    }
    let failures = findings.iter().filter(|finding| finding.weight == Weight::Fail).count();
    if failures > 0 {
        bail!("{failures} broken rule(s) in {looked_at}");
    }
    println!("{looked_at}: in order, {} warning(s)", findings.len());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_fails_and_a_warning_does_not() {
        assert!(report(vec![], "nothing").is_ok());
        assert!(report(vec![Finding::warn("a.rs", 0, "long")], "a file").is_ok());
        let both = vec![Finding::warn("a.rs", 0, "long"), Finding::fail("a.rs", 3, "bad")];
        assert_eq!(
            report(both, "a file").unwrap_err().to_string(),
            "1 broken rule(s) in a file"
        );
    }

    #[test]
    fn a_line_of_zero_is_not_shown() {
        assert_eq!(Finding::fail("a.rs", 3, "bad").render(), "a.rs:3: bad");
        assert_eq!(Finding::warn("a.rs", 0, "long").render(), "a.rs: warning: long");
    }
}
