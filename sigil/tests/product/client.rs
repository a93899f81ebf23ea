//! A small HTTP/1.1 client over one kept-alive connection: enough to see exactly what the server answers.

use serde_json::Value;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// The token of every server of these tests.
pub const TOKEN: &str = "the-token-of-this-test";

/// One connection.
pub struct Client {
    stream: BufReader<TcpStream>,
    peer: SocketAddr,
}

/// One answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Client {
    pub fn connect(peer: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(peer)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        Ok(Self {
            stream: BufReader::new(stream),
            peer,
        })
    }

    /// Sends a request with exactly these headers beside `Host` and `Content-Length`, and reads the answer.
    pub fn send(&mut self, line: &str, headers: &[(&str, &str)], body: &[u8]) -> io::Result<Answer> {
        let mut head = format!(
            "{line} HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n",
            self.peer,
            body.len()
        );
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let stream = self.stream.get_mut();
        stream.write_all(&[head.as_bytes(), body].concat())?;
        self.answer()
    }

    /// Sends with the token.
    pub fn ask(&mut self, line: &str, headers: &[(&str, &str)], body: &[u8]) -> io::Result<Answer> {
        let token = format!("Bearer {TOKEN}");
        let mut all = vec![("Authorization", token.as_str())];
        all.extend_from_slice(headers);
        self.send(line, &all, body)
    }

    /// `GET` with the token.
    pub fn get(&mut self, path: &str) -> Answer {
        self.ask(&format!("GET {path}"), &[], b"").expect("the server answers")
    }

    /// Appends one record.
    pub fn post(&mut self, record: &Value) -> io::Result<Answer> {
        self.post_with(record, &[])
    }

    /// Appends one record with further headers.
    pub fn post_with(&mut self, record: &Value, headers: &[(&str, &str)]) -> io::Result<Answer> {
        let mut all = vec![("Content-Type", "application/json")];
        all.extend_from_slice(headers);
        self.ask("POST /v1/records", &all, record.to_string().as_bytes())
    }

    fn answer(&mut self) -> io::Result<Answer> {
        let status = self.line()?;
        let status = status.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(": ") else {
                break;
            };
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        let mut answer = Answer {
            status,
            headers,
            body: Vec::new(),
        };
        if status != 304 {
            let length: usize = answer
                .header("content-length")
                .parse()
                .expect("every answer has a length");
            answer.body.resize(length, 0);
            self.stream.read_exact(&mut answer.body)?;
        }
        Ok(answer)
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 || !line.ends_with("\r\n") {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }
}

impl Answer {
    /// A header's value, or nothing.
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }

    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        self
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The code of problem details (RFC 9457), whose other members are checked on the way.
    #[track_caller]
    pub fn problem(&self) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        let problem = self.json();
        for member in [
            "type",
            "title",
            "detail",
            "instance",
            "code",
            "error",
            "request_id",
            "timestamp",
            "action",
        ] {
            assert!(
                problem[member].as_str().is_some_and(|text| !text.is_empty()),
                "{member}: {problem}"
            );
        }
        assert_eq!(problem["status"], self.status, "{problem}");
        assert!(problem["retryable"].is_boolean(), "{problem}");
        problem["code"].as_str().unwrap_or_default().to_owned()
    }
}
