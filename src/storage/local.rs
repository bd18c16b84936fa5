//! A local folder: staged beside the blobs, fsynced, then renamed into place.

mod intake;
mod listing;
mod write;

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use modelferry_providers::Sha256;

use self::write::Turns;
use super::{
    BlobEntry, ByteStream, Content, Expected, Part, StageName, Staged, StagedUpload, Storage,
    StorageError, StorageKey, Stray,
};
use crate::crash;

/// What is never filled of a disk, or an eighth of a small one.
const LEFT_OVER: u64 = 32 * 1024 * 1024;
/// How much one read of a stream takes.
const CHUNK: u64 = 256 * 1024;

/// [`Storage`] in a folder of this machine.
#[derive(Debug, Clone)]
pub struct LocalStorage {
    root: Arc<Path>,
    turns: Arc<Turns>,
}

impl LocalStorage {
    /// Opens the folder, making it when it is not there.
    ///
    /// # Errors
    /// [`StorageError::Failed`] when it can't be made or written to.
    pub fn open(root: &Path) -> Result<Self, StorageError> {
        let prepare = || -> io::Result<()> {
            fs::create_dir_all(root.join("blobs/sha256"))?;
            fs::create_dir_all(root.join("staging"))?;
            fs::create_dir_all(root.join("entities"))?;
            sweep_unfinished(&root.join("staging"))?;
            let probe = root.join(format!("staging/.probe-{}", uuid::Uuid::now_v7().simple()));
            new_file(&probe)?;
            // Another process that starts now may have swept it.
            found(fs::remove_file(&probe)).map(drop)
        };
        prepare().map_err(|error| failed("prepare", root, &error))?;
        Ok(Self {
            root: root.into(),
            turns: Arc::default(),
        })
    }

    fn path(&self, key: &StorageKey) -> PathBuf {
        self.root.join(key.object_name())
    }

    fn stage_path(&self, name: &StageName) -> PathBuf {
        self.root.join(name.to_string())
    }

    /// Runs blocking file work off the async runtime.
    async fn blocking<T, F>(
        &self,
        doing: &'static str,
        path: PathBuf,
        work: F,
    ) -> Result<T, StorageError>
    where
        T: Send + 'static,
        F: FnOnce(&Path) -> io::Result<T> + Send + 'static,
    {
        let outcome = tokio::task::spawn_blocking(move || {
            work(&path).map_err(|error| failed(doing, &path, &error))
        })
        .await;
        outcome.unwrap_or_else(|_| {
            Err(StorageError::Failed(format!(
                "the thread that was to {doing} died"
            )))
        })
    }

    /// Streams these bytes of a file, which is called `name` when it is not there.
    async fn read_file(
        &self,
        path: PathBuf,
        name: String,
        range: Range<u64>,
    ) -> Result<ByteStream, StorageError> {
        let opened = self
            .blocking("open", path.clone(), move |path| {
                let Some(mut file) = found(File::open(path))? else {
                    return Ok(None);
                };
                file.seek(SeekFrom::Start(range.start))?;
                Ok(Some(file.take(range.end.saturating_sub(range.start))))
            })
            .await?;
        let Some(file) = opened else {
            return Err(StorageError::Missing(name));
        };
        let this = self.clone();
        let chunks = stream::try_unfold(file, move |mut file| {
            let (this, path) = (this.clone(), path.clone());
            async move {
                if file.limit() == 0 {
                    return Ok(None);
                }
                let next = this.blocking("read", path, move |_| {
                    let mut chunk = Vec::new();
                    (&mut file).take(CHUNK).read_to_end(&mut chunk)?;
                    Ok((chunk, file))
                });
                let (chunk, file) = next.await?;
                Ok((!chunk.is_empty()).then(|| (Bytes::from(chunk), file)))
            }
        });
        Ok(chunks.boxed())
    }
}

#[async_trait]
impl Storage for LocalStorage {
    async fn stat(&self, key: &StorageKey) -> Result<Option<u64>, StorageError> {
        self.blocking("look at", self.path(key), |path| {
            found(fs::metadata(path).map(|meta| meta.len()))
        })
        .await
    }

    async fn stage(&self, name: &StageName, _: Expected) -> Result<Staged, StorageError> {
        self.blocking("stage", self.stage_path(name), |path| {
            found(fs::remove_file(path))?;
            // The upload's last staged file, published meanwhile, may take the folder along.
            for _ in 0..100 {
                make_parent(path)?;
                match new_file(path) {
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    made => return made.map(drop),
                }
            }
            new_file(path).map(drop)
        })
        .await?;
        Ok(Staged {
            name: name.clone(),
            handle: String::new(),
        })
    }

