//! Every fault of the proxy really happens, seen from both sides of a plain TCP connection.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on shall fail"
)]

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use testbed::Proxy;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// Long enough for a byte to have come if it were to come.
const A_WHILE: Duration = Duration::from_millis(300);
/// Longer than any machine takes.
const LONG: Duration = Duration::from_secs(60);

/// A server that sends back what it gets.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.into_split();
                tokio::io::copy(&mut from, &mut to).await
            });
        }
    });
    address
}

async fn connected(proxy: &Proxy) -> TcpStream {
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(say(&mut stream, b"hello").await, b"hello");
    stream
}

/// What comes back for `bytes`; less than all of it when the connection ends before.
async fn say(stream: &mut TcpStream, bytes: &[u8]) -> Vec<u8> {
    let mut back = vec![];
    if stream.write_all(bytes).await.is_err() {
        return back;
    }
    let mut piece = [0; 1024];
    while back.len() < bytes.len() {
        match timeout(LONG, stream.read(&mut piece)).await.unwrap() {
            Ok(0) | Err(_) => break,
            Ok(read) => back.extend_from_slice(&piece[..read]),
        }
    }
    back
}

#[tokio::test]
async fn bytes_pass_unchanged_and_the_end_of_one_direction_is_passed_on() {
    let proxy = Proxy::before(echo().await).await;
    let mut stream = connected(&proxy).await;
    let sent: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
    let (mut from, mut to) = stream.split();
    let write = async {
        to.write_all(&sent).await.unwrap();
        to.shutdown().await.unwrap();
    };
    let mut back = vec![];
    let ((), read) = tokio::join!(write, from.read_to_end(&mut back));
    read.unwrap();
    assert!(back == sent);
    assert_eq!(proxy.passed(), 2 * (5 + sent.len() as u64));
    assert_eq!(proxy.accepted(), 1);
}

#[tokio::test]
async fn a_cut_closes_every_connection_and_lets_new_ones_in() {
    let proxy = Proxy::before(echo().await).await;
    let mut streams = [connected(&proxy).await, connected(&proxy).await];
    proxy.cut().await;
    for stream in &mut streams {
        assert_eq!(say(stream, b"x").await, b"");
    }
    connected(&proxy).await;
}

#[tokio::test]
async fn a_refusal_is_that_of_a_host_on_which_nothing_listens() {
    let proxy = Proxy::before(echo().await).await;
    let mut before = connected(&proxy).await;
    proxy.refuse().await;
    let refused = TcpStream::connect(proxy.address()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    assert_eq!(say(&mut before, b"still there").await, b"still there");
    proxy.heal().await;
    connected(&proxy).await;
}

#[tokio::test]
async fn a_stall_passes_nothing_and_loses_nothing() {
    let proxy = Proxy::before(echo().await).await;
    let mut before = connected(&proxy).await;
    proxy.stall();
    let mut after = TcpStream::connect(proxy.address()).await.unwrap();
    for stream in [&mut before, &mut after] {
        stream.write_all(b"late").await.unwrap();
    }
    let mut piece = [0; 4];
    assert!(timeout(A_WHILE, before.read(&mut piece)).await.is_err());
    assert!(timeout(A_WHILE, after.read(&mut piece)).await.is_err());
    proxy.heal().await;
    for stream in [&mut before, &mut after] {
        timeout(LONG, stream.read_exact(&mut piece)).await.unwrap().unwrap();
        assert_eq!(&piece, b"late");
    }
}

#[tokio::test]
async fn a_delay_holds_back_both_directions() {
    let proxy = Proxy::before(echo().await).await;
    let mut stream = connected(&proxy).await;
    proxy.delay(A_WHILE);
    let begin = Instant::now();
    assert_eq!(say(&mut stream, b"slow").await, b"slow");
    assert!(begin.elapsed() >= 2 * A_WHILE, "{:?}", begin.elapsed());
}

#[tokio::test]
async fn a_cut_after_so_many_bytes_happens_in_the_middle_and_once() {
    let proxy = Proxy::before(echo().await).await;
    let mut stream = connected(&proxy).await;
    // Ten bytes reach the server, three of the answer come back.
    proxy.cut_after(13);
    assert_eq!(say(&mut stream, b"0123456789").await, b"012");
    assert_eq!(say(&mut connected(&proxy).await, b"0123456789").await, b"0123456789");
}

#[tokio::test]
async fn nothing_listens_when_the_proxy_or_its_target_is_gone() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let proxy = Proxy::before(nobody).await;
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(say(&mut stream, b"x").await, b"");
    let address = proxy.address();
    drop(proxy);
    let closed = async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, closed).await.unwrap();
}
