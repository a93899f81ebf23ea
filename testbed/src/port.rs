//! Ports for servers that are stopped and started again.
//!
//! Invariant: a port is ours until it is dropped, even while nothing listens on it. It lies below the range from which
//! the system takes the ports of outgoing connections, so that no client sits on it when its server comes back, and
//! none connects to itself while it is away.

use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};

use anyhow::{Result, bail};

const FIRST: u16 = 12_000;
const COUNT: u16 = 20_000;

/// See the module. The UDP socket of the same number is the reservation: no server here uses UDP, the kernel gives it
/// to one process only, and takes it back when that process ends.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _reservation: UdpSocket,
}

impl Port {
    /// A port that nobody else has.
    pub fn reserve() -> Result<Self> {
        // The standard library's source of randomness, so that processes that start together do not race for one.
        let begin = RandomState::new().hash_one(0) % u64::from(COUNT);
        for step in 0..COUNT {
            let offset = (begin + u64::from(step)) % u64::from(COUNT);
            let number = FIRST + u16::try_from(offset).expect("less than COUNT, which is a u16");
            if let Ok(reservation) = UdpSocket::bind((Ipv4Addr::LOCALHOST, number))
                && TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok()
            {
                return Ok(Self {
                    number,
                    _reservation: reservation,
                });
            }
        }
        bail!("no free port on 127.0.0.1 from {FIRST} on");
    }

    /// The port.
    pub fn number(&self) -> u16 {
        self.number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserved_port_is_free_for_a_server_and_for_nobody_else() {
        let port = Port::reserve().unwrap();
        assert!(TcpListener::bind((Ipv4Addr::LOCALHOST, port.number())).is_ok());
        assert!(UdpSocket::bind((Ipv4Addr::LOCALHOST, port.number())).is_err());
        let others: Vec<Port> = (0..50).map(|_| Port::reserve().unwrap()).collect();
        assert!(others.iter().all(|other| other.number() != port.number()));
    }
}
