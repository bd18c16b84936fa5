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

    /// This, for what a client names itself: endpoints are the operator's, for
    /// its hubs alone.
    pub fn without_endpoints(&self) -> Self {
        Self::new(self.allowed.clone(), Vec::new())
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
mod tests;
