//! Parts of a client's own making, in a bucket.
//!
//! On S3 they are the parts of an unfinished upload, and clients send them to
//! the store. Where the store can't list them, on other clouds, and where the
//! operator wants it so, this server takes them: each is an object of its own,
//! and a worker makes one of all.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use object_store::path::Path as ObjectPath;
use object_store::signer::{Method, SignedUrlOptions, Signer};
use object_store::{ObjectStoreExt, WriteMultipart};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::super::intake::{Door, Incoming, Intake, changed, in_order};
use super::super::{ByteStream, ONE_PART, Part, StageName, Staged, StorageError};
use super::failure::Failure;
use super::staging::{Handle, Parts};
use super::{Client, CloudStorage};
use crate::crash;
use crate::error::Error;

/// Parts that are taken at once; who comes later waits, and sends nothing.
pub(super) const AT_ONCE: usize = 16;
/// How much of a part goes to the store at once: the least that S3 takes.
const CHUNK: usize = 5 * 1024 * 1024;
/// How many such chunks of one part are on their way while another fills.
const ON_THEIR_WAY: usize = 1;
/// How many parts a file is made of here, at most: some fewer than S3 takes.
const PIECES: u64 = 9_000;

impl CloudStorage {
    fn parts_folder(name: &StageName) -> String {
        format!("{name}.parts")
    }

    /// Objects that are parts, with what tells two of one number apart: the
    /// later one has the greater.
    async fn part_objects(
        &self,
        name: &StageName,
    ) -> Result<Vec<(u32, String, u64)>, StorageError> {
        let folder = Self::parts_folder(name);
        let mut listed = self.list(&folder);
        let mut found = Vec::new();
        while let Some(meta) = listed.try_next().await? {
            let read = || {
                let (number, nonce) = meta.location.filename()?.split_once('-')?;
                Some((number.parse().ok()?, nonce.to_owned(), meta.size))
            };
            found.extend(read());
        }
        Ok(found)
    }

    fn part_object(&self, name: &StageName, number: u32, nonce: &str) -> ObjectPath {
        self.at(&format!("{}/{number:05}-{nonce}", Self::parts_folder(name)))
    }

    /// Of each number the part that came last.
    async fn latest_objects(&self, name: &StageName) -> Result<Vec<Part>, StorageError> {
        let mut latest: BTreeMap<u32, (String, u64)> = BTreeMap::new();
        for (number, nonce, size) in self.part_objects(name).await? {
            let known = latest
                .entry(number)
                .or_insert_with(|| (nonce.clone(), size));
            if known.0 < nonce {
                *known = (nonce, size);
            }
        }
        let parts = latest.into_iter().map(|(number, (tag, size))| Part {
            number,
            offset: 0,
            size,
            tag,
        });
        Ok(in_order(parts.collect()))
    }

    /// Writes one object as its bytes come. The writer is a task of its own: it
    /// cleans up at the store even where whoever sends is gone.
    async fn write_object(&self, path: &ObjectPath, mut bytes: Incoming) -> Result<(), Error> {
        // The semaphore lives as long as `self` and is never closed.
        let _turn = self.taking.acquire().await;
        let doing = format!("write {path}");
        let begun = self.client.objects().put_multipart(path).await;
        let upload = begun.map_err(|error| self.explain(&doing, &error))?;
        let (send, mut arriving) = mpsc::channel::<Option<Bytes>>(16);
        let writing = tokio::spawn(async move {
            let mut writer = WriteMultipart::new_with_chunk_size(upload, CHUNK);
            while let Some(chunk) = arriving.recv().await {
                let Some(chunk) = chunk else {
                    return writer.finish().await.map(|_| true);
                };
                if let Err(error) = writer.wait_for_capacity(ON_THEIR_WAY).await {
                    // The first error counts; what can't be ended now is a stray later.
                    let _ = writer.abort().await;
                    return Err(error);
                }
                writer.put(chunk);
            }
            writer.abort().await.map(|()| false)
        });
        let mut broken = None;
        loop {
            match bytes.next().await.transpose() {
                Ok(chunk) => {
                    let is_last = chunk.is_none();
                    // A writer that has ended says why below.
                    if send.send(chunk).await.is_err() || is_last {
                        break;
                    }
                }
                Err(error) => {
                    broken = Some(error);
                    break;
                }
            }
        }
        drop(send);
        let written = writing
            .await
            .map_err(|error| Error::internal("writing a part", error))?;
        match (broken, written) {
            (Some(error), _) => Err(error),
            (None, Ok(true)) => Ok(()),
            (None, Ok(false)) => Err(Error::internal("writing a part", "it broke off")),
            (None, Err(error)) => Err(self.explain(&doing, &error).into()),
        }
    }

