//! `/tlog`: the log as C2SP tlog-tiles has it, for monitors and mirrors that know nothing else of this API.
//!
//! Tiles, entry bundles and checkpoints hold hashes, numbers and signatures: nothing of any tenant. Who may read them is
//! the policy table's, and `LocalAuth::opening_tiles`. Entry bundles are text for the most part, and gzipped for whoever
//! takes that; tiles are random bytes and never are.

use crate::Shared;
use crate::edge::Context;
use crate::error::{Code, Problem};
use crate::proof;
use crate::query::Query;
use crate::{accept, reading, schema};
use axum::Extension;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use ledger_client::proof::{Answer, Question, Unprovable};
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;
use tlog::TilePath;

/// What stands before the paths of the specification.
const PREFIX: &str = "/tlog/";

/// The newest checkpoint: a signed note (C2SP tlog-checkpoint) with the cosignatures of witnesses so far.
#[utoipa::path(
    get, path = "/tlog/checkpoint", tag = "tlog-tiles",
    responses(
        (status = 200, description = "The note.", body = String, content_type = "text/plain"),
        (status = 404, description = "There is none yet.", body = schema::Problem, content_type = "application/problem+json"),
        (status = "4XX", description = "Refused.", body = schema::Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed.", body = schema::Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn checkpoint(
    State(shared): State<Arc<Shared>>,
    Extension(context): Extension<Context>,
    request: Request,
) -> Result<Response, Problem> {
    Query::parse(request.uri().query(), &[])?;
    let newest = proof::newest(&shared, 0, false, Duration::ZERO).await?;
    let newest = newest.ok_or_else(|| Problem::new(Code::NotFound, "there is no checkpoint yet"))?;
    let body = Body::from(newest.note);
    let mut response = answer(&context, body, "text/plain; charset=utf-8", "max-age=2");
    vary(&context, false, &mut response);
    Ok(response)
}

/// A tile of the tree (`<level>/<index>`, `<level>/<index>.p/<width>`) or an entry bundle (`entries/<index>`), as C2SP
/// tlog-tiles spells them.
#[utoipa::path(
    get, path = "/tlog/tile/{*path}", tag = "tlog-tiles",
    params(("path" = String, Path, description = "Such as `0/x001/x234/067` or `entries/000.p/112`.")),
    responses(
        (status = 200, description = "Hashes of 32 bytes, or entries, each behind its length in two bytes; these gzipped where `Accept-Encoding` takes that. Immutable.", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 304, description = "The client has it."),
        (status = 404, description = "No checkpoint covers it, or this is not how it is spelt.", body = schema::Problem, content_type = "application/problem+json"),
        (status = "4XX", description = "Refused.", body = schema::Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed.", body = schema::Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn tile(
    State(shared): State<Arc<Shared>>,
    Extension(context): Extension<Context>,
    request: Request,
) -> Result<Response, Problem> {
    Query::parse(request.uri().query(), &[])?;
    // The path as it was sent: an escaped character is another spelling.
    let path = request.uri().path().strip_prefix(PREFIX).unwrap_or_default();
    let path = TilePath::parse(path).map_err(|error| Problem::new(Code::NotFound, error.to_string()))?;
    let question = match path {
        TilePath::Tile { id, width } => Question::Tile {
            level: id.level,
            index: id.index,
            width,
        },
        TilePath::Entries { index, width } => Question::Entries { index, width },
    };
    let is_text = matches!(path, TilePath::Entries { .. });
    let bytes = match shared.ledger.prove(question).await? {
        Answer::Bytes(text) => STANDARD.decode(text).map_err(|_| proof::unreadable())?,
        Answer::Unprovable(Unprovable::NotYet | Unprovable::BeyondEnd) => {
            return Err(Problem::new(Code::NotFound, "no checkpoint covers this tile"));
        }
        other => return Err(proof::refusal(&other)),
    };
    let zipped = is_text && accept::takes_gzip(request.headers());
    // The two forms are two representations: a tag never stands for both.
    let etag = reading::content_tag(&bytes);
    let etag = if zipped { etag.replacen('"', "\"gzip-", 1) } else { etag };
    let known = reading::is_known(request.headers(), &etag);
    let body = match (known, zipped) {
        (true, _) => Body::empty(),
        (false, true) => Body::from(gzip(&bytes)?),
        (false, false) => Body::from(bytes),
    };
    let cache = "max-age=31536000, immutable";
    let mut response = answer(&context, body, "application/octet-stream", cache);
    vary(&context, is_text, &mut response);
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    if zipped && !known {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        headers.insert(header::ETAG, etag);
    }
    Ok(response)
}

/// The bytes gzipped: the fastest level, of which the others gain little on hex digits.
fn gzip(bytes: &[u8]) -> Result<Vec<u8>, Problem> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 2), Compression::fast());
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    written.map_err(|_| Problem::new(Code::Internal, "the entries cannot be compressed"))
}

