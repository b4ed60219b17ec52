//! Which addresses belong to the public Internet.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::LazyLock,
};

use ipnet::{Ipv4Net, Ipv6Net};

/// Everything that IANA's registry of special-purpose addresses keeps from the public Internet, and
/// what a tunnel could lead to it by: multicast, 6to4 relays, reserved space.
const SPECIAL_V4: [([u8; 4], u8); 16] = [
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([192, 31, 196, 0], 24),
    ([192, 88, 99, 0], 24),
    ([192, 168, 0, 0], 16),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    ([224, 0, 0, 0], 4),
    ([240, 0, 0, 0], 4),
];

/// Of IPv6 only global unicast counts (2000::/3), without what lies inside and is something else:
/// protocol assignments (Teredo among them), documentation, 6to4. Mapped and translated IPv4, local
/// and multicast addresses lie outside.
const GLOBAL_V6: ([u16; 8], u8) = ([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);
const SPECIAL_V6: [([u16; 8], u8); 5] = [
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 23),
    ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32),
    ([0x2002, 0, 0, 0, 0, 0, 0, 0], 16),
    ([0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0], 48),
    ([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20),
];

static V4: LazyLock<Vec<Ipv4Net>> = LazyLock::new(|| {
    let net = |(bytes, bits)| Ipv4Net::new(Ipv4Addr::from(bytes), bits).unwrap_or_default();
    SPECIAL_V4.map(net).into()
});
static V6: LazyLock<Vec<Ipv6Net>> = LazyLock::new(|| SPECIAL_V6.map(net6).into());

fn net6((words, bits): ([u16; 8], u8)) -> Ipv6Net {
    Ipv6Net::new(Ipv6Addr::from(words), bits).unwrap_or_default()
}

/// Whether an address is a public one. Should a constant above be wrong, nothing is.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !V4.iter().any(|net| net.contains(&address)),
        IpAddr::V6(address) => {
            net6(GLOBAL_V6).contains(&address) && !V6.iter().any(|net| net.contains(&address))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h5_no_private_range_in_any_form_is_public() {
        for address in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "192.0.0.8",
            "198.18.0.1",
            "224.0.0.1",
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
            "2002:7f00:1::",
            "3fff::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
        for address in [
            "1.1.1.1",
            "52.94.1.1",
            "172.15.255.255",
            "172.32.0.1",
            "2600:1f13::1",
            "2a05:d018::1",
        ] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }
}
