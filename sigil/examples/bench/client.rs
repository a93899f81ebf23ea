//! The smallest HTTP/1.1 client that keeps a connection: it must cost less than what it measures.

use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// One kept connection.
pub struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the server accepts");
        stream.set_nodelay(true).expect("the option is set");
        Self {
            stream,
            buffer: Vec::with_capacity(64 * 1_024),
        }
    }

    /// Sends a whole request and gives the status and body of the answer.
    pub async fn send(&mut self, request: &[u8]) -> (u16, &[u8]) {
        self.stream.write_all(request).await.expect("the request is sent");
        self.buffer.clear();
        loop {
            if let Some((status, start, length)) = head(&self.buffer)
                && self.buffer.len() >= start + length
            {
                return (status, &self.buffer[start..start + length]);
            }
            let read = self
                .stream
                .read_buf(&mut self.buffer)
                .await
                .expect("the answer is read");
            assert!(read > 0, "the server closed the connection");
        }
    }
}

fn head(bytes: &[u8]) -> Option<(u16, usize, usize)> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&bytes[..end]).ok()?;
    let status = text.get(9..12)?.parse().ok()?;
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse().ok())?
    })?;
    Some((status, end, length))
}

/// A GET with the bench's token.
pub fn get(path: &str) -> Vec<u8> {
    let token = crate::server::TOKEN;
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\r\n").into_bytes()
}

/// A POST with the bench's token.
pub fn post(path: &str, kind: &str, body: &str) -> Vec<u8> {
    let (token, length) = (crate::server::TOKEN, body.len());
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\ncontent-type: {kind}\r\n\
         prefer: return=minimal\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}
