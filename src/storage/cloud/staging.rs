//! Bytes on their way into a bucket: the forms they take, and from part to blob.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::TryStreamExt;
use modelferry_providers::Sha256;
use object_store::multipart::PartId;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStoreExt, PutPayload};
use serde::{Deserialize, Serialize};
use sha2::Digest;
use uuid::Uuid;

use super::super::{
    Expected, ONE_PART, Part, StageName, Staged, StagedUpload, StorageError, StorageKey,
};
use super::CloudStorage;
use super::failure::Failure;

/// A file whose hash is not known is held in memory up to this length: its
/// name is its hash, and one request then stores it.
const HOLD: u64 = 1024 * 1024;
/// All that is held together.
const HOLD_IN_ALL: u64 = 32 * 1024 * 1024;
/// S3 and Google Cloud Storage take so many parts, Azure more.
const MOST_PARTS: u32 = 10_000;

/// How a file is staged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "form", rename_all = "lowercase")]
pub(super) enum Handle {
    /// In this process's memory.
    Held,
    /// Not at all: one part is all of it, and goes under its own name once it
    /// is found to match.
    Whole {
        /// What it must hash to.
        sha256: Sha256,
        /// Its length.
        size: u64,
    },
    /// In parts, at the store.
    Parts(Parts),
    /// As objects of their own that a client brought, one a part.
    Brought,
}

/// An unfinished upload at the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Parts {
    /// The store's id of it.
    pub id: String,
    /// The blob it becomes by itself; `None` when it is put together under
    /// `staging/` and copied.
    pub sha256: Option<Sha256>,
    /// Keeps two tries of one file apart.
    pub nonce: String,
}

/// Names an unfinished upload. Kept at the store, where the next process and
/// the clean-up find it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Marker {
    #[serde(flatten)]
    pub parts: Parts,
    /// What the staged object was verified to be, before it was put together.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sealed: Option<Sha256>,
}

impl Handle {
    pub(super) fn to_text(&self) -> String {
        // Plain data with string keys always serialises.
        serde_json::to_string(self).unwrap_or_default()
    }

    pub(super) fn read(staged: &Staged) -> Result<Self, StorageError> {
        serde_json::from_str(&staged.handle).map_err(|_| StorageError::Refused {
            message: format!("{} was begun in another storage", staged.name),
            hint: "set MODELFERRY_STORAGE to where it was begun, or import with --force".to_owned(),
        })
    }
}

impl Parts {
    /// The object that the parts become.
    pub(super) fn object(&self, name: &StageName) -> String {
        match &self.sha256 {
            Some(sha256) => StorageKey::Blob(*sha256).object_name(),
            None => format!("{name}.{}", self.nonce),
        }
    }
}

/// Small files in memory.
#[derive(Default)]
pub(super) struct Held(Mutex<HashMap<StageName, (u64, Option<Bytes>)>>);

impl Held {
    fn files(&self) -> MutexGuard<'_, HashMap<StageName, (u64, Option<Bytes>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes room for a file, when there is some.
    fn reserve(&self, name: &StageName, size: u64) -> bool {
        let mut files = self.files();
        files.remove(name);
        let taken: u64 = files.values().map(|(size, _)| size).sum();
        let fits = size <= HOLD && taken + size <= HOLD_IN_ALL;
        if fits {
            files.insert(name.clone(), (size, None));
        }
        fits
    }

    pub(super) fn has(&self, name: &StageName) -> bool {
        matches!(self.files().get(name), Some((_, Some(_))))
    }

    pub(super) fn keep(
        &self,
        name: &StageName,
        number: u32,
        size: u64,
        bytes: Vec<Bytes>,
    ) -> Result<String, StorageError> {
        let mut files = self.files();
        // More or less than was stated is for the caller to refuse; it is not kept.
        if let Some((stated, kept)) = files.get_mut(name) {
            *kept = (number == 0 && size == *stated).then(|| bytes.concat().into());
        }
        Ok(String::new())
    }

    fn take(&self, name: &StageName) -> Option<Bytes> {
        self.files().remove(name).and_then(|(_, bytes)| bytes)
    }

    pub(super) fn forget(&self, name: &StageName) {
        self.files().remove(name);
    }

    pub(super) fn forget_upload(&self, upload: &str) {
        self.files().retain(|name, _| name.upload != upload);
    }
}

