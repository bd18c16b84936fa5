//! Reads stored blobs again and holds them against their hashes; fetches bad
//! and missing ones anew where their source still has them.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read};
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use modelferry_providers::{Origin, Sha256};
use sha2::Digest;
use tokio_util::sync::CancellationToken;

use crate::entity;
use crate::error::{Code, Error, Stop};
use crate::import::Ferry;
use crate::progress::{ArtifactMeter, Unwatched};
use crate::records::{Entity, EntityFile, Holding, UploadDetail};
use crate::storage::{Content, Part, StageName, StorageError, StorageKey};
use crate::transfer::{Checkpoint, Job, Ledger};

/// Blobs read side by side.
const AT_ONCE: usize = 2;
/// Files looked up at once.
const PAGE: u32 = 1000;
/// How much is read and hashed in one go.
const CHUNK: usize = 1024 * 1024;

/// How a blob was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// As it should be.
    Sound,
    /// Not there.
    Missing,
    /// Other bytes than its name says.
    Damaged,
}

/// What came of one blob.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// Its name.
    pub sha256: Sha256,
    /// Its length as recorded, in bytes.
    pub size: u64,
    /// The files that it is.
    pub files: Vec<Holding>,
    /// How it was found.
    pub found: State,
    /// Whether it was fetched again; `None` when that was not asked for or needed.
    pub repair: Option<Result<(), Error>>,
}

impl Verdict {
    /// Whether it is as it should be now.
    pub fn is_good(&self) -> bool {
        self.found == State::Sound || matches!(self.repair, Some(Ok(())))
    }
}

/// Hears of each blob once it is read.
pub type Report<'a> = dyn FnMut(&Verdict) + Send + 'a;

/// One round of verification.
#[derive(Debug)]
pub struct Verifier<'a> {
    /// Records, storage, and the way to fetch again.
    pub ferry: &'a Ferry,
    /// Fetch bad and missing blobs again.
    pub repair: bool,
    /// Ends it.
    pub cancel: &'a CancellationToken,
}

