//! What a client accepts: the ranges of `Accept` and `Accept-Encoding` with their weights (RFC 9110, section 12.4.2).

use axum::http::{HeaderMap, HeaderName};

/// Each range of the header in lower case, with its weight: 1 where it has none, 0 where it cannot be read.
pub(crate) fn ranges(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = (String, f32)> {
    let values = headers.get_all(name).iter();
    let values = values.filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(|range| {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default().to_ascii_lowercase();
        let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        (name, weight.map_or(1.0, |weight| weight.parse().unwrap_or_default()))
    })
}

/// Whether an answer may be sent gzipped: the client says so, by name or by `*`.
pub(crate) fn takes_gzip(headers: &HeaderMap) -> bool {
    let (mut named, mut any) = (None, None);
    for (coding, weight) in ranges(headers, axum::http::header::ACCEPT_ENCODING) {
        match coding.as_str() {
            "gzip" | "x-gzip" => named = Some(weight),
            "*" => any = Some(weight),
            _ => {}
        }
    }
    named.or(any).is_some_and(|weight| weight > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::header::ACCEPT_ENCODING;

    #[test]
    fn gzip_is_taken_where_it_is_accepted() {
        for (sent, taken) in [
            (None, false),
            (Some(""), false),
            (Some("gzip"), true),
            (Some("x-gzip"), true),
            (Some("deflate, GZIP;q=0.5, br"), true),
            (Some("*"), true),
            (Some("gzip;q=0, *"), false),
            (Some("*;q=0"), false),
            (Some("br"), false),
            (Some("gzip;q=x"), false),
            (Some("identity"), false),
        ] {
            let headers = sent.map(|sent| (ACCEPT_ENCODING, sent.parse().unwrap()));
            assert_eq!(takes_gzip(&headers.into_iter().collect()), taken, "{sent:?}");
        }
    }
}
