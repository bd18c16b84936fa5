//! Where bytes are kept: content-addressed blobs and the entities that name them.
//!
//! A blob's name appears only through [`Storage::publish`], after its bytes
//! were verified. Until then they are [`Staged`], in a form that another
//! process can go on with. One that fits into memory is verified there, and
//! gets its name through [`Storage::put`].

pub mod cloud;
mod intake;
mod local;
mod place;

use std::fmt;
use std::io::{Read, Seek};
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::stream::BoxStream;
use modelferry_providers::Sha256;
use serde::{Deserialize, Serialize};

pub use self::intake::{Door, Incoming, Intake};
pub use self::local::LocalStorage;
pub use self::place::{Bucket, CloudKind, Place, Variables};

/// The only place that spells the names of stored things.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum StorageKey {
    /// Content, by its SHA-256.
    Blob(Sha256),
    /// An entity's manifest.
    Manifest {
        /// The entity's id.
        entity: String,
    },
}

impl StorageKey {
    /// The name below the storage's root.
    pub fn object_name(&self) -> String {
        match self {
            Self::Blob(sha256) => {
                let hex = sha256.to_string();
                format!("blobs/sha256/{}/{hex}", &hex[..2])
            }
            Self::Manifest { entity } => format!("entities/{entity}/manifest.json"),
        }
    }
}

/// The name of bytes that have no name yet: one per file of an upload.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StageName {
    /// The upload's id.
    pub upload: String,
    /// The file's place in its plan.
    pub index: u32,
}

impl fmt::Display for StageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "staging/{}/{}", self.upload, self.index)
    }
}

/// A file whose exact length is at most this many bytes comes in one part, so
/// that a backend can store it with one request.
pub const ONE_PART: u64 = 8 * 1024 * 1024;

/// What is known of a file before its first byte.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Expected {
    /// What it must hash to, or it is never published.
    pub sha256: Option<Sha256>,
    /// Its exact length.
    pub size: Option<u64>,
}

/// Bytes on their way in. Plain data: another process can take it up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Staged {
    /// Whose they are.
    pub name: StageName,
    /// What the backend needs to find them again.
    pub handle: String,
}

/// One stored part. Plain data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Counted from 0.
    pub number: u32,
    /// Its first byte's position in the file.
    pub offset: u64,
    /// Its length.
    pub size: u64,
    /// What the backend needs to put it in place (an ETag on S3).
    pub tag: String,
}

/// What storage can fail with.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// No room left.
    #[error("the storage is full: {0}")]
    Full(String),
    /// Not there, though it should be.
    #[error("{0} is not in the storage")]
    Missing(String),
    /// The storage said no, and there is something to be done about it.
    #[error("{message}")]
    Refused {
        /// What was refused, and why.
        message: String,
        /// The next step.
        hint: String,
    },
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

/// A stored thing, to read here and there.
pub trait Content: Read + Seek + Send {}

impl<T: Read + Seek + Send> Content for T {}

/// A stored thing's bytes, in order.
pub type ByteStream = BoxStream<'static, Result<Bytes, StorageError>>;

/// A blob as the storage lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlobEntry {
    /// Its name.
    pub sha256: Sha256,
    /// Its length in bytes.
    pub size: u64,
    /// When it got its name.
    pub since: DateTime<Utc>,
}

/// An upload that has bytes staged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagedUpload {
    /// The upload's id.
    pub upload: String,
    /// When it last staged something, as far as the storage tells.
    pub touched: DateTime<Utc>,
}

/// An unfinished transfer into the storage that nothing staged names: its
/// process died between beginning it and writing that down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stray {
    /// What it was to become.
    pub name: String,
    /// The storage's own id of it.
    pub id: String,
    /// When it was begun.
    pub since: DateTime<Utc>,
}

