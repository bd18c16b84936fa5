//! Hashes by which the hub finds a version.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The hash kinds the hub keeps of a file, as its answers spell them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum HashKind {
    /// SHA-256 of a 64 KiB slice, 8 digits.
    AutoV1,
    /// The first 10 digits of the SHA-256.
    AutoV2,
    /// 12 digits, over a safetensors file without its header.
    AutoV3,
    /// The whole SHA-256.
    #[serde(rename = "SHA256")]
    Sha256,
    /// CRC-32, 8 digits.
    #[serde(rename = "CRC32")]
    Crc32,
    /// BLAKE3, 64 digits.
    #[serde(rename = "BLAKE3")]
    Blake3,
}

impl HashKind {
    const ALL: [Self; 6] = [
        Self::AutoV1,
        Self::AutoV2,
        Self::AutoV3,
        Self::Sha256,
        Self::Crc32,
        Self::Blake3,
    ];

    /// Its key in the hub's `hashes`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AutoV1 => "AutoV1",
            Self::AutoV2 => "AutoV2",
            Self::AutoV3 => "AutoV3",
            Self::Sha256 => "SHA256",
            Self::Crc32 => "CRC32",
            Self::Blake3 => "BLAKE3",
        }
    }

    const fn digits(self) -> usize {
        match self {
            Self::AutoV1 | Self::Crc32 => 8,
            Self::AutoV2 => 10,
            Self::AutoV3 => 12,
            Self::Sha256 | Self::Blake3 => 64,
        }
    }

    /// The kind of that name, in any case.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str().eq_ignore_ascii_case(name))
    }
}

/// A hash in upper-case hexadecimal, of 8 to 64 digits, and its kind where
/// the source says it. Without one it may be any: CRC-32 and AutoV1 look the
/// same, and so do SHA-256 and BLAKE3.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct ModelHash {
    kind: Option<HashKind>,
    hex: String,
}

/// A text that is no hash the hub could know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadHash {
    /// Not 8 to 64 hexadecimal digits.
    #[error("a hash is 8 to 64 hexadecimal digits")]
    Digits,
    /// Another length than its kind has.
    #[error("a {} hash has {} hexadecimal digits", .0.as_str(), .0.digits())]
    Length(HashKind),
}

impl ModelHash {
    /// Reads a hash of either case.
    ///
    /// # Errors
    /// [`BadHash`] when it is not hexadecimal or has the wrong length.
    pub fn new(kind: Option<HashKind>, text: &str) -> Result<Self, BadHash> {
        if !(8..=64).contains(&text.len()) || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(kind.map_or(BadHash::Digits, BadHash::Length));
        }
        if let Some(kind) = kind
            && text.len() != kind.digits()
        {
            return Err(BadHash::Length(kind));
        }
        Ok(Self {
            kind,
            hex: text.to_ascii_uppercase(),
        })
    }

    /// The digits, in upper case.
    pub fn hex(&self) -> &str {
        &self.hex
    }

    /// Whether a file's hash under `key` is this one.
    pub fn is(&self, key: &str, value: &str) -> bool {
        value.eq_ignore_ascii_case(&self.hex)
            && self
                .kind
                .is_none_or(|kind| kind.as_str().eq_ignore_ascii_case(key))
    }
}

impl fmt::Display for ModelHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(kind) = self.kind {
            write!(f, "{} ", kind.as_str())?;
        }
        f.write_str(&self.hex)
    }
}

#[derive(Serialize, Deserialize)]
struct Stored {
    kind: Option<HashKind>,
    hex: String,
}

impl TryFrom<Stored> for ModelHash {
    type Error = BadHash;

    fn try_from(stored: Stored) -> Result<Self, BadHash> {
        Self::new(stored.kind, &stored.hex)
    }
}

impl From<ModelHash> for Stored {
    fn from(hash: ModelHash) -> Self {
        Self {
            kind: hash.kind,
            hex: hash.hex,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_without_a_kind_matches_under_any_key() {
        let hash = ModelHash::new(None, "879db523c3").unwrap();
        assert_eq!(hash.hex(), "879DB523C3");
        assert!(hash.is("AutoV2", "879DB523C3"));
        assert!(hash.is("Novel", "879db523c3"));
        assert!(!hash.is("AutoV2", "879DB523C4"));
    }

    #[test]
    fn a_kind_narrows_what_matches() {
        let hash = ModelHash::new(Some(HashKind::Crc32), "5c764ddf").unwrap();
        assert!(hash.is("CRC32", "5C764DDF"));
        assert!(!hash.is("AutoV1", "5C764DDF"));
    }

    #[test]
    fn each_kind_has_its_length() {
        let digits = "a".repeat(65);
        let cases = [
            (None, 7, false),
            (None, 8, true),
            (None, 64, true),
            (None, 65, false),
            (Some(HashKind::AutoV1), 8, true),
            (Some(HashKind::AutoV2), 10, true),
            (Some(HashKind::AutoV2), 8, false),
            (Some(HashKind::AutoV3), 12, true),
            (Some(HashKind::Sha256), 64, true),
            (Some(HashKind::Sha256), 63, false),
            (Some(HashKind::Blake3), 64, true),
        ];
        for (kind, length, good) in cases {
            assert_eq!(
                ModelHash::new(kind, &digits[..length]).is_ok(),
                good,
                "{kind:?} {length}"
            );
        }
        assert!(ModelHash::new(None, "not-hexadecimal").is_err());
    }
}
