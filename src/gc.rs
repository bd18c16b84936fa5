//! Removes what nothing needs: blobs without a name, staged bytes of uploads
//! that are over, unfinished transfers into the storage, manifests of entities
//! that never came to be.
//!
//! It may run beside imports: `records::holdings` says why it never takes what
//! one of them needs. A storage that other records use too is recognised by
//! manifests and staged bytes these don't know; blobs that those manifests
//! name, and young ones nobody here knows, are then left alone.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use futures_util::{StreamExt, TryStreamExt, stream};
use modelferry_providers::Sha256;
use tokio_util::sync::CancellationToken;

use crate::entity::{self, Manifest};
use crate::error::{Code, Error, Stop};
use crate::records::{CONDEMNED, Records, Standing};
use crate::storage::{BlobEntry, Storage, StorageKey};

/// Blobs looked up at once.
const LOOKED_UP: usize = 256;
/// Blobs condemned at once: few, since imports wait for them.
const AT_A_TIME: usize = 64;
/// Removals side by side.
const AT_ONCE: usize = 8;
/// Staged bytes that nobody came back for in this time are stale.
const STALE: TimeDelta = TimeDelta::days(7);
/// The same, where the upload is of other records.
const STALE_ELSEWHERE: TimeDelta = TimeDelta::days(1);
/// A transfer that nothing names is given this time to be named.
const UNNAMED: TimeDelta = TimeDelta::hours(1);

/// Something that nothing needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Garbage {
    /// A blob that nothing names.
    Blob {
        /// Its hash.
        sha256: Sha256,
        /// Its length in bytes.
        size: u64,
    },
    /// What an upload staged.
    Staged {
        /// The upload's id.
        upload: String,
    },
    /// A transfer into the storage that nothing names.
    Unfinished {
        /// What it was to become.
        name: String,
    },
    /// The manifest of an entity that never came to be.
    Manifest {
        /// The entity's id.
        entity: String,
    },
}

/// Hears of each thing once it is removed, or would have been.
pub type Report<'a> = dyn FnMut(&Garbage) + Send + 'a;

/// One collection.
#[derive(Debug)]
pub struct Collector<'a> {
    /// What is known.
    pub records: &'a Records,
    /// What is kept.
    pub storage: &'a dyn Storage,
    /// This process's name among the workers.
    pub worker: &'a str,
    /// How long an upload in parts is kept that nobody completes.
    pub abandoned_after: Duration,
    /// Only tell, remove nothing.
    pub dry_run: bool,
    /// Ends it between two removals.
    pub cancel: &'a CancellationToken,
}

/// What these records don't know of the storage.
#[derive(Default)]
struct Elsewhere {
    is_shared: bool,
    named: HashSet<Sha256>,
}

