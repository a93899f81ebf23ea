//! The timeline's question: its parameters, its phrase `q`, its times and its cursors, read into a typed request.

mod cursor;
mod filter;
mod instant;
mod phrase;
mod term;

pub(crate) use cursor::{mint, question_tag, redeem};
pub(crate) use filter::{PARAMETERS, read, wants_proof};

use crate::Config;
use crate::error::Problem;
use crate::query::Query;
use projector::query::TimelineRequest;
use record::Tenant;

/// The first page of the timeline that `parameters` ask for, by the names and rules of `GET /v1/audit/timeline`, so that a
/// question means the same on the command line as over HTTP. `tenant` stands for the parameter of that name.
///
/// # Errors
/// A sentence that names the parameter.
pub fn timeline_request(parameters: &[(&str, &str)], tenant: Tenant) -> Result<TimelineRequest, String> {
    let question = || -> Result<_, Problem> {
        let mut query = Query::default();
        for (name, value) in parameters {
            query.push((*name).to_owned(), (*value).to_owned(), &PARAMETERS)?;
        }
        read(&query, &Config::default())
    };
    let question = question().map_err(Problem::sentence)?;
    Ok(question.about(tenant))
}

#[cfg(test)]
mod tests {
    use super::*;
    use projector::query::Order;

    #[test]
    fn a_question_is_asked_without_http_too() {
        let tenant = || Tenant::parse("acme").unwrap();
        let request = timeline_request(
            &[("actor", "agent:a b"), ("from", "2020-10-22"), ("limit", "7")],
            tenant(),
        )
        .unwrap();
        assert_eq!(
            (request.tenant.as_str(), request.limit, request.terms.len()),
            ("acme", 7, 1)
        );
        assert_eq!(request.order, Order::HappenedDescending);
        for (wrong, word) in [
            (("aktor", "x"), "aktor"),
            (("from", "soon"), "from"),
            (("q", "free"), "character 1"),
            (("actor", ""), "empty"),
        ] {
            let refused = timeline_request(&[wrong], tenant()).unwrap_err();
            assert!(refused.contains(word), "{refused}");
        }
    }
}
