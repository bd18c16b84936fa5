//! Which addresses and ports may be connected to.

mod ports;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use url::Host;

use crate::error::{ErrorKind, ProviderError};
use crate::url::SafeUrl;

/// Decides, address by address, what may be reached.
#[derive(Debug, Clone, Default)]
pub struct AddressGuard {
    allowed: Vec<IpNet>,
    endpoints: Vec<SafeUrl>,
}

impl AddressGuard {
    /// Public addresses, the `allowed` networks, and the origins of the
    /// `endpoints` that the operator configured.
    pub fn new(allowed: Vec<IpNet>, endpoints: Vec<SafeUrl>) -> Self {
        Self { allowed, endpoints }
    }

    /// Whether the operator named this very origin.
    pub fn is_endpoint(&self, url: &SafeUrl) -> bool {
        self.endpoints
            .iter()
            .any(|endpoint| endpoint.same_origin(url))
    }

    /// Whether a socket may be opened to this address.
    pub fn permits(&self, ip: IpAddr) -> bool {
        let inner = ip.to_canonical();
        is_public(ip)
            || self
                .allowed
                .iter()
                .any(|net| net.contains(&ip) || net.contains(&inner))
    }

    /// Checks what can be checked before a connection: the port, names of
    /// this machine itself, and literal addresses, which no resolver is asked
    /// for. An endpoint that the operator configured passes whole.
    ///
    /// # Errors
    /// [`ErrorKind::BlockedAddress`].
    pub fn check_url(&self, url: &SafeUrl) -> Result<(), ProviderError> {
        if self.is_endpoint(url) {
            return Ok(());
        }
        let port = url.as_url().port_or_known_default().unwrap_or(0);
        if ports::is_blocked(port) {
            return Err(blocked_port(url, port));
        }
        let ip = match url.as_url().host() {
            Some(Host::Ipv4(ip)) => IpAddr::V4(ip),
            Some(Host::Ipv6(ip)) => IpAddr::V6(ip),
            Some(Host::Domain(name)) if is_localhost(name) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            _ => return Ok(()),
        };
        if self.permits(ip) {
            Ok(())
        } else {
            Err(blocked(url, ip))
        }
    }
}

/// `localhost` and all below it name this machine (RFC 6761 §6.3), whatever a
/// resolver says.
fn is_localhost(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    name.eq_ignore_ascii_case("localhost") || name.to_ascii_lowercase().ends_with(".localhost")
}

fn blocked_port(url: &SafeUrl, port: u16) -> ProviderError {
    ProviderError::new(
        ErrorKind::BlockedAddress,
        format!(
            "port {port} at {} belongs to another protocol than HTTP",
            url.host()
        ),
    )
    .hint("serve the file on another port, such as 443, 80 or 8080")
}

/// The error for an address that may not be reached.
pub fn blocked(url: &SafeUrl, ip: IpAddr) -> ProviderError {
    ProviderError::new(
        ErrorKind::BlockedAddress,
        format!(
            "{} is at {ip}, which is not a public address",
            url.authority()
        ),
    )
    .hint("if it is meant, add its network to MODELFERRY_ALLOW_NETS")
}