fn answer(context: &Context, body: Body, media: &'static str, cache: &str) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    // What took a credential to read is not for a shared cache.
    let whose = if context.caller.is_some() { "private" } else { "public" };
    if let Ok(cache) = HeaderValue::from_str(&format!("{whose}, {cache}")) {
        headers.insert(header::CACHE_CONTROL, cache);
    }
    response
}

/// Names the request's headers that the answer depends on.
fn vary(context: &Context, by_coding: bool, response: &mut Response) {
    let names = match (by_coding, context.caller.is_some()) {
        (true, true) => "Accept-Encoding, Authorization",
        (true, false) => "Accept-Encoding",
        (false, true) => "Authorization",
        (false, false) => return,
    };
    response
        .headers_mut()
        .insert(header::VARY, HeaderValue::from_static(names));
}

#[cfg(test)]
mod tests {
    use crate::testing::Memory;
    use crate::trial::{Answer, Trial, app, event};
    use crate::{Config, LocalAuth};
    use axum::body::Body;
    use axum::http::{Request, StatusCode};
    use flate2::read::GzDecoder;
    use std::io::Read as _;
    use tlog::{CheckpointText, Node, hash_leaf};

    async fn filled() -> Trial {
        let trial = Trial::new();
        for _ in 0..3 {
            trial.append(&event("agent:a1", "x", "success")).await;
        }
        trial.memory.checkpoint();
        trial
    }

