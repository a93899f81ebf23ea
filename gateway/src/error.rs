//! Every failure that leaves this room: RFC 9457 problem details, and the one place where an HTTP status is chosen.
//!
//! A [`Problem`] names a code of [`table`]; status, title, advice and whether a retry helps are looked up there. The
//! outer function renders it, because only it knows the request. No problem repeats a body, a token or a sealed value.

mod catalogue;
mod code;
mod from;
mod problem;
mod table;

pub use catalogue::{catalogue, catalogue_pages};
pub(crate) use catalogue::{page_name, page_of};
pub(crate) use code::Code;
pub(crate) use problem::{Problem, Scene};
