//! The timeline's question: its parameters, its phrase `q`, its times and its cursors, read into a typed request.

mod cursor;
mod filter;
mod instant;
mod phrase;
mod term;

pub(crate) use cursor::{mint, question_tag, redeem};
pub(crate) use filter::{PARAMETERS, read};

use crate::Config;
use crate::query::Query;
use projector::query::TimelineRequest;
use record::Tenant;

/// The first page of a timeline that is not asked for over HTTP, by the same parameters.
///
/// # Errors
/// What is wrong with a parameter, as a sentence.
pub fn timeline_request(parameters: &[(&str, &str)], tenant: Tenant) -> Result<TimelineRequest, String> {
    let query = Query::from_pairs(parameters);
    let question = read(&query, &Config::default()).map_err(|problem| problem.sentence())?;
    Ok(question.about(tenant))
}