impl Collector<'_> {
    /// Removes all that nothing needs.
    ///
    /// # Errors
    /// [`Stop::Interrupted`] when cancelled; else what records or storage say.
    /// What was removed until then stays removed.
    pub async fn run(&self, report: &mut Report<'_>) -> Result<(), Stop> {
        let mut elsewhere = Elsewhere::default();
        self.abandoned(report).await?;
        self.staged(&mut elsewhere, report).await?;
        self.unfinished(report).await?;
        self.manifests(&mut elsewhere, report).await?;
        self.blobs(&elsewhere, report).await
    }

    fn check(&self) -> Result<(), Stop> {
        if self.cancel.is_cancelled() {
            return Err(Stop::Interrupted);
        }
        Ok(())
    }

    async fn staged(&self, elsewhere: &mut Elsewhere, report: &mut Report<'_>) -> Result<(), Stop> {
        // Listed before asked: an upload that begins in between is in neither list's gap.
        for staged in self.storage.staged_uploads().await? {
            self.check()?;
            let standing = self.records.standing(&staged.upload).await?;
            elsewhere.is_shared |= standing.is_none();
            let idle = Utc::now() - staged.touched;
            let needed = match standing {
                Some(Standing::Running) => true,
                Some(Standing::Over) => false,
                Some(Standing::Resumable) => idle < STALE,
                // Parts that a client brings there come as slowly as they do here.
                None => idle < self.abandoned_after() + STALE_ELSEWHERE,
            };
            if needed {
                continue;
            }
            if !self.dry_run {
                self.storage.discard_upload(&staged.upload).await?;
            }
            report(&Garbage::Staged {
                upload: staged.upload,
            });
        }
        Ok(())
    }

    fn abandoned_after(&self) -> TimeDelta {
        TimeDelta::from_std(self.abandoned_after).unwrap_or(STALE)
    }

    /// Ends uploads in parts that nobody completes, and throws their parts away.
    async fn abandoned(&self, report: &mut Report<'_>) -> Result<(), Stop> {
        for upload in self.records.abandoned_intakes(self.abandoned_after).await? {
            self.check()?;
            if !self.dry_run {
                if !self
                    .records
                    .end_abandoned(&upload, self.abandoned_after)
                    .await?
                {
                    continue;
                }
                self.storage.discard_upload(&upload).await?;
            }
            report(&Garbage::Staged { upload });
        }
        Ok(())
    }

    async fn unfinished(&self, report: &mut Report<'_>) -> Result<(), Stop> {
        let old = |since| Utc::now() - since >= UNNAMED;
        for stray in self.storage.strays().await? {
            self.check()?;
            if !old(stray.since) {
                continue;
            }
            if !self.dry_run {
                self.storage.end_stray(&stray).await?;
            }
            report(&Garbage::Unfinished { name: stray.name });
        }
        Ok(())
    }

    async fn manifests(
        &self,
        elsewhere: &mut Elsewhere,
        report: &mut Report<'_>,
    ) -> Result<(), Stop> {
        let mut unknown = Vec::new();
        for id in self.storage.manifests().await? {
            if !self.records.is_entity(&id).await? {
                unknown.push(id);
            }
        }
        if unknown.is_empty() {
            return Ok(());
        }
        let failed = self.records.failed_uploads().await?;
        let never: HashMap<String, &String> = failed
            .iter()
            .flat_map(|upload| entity::ids_for(upload).map(|id| (id, upload)))
            .collect();
        for id in unknown {
            self.check()?;
            let key = StorageKey::Manifest { entity: id.clone() };
            // Asked again: it may be retried meanwhile.
            let over = match never.get(&id) {
                Some(upload) => self.records.standing(upload).await? == Some(Standing::Over),
                None => false,
            };
            if !over {
                self.read_elsewhere(&key, elsewhere).await?;
                continue;
            }
            if !self.dry_run {
                self.storage.remove(&key).await?;
            }
            report(&Garbage::Manifest { entity: id });
        }
        Ok(())
    }

    /// A manifest that these records don't know: its entity may be on its way
    /// here, or be of other records.
    async fn read_elsewhere(
        &self,
        key: &StorageKey,
        elsewhere: &mut Elsewhere,
    ) -> Result<(), Stop> {
        elsewhere.is_shared = true;
        let Some(size) = self.storage.stat(key).await? else {
            return Ok(());
        };
        let chunks: Vec<_> = self.storage.read(key, 0..size).await?.try_collect().await?;
        let manifest: Manifest = serde_json::from_slice(&chunks.concat()).map_err(|error| {
            let name = key.object_name();
            let message =
                format!("{name} can't be read, so it is not known what it needs: {error}");
            Error::new(Code::StorageError, message)
                .hint("repair or remove that file, then run gc again")
        })?;
        elsewhere
            .named
            .extend(manifest.files.iter().map(|file| file.sha256));
        Ok(())
    }

    async fn blobs(&self, elsewhere: &Elsewhere, report: &mut Report<'_>) -> Result<(), Stop> {
        let mut listed = self.storage.blobs().try_chunks(LOOKED_UP);
        while let Some(batch) = listed.next().await {
            self.check()?;
            let batch = batch.map_err(|broken| broken.1)?;
            let unnamed = self.unnamed(&batch, elsewhere).await?;
            for few in unnamed.chunks(AT_A_TIME) {
                self.check()?;
                self.remove(few, report).await?;
            }
        }
        Ok(())
    }

    async fn unnamed(
        &self,
        blobs: &[BlobEntry],
        elsewhere: &Elsewhere,
    ) -> Result<Vec<BlobEntry>, Stop> {
        let named = self.records.named(blobs).await?;
        let mut unnamed = Vec::new();
        for blob in blobs.iter().filter(|blob| !named.contains(&blob.sha256)) {
            let young = Utc::now() - blob.since < STALE_ELSEWHERE;
            let may_be_anothers = elsewhere.named.contains(&blob.sha256)
                || (elsewhere.is_shared && young && !self.records.knows_blob(blob.sha256).await?);
            if !may_be_anothers {
                unnamed.push(*blob);
            }
        }
        Ok(unnamed)
    }

    async fn remove(&self, blobs: &[BlobEntry], report: &mut Report<'_>) -> Result<(), Stop> {
        let told = |blob: &BlobEntry| Garbage::Blob {
            sha256: blob.sha256,
            size: blob.size,
        };
        if self.dry_run {
            blobs.iter().map(told).for_each(|garbage| report(&garbage));
            return Ok(());
        }
        let hashes: Vec<_> = blobs.iter().map(|blob| blob.sha256).collect();
        let condemned = Instant::now();
        self.records.condemn(self.worker, &hashes).await?;
        let removed = self.remove_condemned(blobs, condemned).await;
        let gone = removed.as_deref().unwrap_or_default();
        let hashes: Vec<_> = gone.iter().map(|blob| blob.sha256).collect();
        self.records.acquit(self.worker, &hashes).await?;
        removed?
            .iter()
            .map(told)
            .for_each(|garbage| report(&garbage));
        Ok(())
    }

    /// Removes those that still nobody names, for half the time that others
    /// wait: what is on its way then has the other half to arrive.
    async fn remove_condemned(
        &self,
        blobs: &[BlobEntry],
        condemned: Instant,
    ) -> Result<Vec<BlobEntry>, Stop> {
        let named = self.records.named(blobs).await?;
        let time_left = (CONDEMNED / 2).saturating_sub(condemned.elapsed());
        let unnamed = blobs.iter().filter(|blob| !named.contains(&blob.sha256));
        let removals = stream::iter(unnamed.copied()).map(|blob| async move {
            self.storage.remove(&StorageKey::Blob(blob.sha256)).await?;
            Ok::<_, Stop>(blob)
        });
        let in_time = removals
            .buffer_unordered(AT_ONCE)
            .take_until(tokio::time::sleep(time_left));
        in_time.try_collect().await
    }
}
