use proptest::prelude::*;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::*;

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| {
            let value = HeaderValue::from_str(value).unwrap();
            (HeaderName::from_static(name), value)
        })
        .collect()
}

fn base64_of(length: usize) -> String {
    STANDARD.encode(vec![7_u8; length])
}

fn algorithm(pairs: &[(&'static str, &str)], full: bool) -> Option<HeaderAlgorithm> {
    let digest = strongest(&headers(pairs), full)?;
    assert_eq!(digest.value, vec![7; digest.algorithm.digest_len()]);
    Some(digest.algorithm)
}

#[test]
fn each_header_is_read_in_its_own_form() {
    use HeaderAlgorithm::{Crc32, Crc32c, Crc64Nvme, Md5, Sha1, Sha256, Sha512};
    let (b64, b32, b20, b16, b4) = (
        base64_of(64),
        base64_of(32),
        base64_of(20),
        base64_of(16),
        base64_of(4),
    );
    let cases: &[(&'static str, String, HeaderAlgorithm)] = &[
        ("repr-digest", format!("sha-256=:{b32}:"), Sha256),
        (
            "repr-digest",
            format!("sha-256=:{b32}:, sha-512=:{b64}:"),
            Sha512,
        ),
        (
            "repr-digest",
            format!("unixsum=:AAA=:, sha-256=:{b32}:;q=1"),
            Sha256,
        ),
        ("content-digest", format!("sha-256=:{b32}:"), Sha256),
        ("digest", format!("SHA-256={b32},md5={b16}"), Sha256),
        ("digest", format!("SHA={b20}"), Sha1),
        ("x-goog-hash", format!("crc32c={b4},md5={b16}"), Md5),
        ("x-goog-hash", format!("crc32c={b4}"), Crc32c),
        ("x-amz-checksum-sha256", b32.clone(), Sha256),
        ("x-amz-checksum-sha1", b20, Sha1),
        ("x-amz-checksum-crc32c", b4.clone(), Crc32c),
        ("x-amz-checksum-crc32", b4, Crc32),
        ("x-amz-checksum-crc64nvme", base64_of(8), Crc64Nvme),
        ("x-bz-content-sha1", "07".repeat(20), Sha1),
    ];
    for (name, value, expected) in cases {
        assert_eq!(
            algorithm(&[(name, value)], true),
            Some(*expected),
            "{name}: {value}"
        );
    }
}

#[test]
fn what_says_nothing_about_the_file_is_passed_over() {
    let b32 = base64_of(32);
    let sha256 = format!("sha-256=:{b32}:");
    let composite = format!("{b32}-3");
    let cases: &[&[(&'static str, &str)]] = &[
        &[("x-amz-checksum-sha256", &composite)],
        &[
            ("x-amz-checksum-sha256", &b32),
            ("x-amz-checksum-type", "COMPOSITE"),
        ],
        &[("x-bz-content-sha1", "none")],
        &[(
            "x-bz-content-sha1",
            "unverified:0707070707070707070707070707070707070707",
        )],
        &[("repr-digest", "sha-256=:!!!:")],
        &[("repr-digest", "sha-256=:AAAA:")],
        &[("repr-digest", "sha-256")],
        &[("repr-digest", &sha256), ("content-encoding", "gzip")],
        &[
            ("x-goog-hash", "md5=BwcHBwcHBwcHBwcHBwcHBw=="),
            ("x-goog-stored-content-encoding", "gzip"),
        ],
        &[],
    ];
    for case in cases {
        assert_eq!(strongest(&headers(case), true), None, "{case:?}");
    }
}

#[test]
fn a_digest_of_a_part_is_not_one_of_the_file() {
    let b32 = base64_of(32);
    let sha256 = format!("sha-256=:{b32}:");
    assert_eq!(algorithm(&[("content-digest", &sha256)], false), None);
    assert_eq!(algorithm(&[("x-amz-checksum-sha256", &b32)], false), None);
    assert_eq!(
        algorithm(&[("repr-digest", &sha256)], false),
        Some(HeaderAlgorithm::Sha256)
    );
}

#[test]
fn the_strongest_digest_wins_whatever_its_header() {
    let (b32, b16) = (base64_of(32), base64_of(16));
    let found = algorithm(
        &[
            ("repr-digest", &format!("md5=:{b16}:")),
            ("x-amz-checksum-sha256", &b32),
        ],
        true,
    );
    assert_eq!(found, Some(HeaderAlgorithm::Sha256));
}

proptest! {
    #[test]
    fn any_header_gives_a_whole_digest_or_none(
        name in prop::sample::select(vec![
            "repr-digest", "content-digest", "digest", "x-goog-hash", "x-amz-checksum-sha256",
            "x-bz-content-sha1",
        ]),
        value in prop::collection::vec(any::<u8>(), 0..120),
    ) {
        let mut map = HeaderMap::new();
        if let Ok(value) = HeaderValue::from_bytes(&value) {
            map.insert(name, value);
        }
        if let Some(digest) = strongest(&map, true) {
            prop_assert_eq!(digest.value.len(), digest.algorithm.digest_len());
        }
    }
}
