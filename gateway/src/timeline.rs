//! The timeline's question: its parameters, its phrase `q`, its times and its cursors, read into a typed request.

mod cursor;
mod filter;
mod instant;
mod phrase;
mod term;

pub(crate) use cursor::{mint, question_tag, redeem};
pub(crate) use filter::{PARAMETERS, read};
