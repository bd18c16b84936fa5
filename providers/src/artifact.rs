//! A plan, its files, and an open file's bytes.

use std::fmt;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use serde::{Deserialize, Serialize};

use crate::ProviderKind;
use crate::civitai::CivitaiOrigin;
use crate::digest::{Digests, HeaderDigest};
use crate::error::ProviderError;
use crate::huggingface::HfOrigin;
use crate::other::OtherOrigin;
use crate::path::RelPath;

/// A source pinned: what would be imported, down to the byte where the hub says so.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Who resolved it.
    pub provider: ProviderKind,
    /// The source in its shortest true form: `acme/tiny`, `civitai:4384@128713`,
    /// or the URL without its query.
    pub reference: String,
    /// What never moves: a commit, a version id, or a validator of the URL.
    pub revision: String,
    /// What a person calls it.
    pub name: String,
    /// A page about it that a person can open. Holds no query that signs.
    pub page: String,
    /// Where it stands in a library folder.
    pub place: Place,
    /// Whether the source itself says it is no model (a dataset, a space).
    pub is_asset: bool,
    /// The files, in the hub's order, with distinct paths.
    pub artifacts: Vec<Artifact>,
    /// Files that the source has and that are not wanted, where somebody should know why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOut>,
    /// What a person should know before going on.
    pub warnings: Vec<Warning>,
    /// The model's card in the hub's terms, kept in the manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub card: Option<serde_json::Value>,
}

/// A file of the source that is not imported.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Where it would have gone.
    pub path: RelPath,
    /// How long it is.
    pub size: Size,
    /// Why, in plain words.
    pub reason: String,
}

/// `{owner}/{name}/{revision}`: safe single names for a library folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Who published it, or the host it came from.
    pub owner: RelPath,
    /// The model's, repository's or file's name.
    pub name: RelPath,
    /// The pinned revision, shortened or hashed where it is no plain name.
    pub revision: RelPath,
}

/// Something worth saying that is no error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// A stable word for programs, such as `renamed` or `hub_flagged_unsafe`.
    pub code: String,
    /// What, in plain words.
    pub message: String,
}

impl Warning {
    /// Makes a warning.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
        }
    }
}

/// One file of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Artifact {
    /// Where it goes, below the entity's root.
    pub path: RelPath,
    /// How long it is.
    pub size: Size,
    /// What its content must hash to.
    #[serde(default)]
    pub digests: Digests,
    /// How to ask its provider for it.
    pub origin: Origin,
    /// What the hub's own scanners found in it. `None` where it has none, or says nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scan: Option<HubScan>,
}

/// What a hub's own scanners found in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HubScan {
    /// The worst of what they found.
    pub verdict: ScanVerdict,
    /// What they found, in plain words on one line.
    #[serde(default)]
    pub detail: String,
    /// Who scanned: the hub's name as a [`ProviderKind`] spells it.
    #[serde(default)]
    pub source: String,
}

/// What scanners found, as far as they looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScanVerdict {
    /// They looked and found nothing.
    Safe,
    /// They found what may do harm.
    Suspicious,
    /// They found what does harm.
    Danger,
    /// They have not looked yet.
    Pending,
    /// They could not look, or answered with a word that is not known here.
    #[serde(other)]
    Unknown,
}

/// Most bytes that a file, or all files of a plan together, may be said to have:
/// 9 PB, what every JSON reader still counts exactly and no store takes as one object.
pub const MAX_SIZE: u64 = 1 << 53;

/// A length in bytes, and how much the hub's word on it is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "is", content = "bytes")]
pub enum Size {
    /// The hub states it to the byte; another length is an error.
    Exact(u64),
    /// The hub rounds it: good for a progress bar, no proof.
    About(u64),
    /// Nobody said.
    Unknown,
}

impl Size {
    /// The length, where it is exact.
    pub const fn exact(self) -> Option<u64> {
        match self {
            Self::Exact(bytes) => Some(bytes),
            Self::About(_) | Self::Unknown => None,
        }
    }

    /// The length as far as it is known.
    pub const fn approximate(self) -> Option<u64> {
        match self {
            Self::Exact(bytes) | Self::About(bytes) => Some(bytes),
            Self::Unknown => None,
        }
    }
}

/// How to ask for a file again, at any later time. Holds no token and no
/// link that the hub signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "provider", rename_all = "lowercase")]
pub enum Origin {
    /// A path in a repository at a commit.
    HuggingFace(HfOrigin),
    /// A file of a version.
    Civitai(CivitaiOrigin),
    /// A URL.
    Other(OtherOrigin),
    /// Parts that its owner brought along. Nobody can be asked for them again.
    Multipart {
        /// The upload that they belong to.
        upload: String,
    },
}

impl Origin {
    /// Whose it is.
    pub fn provider(&self) -> ProviderKind {
        match self {
            Self::HuggingFace(_) => ProviderKind::HuggingFace,
            Self::Civitai(_) => ProviderKind::Civitai,
            Self::Other(_) | Self::Multipart { .. } => ProviderKind::Other,
        }
    }

    /// What the right to read it is granted by: files with the same grant are
    /// all readable or none. A repository, a version, or the file alone.
    pub fn grant(&self) -> String {
        match self {
            Self::HuggingFace(origin) => origin.grant(),
            Self::Civitai(origin) => origin.grant(),
            Self::Other(origin) => origin.grant(),
            Self::Multipart { upload } => format!("multipart/{upload}"),
        }
    }
}

/// Bytes wanted, of the content that `validator` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByteRange {
    /// First byte.
    pub start: u64,
    /// One past the last byte; `None` means to the end.
    pub end: Option<u64>,
    /// Set on every request after the first, so that two contents are never joined.
    pub validator: Option<Validator>,
}

impl ByteRange {
    /// The whole file, whatever it is now.
    pub const fn whole() -> Self {
        Self {
            start: 0,
            end: None,
            validator: None,
        }
    }

    /// Whether this asks for everything from the first byte on.
    pub const fn is_whole(&self) -> bool {
        self.start == 0 && self.end.is_none()
    }
}

/// What tells one content of a URL from another (RFC 9110 §8.8). Never a hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Validator {
    /// A strong entity tag, quotes included.
    Etag(String),
    /// A `Last-Modified` date, as sent.
    Modified(String),
}

/// An open file: bytes from `offset` on.
pub struct Body {
    /// The first byte's position, *as answered*: 0 when the server ignored the range.
    pub offset: u64,
    /// One past the last byte that this answer carries, where the server said so.
    pub end: Option<u64>,
    /// The whole file's length, where the server said so.
    pub total: Option<u64>,
    /// Names this content in later requests.
    pub validator: Option<Validator>,
    /// A digest header of the whole file.
    pub digest: Option<HeaderDigest>,
    /// The `Content-Type`, as sent.
    pub media_type: Option<String>,
    /// How often a host said 429 or 503 before it answered: a sign that it
    /// wants fewer connections.
    pub pushbacks: u32,
    /// The bytes. An item may be of any size; an error ends the stream.
    pub bytes: BoxStream<'static, Result<Bytes, ProviderError>>,
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body")
            .field("offset", &self.offset)
            .field("end", &self.end)
            .field("total", &self.total)
            .field("validator", &self.validator)
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}
