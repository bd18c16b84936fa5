//! Hashes that hubs and servers state, as types that can't hold a bad value.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A text that is not the hash it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {expected} hexadecimal digits")]
pub struct BadDigest {
    text: String,
    expected: usize,
}

macro_rules! hex_digest {
    ($(#[$doc:meta])* $name:ident, $bytes:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name([u8; $bytes]);

        impl $name {
            /// Wraps the raw bytes.
            pub const fn new(bytes: [u8; $bytes]) -> Self {
                Self(bytes)
            }

            /// The raw bytes.
            pub const fn as_bytes(&self) -> &[u8; $bytes] {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = BadDigest;

            /// Reads hexadecimal of either case.
            fn from_str(text: &str) -> Result<Self, BadDigest> {
                let mut bytes = [0; $bytes];
                hex::decode_to_slice(text, &mut bytes).map_err(|_| BadDigest {
                    text: text.chars().take(80).collect(),
                    expected: $bytes * 2,
                })?;
                Ok(Self(bytes))
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadDigest;

            fn try_from(text: String) -> Result<Self, BadDigest> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(digest: $name) -> String {
                digest.to_string()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

hex_digest!(
    /// A SHA-256, shown in lower-case hexadecimal.
    Sha256,
    32
);
hex_digest!(
    /// A git blob id: SHA-1 over `blob {size}\0` and the content.
    GitSha1,
    20
);

/// What is known of a file's content before its first byte.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digests {
    /// Stated by the hub, or by the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Sha256>,
    /// Stated by the hub for files kept in git itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git_sha1: Option<GitSha1>,
    /// Stated by the server in a header of a full answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<HeaderDigest>,
}

/// A digest header's value (RFC 9530 and its vendor kin).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderDigest {
    /// How it was computed.
    pub algorithm: HeaderAlgorithm,
    /// The raw digest, as long as the algorithm makes it.
    pub value: Vec<u8>,
}

/// Algorithms that servers use in digest headers, strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeaderAlgorithm {
    /// SHA-512.
    Sha512,
    /// SHA-256.
    Sha256,
    /// SHA-1, as Backblaze sends it.
    Sha1,
    /// MD5, as Google Cloud Storage sends it.
    Md5,
    /// CRC-64/NVME, as S3 makes it where nobody asks for another: it and those
    /// after it notice accidents only.
    Crc64Nvme,
    /// CRC-32C, as Google Cloud Storage sends it.
    Crc32c,
    /// CRC-32 of zip and gzip, as S3 may send it.
    Crc32,
}

impl HeaderAlgorithm {
    /// How many bytes a digest of this kind has.
    pub const fn digest_len(self) -> usize {
        match self {
            Self::Sha512 => 64,
            Self::Sha256 => 32,
            Self::Sha1 => 20,
            Self::Md5 => 16,
            Self::Crc64Nvme => 8,
            Self::Crc32c | Self::Crc32 => 4,
        }
    }
}

impl HeaderAlgorithm {
    /// Whether it notices accidents only: two contents may well have the same one.
    pub const fn is_check_value(self) -> bool {
        matches!(self, Self::Crc64Nvme | Self::Crc32c | Self::Crc32)
    }
}

impl fmt::Display for HeaderAlgorithm {
    /// As RFC 9530 names them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sha512 => "sha-512",
            Self::Sha256 => "sha-256",
            Self::Sha1 => "sha",
            Self::Md5 => "md5",
            Self::Crc64Nvme => "crc64nvme",
            Self::Crc32c => "crc32c",
            Self::Crc32 => "crc32",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_of_either_case_is_one_hash() {
        let lower = "ab".repeat(32);
        let upper = "AB".repeat(32);
        assert_eq!(lower.parse::<Sha256>(), upper.parse::<Sha256>());
        assert_eq!(upper.parse::<Sha256>().unwrap().to_string(), lower);
    }

    #[test]
    fn anything_but_whole_hexadecimal_is_refused() {
        for text in [
            "",
            "ab",
            &"g".repeat(64),
            &"a".repeat(63),
            &"a".repeat(65),
            "…",
        ] {
            assert!(text.parse::<Sha256>().is_err(), "{text}");
        }
    }
}
