//! A small file: fetched whole into memory, verified there, and stored at once.
//! Nothing of it is ever staged, and it needs no checkpoint.

use bytes::Bytes;
use modelferry_providers::Artifact;

use super::digest::{self, Computed, Hashers};
use super::flow::check_length;
use super::ranges::{Memory, Source};
use super::{Engine, Job, Landed, mismatched};
use crate::crash;
use crate::error::{Code, Error, Stop};
use crate::storage::{ONE_PART, StorageKey};

/// A file in memory.
struct Held {
    chunks: Vec<Bytes>,
    computed: Computed,
    _memory: Vec<Memory>,
}

/// Whether a file is fetched whole.
pub fn is_small(artifact: &Artifact) -> bool {
    artifact.size.exact().is_some_and(|size| size <= ONE_PART)
}

impl Engine {
    /// As [`Engine::run`], for a small file.
    pub(super) async fn run_whole(&self, job: &Job<'_>) -> Result<Landed, Stop> {
        let first = match self.hold_whole(job).await {
            Err(Stop::Failed(error)) if error.code == Code::SourceChanged => {
                tracing::info!(path = %job.artifact.path, "the source changed; starting over");
                self.hold_whole(job).await?
            }
            other => other?,
        };
        let Err(mismatch) = first.computed.check(&job.artifact.digests) else {
            return self.put(job, first, false).await;
        };
        tracing::info!(path = %job.artifact.path, %mismatch, "the bytes don't match; fetching again");
        let before = first.computed.sha256;
        drop(first);
        let second = self.hold_whole(job).await?;
        match second.computed.check(&job.artifact.digests) {
            Ok(()) => self.put(job, second, true).await,
            Err(mismatch) => {
                let same_twice = before == second.computed.sha256;
                Err(mismatched(job.artifact, &mismatch, same_twice).into())
            }
        }
    }

    async fn hold_whole(&self, job: &Job<'_>) -> Result<Held, Stop> {
        tokio::select! {
            biased;
            () = job.cancel.cancelled() => Err(Stop::Interrupted),
            held = self.fetch_whole(job) => held,
        }
    }

    async fn fetch_whole(&self, job: &Job<'_>) -> Result<Held, Stop> {
        let mut source = Source::open_whole(self, job).await?;
        job.meter.begins(source.total(), 0);
        let mut hashers = Hashers::for_file(&job.artifact.digests, job.artifact.size.exact());
        hashers.set_header_digest(source.header_digest(), 0);
        let (mut chunks, mut memory, mut got) = (Vec::new(), Vec::new(), 0);
        while let Some(fetched) = source.next().await? {
            got += fetched.len();
            if got > ONE_PART {
                break;
            }
            let (on, fetched) = digest::update(hashers, fetched).await?;
            hashers = on;
            chunks.extend(fetched.chunks);
            memory.push(fetched.memory);
        }
        check_length(job.artifact, source.total(), got)?;
        Ok(Held {
            chunks,
            computed: hashers.finish(got),
            _memory: memory,
        })
    }

    async fn put(&self, job: &Job<'_>, held: Held, repaired: bool) -> Result<Landed, Stop> {
        let Held {
            mut chunks,
            computed,
            _memory,
        } = held;
        let bytes = match (chunks.pop(), chunks.is_empty()) {
            (Some(only), true) => only,
            (last, _) => Bytes::from([chunks.concat(), last.unwrap_or_default().to_vec()].concat()),
        };
        crash::point("whole-verified");
        self.storage
            .put(&StorageKey::Blob(computed.sha256), bytes)
            .await
            .map_err(Error::from)?;
        crash::point("whole-published");
        Ok(Landed {
            verification: computed.verification(&job.artifact.digests),
            sha256: computed.sha256,
            size: computed.size,
            repaired,
        })
    }
}
