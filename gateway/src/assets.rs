//! The files of the page, as they stand under `page/`; there is no build step.

/// One file.
#[derive(Debug)]
pub(crate) struct Asset {
    pub(crate) route: &'static str,
    pub(crate) content_type: &'static str,
    pub(crate) bytes: &'static [u8],
}

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

macro_rules! asset {
    ($route:literal, $content_type:expr, $file:literal) => {
        Asset {
            route: $route,
            content_type: $content_type,
            bytes: include_bytes!(concat!("../page/", $file)),
        }
    };
}

/// All of them.
pub(crate) static ASSETS: [Asset; 12] = [
    asset!("/", HTML, "index.html"),
    asset!("/docs", HTML, "docs.html"),
    asset!("/page/style.css", "text/css; charset=utf-8", "style.css"),
    asset!("/page/app.mjs", SCRIPT, "app.mjs"),
    asset!("/page/view.mjs", SCRIPT, "view.mjs"),
    asset!("/page/badge.mjs", SCRIPT, "badge.mjs"),
    asset!("/page/proof.mjs", SCRIPT, "proof.mjs"),
    asset!("/page/note.mjs", SCRIPT, "note.mjs"),
    asset!("/page/follow.mjs", SCRIPT, "follow.mjs"),
    asset!("/page/record.mjs", SCRIPT, "record.mjs"),
    asset!("/page/blake3.mjs", SCRIPT, "blake3.mjs"),
    asset!("/page/docs.mjs", SCRIPT, "docs.mjs"),
];
