//! A bucket of S3, Google Cloud Storage or Azure.
//!
//! A file whose hash is known goes up in parts under the blob's own name, and
//! the store is told to put them together only at publish: until then the name
//! is not there. One whose hash is not known is put together under `staging/`
//! and copied by the store itself. Upload ids and part tags are plain text, so
//! any process with the records can go on. A marker under `staging/` names
//! every unfinished upload, so that any store can tell what is unfinished.

mod connect;
mod content;
mod copy;
mod failure;
mod intake;
mod signed;
mod staging;

use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt, TryStreamExt};
use modelferry_providers::Sha256;
use object_store::path::Path as ObjectPath;
use object_store::signer::Method;
use object_store::{GetOptions, GetRange, ObjectMeta, ObjectStoreExt, PutPayload};
use tokio::sync::Semaphore;

use self::connect::Client;
pub use self::connect::Tuning;
use self::content::CloudContent;
use self::failure::Failure;
use self::staging::{Handle, Held};
use super::place::{Bucket, Variables};
use super::{
    BlobEntry, ByteStream, Content, Expected, Intake, Part, StageName, Staged, StagedUpload,
    Storage, StorageError, StorageKey, Stray,
};

/// Requests side by side where one call needs many.
const AT_ONCE: usize = 8;

/// [`Storage`] in a bucket.
pub struct CloudStorage {
    client: Client,
    bucket: Bucket,
    tuning: Tuning,
    held: Held,
    /// Whether the store lists the parts of an unfinished upload, once that is known.
    lists_parts: OnceLock<bool>,
    taking: Semaphore,
}

impl fmt::Debug for CloudStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CloudStorage({})", self.bucket)
    }
}

impl CloudStorage {
    /// Makes a client. Nothing is asked of the store yet.
    ///
    /// # Errors
    /// [`StorageError::Refused`] when the variables are not right.
    pub fn open(
        bucket: &Bucket,
        variables: &Variables,
        tuning: Tuning,
    ) -> Result<Self, StorageError> {
        Ok(Self {
            client: Client::connect(bucket, variables, &tuning)?,
            bucket: bucket.clone(),
            tuning,
            held: Held::default(),
            lists_parts: OnceLock::new(),
            taking: Semaphore::new(intake::AT_ONCE),
        })
    }

    /// Where a name is in the bucket.
    fn at(&self, name: &str) -> ObjectPath {
        let prefix = self.bucket.prefix.as_str();
        let segments = prefix.split('/').chain(name.split('/'));
        ObjectPath::from_iter(segments.filter(|segment| !segment.is_empty()))
    }

    fn key(&self, key: &StorageKey) -> ObjectPath {
        self.at(&key.object_name())
    }

    /// A name as it stands below the storage's root.
    fn below_root(&self, path: &ObjectPath) -> String {
        let path = path.as_ref();
        let below = path.strip_prefix(&self.bucket.prefix);
        let below = match below {
            Some(rest) if self.bucket.prefix.is_empty() => Some(rest),
            Some(rest) => rest.strip_prefix('/'),
            None => None,
        };
        below.unwrap_or(path).to_owned()
    }

    fn explain(&self, doing: &str, error: &object_store::Error) -> StorageError {
        Failure::of(error).explain(&self.bucket, doing)
    }

    /// What is known of an object; `None` when it is not there.
    async fn head(&self, path: &ObjectPath) -> Result<Option<ObjectMeta>, StorageError> {
        match self.client.objects().head(path).await {
            Ok(meta) => Ok(Some(meta)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.explain(&format!("look at {path}"), &error)),
        }
    }

    async fn put_object(&self, path: &ObjectPath, payload: PutPayload) -> Result<(), StorageError> {
        let done = self.client.objects().put(path, payload).await;
        done.map(drop)
            .map_err(|error| self.explain(&format!("write {path}"), &error))
    }