impl Verifier<'_> {
    /// Reads every blob of everything that ended well, or of one upload or entity.
    ///
    /// # Errors
    /// [`Stop::Interrupted`] when cancelled; [`Code::NotFound`] when nothing of
    /// that id ended well; else what records or storage say.
    pub async fn run(&self, of: Option<&str>, report: &mut Report<'_>) -> Result<(), Stop> {
        let mut after = None;
        loop {
            let page = self.page(of, after).await?;
            let Some(last) = page.last_key_value().map(|(sha256, _)| *sha256) else {
                return match (after, of) {
                    (None, Some(id)) => Err(unknown(id).into()),
                    _ => Ok(()),
                };
            };
            after = Some(last);
            let verdicts = stream::iter(page)
                .map(|(sha256, files)| self.verdict(sha256, files))
                .buffer_unordered(AT_ONCE);
            let mut verdicts = std::pin::pin!(verdicts);
            while let Some(verdict) = verdicts.next().await {
                report(&verdict?);
            }
        }
    }

    /// The next files by blob. A blob that the page's end cuts comes with the next.
    async fn page(
        &self,
        of: Option<&str>,
        after: Option<Sha256>,
    ) -> Result<BTreeMap<Sha256, Vec<Holding>>, Stop> {
        let rows = self.ferry.records.holdings(of, after, PAGE).await?;
        let is_full = rows.len() >= PAGE as usize;
        let mut page: BTreeMap<Sha256, Vec<Holding>> = BTreeMap::new();
        for row in rows {
            page.entry(row.sha256).or_default().push(row);
        }
        if is_full && page.len() > 1 {
            page.pop_last();
        }
        Ok(page)
    }

    async fn verdict(&self, sha256: Sha256, files: Vec<Holding>) -> Result<Verdict, Stop> {
        let size = files.first().map_or(0, |file| file.size);
        let found = self.look(sha256, size).await?;
        let repair = match found {
            State::Missing | State::Damaged if self.repair => {
                match self.fetch_again(sha256, size, &files).await {
                    Ok(()) => Some(Ok(())),
                    Err(Stop::Failed(error)) => Some(Err(error)),
                    Err(early) => return Err(early),
                }
            }
            _ => None,
        };
        Ok(Verdict {
            sha256,
            size,
            files,
            found,
            repair,
        })
    }

    async fn look(&self, sha256: Sha256, size: u64) -> Result<State, Stop> {
        let key = StorageKey::Blob(sha256);
        match self.ferry.storage.stat(&key).await? {
            None => return Ok(State::Missing),
            Some(there) if there != size => return Ok(State::Damaged),
            Some(_) => {}
        }
        let content = match self.ferry.storage.open(&key).await {
            Err(StorageError::Missing(_)) => return Ok(State::Missing),
            content => content?,
        };
        let cancel = self.cancel.clone();
        let hashed = tokio::task::spawn_blocking(move || hash(content, &cancel)).await;
        let computed = hashed.map_err(|error| Error::internal("reading a blob", error))??;
        Ok(if computed == sha256 {
            State::Sound
        } else {
            State::Damaged
        })
    }

    /// Tries each upload that brought this blob, newest first.
    async fn fetch_again(&self, sha256: Sha256, size: u64, files: &[Holding]) -> Result<(), Stop> {
        let mut why = Error::new(Code::NotFound, "nothing says where it came from");
        for file in files {
            let fetched = match self.fetch_from(sha256, file).await {
                Ok(()) => self.look(sha256, size).await?,
                Err(Stop::Failed(error)) => {
                    why = error;
                    continue;
                }
                Err(early) => return Err(early),
            };
            if fetched == State::Sound {
                return self.link_again(files).await;
            }
            why = Error::new(
                Code::StorageError,
                format!(
                    "{} was fetched again and is still not as it should be",
                    file.path
                ),
            )
            .hint("the storage damages what is written to it; check the disk");
        }
        Err(why.into())
    }

    /// The way of any import: from its pinned source, verified, then named.
    async fn fetch_from(&self, sha256: Sha256, file: &Holding) -> Result<(), Stop> {
        let detail = self.ferry.records.get(&file.owner, &file.upload).await?;
        let planned = detail
            .plan
            .as_ref()
            .and_then(|plan| plan.artifacts.get(file.position as usize));
        let Some(mut artifact) = planned.cloned() else {
            let message = format!("{} has no plan to fetch {} by", file.upload, file.path);
            return Err(Error::new(Code::NotFound, message).into());
        };
        if let Origin::Multipart { upload } = &artifact.origin {
            let message = format!(
                "{} was brought in parts by {upload}, and has no source",
                file.path
            );
            return Err(Error::new(Code::NotFound, message)
                .hint("send the file again, as a new upload")
                .into());
        }
        artifact.digests.sha256 = Some(sha256);
        let meter = ArtifactMeter::new(Arc::new(Unwatched), file.position, &artifact);
        let ferry = self.ferry.for_request(&detail.request).await?;
        let job = Job {
            artifact: &artifact,
            auth: &ferry.tokens.for_request(&detail.request),
            stage: StageName {
                upload: format!("repair_{}", uuid::Uuid::now_v7().simple()),
                index: file.position,
            },
            resume: None,
            ledger: &Forgetful,
            meter: Arc::new(meter),
            admits: &|_| Ok(()),
            cancel: self.cancel,
        };
        let stage = job.stage.clone();
        let landed = self.ferry.engine.run(job).await;
        if landed.is_err() {
            self.ferry.storage.discard(&stage).await?;
        }
        landed.map(drop)
    }

    /// A blob that was replaced is another file: the library's links to the old
    /// one are made anew.
    async fn link_again(&self, files: &[Holding]) -> Result<(), Stop> {
        let Some(root) = self.ferry.storage.local_root() else {
            return Ok(());
        };
        for file in files {
            let detail = self.ferry.records.get(&file.owner, &file.upload).await?;
            if let Some(plan) = &detail.plan
                && let Some(mut entity) = self.entity(&detail).await?
            {
                // Its other files may be missing still, and get their turn.
                entity.files.retain(|it| it.sha256 == file.sha256);
                entity::link_library(root, plan, &entity).await?;
            }
        }
        Ok(())
    }

    async fn entity(&self, detail: &UploadDetail) -> Result<Option<Entity>, Stop> {
        let Some(id) = detail.upload.entity_id.clone() else {
            return Ok(None);
        };
        let rows = self.ferry.records.artifacts(&detail.upload.id).await?;
        let files = rows.into_iter().filter_map(|row| {
            Some(EntityFile {
                path: row.path,
                size: row.size?,
                sha256: row.sha256?,
            })
        });
        Ok(Some(Entity {
            id,
            kind: detail.upload.kind,
            name: detail.upload.file_name.clone(),
            files: files.collect(),
        }))
    }
}

fn hash(mut content: Box<dyn Content>, cancel: &CancellationToken) -> Result<Sha256, Stop> {
    let mut hasher = sha2::Sha256::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        if cancel.is_cancelled() {
            return Err(Stop::Interrupted);
        }
        match content.read(&mut chunk) {
            Ok(0) => return Ok(Sha256::new(hasher.finalize().into())),
            Ok(read) => hasher.update(chunk.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => {
                let message = format!("a blob can't be read: {error}");
                return Err(Error::new(Code::StorageError, message).into());
            }
        }
    }
}

fn unknown(id: &str) -> Error {
    let message = format!("no upload or entity {} has stored files", id.escape_debug());
    Error::new(Code::NotFound, message).hint("`modelferry uploads list` shows those there are")
}

/// A repair that breaks off starts over: nothing waits for it.
struct Forgetful;

#[async_trait]
impl Ledger for Forgetful {
    async fn save(&self, _: &Checkpoint, _: &[Part]) -> Result<(), Stop> {
        Ok(())
    }

    async fn reset(&self) -> Result<(), Stop> {
        Ok(())
    }
}
