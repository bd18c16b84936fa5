//! Parts of a client's own making, in the folder: a file each, joined in place.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;

use super::super::intake::{Door, Incoming, Intake, changed, in_order};
use super::super::{ByteStream, Part, StageName, Staged, StorageError};
use super::{LocalStorage, existing_file, found, make_parent, new_locked_file, room};
use crate::crash;
use crate::error::Error;

/// How much of a part is gathered before it is written.
const WRITE: usize = 1024 * 1024;
/// How much is joined in one go. Parts are removed once what holds their bytes
/// is durable, so about so much is on the disk twice.
const STEP: u64 = 64 * 1024 * 1024;

impl LocalStorage {
    pub(super) fn parts_path(&self, name: &StageName) -> PathBuf {
        self.root.join(format!("{name}.parts"))
    }

    /// Writes a part's bytes to a file that nobody looks at yet.
    async fn write_aside(&self, mut bytes: Incoming) -> Result<Aside, Error> {
        let path = self
            .root
            .join(format!("staging/.part-{}", uuid::Uuid::now_v7().simple()));
        let mut aside = Aside {
            file: self
                .blocking("stage", path.clone(), new_locked_file)
                .await?,
            path,
        };
        let mut gathered: Vec<Bytes> = Vec::new();
        let mut length = 0;
        loop {
            let next = bytes.next().await.transpose()?;
            let is_last = next.is_none();
            if let Some(chunk) = next {
                length += chunk.len();
                gathered.push(chunk);
            }
            if length >= WRITE || (is_last && length > 0) {
                aside = self.append(aside, std::mem::take(&mut gathered)).await?;
                length = 0;
            }
            if is_last {
                return Ok(aside);
            }
        }
    }

    async fn append(&self, mut aside: Aside, bytes: Vec<Bytes>) -> Result<Aside, StorageError> {
        let path = aside.path.clone();
        self.blocking("write", path, move |path| {
            let size = bytes.iter().map(|chunk| chunk.len() as u64).sum::<u64>();
            if room(path)? < size {
                let message = "the rest of the disk is kept free for the records";
                return Err(io::Error::new(ErrorKind::StorageFull, message));
            }
            for chunk in &bytes {
                aside.file.write_all(chunk)?;
            }
            Ok(aside)
        })
        .await
    }
}

#[async_trait]
impl Intake for LocalStorage {
    async fn open_intake(&self, name: &StageName, _: Door) -> Result<Staged, StorageError> {
        let target = self.stage_path(name);
        self.blocking("stage", self.parts_path(name), move |path| {
            found(fs::remove_file(target))?;
            found(fs::remove_dir_all(path))?;
            make_parent(path)?;
            fs::create_dir(path)?;
            super::sync_parent(path)
        })
        .await?;
        Ok(Staged {
            name: name.clone(),
            handle: String::new(),
        })
    }

    async fn presign_part(
        &self,
        _: &Staged,
        _: u32,
        _: Duration,
    ) -> Result<Option<String>, StorageError> {
        Ok(None)
    }

    async fn take_part(&self, staged: &Staged, number: u32, bytes: Incoming) -> Result<(), Error> {
        let folder = self.parts_path(&staged.name);
        let aside = self.write_aside(bytes).await?;
        let name = staged.name.clone();
        self.blocking("keep", folder.join(number.to_string()), move |part| {
            aside.file.sync_all()?;
            crash::point("part-aside");
            // A folder that is gone says that no parts are taken any more.
            let kept = found(fs::rename(&aside.path, part))?.is_some();
            if kept {
                crash::point("part-kept");
                found(super::sync_parent(part))?;
            }
            Ok(kept)
        })
        .await?
        .then_some(())
        .ok_or_else(|| StorageError::Missing(format!("the place for parts of {name}")).into())
    }

    async fn brought(&self, staged: &Staged) -> Result<Vec<Part>, StorageError> {
        self.blocking("list", self.parts_path(&staged.name), |folder| {
            let Some(entries) = found(fs::read_dir(folder))? else {
                return Ok(Vec::new());
            };
            let mut parts = Vec::new();
            for entry in entries {
                let entry = entry?;
                let name = entry.file_name();
                let Some(number) = name.to_str().and_then(|name| name.parse().ok()) else {
                    continue;
                };
                parts.push(Part {
                    number,
                    offset: 0,
                    size: entry.metadata()?.len(),
                    tag: String::new(),
                });
            }
            Ok(in_order(parts))
        })
        .await
    }

