use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The addresses that a client may connect to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addresses {
    /// Public addresses, over HTTPS.
    Public,
    /// Public addresses over HTTPS, and this machine, also over plain HTTP. For tests and development.
    PublicOrLoopback,
}

impl Addresses {
    /// Whether a client may connect to the address.
    pub fn allow(self, address: IpAddr) -> bool {
        is_public(address) || (self == Self::PublicOrLoopback && is_loopback(address))
    }
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Whether an address is globally reachable unicast, by the IANA registries of special-purpose
/// [IPv4](https://www.iana.org/assignments/iana-ipv4-special-registry) and
/// [IPv6](https://www.iana.org/assignments/iana-ipv6-special-registry) addresses. Tunnels (6to4, Teredo) are not:
/// they lead to an IPv4 address of the sender's choice.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match embedded_v4(address) {
            Some(address) => is_public_v4(address),
            None => is_public_v6(address),
        },
    }
}

const fn v4(a: u8, b: u8, c: u8, d: u8) -> u32 {
    u32::from_be_bytes([a, b, c, d])
}

/// Networks that are not public, with the length of their prefix.
const SPECIAL_V4: &[(u32, u32)] = &[
    (v4(0, 0, 0, 0), 8),       // this network
    (v4(10, 0, 0, 0), 8),      // private
    (v4(100, 64, 0, 0), 10),   // shared by carriers; VPCs use it, too
    (v4(127, 0, 0, 0), 8),     // loopback
    (v4(169, 254, 0, 0), 16),  // link-local, with the metadata service
    (v4(172, 16, 0, 0), 12),   // private
    (v4(192, 0, 0, 0), 24),    // protocol assignments
    (v4(192, 0, 2, 0), 24),    // documentation
    (v4(192, 88, 99, 0), 24),  // relays of 6to4
    (v4(192, 168, 0, 0), 16),  // private
    (v4(198, 18, 0, 0), 15),   // benchmarks
    (v4(198, 51, 100, 0), 24), // documentation
    (v4(203, 0, 113, 0), 24),  // documentation
    (v4(224, 0, 0, 0), 4),     // multicast
    (v4(240, 0, 0, 0), 4),     // reserved, broadcast
];

fn is_public_v4(address: Ipv4Addr) -> bool {
    let bits = address.to_bits();
    !SPECIAL_V4
        .iter()
        .any(|&(network, length)| (bits ^ network) >> (32 - length) == 0)
}

const fn v6(a: u16, b: u16, c: u16) -> u128 {
    ((a as u128) << 112) | ((b as u128) << 96) | ((c as u128) << 80)
}

/// Networks in `2000::/3` that are not public, with the length of their prefix.
const SPECIAL_V6: &[(u128, u32)] = &[
    (v6(0x2001, 0, 0), 23),     // protocol assignments, Teredo
    (v6(0x2001, 0xdb8, 0), 32), // documentation
    (v6(0x2002, 0, 0), 16),     // 6to4
    (v6(0x3fff, 0, 0), 20),     // documentation
];

fn is_public_v6(address: Ipv6Addr) -> bool {
    let bits = address.to_bits();
    // Only this eighth of the address space is assigned to hosts.
    bits >> 125 == 0b001
        && !SPECIAL_V6
            .iter()
            .any(|&(network, length)| (bits ^ network) >> (128 - length) == 0)
}

/// The IPv4 address that an IPv6 address stands for: mapped, or translated by NAT64 at its well-known prefix.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let segments = address.segments();
    let is_translated = segments[..6] == [0x64, 0xff9b, 0, 0, 0, 0];
    let low = u32::from(segments[6]) << 16 | u32::from(segments[7]);
    address
        .to_ipv4_mapped()
        .or_else(|| is_translated.then(|| Ipv4Addr::from_bits(low)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_addresses_are_not_public() {
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::a00:1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:a00:1::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
        ] {
            let address: IpAddr = text.parse().expect(text);
            assert!(!is_public(address), "{text}");
            assert!(!Addresses::Public.allow(address), "{text}");
        }
    }

    #[test]
    fn addresses_beside_the_special_ones_are_public() {
        for text in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.1",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.1",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "::ffff:1.1.1.1",
            "64:ff9b::101:101",
            "2001:200::1",
            "2001:db7:ffff::1",
            "2600:1f18::1",
            "2a00:1450:4001::1",
        ] {
            let address: IpAddr = text.parse().expect(text);
            assert!(is_public(address), "{text}");
        }
    }

    #[test]
    fn loopback_is_allowed_on_request_only() {
        for text in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            let address: IpAddr = text.parse().expect(text);
            assert!(Addresses::PublicOrLoopback.allow(address), "{text}");
            assert!(!Addresses::Public.allow(address), "{text}");
        }
        let private: IpAddr = "10.0.0.1".parse().expect("an address");
        assert!(!Addresses::PublicOrLoopback.allow(private));
    }
}