/// A place for blobs and manifests. Every promise is a test in the storage
/// suite, which each backend passes.
#[async_trait]
pub trait Storage: Intake + fmt::Debug + Send + Sync + 'static {
    /// The length of a stored thing, or `None` when it is not there.
    async fn stat(&self, key: &StorageKey) -> Result<Option<u64>, StorageError>;

    /// Makes room for a file on its way in. Asked again for the same name, it
    /// starts over: what was staged under it is gone.
    async fn stage(&self, name: &StageName, expected: Expected) -> Result<Staged, StorageError>;

    /// Whether what was staged, perhaps by another process, is still there.
    async fn is_staged(&self, staged: &Staged) -> Result<bool, StorageError>;

    /// Writes one part. The same number twice is safe: the later one counts.
    async fn write_part(
        &self,
        staged: &Staged,
        number: u32,
        offset: u64,
        bytes: Vec<Bytes>,
    ) -> Result<Part, StorageError>;

    /// Returns once every part written so far survives a crash of the machine.
    async fn flush(&self, staged: &Staged) -> Result<(), StorageError>;

    /// Gives staged bytes their name. The caller has verified them. A blob
    /// that is already there is replaced, at once and as a whole, by what are
    /// the same bytes if it is sound. Nothing stays staged.
    async fn publish(
        &self,
        staged: &Staged,
        parts: &[Part],
        sha256: &Sha256,
    ) -> Result<(), StorageError>;

    /// Throws staged bytes away. Nothing there is no error.
    async fn discard(&self, name: &StageName) -> Result<(), StorageError>;

    /// Throws away all that an upload has staged. Nothing there is no error.
    async fn discard_upload(&self, upload: &str) -> Result<(), StorageError>;

    /// The uploads that have staged bytes.
    async fn staged_uploads(&self) -> Result<Vec<StagedUpload>, StorageError>;

    /// Unfinished transfers that nothing staged names. Empty where the storage
    /// has none or can't list them.
    async fn strays(&self) -> Result<Vec<Stray>, StorageError>;

    /// Ends a stray and frees what it holds. Gone already is no error.
    async fn end_stray(&self, stray: &Stray) -> Result<(), StorageError>;

    /// Every blob, in no order.
    fn blobs(&self) -> BoxStream<'_, Result<BlobEntry, StorageError>>;

    /// The ids of the entities that have a manifest.
    async fn manifests(&self) -> Result<Vec<String>, StorageError>;

    /// Stores a small thing whole, durably and at once: a reader sees all of it or none.
    async fn put(&self, key: &StorageKey, bytes: Bytes) -> Result<(), StorageError>;

    /// Opens a stored thing for reading. The reader blocks: use it off the async runtime.
    async fn open(&self, key: &StorageKey) -> Result<Box<dyn Content>, StorageError>;

    /// Streams a stored thing's bytes of this range, which lies within it.
    async fn read(&self, key: &StorageKey, range: Range<u64>) -> Result<ByteStream, StorageError>;

    /// A URL that hands a stored thing to whoever has it, for so long. `None`
    /// where the storage has no such thing.
    async fn presign_get(
        &self,
        key: &StorageKey,
        expires: Duration,
    ) -> Result<Option<String>, StorageError>;

    /// Removes a stored thing. Nothing there is no error.
    async fn remove(&self, key: &StorageKey) -> Result<(), StorageError>;

    /// Bytes that still fit, where that is known.
    async fn free_space(&self) -> Result<Option<u64>, StorageError>;

    /// The folder, when this is one: the library of links is made beside the blobs.
    fn local_root(&self) -> Option<&Path>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_spelled_as_the_contract_says() {
        let sha256: Sha256 = "ab".repeat(32).parse().unwrap();
        assert_eq!(
            StorageKey::Blob(sha256).object_name(),
            format!("blobs/sha256/ab/{sha256}")
        );
        let manifest = StorageKey::Manifest {
            entity: "model_1".into(),
        };
        assert_eq!(manifest.object_name(), "entities/model_1/manifest.json");
    }
}
