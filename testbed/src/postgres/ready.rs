//! Whether a server takes sessions, asked in the first words of its protocol.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// Protocol 3.0, user `postgres`: length, version, name and value of each parameter, end.
const HELLO: &[u8] = b"\x00\x00\x00\x17\x00\x03\x00\x00user\x00postgres\x00\x00";

/// True when the server behind this socket asks who we are. While it starts or recovers it sends an error instead.
pub fn is_ready(socket: &Path) -> bool {
    answer(socket) == Some(b'R')
}

fn answer(socket: &Path) -> Option<u8> {
    let mut stream = UnixStream::connect(socket).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    stream.write_all(HELLO).ok()?;
    let mut first = [0];
    stream.read_exact(&mut first).ok()?;
    first.first().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_is_that_of_the_message() {
        assert_eq!(HELLO[3] as usize, HELLO.len());
    }
}
