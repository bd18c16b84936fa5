//! Digest headers: what servers say the whole file hashes to.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderMap;

use crate::digest::{HeaderAlgorithm, HeaderDigest};

/// The strongest digest of the whole file that the headers state. `full`:
/// the answer carries the whole file, so that a digest of its content is one
/// of the file.
///
/// In the order of trust: `Repr-Digest` and `Content-Digest` (RFC 9530),
/// `Digest` (RFC 3230), `x-goog-hash` (Google Cloud Storage),
/// `x-amz-checksum-*` (S3), `X-Bz-Content-Sha1` (Backblaze B2).
pub(super) fn strongest(headers: &HeaderMap, full: bool) -> Option<HeaderDigest> {
    // Any encoding makes these digests of other bytes than the file's.
    if encoded(headers, "content-encoding") {
        return None;
    }
    let mut found = dictionary(headers, "repr-digest");
    if full {
        found.extend(dictionary(headers, "content-digest"));
    }
    found.extend(pairs(headers, "digest"));
    if !encoded(headers, "x-goog-stored-content-encoding") {
        found.extend(pairs(headers, "x-goog-hash"));
    }
    if full {
        found.extend(amazon(headers));
    }
    found.extend(backblaze(headers));
    // Stable: of equal strength, the more trusted header stands first.
    found.sort_by_key(|digest| digest.algorithm);
    found.into_iter().next()
}

fn encoded(headers: &HeaderMap, name: &str) -> bool {
    headers
        .get(name)
        .is_some_and(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"))
}

fn values<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = &'a str> {
    let all = headers.get_all(name).into_iter();
    all.filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

/// `sha-256=:base64:, sha-512=:base64:` (RFC 9530, a structured dictionary).
fn dictionary(headers: &HeaderMap, name: &str) -> Vec<HeaderDigest> {
    values(headers, name)
        .filter_map(|member| {
            let (key, value) = member.split_once('=')?;
            let value = value.split(';').next()?.trim();
            let inner = value.strip_prefix(':')?.strip_suffix(':')?;
            from_base64(named(key)?, inner)
        })
        .collect()
}

/// `sha-256=base64` (RFC 3230) and `md5=base64` (`x-goog-hash`).
fn pairs(headers: &HeaderMap, name: &str) -> Vec<HeaderDigest> {
    values(headers, name)
        .filter_map(|member| {
            let (key, value) = member.split_once('=')?;
            from_base64(named(key)?, value)
        })
        .collect()
}

/// `x-amz-checksum-sha256: base64`; a `-N` at its end marks a checksum of
/// part checksums, which says nothing about the file's own bytes.
fn amazon(headers: &HeaderMap) -> Vec<HeaderDigest> {
    let composite = headers
        .get("x-amz-checksum-type")
        .is_some_and(|kind| kind.as_bytes().eq_ignore_ascii_case(b"COMPOSITE"));
    if composite {
        return Vec::new();
    }
    [
        ("x-amz-checksum-sha256", HeaderAlgorithm::Sha256),
        ("x-amz-checksum-sha1", HeaderAlgorithm::Sha1),
        ("x-amz-checksum-crc64nvme", HeaderAlgorithm::Crc64Nvme),
        ("x-amz-checksum-crc32c", HeaderAlgorithm::Crc32c),
        ("x-amz-checksum-crc32", HeaderAlgorithm::Crc32),
    ]
    .into_iter()
    .filter_map(|(name, algorithm)| from_base64(algorithm, headers.get(name)?.to_str().ok()?))
    .collect()
}

/// `X-Bz-Content-Sha1: hex`; `none` and `unverified:…` are no statement of the server's.
fn backblaze(headers: &HeaderMap) -> Option<HeaderDigest> {
    let text = headers.get("x-bz-content-sha1")?.to_str().ok()?;
    made(HeaderAlgorithm::Sha1, hex::decode(text.trim()).ok()?)
}

fn named(key: &str) -> Option<HeaderAlgorithm> {
    match key.trim().to_ascii_lowercase().as_str() {
        "sha-512" => Some(HeaderAlgorithm::Sha512),
        "sha-256" => Some(HeaderAlgorithm::Sha256),
        "sha" | "sha-1" => Some(HeaderAlgorithm::Sha1),
        "md5" => Some(HeaderAlgorithm::Md5),
        "crc32c" => Some(HeaderAlgorithm::Crc32c),
        _ => None,
    }
}

fn from_base64(algorithm: HeaderAlgorithm, text: &str) -> Option<HeaderDigest> {
    made(algorithm, STANDARD.decode(text.trim()).ok()?)
}

fn made(algorithm: HeaderAlgorithm, value: Vec<u8>) -> Option<HeaderDigest> {
    (value.len() == algorithm.digest_len()).then_some(HeaderDigest { algorithm, value })
}

#[cfg(test)]
mod tests;
