//! The verbs: what each is called, what it says of itself, and where it lives.

use crate::{bench, ci, generated, layers, packages, sql, suite, tidy};

/// A verb takes the arguments behind its name.
pub type Verb = fn(&[String]) -> anyhow::Result<()>;

/// What `--help` prints.
pub const HELP: &str = "\
cargo xtask <verb>

  test [args..]       set up what the tests need and run every test; with --matrix, those that talk to servers,
                      against the oldest servers and the current ones
  ci                  everything a change must pass, stopping at the first failure
  layers              who may depend on whom, and what things may be called
  tidy                rules over the text of source and documents
  schemas [--check]   write schemas/ from the code, or compare
  fixtures --check    compare replay-fixtures/v1 with the code; --accept replaces the frozen logs
  sql [--check]       prepare every SQL statement against a freshly migrated database
  bench [names..]     measure, beside a Postgres to compare with where one can be had
  packages            count the packages in the release build";

/// The verb of this name.
pub fn find(name: &str) -> Option<Verb> {
    Some(match name {
        "test" => suite::run,
        "ci" => ci::run,
        "layers" => layers::run,
        "tidy" => tidy::run,
        "schemas" => generated::schemas,
        "fixtures" => generated::fixtures,
        "sql" => sql::run,
        "bench" => bench::run,
        "packages" => packages::run,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_in_the_help_exists_and_no_other_does() {
        let named: Vec<&str> = HELP
            .lines()
            .skip(2)
            .filter(|line| !line.starts_with("   "))
            .filter_map(|line| line.split_whitespace().next())
            .collect();
        assert_eq!(named.len(), 9);
        assert!(named.iter().all(|name| find(name).is_some()));
        assert!(find("").is_none() && find("tests").is_none());
    }
}
