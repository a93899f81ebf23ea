//! A stream of server-sent events, read block by block as a client does.

use super::{TOKEN, Trial};
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;
use tower::ServiceExt as _;

/// How long a block may take to come.
const PATIENCE: Duration = Duration::from_secs(60);

/// An open stream.
pub(crate) struct Tuned {
    pub(crate) headers: HeaderMap,
    body: Body,
    text: String,
    /// The position that the client would resume after.
    pub(crate) position: Option<u64>,
}

/// One block.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) id: Option<u64>,
    pub(crate) event: Option<String>,
    pub(crate) data: Option<String>,
    pub(crate) retry: Option<u64>,
    pub(crate) comment: Option<String>,
}

impl Trial {
    /// Opens a stream with the token and these headers.
    pub(crate) async fn tune(&self, path: &str, headers: &[(&str, &str)]) -> Tuned {
        let request = Request::builder().uri(path).header("authorization", TOKEN);
        let request = headers
            .iter()
            .fold(request, |request, (name, value)| request.header(*name, *value));
        let mut request = request.body(Body::empty()).unwrap();
        let peer: SocketAddr = "127.0.0.1:40000".parse().unwrap();
        request.extensions_mut().insert(ConnectInfo(peer));
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        if head.status != StatusCode::OK {
            panic!("{}: {:?}", head.status, body.collect().await.unwrap().to_bytes());
        }
        Tuned {
            headers: head.headers,
            body,
            text: String::new(),
            position: None,
        }
    }
}

impl Tuned {
    /// The next block; `None` at the end.
    pub(crate) async fn block(&mut self) -> Option<Block> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let block = Block::parse(block);
                self.text = rest.to_owned();
                self.position = block.id.or(self.position);
                return Some(block);
            }
            let frame = tokio::time::timeout(PATIENCE, self.body.frame()).await;
            let Some(frame) = frame.expect("a block comes in time") else {
                assert_eq!(self.text, "", "a stream ends behind a block");
                return None;
            };
            let data = frame.unwrap().into_data().unwrap();
            self.text.push_str(std::str::from_utf8(&data).unwrap());
        }
    }

    /// The next block with an event: its name, its id and its data.
    pub(crate) async fn event(&mut self) -> Option<(String, Option<u64>, Value)> {
        loop {
            let block = self.block().await?;
            if let (Some(event), Some(data)) = (block.event, block.data) {
                return Some((event, block.id, serde_json::from_str(&data).unwrap()));
            }
        }
    }

    /// The next `count` records, as id and record.
    pub(crate) async fn records(&mut self, count: usize) -> Vec<(u64, Value)> {
        let mut records = Vec::with_capacity(count);
        while records.len() < count {
            let (event, id, data) = self.event().await.expect("the stream goes on");
            assert_eq!(event, "record", "{data}");
            records.push((id.expect("a record has a number"), data));
        }
        records
    }

    /// The last event, after everything before it.
    pub(crate) async fn end(&mut self) -> Value {
        loop {
            let (event, _, data) = self.event().await.expect("the stream says why it ends");
            if event == "end" {
                assert_eq!(self.block().await, None);
                return data;
            }
        }
    }
}

impl Block {
    pub(crate) fn parse(text: &str) -> Self {
        let mut block = Self::default();
        for line in text.lines() {
            let (name, value) = line.split_once(": ").unwrap_or((line, ""));
            match name {
                "id" => block.id = Some(value.parse().unwrap()),
                "event" => block.event = Some(value.to_owned()),
                "data" => block.data = Some(value.to_owned()),
                "retry" => block.retry = Some(value.parse().unwrap()),
                "" => block.comment = Some(value.to_owned()),
                other => panic!("a field {other} in {text}"),
            }
        }
        block
    }
}