    /// Makes the store put an unfinished upload's parts together.
    async fn assemble_at_store(
        &self,
        staged: &Staged,
        upload: &Parts,
        parts: &[Part],
    ) -> Result<Staged, StorageError> {
        let name = &staged.name;
        let size = parts.iter().map(|part| part.size).sum();
        let path = self.at(&upload.object(name));
        if self.head(&path).await?.map(|meta| meta.size) == Some(size) {
            return Ok(staged.clone());
        }
        // As they are now: one may have been sent again meanwhile.
        let there = self.list_parts(&path, &upload.id).await?;
        same_lengths(name, parts, &there)?;
        crash::point("parts-listed");
        match self.complete_upload(&path, upload, &there, size).await? {
            Ok(()) => Ok(staged.clone()),
            // Sent again since they were listed, perhaps: what is there stays for another try.
            Err(error) => Err(self.explain(&format!("put {path} together"), &error)),
        }
    }

    /// Makes one object of many, through this machine.
    async fn assemble_here(
        &self,
        name: &StageName,
        parts: &[Part],
    ) -> Result<Staged, StorageError> {
        let size: u64 = parts.iter().map(|part| part.size).sum();
        if let Some(earlier) = self.marker(name).await? {
            let path = self.at(&earlier.parts.object(name));
            if self.head(&path).await?.map(|meta| meta.size) == Some(size) {
                self.forget_part_objects(name).await?;
                return Ok(staged(name, earlier.parts));
            }
        }
        let there = self.latest_objects(name).await?;
        same_lengths(name, parts, &there)?;
        // An earlier try of a process that died is thrown away here.
        let upload = self.begin_apart(name).await?;
        let joined = self.copy_through(name, &upload, &there, size).await?;
        crash::point("parts-copied");
        self.put_together(name, &upload, &joined, size).await?;
        crash::point("joined");
        self.forget_part_objects(name).await?;
        Ok(staged(name, upload))
    }

    async fn copy_through(
        &self,
        name: &StageName,
        upload: &Parts,
        parts: &[Part],
        size: u64,
    ) -> Result<Vec<Part>, StorageError> {
        let piece = ONE_PART.max(size.div_ceil(PIECES));
        let (mut written, mut gathered, mut length) = (Vec::new(), Vec::new(), 0);
        let mut offset = 0;
        for part in parts {
            let path = self.part_object(name, part.number, &part.tag);
            let mut bytes = self.read_object(&path, 0..part.size).await?;
            while let Some(mut chunk) = bytes.try_next().await? {
                while !chunk.is_empty() {
                    let missing = usize::try_from(piece - length).unwrap_or(usize::MAX);
                    let taken = chunk.split_to(missing.min(chunk.len()));
                    length += taken.len() as u64;
                    gathered.push(taken);
                    let is_last = offset + length == size;
                    if length == piece || is_last {
                        let number = u32::try_from(written.len()).unwrap_or(u32::MAX);
                        let bytes = std::mem::take(&mut gathered);
                        let tag = self.write_one(name, upload, number, bytes).await?;
                        written.push(Part {
                            number,
                            offset,
                            size: length,
                            tag,
                        });
                        offset += length;
                        length = 0;
                    }
                }
            }
        }
        Ok(written)
    }

    async fn forget_part_objects(&self, name: &StageName) -> Result<(), StorageError> {
        for (number, nonce, _) in self.part_objects(name).await? {
            self.delete(&self.part_object(name, number, &nonce)).await?;
        }
        Ok(())
    }
}

fn staged(name: &StageName, parts: Parts) -> Staged {
    Staged {
        name: name.clone(),
        handle: Handle::Parts(parts).to_text(),
    }
}

