//! `/openapi.json`, and a page for every error code: what `docs_url` of a problem leads to.

use super::page;
use crate::error::{Code, Problem, page_of};
use crate::splice;
use axum::extract::Path;
use axum::response::Response;
use std::sync::LazyLock;

static DOCUMENT: LazyLock<String> = LazyLock::new(|| crate::openapi().to_string());

pub(crate) async fn openapi_json() -> Response {
    splice::json(DOCUMENT.as_str())
}

pub(crate) async fn error_page(Path(name): Path<String>) -> Result<Response, Problem> {
    let entry = page_of(&name).ok_or_else(|| Problem::new(Code::NotFound, "no error code has this page"))?;
    let retry = match entry.retry_after_s {
        Some(seconds) => format!("Yes, unchanged, after about {seconds} s."),
        None => "No: the same request fails again.".to_owned(),
    };
    let html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{code}</title><link rel=\"stylesheet\" href=\"/page/style.css\"><main class=\"prose\"><p><a href=\"/docs\">API</a></p>\
         <h1><code>{code}</code></h1><p>{title}.</p><dl><dt>HTTP status</dt><dd>{status}</dd><dt>What to do</dt>\
         <dd>{action}</dd><dt>Retry</dt><dd>{retry}</dd></dl></main></html>",
        code = entry.code,
        title = entry.title,
        status = entry.status,
        action = entry.action,
    );
    Ok(page::html(html))
}

#[cfg(test)]
mod tests {
    use crate::trial::Trial;
    use axum::http::StatusCode;

    #[tokio::test]
    async fn the_document_describes_every_versioned_route() {
        let answer = Trial::new().get("/openapi.json").await;
        let document = answer.json();
        assert_eq!(document["openapi"], "3.1.0");
        for (path, method) in [
            ("/v1/records", "post"),
            ("/v1/records/{id}", "get"),
            ("/v1/audit/timeline", "get"),
            ("/audit/{id}", "get"),
            ("/canon/user/write", "post"),
        ] {
            assert!(document["paths"][path][method]["responses"].is_object(), "{path}");
        }
        assert!(document["components"]["schemas"]["Problem"]["properties"]["code"].is_object());
    }

    #[tokio::test]
    async fn the_link_of_a_problem_leads_somewhere() {
        let trial = Trial::new();
        let problem = trial.get("/v1/nothing").await.json();
        let page = trial.get(problem["docs_url"].as_str().unwrap()).await;
        assert_eq!(page.status, StatusCode::OK);
        assert!(String::from_utf8_lossy(&page.body).contains("ROUTE_NOT_FOUND"));
        assert_eq!(trial.get("/docs/errors/none").await.code(), "NOT_FOUND");
    }
}