const BLOCKED_V4: &[(Ipv4Addr, u8)] = &[
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(168, 63, 129, 16), 32),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 31, 196, 0), 24),
    (Ipv4Addr::new(192, 52, 193, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(192, 175, 48, 0), 24),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// Inside 2000::/3, the parts that are special all the same. Everything
/// outside it is refused whole.
const BLOCKED_V6: &[(Ipv6Addr, u8)] = &[
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0), 48),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// Whether an address belongs to the public internet.
///
/// The IANA special-purpose registries (RFC 6890 and its successors), with
/// every form that embeds an IPv4 address refused. The standard library's
/// `is_global` is unstable, and other languages' versions let 6to4, NAT64 and
/// multicast through.
pub fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => !BLOCKED_V4.iter().any(|&(net, bits)| {
            let mask = u32::MAX << (32 - u32::from(bits));
            v4.to_bits() & mask == net.to_bits()
        }),
        IpAddr::V6(v6) => {
            v6.segments()[0] >> 13 == 1
                && !BLOCKED_V6.iter().any(|&(net, bits)| {
                    let mask = u128::MAX << (128 - u32::from(bits));
                    v6.to_bits() & mask == net.to_bits()
                })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_addresses_are_not_public() {
        for text in [
            "0.0.0.0",
            "10.1.2.3",
            "100.100.100.200",
            "127.0.0.1",
            "168.63.129.16",
            "169.254.169.254",
            "172.31.255.255",
            "192.0.0.192",
            "192.168.1.1",
            "198.19.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001::1",
            "fe80::1",
            "fd00:ec2::254",
            "fec0::1",
            "ff02::1",
            "5f00::1",
            "3fff::1",
            "2001:db8::1",
            "100::1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn ordinary_addresses_are_public() {
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "172.32.0.1",
            "100.128.0.1",
            "168.63.129.17",
            "2606:4700::1111",
            "2a00:1450::1",
        ] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn an_allowed_network_also_covers_its_mapped_form() {
        let guard = AddressGuard::new(vec!["127.0.0.0/8".parse().unwrap()], vec![]);
        assert!(guard.permits("127.0.0.1".parse().unwrap()));
        assert!(guard.permits("::ffff:127.0.0.1".parse().unwrap()));
        assert!(!guard.permits("10.0.0.1".parse().unwrap()));
    }

    #[test]
    fn every_spelling_of_loopback_is_seen_for_what_it_is() {
        let guard = AddressGuard::default();
        for host in [
            "127.1",
            "2130706433",
            "0x7f.1",
            "0177.0.0.1",
            "127.0.0.1.",
            "[::ffff:7f00:1]",
            "[0:0:0:0:0:ffff:127.0.0.1]",
            "%3127.0.0.1",
            "１２７。０。０。１",
            "[::1]",
            "localhost",
            "LOCALHOST.",
            "hub.localhost",
            "a.b.localhost.",
        ] {
            let url = SafeUrl::parse(&format!("http://{host}/")).unwrap();
            let error = guard.check_url(&url).unwrap_err();
            assert_eq!(error.kind, ErrorKind::BlockedAddress, "{host}");
        }
    }

    #[test]
    fn a_zone_is_no_way_round() {
        assert!(SafeUrl::parse("http://[fe80::1%25eth0]/").is_err());
    }

    #[test]
    fn localhost_is_open_when_loopback_is() {
        let guard = AddressGuard::new(vec!["127.0.0.0/8".parse().unwrap()], vec![]);
        let url = SafeUrl::parse("http://hub.localhost:8080/").unwrap();
        assert!(guard.check_url(&url).is_ok());
        let other = SafeUrl::parse("http://notlocalhost:8080/").unwrap();
        assert!(AddressGuard::default().check_url(&other).is_ok());
    }

    #[test]
    fn ports_of_other_protocols_are_refused_even_on_an_allowed_network() {
        let endpoint = SafeUrl::parse("http://127.0.0.1:6379").unwrap();
        let nets = vec!["127.0.0.0/8".parse().unwrap()];
        let guard = AddressGuard::new(nets, vec![endpoint.clone()]);
        assert!(guard.check_url(&endpoint).is_ok(), "named by the operator");
        for text in ["http://127.0.0.1:22/", "https://example.com:25/x"] {
            let error = guard.check_url(&SafeUrl::parse(text).unwrap()).unwrap_err();
            assert_eq!(error.kind, ErrorKind::BlockedAddress, "{text}");
        }
    }

    #[test]
    fn an_endpoint_allows_its_own_port_and_no_other() {
        let endpoint = SafeUrl::parse("http://127.0.0.1:8080").unwrap();
        let guard = AddressGuard::new(vec![], vec![endpoint]);
        assert!(
            guard
                .check_url(&SafeUrl::parse("http://127.0.0.1:8080/x").unwrap())
                .is_ok()
        );
        assert!(
            guard
                .check_url(&SafeUrl::parse("http://127.0.0.1:9090/x").unwrap())
                .is_err()
        );
    }
}
