//! Whose request it is, for limits: an address the client cannot choose.

use std::net::{IpAddr, Ipv6Addr};

use hyper::{HeaderMap, header::HeaderName};
use ipnet::IpNet;

/// The header of the trusted hop.
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Shares of a /56, which is often one household: the first of what a client has.
const HOUSEHOLD: (u8, usize) = (56, 4);
/// Shares of a /48, which is often one company, and may be a part of a mobile network.
const SITE: (u8, usize) = (48, 16);

/// Clients are told apart by IPv4 address, and by the /64 of an IPv6 address: whoever has one has
/// all of it. Whoever has a /64 often has its /56 or /48, too: those are counted as well, with the
/// shares that [`Self::networks`] names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientKey {
    network: IpAddr,
    bits: u8,
}

impl ClientKey {
    /// Whose address it is.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(v6) => Self::v6(v6, 64),
            network => Self { network, bits: 32 },
        }
    }

    const fn v6(address: Ipv6Addr, bits: u8) -> Self {
        let host = 128 - bits as u32;
        let network = Ipv6Addr::from_bits(address.to_bits() >> host << host);
        Self {
            network: IpAddr::V6(network),
            bits,
        }
    }

    /// The client itself, and the larger networks that count it, each with its number of shares: so
    /// many times what one client may have.
    pub fn networks(self) -> impl Iterator<Item = (Self, usize)> {
        let larger = match self.network {
            IpAddr::V6(v6) => [HOUSEHOLD, SITE].map(|(bits, of)| Some((Self::v6(v6, bits), of))),
            IpAddr::V4(_) => [None; 2],
        };
        std::iter::once((self, 1)).chain(larger.into_iter().flatten())
    }
}

/// The trusted proxy has named its client in no way that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the last entry of X-Forwarded-For must be one IP address, without a port")]
pub struct Unnamed;

/// The client's address: the peer's, unless the peer is the one trusted proxy. That proxy appends
/// the address it saw to `X-Forwarded-For`; everything before the last entry was written by
/// someone else, in whatever bytes. A trusted proxy that sends no such header asks for itself.
///
/// # Errors
///
/// [`Unnamed`] if what the proxy appended is no address: whoever asks is not counted as the proxy.
pub fn client_address(
    peer: IpAddr,
    trusted_proxy: Option<&IpNet>,
    headers: &HeaderMap,
) -> Result<IpAddr, Unnamed> {
    let peer = peer.to_canonical();
    if !trusted_proxy.is_some_and(|net| net.contains(&peer)) {
        return Ok(peer);
    }
    let Some(line) = headers.get_all(X_FORWARDED_FOR).iter().next_back() else {
        return Ok(peer);
    };
    let mut entries = line.as_bytes().rsplit(|byte| *byte == b',');
    let appended = entries.next().unwrap_or_default().trim_ascii();
    let address = str::from_utf8(appended)
        .ok()
        .and_then(|text| text.parse().ok());
    address
        .map(|address: IpAddr| address.to_canonical())
        .ok_or(Unnamed)
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    const PROXY: &str = "10.0.0.1/32";

    fn asked(peer: &str, trusted: Option<&str>, forwarded: &[&[u8]]) -> Result<String, Unnamed> {
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append(X_FORWARDED_FOR, HeaderValue::from_bytes(line).unwrap());
        }
        let trusted = trusted.map(|net| net.parse().unwrap());
        let address = client_address(peer.parse().unwrap(), trusted.as_ref(), &headers);
        address.map(|address| address.to_string())
    }

    fn address(peer: &str, trusted: Option<&str>, forwarded: &[&str]) -> String {
        let lines: Vec<_> = forwarded.iter().map(|line| line.as_bytes()).collect();
        asked(peer, trusted, &lines).unwrap()
    }

    #[test]
    fn d18_a_client_sent_header_changes_nothing() {
        for trusted in [None, Some(PROXY)] {
            assert_eq!(
                address("192.0.2.7", trusted, &["198.51.100.1"]),
                "192.0.2.7"
            );
        }
    }

    #[test]
    fn d18_only_what_the_trusted_hop_appended_counts() {
        let peer = "10.0.0.1";
        for forwarded in [
            &["192.0.2.7"][..],
            &["198.51.100.1, 192.0.2.7"],
            &["198.51.100.1,  192.0.2.7 "],
            &["198.51.100.1", "203.0.113.9, 192.0.2.7"],
            &["10.0.0.1, 192.0.2.7"],
        ] {
            assert_eq!(address(peer, Some(PROXY), forwarded), "192.0.2.7");
        }
        // what the client wrote before may be anything
        for forwarded in [
            &[&b"\xff, 192.0.2.7"[..]][..],
            &[b"\xc3\x28,\t192.0.2.7\t"],
            &[b"\"a, 192.0.2.8\x80\", 192.0.2.7"],
            &[b"\xff", b"192.0.2.7"],
        ] {
            let named = asked(peer, Some(PROXY), forwarded);
            assert_eq!(named.unwrap(), "192.0.2.7", "{forwarded:?}");
        }
        assert_eq!(address(peer, Some(PROXY), &[]), peer, "it asks for itself");
    }

    #[test]
    fn d18_whom_the_trusted_hop_names_unreadably_is_not_the_hop() {
        for forwarded in [
            &[&b""[..]][..],
            &[b"192.0.2.7,"],
            &[b"unknown"],
            &[b"192.0.2.7:80"],
            &[b"[2001:db8::1]"],
            &[b"192.0.2.7\xff"],
            &[b"192.0.2.7", b"\xff"],
        ] {
            assert_eq!(asked("10.0.0.1", Some(PROXY), forwarded), Err(Unnamed));
            // from anybody else it means nothing
            assert_eq!(
                asked("192.0.2.9", Some(PROXY), forwarded).unwrap(),
                "192.0.2.9"
            );
        }
    }

    #[test]
    fn d18_an_ipv4_peer_on_an_ipv6_socket_is_the_same_peer() {
        assert_eq!(
            address("::ffff:10.0.0.1", Some(PROXY), &["192.0.2.7"]),
            "192.0.2.7"
        );
        assert_eq!(address("::ffff:192.0.2.7", None, &[]), "192.0.2.7");
    }

    #[test]
    fn d18_one_ipv6_network_is_one_client() {
        let key = |text: &str| ClientKey::of(text.parse().unwrap());
        assert_eq!(key("2001:db8::1"), key("2001:db8::ffff:1:2:3"));
        assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
    }

    #[test]
    fn d18_the_networks_of_one_household_are_counted_together() {
        let of = |text: &str| ClientKey::of(text.parse().unwrap()).networks();
        let one: Vec<_> = of("2001:db8:1:100::1").collect();
        let two: Vec<_> = of("2001:db8:1:1ff::1").collect();
        let far: Vec<_> = of("2001:db8:1:200::1").collect();
        assert_eq!(one.iter().map(|row| row.1).collect::<Vec<_>>(), [1, 4, 16]);
        assert_ne!(one[0], two[0]);
        assert_eq!(one[1..], two[1..]);
        assert_ne!(one[1], far[1]);
        assert_eq!(one[2], far[2]);
        assert_eq!(of("192.0.2.1").count(), 1);
    }
}