    async fn delete(&self, path: &ObjectPath) -> Result<(), StorageError> {
        match self.client.objects().delete(path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.explain(&format!("remove {path}"), &error)),
        }
    }

    /// Streams an object's bytes of this range, which is not empty.
    async fn read_object(
        &self,
        path: &ObjectPath,
        range: Range<u64>,
    ) -> Result<ByteStream, StorageError> {
        let options = GetOptions {
            range: Some(GetRange::Bounded(range)),
            ..GetOptions::default()
        };
        let doing = format!("read {path}");
        let answer = match self.client.objects().get_opts(path, options).await {
            Ok(answer) => answer,
            Err(object_store::Error::NotFound { .. }) => {
                return Err(StorageError::Missing(self.below_root(path)));
            }
            Err(error) => return Err(self.explain(&doing, &error)),
        };
        let bucket = self.bucket.clone();
        let bytes = answer.into_stream();
        let explained = bytes.map_err(move |error| Failure::of(&error).explain(&bucket, &doing));
        Ok(explained.boxed())
    }

    fn list(&self, name: &str) -> BoxStream<'_, Result<ObjectMeta, StorageError>> {
        let path = self.at(name);
        let what = format!("list {path}");
        self.client
            .objects()
            .list(Some(&path))
            .map_err(move |error| self.explain(&what, &error))
            .boxed()
    }
}

fn not_put_together(name: &StageName) -> StorageError {
    StorageError::Failed(format!("the parts of {name} are not put together yet"))
}

#[async_trait]
impl Storage for CloudStorage {
    async fn stat(&self, key: &StorageKey) -> Result<Option<u64>, StorageError> {
        Ok(self.head(&self.key(key)).await?.map(|meta| meta.size))
    }

    async fn stage(&self, name: &StageName, expected: Expected) -> Result<Staged, StorageError> {
        let handle = self.begin(name, expected).await?;
        Ok(Staged {
            name: name.clone(),
            handle: handle.to_text(),
        })
    }

    async fn is_staged(&self, staged: &Staged) -> Result<bool, StorageError> {
        match Handle::read(staged)? {
            Handle::Held => Ok(self.held.has(&staged.name)),
            Handle::Whole { sha256, size } => {
                Ok(self.stat(&StorageKey::Blob(sha256)).await? == Some(size))
            }
            Handle::Parts(parts) => self.is_under_way(&staged.name, &parts).await,
            Handle::Brought => Ok(!self.brought(staged).await?.is_empty()),
        }
    }

    async fn write_part(
        &self,
        staged: &Staged,
        number: u32,
        offset: u64,
        bytes: Vec<Bytes>,
    ) -> Result<Part, StorageError> {
        let size = bytes.iter().map(|chunk| chunk.len() as u64).sum();
        let tag = match Handle::read(staged)? {
            Handle::Held => self.held.keep(&staged.name, number, size, bytes)?,
            Handle::Whole {
                sha256,
                size: whole,
            } => {
                let is_whole = number == 0 && size == whole;
                self.write_whole(&sha256, is_whole, bytes).await?
            }
            Handle::Parts(parts) => self.write_one(&staged.name, &parts, number, bytes).await?,
            Handle::Brought => return Err(not_put_together(&staged.name)),
        };
        Ok(Part {
            number,
            offset,
            size,
            tag,
        })
    }

    async fn flush(&self, _: &Staged) -> Result<(), StorageError> {
        // A part the store has acknowledged is durable. What is held in memory
        // says so itself when it is asked for again.
        Ok(())
    }

    async fn publish(
        &self,
        staged: &Staged,
        parts: &[Part],
        sha256: &Sha256,
    ) -> Result<(), StorageError> {
        let size = parts.iter().map(|part| part.size).sum();
        match Handle::read(staged)? {
            Handle::Held => self.publish_held(&staged.name, sha256).await,
            Handle::Whole { .. } => self.require_blob(sha256, size).await,
            Handle::Parts(upload) => {
                self.publish_parts(&staged.name, &upload, parts, sha256, size)
                    .await
            }
            Handle::Brought => Err(not_put_together(&staged.name)),
        }
    }

