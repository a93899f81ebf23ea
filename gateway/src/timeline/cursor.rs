//! Cursors: where a page ended, authenticated and bound to the question it belongs to.
//!
//! 16 bytes of place and 16 of keyed BLAKE3 over place, tenant, filter and order, in base64url without padding. Opaque to
//! clients; a cursor of another tenant, filter or order is refused, and so is any other spelling of the same bytes.

use crate::error::{Code, Problem};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use projector::query::{Field, Order, Pattern, Place, Span, TimelineRequest};
use record::Timestamp;

const DOMAIN: &[u8] = b"sigil/cursor/v1\n";

/// The cursor that continues `request` after `place`.
pub(crate) fn mint(key: &[u8; 32], request: &TimelineRequest, place: &Place) -> String {
    let at = encode(place);
    URL_SAFE_NO_PAD.encode([at, tag(key, request, &at)].concat())
}

/// The place that a cursor names.
///
/// # Errors
/// `CURSOR_INVALID` unless [`mint`] made it for the same question.
pub(crate) fn redeem(key: &[u8; 32], request: &TimelineRequest, cursor: &str) -> Result<Place, Problem> {
    let place = || {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (at, sent) = bytes.split_at_checked(16)?;
        let at: [u8; 16] = at.try_into().ok()?;
        let sent: [u8; 16] = sent.try_into().ok()?;
        // Compared in constant time, as blake3's own hash type does.
        let matches = padded(sent) == padded(tag(key, request, &at));
        matches.then(|| decode(&at)).flatten()
    };
    place().ok_or_else(|| {
        let detail = "this cursor was not made for this tenant, filter and order";
        Problem::parameter(Code::CursorInvalid, "cursor", detail)
    })
}

fn padded(tag: [u8; 16]) -> blake3::Hash {
    let mut whole = [0; 32];
    whole.split_at_mut(16).0.copy_from_slice(&tag);
    blake3::Hash::from(whole)
}

fn encode(place: &Place) -> [u8; 16] {
    let mut at = [0; 16];
    let (micros, offset) = at.split_at_mut(8);
    micros.copy_from_slice(&place.at.micros().to_be_bytes());
    offset.copy_from_slice(&place.offset.to_be_bytes());
    at
}

fn decode(at: &[u8; 16]) -> Option<Place> {
    let (micros, offset) = at.split_at(8);
    Some(Place {
        at: Timestamp::from_micros(i64::from_be_bytes(micros.try_into().ok()?))?,
        offset: u64::from_be_bytes(offset.try_into().ok()?),
    })
}

fn tag(key: &[u8; 32], request: &TimelineRequest, at: &[u8; 16]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new_keyed(key);
    hasher.update(DOMAIN);
    hasher.update(at);
    bind(request, &mut hasher);
    let mut tag = [0; 16];
    hasher.finalize_xof().fill(&mut tag);
    tag
}

/// A short name of the question, for entity tags.
pub(crate) fn question_tag(request: &TimelineRequest) -> u64 {
    let mut hasher = blake3::Hasher::new();
    bind(request, &mut hasher);
    hasher.update(&request.limit.to_be_bytes());
    if let Some(place) = &request.after {
        hasher.update(&encode(place));
    }
    let mut tag = [0; 8];
    hasher.finalize_xof().fill(&mut tag);
    u64::from_be_bytes(tag)
}

/// Everything but page size and place; each text with its length before it, so that two questions never meet.
fn bind(request: &TimelineRequest, hasher: &mut blake3::Hasher) {
    let text = |text: &str, hasher: &mut blake3::Hasher| {
        hasher.update(&(text.len() as u64).to_be_bytes());
        hasher.update(text.as_bytes());
    };
    text(request.tenant.as_str(), hasher);
    hasher.update(&[match request.order {
        Order::RecordedDescending => 0,
        Order::RecordedAscending => 1,
        Order::HappenedDescending => 2,
        Order::HappenedAscending => 3,
    }]);
    for Span { from, until } in [request.happened, request.recorded] {
        for bound in [from, until] {
            // No time is i64::MIN.
            hasher.update(&bound.map_or(i64::MIN, Timestamp::micros).to_be_bytes());
        }
    }
    for term in &request.terms {
        let field = match term.field {
            Field::Actor => 0,
            Field::Subject => 1,
            Field::Resource => 2,
            Field::Session => 3,
            Field::Kind => 4,
            Field::Action => 5,
            Field::Outcome => 6,
            Field::Proposal => 7,
        };
        let (shape, value) = match &term.pattern {
            Pattern::Exact(value) => (0, value),
            Pattern::Prefix(value) => (1, value),
        };
        hasher.update(&[field, shape, u8::from(term.negated)]);
        text(value, hasher);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;
    use crate::query::Query;
    use crate::timeline::{PARAMETERS, read};
    use record::Tenant;

    const KEY: [u8; 32] = [7; 32];

    fn request(tenant: &str, text: &str) -> TimelineRequest {
        let query = Query::parse(Some(text), &PARAMETERS).unwrap();
        read(&query, &Config::default())
            .unwrap()
            .about(Tenant::parse(tenant).unwrap())
    }

    fn place() -> Place {
        Place {
            at: Timestamp::parse("2026-11-20T12:00:00.000001Z").unwrap(),
            offset: 42,
        }
    }

    #[test]
    fn a_cursor_names_its_place_whatever_the_page_size() {
        let asked = request("a", "actor=x:1&from=2026-11-20");
        let cursor = mint(&KEY, &asked, &place());
        assert_eq!(redeem(&KEY, &asked, &cursor).unwrap(), place());
        let wider = request("a", "actor=x:1&from=2026-11-20&limit=7");
        assert_eq!(redeem(&KEY, &wider, &cursor).unwrap(), place());
    }

    #[test]
    fn another_question_refuses_it() {
        let cursor = mint(&KEY, &request("a", "actor=x:1"), &place());
        for (tenant, text) in [
            ("b", "actor=x:1"),
            ("a", "actor=x:2"),
            ("a", "subject=x:1"),
            ("a", "q=-actor:x:1"),
            ("a", "q=actor:x:1*"),
            ("a", "actor=x:1&order=asc"),
            ("a", "actor=x:1&recorded_from=2026-11-20"),
            ("a", "actor=x:1&recorded_to=2026-11-20"),
            ("a", "actor=x:1&kind=a.b"),
            ("a", ""),
        ] {
            let refused = redeem(&KEY, &request(tenant, text), &cursor).expect_err(text);
            assert_eq!(refused.code(), "CURSOR_INVALID", "{tenant} {text}");
        }
        assert!(redeem(&[8; 32], &request("a", "actor=x:1"), &cursor).is_err());
        assert!(redeem(&KEY, &request("a", "actor=x:1"), &cursor).is_ok());
    }

    #[test]
    fn every_changed_character_is_noticed() {
        let asked = request("a", "");
        let cursor = mint(&KEY, &asked, &place());
        for at in 0..cursor.len() {
            for other in "ABCxyz019-_=".chars().filter(|other| !cursor[at..].starts_with(*other)) {
                let changed = format!("{}{other}{}", &cursor[..at], &cursor[at + 1..]);
                assert!(redeem(&KEY, &asked, &changed).is_err(), "{changed}");
            }
        }
        for changed in [
            format!("{cursor}="),
            format!("{cursor}A"),
            cursor[1..].to_owned(),
            String::new(),
        ] {
            assert!(redeem(&KEY, &asked, &changed).is_err(), "{changed}");
        }
    }
}
