use std::net::IpAddr;

use ipnet::IpNet;
use proptest::prelude::*;

use super::*;

/// A special range, and whether the addresses just before and after it are
/// part of the public internet.
type Row = (&'static str, bool, bool);

/// The IANA special-purpose registry for IPv4, multicast, and what clouds keep
/// their metadata at.
const V4: &[Row] = &[
    ("0.0.0.0/8", false, true),
    ("10.0.0.0/8", true, true),
    ("100.64.0.0/10", true, true),
    ("100.100.100.200/32", false, false),
    ("127.0.0.0/8", true, true),
    ("168.63.129.16/32", true, true),
    ("169.254.0.0/16", true, true),
    ("172.16.0.0/12", true, true),
    ("192.0.0.0/24", true, true),
    ("192.0.2.0/24", true, true),
    ("192.31.196.0/24", true, true),
    ("192.52.193.0/24", true, true),
    ("192.88.99.0/24", true, true),
    ("192.168.0.0/16", true, true),
    ("192.175.48.0/24", true, true),
    ("198.18.0.0/15", true, true),
    ("198.51.100.0/24", true, true),
    ("203.0.113.0/24", true, true),
    ("224.0.0.0/4", true, false),
    ("240.0.0.0/4", false, false),
    ("255.255.255.255/32", false, false),
];

/// The same for IPv6, with every form that embeds an IPv4 address.
const V6: &[Row] = &[
    ("::/128", false, false),
    ("::1/128", false, false),
    ("::/96", false, false),
    ("::ffff:0:0/96", false, false),
    ("::ffff:0:0:0/96", false, false),
    ("64:ff9b::/96", false, false),
    ("64:ff9b:1::/48", false, false),
    ("100::/64", false, false),
    ("100:0:0:1::/64", false, false),
    ("2001::/23", true, true),
    ("2001::/32", true, false),
    ("2001:2::/48", false, false),
    ("2001:10::/28", false, false),
    ("2001:20::/28", false, false),
    ("2001:db8::/32", true, true),
    ("2002::/16", true, true),
    ("2620:4f:8000::/48", true, true),
    ("3fff::/20", true, true),
    ("4000::/2", true, false),
    ("5f00::/16", false, false),
    ("8000::/1", false, false),
    ("fc00::/7", false, false),
    ("fd00:ec2::254/128", false, false),
    ("fe80::/10", false, false),
    ("fec0::/10", false, false),
    ("ff00::/8", false, false),
];

/// The addresses right before and right after a range.
fn neighbours(net: &IpNet) -> (Option<IpAddr>, Option<IpAddr>) {
    match net {
        IpNet::V4(net) => {
            let (first, last) = (net.network().to_bits(), net.broadcast().to_bits());
            let ip = |bits: u32| IpAddr::V4(Ipv4Addr::from_bits(bits));
            (first.checked_sub(1).map(ip), last.checked_add(1).map(ip))
        }
        IpNet::V6(net) => {
            let (first, last) = (net.network().to_bits(), net.broadcast().to_bits());
            let ip = |bits: u128| IpAddr::V6(Ipv6Addr::from_bits(bits));
            (first.checked_sub(1).map(ip), last.checked_add(1).map(ip))
        }
    }
}

#[test]
fn special_ranges_are_refused_from_their_first_address_to_their_last() {
    for (range, before, after) in V4.iter().chain(V6) {
        let net: IpNet = range.parse().unwrap();
        for ip in [net.network(), net.broadcast()] {
            assert!(!is_public(ip), "{ip} of {range}");
        }
        let (below, above) = neighbours(&net);
        assert_eq!(
            below.is_some_and(is_public),
            *before,
            "{below:?} before {range}"
        );
        assert_eq!(
            above.is_some_and(is_public),
            *after,
            "{above:?} after {range}"
        );
    }
}

#[test]
fn ordinary_addresses_are_public() {
    for text in [
        "1.1.1.1",
        "8.8.8.8",
        "99.84.0.1",
        "185.199.108.133",
        "223.255.255.254",
        "2000::1",
        "2606:4700::1111",
        "2a00:1450::1",
        "3ffe::1",
    ] {
        assert!(is_public(text.parse().unwrap()), "{text}");
    }
}

#[test]
fn every_embedding_of_a_public_address_is_refused_too() {
    for text in [
        "::8.8.8.8",
        "::ffff:8.8.8.8",
        "::ffff:0:808:808",
        "64:ff9b::808:808",
        "2002:808:808::1",
        "2001:0:808:808::1",
    ] {
        assert!(!is_public(text.parse().unwrap()), "{text}");
    }
}

proptest! {
    #[test]
    fn no_address_within_a_special_range_is_public(
        row in prop::sample::select([V4, V6].concat()),
        random in any::<u128>(),
    ) {
        let net: IpNet = row.0.parse().unwrap();
        let ip = match net {
            IpNet::V4(net) => {
                let host = random as u32 & !net.netmask().to_bits();
                IpAddr::V4(Ipv4Addr::from_bits(net.network().to_bits() | host))
            }
            IpNet::V6(net) => {
                let host = random & !net.netmask().to_bits();
                IpAddr::V6(Ipv6Addr::from_bits(net.network().to_bits() | host))
            }
        };
        prop_assert!(net.contains(&ip) && !is_public(ip), "{} of {}", ip, net);
    }

    #[test]
    fn an_ipv6_address_outside_of_the_global_block_is_never_public(bits in any::<u128>()) {
        let ip = Ipv6Addr::from_bits(bits);
        prop_assert!(ip.segments()[0] >> 13 == 1 || !is_public(IpAddr::V6(ip)));
    }
}

/// Spellings of addresses that are not public, as they stand in a URL.
const SPELLINGS: &[&str] = &[
    "127.1",
    "127.0.1",
    "127.0.0.1.",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0X7F.0x0.0.01",
    "0177.0.0.1",
    "017700000001",
    "0",
    "0x0",
    "%3127.0.0.1",
    "127%2e0%2e0%2e1",
    "\u{ff11}\u{ff12}\u{ff17}\u{3002}\u{ff10}\u{3002}\u{ff10}\u{3002}\u{ff11}",
    "127\u{ff0e}0\u{ff0e}0\u{ff0e}1",
    "\u{2460}\u{2461}\u{2466}.0.0.1",
    "127.0.0.1\u{ad}",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::]",
    "[::127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::FFFF:127.0.0.1]",
    "[0:0:0:0:0:ffff:127.0.0.1]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[2002:7f00:1::]",
    "[fe80::1]",
    "[fd00:ec2::254]",
    "169.254.169.254",
    "0xa9fea9fe",
    "2852039166",
    "100.100.100.200",
    "192.0.0.192",
    "168.63.129.16",
    "localhost",
    "LOCALHOST.",
    "lo\u{ad}calhost",
    "\u{24db}ocalhost",
    "hub.localhost",
    "a.b.localhost.",
];