    async fn discard(&self, name: &StageName) -> Result<(), StorageError> {
        self.held.forget(name);
        match self.marker(name).await? {
            Some(marker) => self.discard_parts(name, &marker.parts).await,
            None => Ok(()),
        }
    }

    async fn discard_upload(&self, upload: &str) -> Result<(), StorageError> {
        self.held.forget_upload(upload);
        let folder = format!("staging/{upload}");
        let names: Vec<_> = self.list(&folder).try_collect().await?;
        for meta in names {
            match StageName::parse(&self.below_root(&meta.location)) {
                Some(name) => self.discard(&name).await?,
                None => self.delete(&meta.location).await?,
            }
        }
        Ok(())
    }

    async fn staged_uploads(&self) -> Result<Vec<StagedUpload>, StorageError> {
        self.list_staged().await
    }

    async fn strays(&self) -> Result<Vec<Stray>, StorageError> {
        self.find_strays().await
    }

    async fn end_stray(&self, stray: &Stray) -> Result<(), StorageError> {
        self.abort(&self.at(&stray.name), &stray.id).await
    }

    fn blobs(&self) -> BoxStream<'_, Result<BlobEntry, StorageError>> {
        let found = self.list("blobs/sha256").try_filter_map(|meta| async move {
            let name = meta.location.filename().unwrap_or_default();
            Ok(name.parse().ok().map(|sha256| BlobEntry {
                sha256,
                size: meta.size,
                since: meta.last_modified,
            }))
        });
        found.boxed()
    }

    async fn manifests(&self) -> Result<Vec<String>, StorageError> {
        let found = self.list("entities").try_filter_map(|meta| async move {
            let name = self.below_root(&meta.location);
            let id = name
                .strip_prefix("entities/")
                .and_then(|rest| rest.strip_suffix("/manifest.json"));
            Ok(id.map(str::to_owned))
        });
        found.try_collect().await
    }

    async fn put(&self, key: &StorageKey, bytes: Bytes) -> Result<(), StorageError> {
        self.put_object(&self.key(key), bytes.into()).await
    }

    async fn open(&self, key: &StorageKey) -> Result<Box<dyn Content>, StorageError> {
        let content =
            CloudContent::open(self.client.clone(), self.bucket.clone(), self.key(key)).await?;
        match content {
            Some(content) => Ok(Box::new(content)),
            None => Err(StorageError::Missing(key.object_name())),
        }
    }

    async fn read(&self, key: &StorageKey, range: Range<u64>) -> Result<ByteStream, StorageError> {
        if range.is_empty() {
            return match self.stat(key).await? {
                Some(_) => Ok(futures_util::stream::empty().boxed()),
                None => Err(StorageError::Missing(key.object_name())),
            };
        }
        match self.read_object(&self.key(key), range).await {
            Err(StorageError::Missing(_)) => Err(StorageError::Missing(key.object_name())),
            read => read,
        }
    }

    async fn presign_get(
        &self,
        key: &StorageKey,
        expires: Duration,
    ) -> Result<Option<String>, StorageError> {
        let path = self.key(key);
        let url = self
            .client
            .signer()
            .signed_url(Method::GET, &path, expires)
            .await;
        url.map(|url| Some(url.to_string()))
            .map_err(|error| self.explain(&format!("sign a URL for {path}"), &error))
    }

    async fn remove(&self, key: &StorageKey) -> Result<(), StorageError> {
        self.delete(&self.key(key)).await
    }

    async fn free_space(&self) -> Result<Option<u64>, StorageError> {
        Ok(None)
    }

    fn local_root(&self) -> Option<&Path> {
        None
    }
}