    async fn is_staged(&self, staged: &Staged) -> Result<bool, StorageError> {
        let path = self.stage_path(&staged.name);
        self.blocking("look at", path, |path| {
            Ok(found(fs::symlink_metadata(path))?.is_some_and(|meta| meta.is_file()))
        })
        .await
    }

    async fn write_part(
        &self,
        staged: &Staged,
        number: u32,
        offset: u64,
        bytes: Vec<Bytes>,
    ) -> Result<Part, StorageError> {
        let size = bytes.iter().map(|chunk| chunk.len() as u64).sum();
        let _turn = self.turns.of(&staged.name).await;
        self.blocking("write", self.stage_path(&staged.name), move |path| {
            let file = existing_file(path)?;
            if room(path)? < size {
                let message = "the rest of the disk is kept free for the records";
                return Err(io::Error::new(ErrorKind::StorageFull, message));
            }
            write::write_all_at(&file, &bytes, offset)
        })
        .await?;
        Ok(Part {
            number,
            offset,
            size,
            tag: String::new(),
        })
    }

    async fn flush(&self, staged: &Staged) -> Result<(), StorageError> {
        self.blocking("flush", self.stage_path(&staged.name), |path| {
            existing_file(path)?.sync_data()
        })
        .await
    }

    async fn publish(
        &self,
        staged: &Staged,
        parts: &[Part],
        sha256: &Sha256,
    ) -> Result<(), StorageError> {
        let size: u64 = parts.iter().map(|part| part.size).sum();
        let target = self.path(&StorageKey::Blob(*sha256));
        self.blocking("publish", self.stage_path(&staged.name), move |path| {
            let file = existing_file(path)?;
            file.set_len(size)?;
            // The library's links share the file: a person who edits one must not edit the blob.
            file.set_permissions(fs::Permissions::from_mode(0o444))?;
            file.sync_all()?;
            make_parent(&target)?;
            crash::point("synced");
            fs::rename(path, &target)?;
            crash::point("renamed");
            sync_parent(&target)?;
            remove_empty_parent(path);
            Ok(())
        })
        .await
    }

    async fn discard(&self, name: &StageName) -> Result<(), StorageError> {
        let parts = self.parts_path(name);
        self.blocking("discard", self.stage_path(name), move |path| {
            found(fs::remove_file(path))?;
            found(fs::remove_dir_all(parts))?;
            remove_empty_parent(path);
            Ok(())
        })
        .await
    }

    async fn discard_upload(&self, upload: &str) -> Result<(), StorageError> {
        self.blocking("discard", self.root.join("staging").join(upload), |path| {
            found(fs::remove_dir_all(path)).map(drop)
        })
        .await
    }

    async fn staged_uploads(&self) -> Result<Vec<StagedUpload>, StorageError> {
        self.blocking("list", self.root.join("staging"), listing::staged_uploads)
            .await
    }

    async fn strays(&self) -> Result<Vec<Stray>, StorageError> {
        Ok(Vec::new())
    }

    async fn end_stray(&self, _: &Stray) -> Result<(), StorageError> {
        Ok(())
    }

