//! The client against servers that answer too much, too late, or from where it must not go.

use super::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// A server that reads one request and writes these bytes; gives back what it read.
async fn server(answer: &'static str) -> (Url, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}/p", listener.local_addr().unwrap())).unwrap();
    let task = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut read = vec![0; 4_096];
        let count = stream.read(&mut read).await.unwrap();
        stream.write_all(answer.as_bytes()).await.unwrap();
        // Until the client goes: an answer without an end stays without one.
        let _ = stream.read(&mut [0; 16]).await;
        String::from_utf8_lossy(&read[..count]).into_owned()
    });
    (url, task)
}

fn client(options: Options) -> Client {
    Client::new(options)
}

#[tokio::test]
async fn a_request_is_sent_with_its_token_and_its_answer_read() {
    let (url, asked) = server("HTTP/1.1 409 Conflict\r\nContent-Length: 3\r\n\r\n12\n").await;
    let client = client(Options {
        bearer: Some("the-secret".to_owned()),
        ..Options::default()
    });
    let answer = client.post(&url, "text/plain", "old 0\n").await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.body().as_ref()), (409, &b"12\n"[..]));
    let asked = asked.await.unwrap();
    assert!(asked.starts_with("POST /p HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains(&format!("host: {}\r\n", url.authority())), "{asked}");
    assert!(asked.contains("authorization: Bearer the-secret\r\n"), "{asked}");
    assert!(!format!("{client:?}").contains("secret"));
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let (url, _) = server("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n").await;
    let answer = client(Options::default()).get(&url).await.unwrap();
    assert_eq!(answer.status().as_u16(), 302);
}

#[tokio::test]
async fn what_is_too_large_or_too_slow_is_refused() {
    let (url, _) = server("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n12345678901234567890").await;
    let small = client(Options {
        answer_bytes: 19,
        ..Options::default()
    });
    assert!(matches!(small.get(&url).await, Err(Error::TooLarge { limit: 19 })));
    let (url, _) = server("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n1234").await;
    let hasty = client(Options {
        timeout: Duration::from_millis(200),
        ..Options::default()
    });
    assert!(matches!(hasty.get(&url).await, Err(Error::Timeout(_))));
}

#[tokio::test]
async fn a_client_of_the_public_internet_stays_out_of_private_networks() {
    let (url, _) = server("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let client = client(Options {
        reach: Reach::Public,
        ..Options::default()
    });
    assert!(matches!(client.get(&url).await, Err(Error::Plain { .. })));
    for host in [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "169.254.169.254",
        "[::ffff:10.0.0.1]",
    ] {
        let url = Url::parse(&format!("https://{host}:{}/", url.port)).unwrap();
        let refused = client.get(&url).await;
        assert!(matches!(refused, Err(Error::Private { .. })), "{host}: {refused:?}");
    }
}