    async fn assemble(&self, staged: &Staged, parts: &[Part]) -> Result<Staged, StorageError> {
        let target = self.stage_path(&staged.name);
        let mut joining = Joining {
            folder: self.parts_path(&staged.name),
            parts: parts.to_vec(),
            next: 0,
            done: 0,
            unsynced: Vec::new(),
        };
        loop {
            let step = self.blocking("put together", target.clone(), move |target| {
                let outcome = joining.step(target)?;
                Ok((joining, outcome))
            });
            let outcome;
            (joining, outcome) = step.await?;
            match outcome {
                Step::GoOn => {}
                Step::Lost(number) => return Err(changed(&staged.name, number)),
                Step::Whole => return Ok(staged.clone()),
            }
        }
    }

    async fn read_staged(
        &self,
        staged: &Staged,
        range: Range<u64>,
    ) -> Result<ByteStream, StorageError> {
        let name = staged.name.to_string();
        self.read_file(self.stage_path(&staged.name), name, range)
            .await
    }
}

/// A part on its way in. What does not get a name is removed.
struct Aside {
    file: File,
    path: PathBuf,
}

impl Drop for Aside {
    fn drop(&mut self) {
        // Renamed by now, or of no use. A large file takes a moment to remove.
        let path = std::mem::take(&mut self.path);
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || fs::remove_file(path))),
            Err(_) => drop(fs::remove_file(path)),
        }
    }
}

/// Parts becoming one file: the first is renamed, the others are appended.
/// How far it is can be told from the folder alone: a part is removed only once
/// its bytes are durable in the file, and the folder goes last.
struct Joining {
    folder: PathBuf,
    parts: Vec<Part>,
    /// The part that is next.
    next: usize,
    /// How much of it is in the file.
    done: u64,
    /// Parts whose bytes are in the file, and perhaps not durable there.
    unsynced: Vec<u32>,
}

enum Step {
    GoOn,
    /// This part is not there, or not as long as it was.
    Lost(u32),
    Whole,
}

impl Joining {
    fn path(&self, number: u32) -> PathBuf {
        self.folder.join(number.to_string())
    }

    fn step(&mut self, target: &Path) -> io::Result<Step> {
        let total = self.parts.iter().map(|part| part.size).sum::<u64>();
        if found(fs::symlink_metadata(&self.folder))?.is_none() {
            // Put together before.
            let there = found(fs::symlink_metadata(target))?.map(|meta| meta.len());
            return Ok(if there == Some(total) {
                Step::Whole
            } else {
                Step::Lost(0)
            });
        }
        let mut budget = STEP;
        while budget > 0
            && let Some(part) = self.parts.get(self.next).cloned()
        {
            let Some(copied) = self.join(target, &part, budget)? else {
                return Ok(Step::Lost(part.number));
            };
            budget = budget.saturating_sub(copied.max(1));
        }
        self.settle(target)?;
        if self.next < self.parts.len() {
            return Ok(Step::GoOn);
        }
        let file = existing_file(target)?;
        file.set_len(total)?;
        file.sync_all()?;
        crash::point("joined");
        fs::remove_dir_all(&self.folder)?;
        super::sync_parent(&self.folder)?;
        Ok(Step::Whole)
    }

    /// Brings up to `budget` bytes of a part into the file. Returns how many;
    /// `None` when the part is lost.
    fn join(&mut self, target: &Path, part: &Part, budget: u64) -> io::Result<Option<u64>> {
        let path = self.path(part.number);
        let Some(mut file) = found(File::open(&path))? else {
            // Joined by a process that got no further.
            let there = found(fs::symlink_metadata(target))?.map_or(0, |meta| meta.len());
            self.advance();
            return Ok((there >= part.offset + part.size).then_some(0));
        };
        if file.metadata()?.len() != part.size {
            return Ok(None);
        }
        if part.offset == 0 && found(fs::symlink_metadata(target))?.is_none() {
            fs::rename(&path, target)?;
            super::sync_parent(target)?;
            crash::point("first-joined");
            self.advance();
            return Ok(Some(0));
        }
        file.seek(SeekFrom::Start(self.done))?;
        let mut into = existing_file(target)?;
        into.seek(SeekFrom::Start(part.offset + self.done))?;
        let copied = io::copy(&mut file.take(budget), &mut into)?;
        self.done += copied;
        if self.done < part.size && copied == 0 {
            return Ok(None);
        }
        if self.done == part.size {
            self.unsynced.push(part.number);
            self.advance();
        }
        Ok(Some(copied))
    }

    fn advance(&mut self) {
        self.next += 1;
        self.done = 0;
    }

    fn settle(&mut self, target: &Path) -> io::Result<()> {
        if self.unsynced.is_empty() {
            return Ok(());
        }
        existing_file(target)?.sync_all()?;
        crash::point("joined-some");
        for number in std::mem::take(&mut self.unsynced) {
            found(fs::remove_file(self.path(number)))?;
        }
        Ok(())
    }
}
