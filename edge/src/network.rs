//! Networks as operators write them.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

/// Bits before an IPv4 address that is written as an IPv6 one (RFC 4291 section 2.5.5.2).
const MAPPED: u8 = 96;

/// Reads an address, or a network such as `10.0.0.0/8`. One of IPv4 that is written as of IPv6 is one of
/// IPv4, as the addresses of clients are.
///
/// # Errors
///
/// What was expected.
pub fn parse(text: &str) -> Result<IpNet, String> {
    let address = text.parse::<IpAddr>().map(IpNet::from).ok();
    let network = address.or_else(|| text.parse().ok());
    let network =
        network.ok_or_else(|| "expected an address, or a network such as 10.0.0.0/8".to_owned())?;
    let mapped = match network {
        IpNet::V6(network) => network.addr().to_ipv4_mapped(),
        IpNet::V4(_) => None,
    };
    let Some(address) = mapped else {
        return Ok(network);
    };
    let bits = network.prefix_len().checked_sub(MAPPED);
    let mapped = bits.and_then(|bits| Ipv4Net::new(address, bits).ok());
    mapped.map(IpNet::V4).ok_or_else(|| {
        format!("{text} holds addresses of IPv4 and of IPv6: name the one network, and the other")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_network_of_one() {
        for (text, read) in [
            ("127.0.0.1", "127.0.0.1/32"),
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("::1", "::1/128"),
            ("2001:db8::/32", "2001:db8::/32"),
        ] {
            assert_eq!(parse(text).unwrap().to_string(), read);
        }
        for text in ["", "localhost", "10.0.0.0/33", "10.0.0", "10.0.0.0/8 "] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn h1_a_mapped_network_is_the_one_that_clients_are_in() {
        let proxy: IpAddr = "127.0.0.1".parse().unwrap();
        for text in [
            "::ffff:127.0.0.1",
            "::ffff:127.0.0.1/128",
            "::ffff:127.0.0.0/104",
        ] {
            assert!(parse(text).unwrap().contains(&proxy), "{text}");
        }
        assert!(parse("::ffff:127.0.0.1/64").is_err());
    }
}