impl CloudStorage {
    /// Chooses the form a file is staged in, and begins it.
    pub(super) async fn begin(
        &self,
        name: &StageName,
        expected: Expected,
    ) -> Result<Handle, StorageError> {
        match (expected.sha256, expected.size) {
            (Some(sha256), Some(size)) if size <= ONE_PART => {
                return Ok(Handle::Whole { sha256, size });
            }
            (None, Some(size)) if self.held.reserve(name, size) => return Ok(Handle::Held),
            _ => {}
        }
        let sha256 = expected
            .sha256
            .filter(|_| self.client.keeps_uploads_apart());
        self.begin_parts(name, sha256).await.map(Handle::Parts)
    }

    /// Begins an upload that is put together under `staging/`.
    pub(super) async fn begin_apart(&self, name: &StageName) -> Result<Parts, StorageError> {
        self.begin_parts(name, None).await
    }

    async fn begin_parts(
        &self,
        name: &StageName,
        sha256: Option<Sha256>,
    ) -> Result<Parts, StorageError> {
        if let Some(earlier) = self.marker(name).await? {
            self.discard_parts(name, &earlier.parts).await?;
        }
        let mut parts = Parts {
            id: String::new(),
            sha256,
            nonce: Uuid::now_v7().simple().to_string(),
        };
        let path = self.at(&parts.object(name));
        let begun = self.client.parts().create_multipart(&path).await;
        parts.id = begun.map_err(|error| self.explain(&format!("begin {path}"), &error))?;
        let marker = Marker {
            parts: parts.clone(),
            sealed: None,
        };
        self.mark(name, &marker).await?;
        Ok(parts)
    }

    fn marker_path(&self, name: &StageName) -> ObjectPath {
        self.at(&name.to_string())
    }

    async fn mark(&self, name: &StageName, marker: &Marker) -> Result<(), StorageError> {
        let text = serde_json::to_vec(marker).unwrap_or_default();
        self.put_object(&self.marker_path(name), text.into()).await
    }

    /// The unfinished upload of this name. One that can't be read is none.
    pub(super) async fn marker(&self, name: &StageName) -> Result<Option<Marker>, StorageError> {
        self.marker_at(&self.marker_path(name)).await
    }