    fn blobs(&self) -> BoxStream<'_, Result<BlobEntry, StorageError>> {
        // One folder at a time: there are at most 256, however many blobs.
        let folders = self.blocking("list", self.root.join("blobs/sha256"), listing::folders);
        stream::once(folders)
            .flat_map(|folders| match folders {
                Ok(folders) => stream::iter(folders.into_iter().map(Ok)).left_stream(),
                Err(error) => stream::once(async { Err(error) }).right_stream(),
            })
            .then(move |folder| async move {
                self.blocking("list", folder?, listing::blobs_in).await
            })
            .flat_map(|found| match found {
                Ok(blobs) => stream::iter(blobs.into_iter().map(Ok)).left_stream(),
                Err(error) => stream::once(async { Err(error) }).right_stream(),
            })
            .boxed()
    }

    async fn manifests(&self) -> Result<Vec<String>, StorageError> {
        self.blocking("list", self.root.join("entities"), listing::manifests)
            .await
    }

    async fn put(&self, key: &StorageKey, bytes: Bytes) -> Result<(), StorageError> {
        let staging = self
            .root
            .join(format!("staging/.put-{}", uuid::Uuid::now_v7().simple()));
        let target = self.path(key);
        let mode = match key {
            // As a published one: the library's links share the file.
            StorageKey::Blob(_) => 0o444,
            StorageKey::Manifest { .. } => 0o644,
        };
        self.blocking("store", staging, move |path| {
            let written = write_durably(path, &bytes, mode).and_then(|_locked| {
                make_parent(&target)?;
                crash::point("put-written");
                fs::rename(path, &target)?;
                crash::point("put-renamed");
                sync_parent(&target)
            });
            if written.is_err() {
                found(fs::remove_file(path))?;
            }
            written
        })
        .await
    }

    async fn open(&self, key: &StorageKey) -> Result<Box<dyn Content>, StorageError> {
        let name = key.object_name();
        let file = self
            .blocking("open", self.path(key), |path| found(File::open(path)))
            .await?;
        match file {
            Some(file) => Ok(Box::new(io::BufReader::with_capacity(64 * 1024, file))),
            None => Err(StorageError::Missing(name)),
        }
    }

    async fn read(&self, key: &StorageKey, range: Range<u64>) -> Result<ByteStream, StorageError> {
        self.read_file(self.path(key), key.object_name(), range)
            .await
    }

    async fn presign_get(
        &self,
        _: &StorageKey,
        _: Duration,
    ) -> Result<Option<String>, StorageError> {
        Ok(None)
    }

    async fn remove(&self, key: &StorageKey) -> Result<(), StorageError> {
        self.blocking("remove", self.path(key), |path| {
            found(fs::remove_file(path)).map(drop)
        })
        .await
    }

    async fn free_space(&self) -> Result<Option<u64>, StorageError> {
        self.blocking("measure", self.root.to_path_buf(), |path| {
            room(path).map(Some)
        })
        .await
    }

    fn local_root(&self) -> Option<&Path> {
        Some(&self.root)
    }
}

/// Bytes that may still be written here. A little is left over: the records
/// may be on the same disk, and have to say that it is full.
fn room(path: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(path)?;
    let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
    let left_over = (bytes(disk.f_blocks) / 8).min(LEFT_OVER);
    Ok(bytes(disk.f_bavail).saturating_sub(left_over))
}

/// "Not there" as `None`.
fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn new_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(path)
}

/// Opens for writing what we staged, and never through a link somebody planted.
fn existing_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
        .open(path)
}

/// Makes a file that is locked, so that no process that starts sweeps it away.
fn new_locked_file(path: &Path) -> io::Result<File> {
    loop {
        let file = new_file(path)?;
        file.lock()?;
        // One that started may have come in between.
        if file.metadata()?.nlink() > 0 {
            return Ok(file);
        }
    }
}

/// Writes a file that is locked until it is whole. Returns it, still locked.
fn write_durably(path: &Path, bytes: &Bytes, mode: u32) -> io::Result<File> {
    let file = new_locked_file(path)?;
    write::write_all_at(&file, std::slice::from_ref(bytes), 0)?;
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.sync_all()?;
    Ok(file)
}

/// Removes small files that a process left half written: those nobody has locked.
fn sweep_unfinished(staging: &Path) -> io::Result<()> {
    for entry in fs::read_dir(staging)? {
        let path = entry?.path();
        let hidden = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if hidden
            && let Ok(file) = File::open(&path)
            && file.try_lock().is_ok()
        {
            found(fs::remove_file(&path))?;
        }
    }
    Ok(())
}

/// Makes the folder for `path`, so that it survives a crash of the machine.
fn make_parent(path: &Path) -> io::Result<()> {
    let Some(parent) = path.parent().filter(|parent| !parent.is_dir()) else {
        return Ok(());
    };
    fs::create_dir_all(parent)?;
    sync_parent(parent)
}

/// A rename survives a crash of the machine once its folder is synced.
fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent()
        .map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

/// The last file of an upload takes the upload's staging folder along. Failing
/// is fine: another file is still there.
fn remove_empty_parent(path: &Path) {
    if let Some(parent) = path.parent() {
        let _ = fs::remove_dir(parent);
    }
}

fn failed(doing: &str, path: &Path, error: &io::Error) -> StorageError {
    let message = format!("can't {doing} {}: {error}", path.display());
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StorageError::Full(message),
        _ => StorageError::Failed(message),
    }
}
