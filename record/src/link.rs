//! Links: the relations of a record (who, what, in which session, because of what). One index serves every timeline.
//!
//! A record's links are sorted by the UTF-8 bytes of (label, target) and unique. Targets are handles or tokens, never
//! personal data: they are stored in the clear and stay when a sealed value is erased.

use crate::canonical;
use crate::fault::{Code, Fault};
use crate::limits;
use serde_json::{Map, Value};

/// Labels whose timelines are kept as authenticated trees; `kind` is derived from the record's kind.
pub const TIMELINE_LABELS: [&str; 6] = ["kind", "actor", "subject", "resource", "session", "proposal"];

/// One relation: `label` `[a-z][a-z0-9_]{0,31}` but never `kind`; `target` `[a-z][a-z0-9_-]*:...`, at most 512 bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Link {
    label: String,
    target: String,
}

impl Link {
    /// A checked link.
    ///
    /// # Errors
    /// [`Code::LinkInvalid`] at `/label` or `/target`.
    pub fn new(label: impl Into<String>, target: impl Into<String>) -> Result<Self, Fault> {
        let (label, target) = (label.into(), target.into());
        if !is_label(&label) {
            let detail = "a label is [a-z][a-z0-9_]{0,31} and never `kind`";
            return Err(Fault::new(Code::LinkInvalid, "/label", detail));
        }
        if !is_target(&target) {
            let detail = "a target is [a-z][a-z0-9_-]*:..., at most 512 bytes, without control characters";
            return Err(Fault::new(Code::LinkInvalid, "/target", detail));
        }
        Ok(Self { label, target })
    }

    /// What the relation is.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// What it points to.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Whether this label has an authenticated timeline.
    #[must_use]
    pub fn has_timeline(&self) -> bool {
        TIMELINE_LABELS.contains(&self.label.as_str())
    }
}

/// Sorts `links`, drops exact repetitions and checks their number.
///
/// # Errors
/// [`Code::LinkInvalid`] at `/links` when more than 64 remain.
pub fn normalize(mut links: Vec<Link>) -> Result<Vec<Link>, Fault> {
    links.sort_unstable();
    links.dedup();
    if links.len() > limits::LINKS {
        let detail = format!(
            "a record has at most {} links, this one has {}",
            limits::LINKS,
            links.len()
        );
        return Err(Fault::new(Code::LinkInvalid, "/links", detail));
    }
    Ok(links)
}

/// Reads the array of links as a client may send it: any order, then sorted.
///
/// # Errors
/// [`Code::LinkInvalid`] with the pointer of the link from `/links`.
pub fn parse_array(value: &Value) -> Result<Vec<Link>, Fault> {
    let wrong = || Fault::new(Code::LinkInvalid, "", "links are an array of {\"label\", \"target\"}");
    let items = value
        .as_array()
        .ok_or_else(wrong)
        .map_err(|fault| fault.under("links"))?;
    let one = |(at, item): (usize, &Value)| {
        let link = item.as_object().ok_or_else(wrong).and_then(parse_one);
        link.map_err(|fault| fault.under(&at.to_string()).under("links"))
    };
    normalize(items.iter().enumerate().map(one).collect::<Result<_, _>>()?)
}

fn parse_one(members: &Map<String, Value>) -> Result<Link, Fault> {
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    match (text("label"), text("target"), members.len()) {
        (Some(label), Some(target), 2) => Link::new(label, target),
        _ => Err(Fault::new(
            Code::LinkInvalid,
            "",
            "a link has exactly the text members `label` and `target`",
        )),
    }
}

/// Canonical bytes of sorted `links`.
#[must_use]
pub fn to_canonical(links: &[Link]) -> Vec<u8> {
    let mut out = Vec::with_capacity(2 + links.len() * 64);
    out.push(b'[');
    for (at, link) in links.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"label\":");
        canonical::write_string(&link.label, &mut out);
        out.extend_from_slice(b",\"target\":");
        canonical::write_string(&link.target, &mut out);
        out.push(b'}');
    }
    out.push(b']');
    out
}

fn is_label(text: &str) -> bool {
    text.len() <= 32
        && text != "kind"
        && text.bytes().next().is_some_and(|b| b.is_ascii_lowercase())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// Whether `text` may be the target of a link.
#[must_use]
pub fn is_target(text: &str) -> bool {
    let scheme = |scheme: &str| {
        scheme.bytes().next().is_some_and(|b| b.is_ascii_lowercase())
            && scheme
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-')
    };
    text.len() <= limits::TARGET_BYTES
        && text
            .split_once(':')
            .is_some_and(|(before, after)| scheme(before) && !after.is_empty())
        && !text.chars().any(char::is_control)
}
