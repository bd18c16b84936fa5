//! A file that its owner brought in parts: put together, read back, verified,
//! published. The way of any other file, but for where the bytes come from.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use modelferry_providers::Artifact;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use super::digest::{self, Computed, Hashers};
use super::{Checkpoint, Engine, Landed, Ledger, Meter};
use crate::crash;
use crate::error::{Code, Error, Stop};
use crate::storage::{Part, Staged, StorageError, StorageKey};

/// How much is read at once.
const STEP: u64 = 8 * 1024 * 1024;
/// How many such pieces are read ahead of the hash.
const AHEAD: usize = 3;
/// How much is hashed between two checkpoints: a crash costs reading it again.
const CHECKPOINT_BYTES: u64 = 512 * 1024 * 1024;

/// One file whose parts are all there.
pub struct Adoption<'a> {
    /// What it must be.
    pub artifact: &'a Artifact,
    /// Where its parts are.
    pub staged: Staged,
    /// What they were when they were said to be complete.
    pub parts: Vec<Part>,
    /// Where an earlier worker left off.
    pub resume: Option<Checkpoint>,
    /// Keeps checkpoints.
    pub ledger: &'a dyn Ledger,
    /// Hears of every byte that is read back.
    pub meter: Arc<dyn Meter>,
    /// Ends the work, keeping what is there.
    pub cancel: &'a CancellationToken,
}

impl Engine {
    /// Puts a file's parts together, verifies and publishes it.
    ///
    /// # Errors
    /// [`Code::SourceChanged`] when a part is not as it was, [`Code::HashMismatch`]
    /// when it is not what its owner said, [`Stop::Interrupted`] when cancelled.
    /// Nothing is published then.
    pub async fn adopt(&self, job: Adoption<'_>) -> Result<Landed, Stop> {
        let size: u64 = job.parts.iter().map(|part| part.size).sum();
        let resumed = job.resume.as_ref().and_then(|checkpoint| {
            let hashers = Hashers::restore(&checkpoint.hashers)?;
            (checkpoint.done <= size).then(|| (checkpoint.clone(), hashers))
        });
        let (checkpoint, hashers) = match resumed {
            Some((checkpoint, hashers)) if checkpoint.done == size => (checkpoint, hashers),
            resumed => self.read_back(&job, size, resumed).await?,
        };
        let computed = hashers.finish(size);
        if let Err(mismatch) = computed.check(&job.artifact.digests) {
            return Err(mismatched(job.artifact, &mismatch).into());
        }
        crash::point("adopted");
        self.publish_adopted(&job, &checkpoint.staged, &computed)
            .await?;
        crash::point("published");
        Ok(Landed {
            verification: computed.verification(&job.artifact.digests),
            sha256: computed.sha256,
            size,
            repaired: false,
        })
    }

    async fn read_back(
        &self,
        job: &Adoption<'_>,
        size: u64,
        resumed: Option<(Checkpoint, Hashers)>,
    ) -> Result<(Checkpoint, Hashers), Stop> {
        let assembled = tokio::select! {
            biased;
            () = job.cancel.cancelled() => return Err(Stop::Interrupted),
            assembled = self.storage.assemble(&job.staged, &job.parts) => assembled,
        };
        let staged = assembled.map_err(|error| no_longer(job.artifact, error))?;
        crash::point("assembled");
        let (done, mut hashers) = match resumed {
            // Other bytes than those hashed so far would be put together anew.
            Some((checkpoint, hashers)) if checkpoint.staged == staged => {
                (checkpoint.done, hashers)
            }
            _ => (0, Hashers::for_file(&job.artifact.digests, Some(size))),
        };
        let mut checkpoint = Checkpoint {
            staged: staged.clone(),
            done,
            part_size: STEP,
            total: Some(size),
            validator: None,
            hashers: hashers.save(),
        };
        job.meter.begins(Some(size), done);
        let mut saved = done;
        let steps = (0..(size - done).div_ceil(STEP)).map(|step| done + step * STEP);
        let mut pieces = stream::iter(steps)
            .map(|start| self.piece(&staged, start..(start + STEP).min(size)))
            .buffered(AHEAD);
        loop {
            let next = tokio::select! {
                biased;
                () = job.cancel.cancelled() => {
                    job.ledger.save(&checkpoint, &[]).await?;
                    return Err(Stop::Interrupted);
                }
                next = pieces.next() => next,
            };
            let Some((chunks, memory)) = next.transpose()? else {
                break;
            };
            let read = chunks.iter().map(|chunk| chunk.len() as u64).sum();
            hashers = digest::feed(hashers, chunks).await?;
            drop(memory);
            job.meter.received(read);
            checkpoint.done += read;
            checkpoint.hashers = hashers.save();
            if checkpoint.done - saved >= CHECKPOINT_BYTES {
                job.ledger.save(&checkpoint, &[]).await?;
                saved = checkpoint.done;
                crash::point("adoption-saved");
            }
        }
        // Once it is published only this says what it came to.
        job.ledger.save(&checkpoint, &[]).await?;
        crash::point("read-back");
        Ok((checkpoint, hashers))
    }

    async fn piece(
        &self,
        staged: &Staged,
        range: Range<u64>,
    ) -> Result<(Vec<Bytes>, OwnedSemaphorePermit), Stop> {
        let wanted = range.end - range.start;
        let memory = self.limits.hold(wanted).await;
        let bytes = self.storage.read_staged(staged, range).await?;
        let chunks: Vec<Bytes> = bytes.try_collect().await?;
        let read: u64 = chunks.iter().map(|chunk| chunk.len() as u64).sum();
        if read != wanted {
            let message = format!("{} ended before its last byte", staged.name);
            return Err(Error::new(Code::StorageError, message).into());
        }
        Ok((chunks, memory))
    }

    /// Publishes it, unless a worker that died right afterwards has.
    async fn publish_adopted(
        &self,
        job: &Adoption<'_>,
        staged: &Staged,
        computed: &Computed,
    ) -> Result<(), Stop> {
        let key = StorageKey::Blob(computed.sha256);
        if !self.storage.is_staged(staged).await?
            && self.storage.stat(&key).await? == Some(computed.size)
        {
            return Ok(());
        }
        let published = self.storage.publish(staged, &job.parts, &computed.sha256);
        Ok(published.await?)
    }
}

fn no_longer(artifact: &Artifact, error: StorageError) -> Error {
    let StorageError::Missing(what) = error else {
        return error.into();
    };
    let message = format!(
        "{} can't be put together: {what} is no longer as it was when the upload was completed",
        artifact.path
    );
    Error::new(Code::SourceChanged, message)
        .hint("make a new upload and send its parts; nothing may be sent once it is completed")
}

fn mismatched(artifact: &Artifact, mismatch: &digest::Mismatch) -> Error {
    let message = format!(
        "{} arrived, and is not what config.sha256 says: {mismatch}",
        artifact.path
    );
    Error::new(Code::HashMismatch, message).hint(
        "nothing was published; check the hash, and the order of the parts, then make a new upload",
    )
}
