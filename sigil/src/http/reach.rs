//! Which addresses a request may go to, where the URL is somebody's wish and not the operator's network.
//!
//! Invariant: the addresses that are connected to are the ones that were judged; no name is resolved again in between.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// How far a client goes.
#[derive(Debug, Clone, Copy, Default)]
pub enum Reach {
    /// Wherever the URL leads: it is the operator's own choice.
    #[default]
    Anywhere,
    /// Over TLS to addresses of the public internet only. One name with any other address is refused as a whole.
    Public,
    /// As [`Reach::Public`], with addresses of a test's own in place of the internet's.
    #[cfg(test)]
    Judged(fn(IpAddr) -> bool),
}

impl Reach {
    /// What judges an address; `None` where every one will do.
    fn judge(self) -> Option<fn(IpAddr) -> bool> {
        match self {
            Self::Anywhere => None,
            Self::Public => Some(is_public),
            #[cfg(test)]
            Self::Judged(judge) => Some(judge),
        }
    }

    /// Whether it speaks TLS only.
    pub fn is_closed(self) -> bool {
        self.judge().is_some()
    }

    /// The first of `addresses` that it does not go to.
    pub fn refused(self, addresses: &[SocketAddr]) -> Option<IpAddr> {
        let judge = self.judge()?;
        addresses.iter().map(SocketAddr::ip).find(|ip| !judge(*ip))
    }
}

/// Whether hosts of the internet have this address, by the registries of special-purpose addresses of IANA.
pub fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let special = match ip.octets() {
        // This network; private; carrier-grade NAT; loopback; link-local with the clouds' metadata services.
        [0 | 10 | 127, ..] | [100, 64..=127, ..] | [169, 254, ..] | [172, 16..=31, ..] | [192, 168, ..] => true,
        // Protocol assignments, documentation, 6to4 relays, benchmarks.
        [192, 0, 0 | 2, _] | [192, 88, 99, _] | [198, 18 | 19, ..] | [198, 51, 100, _] | [203, 0, 113, _] => true,
        // Multicast, reserved, broadcast.
        [224..=255, ..] => true,
        _ => false,
    };
    !special
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    // Only global unicast is, and of that not what wraps or stands for something else: an IPv4 address in IPv6 (mapped,
    // translated, 6to4, Teredo) would lead past the table above.
    match ip.segments() {
        // Protocol assignments with Teredo and ORCHID; documentation; 6to4; documentation.
        [0x2001, 0..=0x01ff | 0x0db8, ..] | [0x2002, ..] | [0x3fff, 0..=0x0fff, ..] => false,
        [first, ..] => (first & 0xe000) == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_public_internet_is_reached() {
        for ip in [
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.1",
            "172.32.0.1",
            "2606:4700::1111",
            "2a00:1450:4001::1",
        ] {
            assert!(is_public(ip.parse().unwrap()), "{ip}");
        }
        for ip in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "3fff::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(ip.parse().unwrap()), "{ip}");
        }
    }

    #[test]
    fn one_private_address_among_public_ones_is_found() {
        let addresses = ["8.8.8.8:443", "10.0.0.1:443"].map(|text| text.parse().unwrap());
        assert_eq!(Reach::Public.refused(&addresses), Some("10.0.0.1".parse().unwrap()));
        assert_eq!(Reach::Public.refused(&addresses[..1]), None);
        assert_eq!(Reach::Anywhere.refused(&addresses), None);
    }
}