#[test]
fn every_spelling_is_seen_for_the_address_it_is() {
    let guard = AddressGuard::default();
    for host in SPELLINGS {
        for url in [
            format!("http://{host}/"),
            format!("https://{host}:8443/x?y#z"),
        ] {
            let parsed = SafeUrl::parse(&url).unwrap_or_else(|why| panic!("{url}: {why}"));
            let error = guard.check_url(&parsed).unwrap_err();
            assert_eq!(error.kind, ErrorKind::BlockedAddress, "{url}");
            assert!(error.hint.is_some() && !error.is_transient());
        }
    }
}

#[test]
fn spellings_that_no_host_has_are_no_urls() {
    for host in [
        "127.0.0.256",
        "0x100000000",
        "1.2.3.4.5",
        "[::1",
        "[::1%25eth0]",
        "127.0.0.1%00",
        "a b",
    ] {
        assert!(
            SafeUrl::parse(&format!("http://{host}/")).is_err(),
            "{host}"
        );
    }
}

#[test]
fn a_user_name_never_poses_as_the_host() {
    assert!(SafeUrl::parse("https://huggingface.co@evil.example/").is_err());
    assert!(SafeUrl::parse("https://huggingface.co:443@evil.example/").is_err());
    let url = SafeUrl::parse("https://evil.example\\@huggingface.co/").unwrap();
    assert_eq!(url.host(), "evil.example");
    let url = SafeUrl::parse("https://evil.example#@huggingface.co/").unwrap();
    assert_eq!(url.host(), "evil.example");
}

#[test]
fn an_allowed_network_also_covers_its_mapped_form() {
    let guard = AddressGuard::new(vec!["127.0.0.0/8".parse().unwrap()], vec![]);
    assert!(guard.permits("127.0.0.1".parse().unwrap()));
    assert!(guard.permits("::ffff:127.0.0.1".parse().unwrap()));
    assert!(!guard.permits("10.0.0.1".parse().unwrap()));
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
