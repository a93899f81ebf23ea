//! `/`, `/docs` and their files: embedded, without any resource from elsewhere.

use crate::Shared;
use crate::assets::{ASSETS, Asset};
use crate::reading;
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::get;
use std::sync::Arc;

/// Scripts, styles and requests of this server only; the page is in no frame and sends no form.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                                       img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Adds a route for each file.
pub(super) fn add(router: Router<Arc<Shared>>) -> Router<Arc<Shared>> {
    ASSETS.iter().fold(router, |router, asset| {
        router.route(asset.route, get(async move |request: Request| serve(asset, &request)))
    })
}

fn serve(asset: &'static Asset, request: &Request) -> Response {
    let etag = reading::content_tag(asset.bytes);
    let mut response = guarded(Body::from(asset.bytes), asset.content_type);
    if reading::is_known(request.headers(), &etag) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.body_mut() = Body::empty();
    }
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        headers.insert(header::ETAG, etag);
    }
    response
}

/// An HTML answer with the headers of a page.
pub(super) fn html(text: String) -> Response {
    guarded(Body::from(text), "text/html; charset=utf-8")
}

fn guarded(body: Body, content_type: &'static str) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(CONTENT_SECURITY_POLICY),
    );
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    response
}

#[cfg(test)]
mod tests {
    use crate::assets::ASSETS;
    use crate::trial::Trial;
    use axum::body::Body;
    use axum::http::{Request, StatusCode};

    #[tokio::test]
    async fn the_page_is_open_and_takes_nothing_from_elsewhere() {
        let trial = Trial::new();
        for asset in &ASSETS {
            let answer = trial.send(Request::get(asset.route).body(Body::empty()).unwrap()).await;
            assert_eq!(
                (answer.status, answer.body.len()),
                (StatusCode::OK, asset.bytes.len()),
                "{}",
                asset.route
            );
            assert_eq!(answer.header("x-content-type-options"), "nosniff");
            let policy = answer.header("content-security-policy");
            assert!(
                policy.contains("script-src 'self'") && !policy.contains("unsafe"),
                "{policy}"
            );
            let text = std::str::from_utf8(asset.bytes).unwrap();
            assert!(!text.is_empty(), "{}", asset.route);
            for elsewhere in [
                "src=\"http",
                "href=\"http",
                "url(http",
                "import(\"http",
                "style=\"",
                "onclick=",
            ] {
                assert!(!text.contains(elsewhere), "{elsewhere} in {}", asset.route);
            }
        }
    }

    #[tokio::test]
    async fn an_unchanged_file_is_not_sent_again() {
        let trial = Trial::new();
        let first = trial.get("/page/style.css").await;
        let known = [("if-none-match", first.header("etag"))];
        let again = trial.ask("GET", "/page/style.css", &known, Body::empty()).await;
        assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0));
    }
}