    async fn open(trial: &Trial, path: &str) -> Answer {
        trial.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    #[tokio::test]
    async fn tiles_entries_and_checkpoint_fit_together() {
        let trial = filled().await;
        let note = trial.get("/tlog/checkpoint").await;
        assert_eq!(
            (note.header("content-type"), note.header("cache-control")),
            ("text/plain; charset=utf-8", "private, max-age=2")
        );
        let note = CheckpointText::parse(std::str::from_utf8(&note.body).unwrap()).unwrap();
        assert_eq!((note.size(), note.origin()), (6, "example.com/audit"));
        let tile = trial.get("/tlog/tile/0/000.p/6").await;
        assert_eq!(tile.header("content-type"), "application/octet-stream");
        assert_eq!(tile.header("cache-control"), "private, max-age=31536000, immutable");
        let nodes: Vec<Node> = tile
            .body
            .chunks(32)
            .map(|node| <[u8; 32]>::try_from(node).unwrap().into())
            .collect();
        let bundle = trial.get("/tlog/tile/entries/000.p/6").await;
        assert_eq!(bundle.header("cache-control"), "private, max-age=31536000, immutable");
        let entries = tlog::entries(&bundle.body).unwrap();
        assert_eq!(entries.iter().map(|entry| hash_leaf(entry)).collect::<Vec<_>>(), nodes);
        let mut frontier = tlog::Frontier::new();
        for node in nodes {
            frontier.append(node, |_| ());
        }
        assert_eq!(frontier.root(), *note.root());
    }

    #[tokio::test]
    async fn a_path_has_one_spelling_and_a_tile_a_checkpoint() {
        let trial = filled().await;
        trial.append(&event("agent:a1", "x", "success")).await;
        for path in [
            "tile/0/000.p/7",
            "tile/0/000",
            "tile/0/001",
            "tile/1/000.p/1",
            "tile/entries/000.p/7",
            "tile/0/000.p/0",
            "tile/0/0",
            "tile/0/000.p/06",
            "tile/00/000.p/6",
            "tile/64/000",
            "tile/0/x000/000",
            "tile/0/%3000.p/6",
            "tile/entries/x001",
            "tile/x",
            "tile/0/000.p/6/",
            "tile/0/../0/000.p/6",
        ] {
            let answer = trial.get(&format!("/tlog/{path}")).await;
            assert_eq!(
                (answer.code().as_str(), answer.status.as_u16()),
                ("NOT_FOUND", 404),
                "{path}"
            );
        }
        assert_eq!(trial.get("/tlog/tile/0/000.p/6?x=1").await.code(), "PARAMETER_UNKNOWN");
        assert_eq!(Trial::new().get("/tlog/checkpoint").await.code(), "NOT_FOUND");
    }

    #[tokio::test]
    async fn tiles_are_read_with_a_credential_unless_they_are_opened() {
        let closed = filled().await;
        let memory = Memory::new();
        memory.checkpoint();
        let mut opened = app(&memory, Config::default(), false);
        opened.auth = LocalAuth::new("secret-token", false).opening_tiles(true);
        let opened = Trial {
            memory,
            router: opened.router(),
        };
        for path in ["/tlog/checkpoint", "/tlog/tile/0/000.p/3", "/tlog/tile/entries/000.p/3"] {
            assert_eq!(open(&closed, path).await.code(), "AUTH_REQUIRED", "{path}");
            let answer = open(&opened, path).await;
            assert_eq!(answer.status, StatusCode::OK, "{path}");
            assert!(answer.header("cache-control").starts_with("public, "), "{path}");
        }
        for path in ["/v1/head", "/v1/checkpoints"] {
            assert_eq!(open(&opened, path).await.code(), "AUTH_REQUIRED", "{path}");
        }
    }

    #[tokio::test]
    async fn entries_are_gzipped_for_whoever_takes_that() {
        let trial = filled().await;
        let path = "/tlog/tile/entries/000.p/6";
        let ask = async |path: &str, headers: &[(&str, &str)]| trial.ask("GET", path, headers, Body::empty()).await;
        let plain = ask(path, &[]).await;
        assert_eq!(
            (plain.header("content-encoding"), plain.header("vary")),
            ("", "Accept-Encoding, Authorization")
        );
        let zipped = ask(path, &[("accept-encoding", "br;q=1.0, gzip;q=0.8")]).await;
        assert_eq!(
            (zipped.header("content-encoding"), zipped.header("vary")),
            ("gzip", "Accept-Encoding, Authorization")
        );
        assert_eq!(zipped.header("cache-control"), plain.header("cache-control"));
        let mut text = Vec::new();
        GzDecoder::new(zipped.body.as_ref()).read_to_end(&mut text).unwrap();
        assert_eq!(text, plain.body);
        assert!(zipped.body.len() < plain.body.len(), "{}", zipped.body.len());
        // Each form has a tag of its own, and only that one says that the client has it.
        let (tag, other) = (plain.header("etag"), zipped.header("etag"));
        assert!(tag != other && tag.starts_with('"') && other.starts_with("\"gzip-"));
        for (known, coding, status) in [
            (tag, "", StatusCode::NOT_MODIFIED),
            (other, "", StatusCode::OK),
            (other, "gzip", StatusCode::NOT_MODIFIED),
            (tag, "gzip", StatusCode::OK),
        ] {
            let answer = ask(path, &[("if-none-match", known), ("accept-encoding", coding)]).await;
            assert_eq!(answer.status, status, "{known} {coding}");
            let gone = answer.status == StatusCode::NOT_MODIFIED;
            assert_eq!(
                gone,
                answer.body.is_empty() && answer.header("content-encoding").is_empty()
            );
            assert_eq!(answer.header("vary"), "Accept-Encoding, Authorization");
        }
        for path in ["/tlog/tile/0/000.p/6", "/tlog/checkpoint"] {
            let answer = ask(path, &[("accept-encoding", "gzip")]).await;
            assert_eq!(
                (answer.header("content-encoding"), answer.header("vary")),
                ("", "Authorization")
            );
        }
        let refused = ask(path, &[("accept-encoding", "gzip;q=0, identity")]).await;
        assert_eq!(refused.body, plain.body);
    }
}