/// Fails unless these are as long as those.
fn same_lengths(name: &StageName, parts: &[Part], there: &[Part]) -> Result<(), StorageError> {
    for (index, part) in parts.iter().enumerate() {
        let same = |found: &&Part| found.number == part.number && found.size == part.size;
        if there.get(index).filter(same).is_none() {
            return Err(changed(name, part.number));
        }
    }
    match there.get(parts.len()) {
        Some(surplus) => Err(changed(name, surplus.number)),
        None => Ok(()),
    }
}

#[async_trait]
impl Intake for CloudStorage {
    async fn open_intake(&self, name: &StageName, door: Door) -> Result<Staged, StorageError> {
        if door == Door::Store
            && matches!(self.client, Client::S3(..))
            && self.lists_parts.get() != Some(&false)
        {
            let upload = self.begin_apart(name).await?;
            let path = self.at(&upload.object(name));
            // One that can't list parts could never tell whether all are there.
            if self.lists_parts.get().is_none() {
                let lists = self.can_list_parts(&path, &upload.id).await?;
                let _ = self.lists_parts.set(lists);
            }
            if self.lists_parts.get() == Some(&true) {
                return Ok(staged(name, upload));
            }
            self.discard_parts(name, &upload).await?;
        }
        self.forget_part_objects(name).await?;
        Ok(Staged {
            name: name.clone(),
            handle: Handle::Brought.to_text(),
        })
    }

    async fn presign_part(
        &self,
        staged: &Staged,
        number: u32,
        expires: Duration,
    ) -> Result<Option<String>, StorageError> {
        let (Client::S3(signer, _), Handle::Parts(parts)) = (&self.client, Handle::read(staged)?)
        else {
            return Ok(None);
        };
        let path = self.at(&parts.object(&staged.name));
        let query = [
            ("partNumber", (number + 1).to_string()),
            ("uploadId", parts.id.clone()),
        ];
        let options = SignedUrlOptions::new().with_query(query);
        let url = signer
            .signed_url_opts(Method::PUT, &path, expires, &options)
            .await;
        url.map(|url| Some(url.to_string()))
            .map_err(|error| self.explain(&format!("sign a URL for {path}"), &error))
    }

    async fn take_part(&self, staged: &Staged, number: u32, bytes: Incoming) -> Result<(), Error> {
        let name = &staged.name;
        if Handle::read(staged)? != Handle::Brought || self.marker(name).await?.is_some() {
            return Err(StorageError::Missing(format!("the place for parts of {name}")).into());
        }
        // Names are never used twice: two who send one part at once don't meet.
        let nonce = Uuid::now_v7().simple().to_string();
        let path = self.part_object(name, number, &nonce);
        self.write_object(&path, bytes).await?;
        for (of, earlier, _) in self.part_objects(name).await? {
            if of == number && earlier < nonce {
                self.delete(&self.part_object(name, of, &earlier)).await?;
            }
        }
        Ok(())
    }

    async fn brought(&self, staged: &Staged) -> Result<Vec<Part>, StorageError> {
        match Handle::read(staged)? {
            Handle::Parts(upload) => {
                let path = self.at(&upload.object(&staged.name));
                self.list_parts(&path, &upload.id).await
            }
            Handle::Brought => self.latest_objects(&staged.name).await,
            Handle::Held | Handle::Whole { .. } => Ok(Vec::new()),
        }
    }

    async fn assemble(&self, staged: &Staged, parts: &[Part]) -> Result<Staged, StorageError> {
        match Handle::read(staged)? {
            Handle::Parts(upload) => self.assemble_at_store(staged, &upload, parts).await,
            Handle::Brought => self.assemble_here(&staged.name, parts).await,
            Handle::Held | Handle::Whole { .. } => Err(StorageError::Failed(format!(
                "{} was not brought in parts",
                staged.name
            ))),
        }
    }

    async fn read_staged(
        &self,
        staged: &Staged,
        range: Range<u64>,
    ) -> Result<ByteStream, StorageError> {
        let Handle::Parts(upload) = Handle::read(staged)? else {
            return Err(StorageError::Missing(staged.name.to_string()));
        };
        if range.is_empty() {
            return Ok(futures_util::stream::empty().boxed());
        }
        self.read_object(&self.at(&upload.object(&staged.name)), range)
            .await
    }
}

impl Failure {
    /// Whether the store says that it does not know such a request.
    pub(super) fn is_unknown(&self) -> bool {
        matches!(self.status, Some(400 | 405 | 501))
    }
}