    pub(super) async fn marker_at(
        &self,
        path: &ObjectPath,
    ) -> Result<Option<Marker>, StorageError> {
        let read = async { self.client.objects().get(path).await?.bytes().await };
        match read.await {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.explain(&format!("read {path}"), &error)),
        }
    }

    /// Whether parts can still be added, or have been put together already.
    pub(super) async fn is_under_way(
        &self,
        name: &StageName,
        parts: &Parts,
    ) -> Result<bool, StorageError> {
        if self.marker(name).await?.is_none_or(|it| it.parts != *parts) {
            return Ok(false);
        }
        let path = self.at(&parts.object(name));
        let apart = parts.sha256.is_none();
        Ok(self.upload_exists(&path, &parts.id).await?
            || (apart && self.head(&path).await?.is_some()))
    }

    /// Puts a file that is one part under its name, when it matches.
    pub(super) async fn write_whole(
        &self,
        sha256: &Sha256,
        is_whole: bool,
        bytes: Vec<Bytes>,
    ) -> Result<String, StorageError> {
        let hashed = tokio::task::spawn_blocking(move || {
            let mut hasher = sha2::Sha256::new();
            bytes.iter().for_each(|chunk| hasher.update(chunk));
            (Sha256::new(hasher.finalize().into()), bytes)
        });
        let (computed, bytes) = hashed
            .await
            .map_err(|_| StorageError::Failed("the thread that was to hash died".to_owned()))?;
        // What does not match is for the caller to refuse; it gets no name.
        if is_whole && computed == *sha256 {
            let path = self.key(&StorageKey::Blob(*sha256));
            self.put_object(&path, bytes.into_iter().collect()).await?;
        }
        Ok(String::new())
    }

    /// Sends one part.
    pub(super) async fn write_one(
        &self,
        name: &StageName,
        parts: &Parts,
        number: u32,
        bytes: Vec<Bytes>,
    ) -> Result<String, StorageError> {
        if number >= MOST_PARTS && self.client.keeps_uploads_apart() {
            return Err(StorageError::Failed(format!(
                "{} takes at most {MOST_PARTS} parts a file, and the length of this one was not known beforehand",
                self.bucket
            )));
        }
        let path = self.at(&parts.object(name));
        let payload: PutPayload = bytes.into_iter().collect();
        let sent = self
            .client
            .parts()
            .put_part(&path, &parts.id, number as usize, payload)
            .await;
        match sent {
            Ok(part) => Ok(part.content_id),
            // Put together by a worker that got no further: publish goes on from there.
            Err(_) if self.is_put_together(name, parts, &path).await? => Ok(String::new()),
            Err(error) => {
                let doing = format!("write part {} of {path}", number + 1);
                Err(self.lost_or(name, &path, &doing, &error).await)
            }
        }
    }

    /// Whether the object is there. A blob's own name needs no seal: what has
    /// it was verified.
    async fn is_put_together(
        &self,
        name: &StageName,
        parts: &Parts,
        path: &ObjectPath,
    ) -> Result<bool, StorageError> {
        let marker = self.marker(name).await?;
        let may_be = parts.sha256.is_some() || marker.is_some_and(|it| it.sealed.is_some());
        Ok(may_be && self.head(path).await?.is_some())
    }

    /// An upload that the store no longer has is forgotten here too, so that
    /// the next try starts over.
    async fn lost_or(
        &self,
        name: &StageName,
        path: &ObjectPath,
        doing: &str,
        error: &object_store::Error,
    ) -> StorageError {
        let failure = Failure::of(error);
        // Not every server tells an upload that is over from one that is another's.
        let is_gone = failure.is_gone() || (failure.is_refusal() && self.may_begin(path).await);
        if is_gone && self.delete(&self.marker_path(name)).await.is_ok() {
            return StorageError::Refused {
                message: format!(
                    "{} no longer has what was transferred of {name}: {}",
                    self.bucket, failure.says
                ),
                hint: "run the same command again; this file starts over".to_owned(),
            };
        }
        failure.explain(&self.bucket, doing)
    }

    /// Whether these credentials may send parts to this name.
    async fn may_begin(&self, path: &ObjectPath) -> bool {
        let parts = self.client.parts();
        match parts.create_multipart(path).await {
            Ok(id) => parts.abort_multipart(path, &id).await.is_ok(),
            Err(_) => false,
        }
    }

    pub(super) async fn publish_held(
        &self,
        name: &StageName,
        sha256: &Sha256,
    ) -> Result<(), StorageError> {
        let bytes = self.held.take(name);
        let matches = |bytes: &Bytes| Sha256::new(sha2::Sha256::digest(bytes).into()) == *sha256;
        let Some(bytes) = bytes.filter(matches) else {
            return Err(StorageError::Failed(format!(
                "{name} is not what is to be published"
            )));
        };
        self.put_object(&self.key(&StorageKey::Blob(*sha256)), bytes.into())
            .await
    }

    /// Fails unless the blob is there with this length.
    pub(super) async fn require_blob(
        &self,
        sha256: &Sha256,
        size: u64,
    ) -> Result<(), StorageError> {
        let key = StorageKey::Blob(*sha256);
        match self.head(&self.key(&key)).await? {
            Some(meta) if meta.size == size => Ok(()),
            Some(meta) => Err(StorageError::Failed(format!(
                "{} is {} bytes long at {}, not {size}",
                key.object_name(),
                meta.size,
                self.bucket
            ))),
            None => Err(StorageError::Missing(key.object_name())),
        }
    }

    pub(super) async fn publish_parts(
        &self,
        name: &StageName,
        upload: &Parts,
        parts: &[Part],
        sha256: &Sha256,
        size: u64,
    ) -> Result<(), StorageError> {
        if upload.sha256.is_some_and(|known| known != *sha256) {
            return Err(StorageError::Failed(format!(
                "{name} was begun as another blob"
            )));
        }
        let blob = self.key(&StorageKey::Blob(*sha256));
        if upload.sha256.is_some() {
            self.put_together(name, upload, parts, size).await?;
            return self.delete(&self.marker_path(name)).await;
        }
        let staged = self.at(&upload.object(name));
        let sealed = self.marker(name).await?.and_then(|marker| marker.sealed);
        if sealed != Some(*sha256) || self.head(&staged).await?.is_none() {
            let marker = Marker {
                parts: upload.clone(),
                sealed: Some(*sha256),
            };
            self.mark(name, &marker).await?;
            if self
                .head(&staged)
                .await?
                .is_none_or(|meta| meta.size != size)
            {
                self.put_together(name, upload, parts, size).await?;
            }
        }
        self.copy(&staged, &blob, size).await?;
        self.delete(&staged).await?;
        self.delete(&self.marker_path(name)).await
    }

    /// Makes an object of parts that this program sent.
    pub(super) async fn put_together(
        &self,
        name: &StageName,
        upload: &Parts,
        parts: &[Part],
        size: u64,
    ) -> Result<(), StorageError> {
        let path = self.at(&upload.object(name));
        match self.complete_upload(&path, upload, parts, size).await? {
            Ok(()) => Ok(()),
            Err(error) => Err(self
                .lost_or(name, &path, &format!("put {path} together"), &error)
                .await),
        }
    }

    /// Tells the store to make the object of its parts. Servers differ in what
    /// they answer to a second such request, and the first one's answer may
    /// have been lost: so any error is held against what is there.
    pub(super) async fn complete_upload(
        &self,
        path: &ObjectPath,
        upload: &Parts,
        parts: &[Part],
        size: u64,
    ) -> Result<object_store::Result<()>, StorageError> {
        let ordered: BTreeMap<u32, &Part> = parts.iter().map(|part| (part.number, part)).collect();
        let tags = ordered.values().map(|part| PartId {
            content_id: part.tag.clone(),
        });
        let tags = tags.collect();
        let done = self
            .client
            .parts()
            .complete_multipart(path, &upload.id, tags)
            .await;
        let there = self.head(path).await?.map(|meta| meta.size);
        match (done, there) {
            (_, Some(there)) if there == size => Ok(Ok(())),
            (Ok(_), there) => Err(StorageError::Failed(format!(
                "{} put {path} together with {} bytes, not {size}",
                self.bucket,
                there.unwrap_or_default()
            ))),
            (Err(error), _) => Ok(Err(error)),
        }
    }

    /// Ends an unfinished upload, and what was put together of it.
    pub(super) async fn discard_parts(
        &self,
        name: &StageName,
        parts: &Parts,
    ) -> Result<(), StorageError> {
        let path = self.at(&parts.object(name));
        // An object of a name that is used once: the upload came to its end.
        if parts.sha256.is_none() && self.head(&path).await?.is_some() {
            self.delete(&path).await?;
        } else {
            self.abort(&path, &parts.id).await?;
        }
        self.delete(&self.marker_path(name)).await
    }

    /// Frees an unfinished upload's parts. Ended already, which servers answer
    /// in different ways, is no error.
    pub(super) async fn abort(&self, path: &ObjectPath, id: &str) -> Result<(), StorageError> {
        let Err(error) = self
            .client
            .parts()
            .abort_multipart(path, &id.to_owned())
            .await
        else {
            return Ok(());
        };
        if Failure::of(&error).is_gone() || !self.upload_exists(path, id).await? {
            return Ok(());
        }
        Err(self.explain(&format!("end the upload of {path}"), &error))
    }

    pub(super) async fn list_staged(&self) -> Result<Vec<StagedUpload>, StorageError> {
        let mut uploads: BTreeMap<String, DateTime<Utc>> = BTreeMap::new();
        let mut staged = self.list("staging");
        while let Some(meta) = staged.try_next().await? {
            let name = self.below_root(&meta.location);
            let Some(upload) = name
                .strip_prefix("staging/")
                .and_then(|rest| rest.split('/').next())
            else {
                continue;
            };
            let touched = uploads
                .entry(upload.to_owned())
                .or_insert(meta.last_modified);
            *touched = meta.last_modified.max(*touched);
        }
        let uploads = uploads.into_iter();
        Ok(uploads
            .map(|(upload, touched)| StagedUpload { upload, touched })
            .collect())
    }
}

impl StageName {
    /// Reads a marker's name; `None` for any other object.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let (upload, index) = name.strip_prefix("staging/")?.split_once('/')?;
        Some(Self {
            upload: upload.to_owned(),
            index: index.parse().ok()?,
        })
    }
}
