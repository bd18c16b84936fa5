//! Moves one file from its provider into storage, verified.
//!
//! ranges ▸ bounded memory ▸ hash in order ▸ parts ▸ staged ▸ verified ▸
//! published. Ranges are fetched side by side and taken in order, so that the
//! hash is ready with the last byte and what is stored is always a prefix.

mod adopt;
mod allowance;
mod crew;
mod digest;
mod flow;
mod gather;
mod limits;
mod pace;
mod patience;
mod race;
mod ranges;
mod reader;
mod whole;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use modelferry_providers::http::RetryPolicy;
use modelferry_providers::{Artifact, Auth, Providers, Sha256, Validator};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

pub use self::adopt::Adoption;
use self::digest::Hashers;
use self::flow::{Flow, Received, Saved, Snapshot};
pub use self::limits::Limits;
pub use self::pace::Pace;
pub use self::patience::{Drip, Patience};
use self::ranges::{Fetched, Source};
use crate::crash;
use crate::error::{Code, Error, Stop};
use crate::storage::{Expected, Part, StageName, Staged, Storage};
use crate::upload::Verification;

/// Parts written side by side.
const WRITES: usize = 4;
/// How many stored bytes are worth a checkpoint.
const CHECKPOINT_BYTES: u64 = 32 * 1024 * 1024;
/// How many may be stored and in no checkpoint: they are fetched again after a
/// crash, as are those in flight. A disk that is slower than the network makes
/// the network wait.
const MOST_UNSAVED: u64 = 96 * 1024 * 1024;

/// What every transfer of a process shares.
#[derive(Debug, Clone)]
pub struct Engine {
    /// Who hands out the bytes.
    pub providers: Providers,
    /// Where they go.
    pub storage: Arc<dyn Storage>,
    /// Connections and memory.
    pub limits: Arc<Limits>,
    /// When to ask again.
    pub retry: RetryPolicy,
    /// How slow is too slow.
    pub patience: Patience,
}

/// One file to move.
pub struct Job<'a> {
    /// What, and what it must hash to.
    pub artifact: &'a Artifact,
    /// The tokens to use.
    pub auth: &'a Auth,
    /// The name of its staged bytes.
    pub stage: StageName,
    /// Where an earlier worker left off, and the parts it stored.
    pub resume: Option<(Checkpoint, Vec<Part>)>,
    /// Keeps checkpoints.
    pub ledger: &'a dyn Ledger,
    /// Hears of every byte.
    pub meter: Arc<dyn Meter>,
    /// Whether a file of this length may come in. Asked as soon as a length is
    /// told, and again as bytes arrive: a server need not tell, and may lie.
    pub admits: &'a (dyn Fn(u64) -> Result<(), Error> + Send + Sync),
    /// Ends the work, keeping what is there.
    pub cancel: &'a CancellationToken,
}

/// Keeps checkpoints where another worker finds them.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Keeps this one, and the parts stored since the last.
    async fn save(&self, checkpoint: &Checkpoint, new_parts: &[Part]) -> Result<(), Stop>;
    /// Forgets them all: the file starts over.
    async fn reset(&self) -> Result<(), Stop>;
}

/// Hears of bytes as they move.
pub trait Meter: fmt::Debug + Send + Sync {
    /// So many more bytes came over the wire.
    fn received(&self, bytes: u64);
    /// The file's length, once it is known, and how much of it is already here.
    fn begins(&self, total: Option<u64>, done: u64);
}

/// How far a file is. Everything another worker needs to go on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Where its bytes are.
    pub staged: Staged,
    /// How many bytes from the start are stored and hashed.
    pub done: u64,
    /// How long a part is; the last one may be shorter.
    pub part_size: u64,
    /// The whole length, where it is known.
    pub total: Option<u64>,
    /// Names the content these bytes are of.
    pub validator: Option<Validator>,
    /// The state of the hashes after `done` bytes.
    hashers: digest::Saved,
}

/// A file that is published.
#[derive(Debug, Clone)]
pub struct Landed {
    /// Its content.
    pub sha256: Sha256,
    /// Its length.
    pub size: u64,
    /// What it was held against.
    pub verification: Verification,
    /// Whether a first, damaged transfer was made good.
    pub repaired: bool,
}

impl Engine {
    /// Fetches, verifies and publishes one file.
    ///
    /// # Errors
    /// [`Stop::Interrupted`] after a last checkpoint when cancelled, and the
    /// code of what went wrong otherwise. Nothing is published then.
    pub async fn run(&self, mut job: Job<'_>) -> Result<Landed, Stop> {
        if job.resume.is_none() && whole::is_small(job.artifact) {
            return self.run_whole(&job).await;
        }
        let first = match self.receive(&mut job).await {
            Err(Stop::Failed(error)) if error.code == Code::SourceChanged => {
                tracing::info!(path = %job.artifact.path, "the source changed; starting over");
                self.start_over(&mut job).await?;
                self.receive(&mut job).await?
            }
            other => other?,
        };
        let Err(mismatch) = first.computed.check(&job.artifact.digests) else {
            return self.publish(&job, first, false).await;
        };
        tracing::info!(path = %job.artifact.path, %mismatch, "the bytes don't match; fetching again");
        self.start_over(&mut job).await?;
        let second = self.receive(&mut job).await?;
        match second.computed.check(&job.artifact.digests) {
            Ok(()) => self.publish(&job, second, true).await,
            Err(mismatch) => {
                self.start_over(&mut job).await?;
                let same_twice = first.computed.sha256 == second.computed.sha256;
                Err(mismatched(job.artifact, &mismatch, same_twice).into())
            }
        }
    }

    /// Brings every byte into storage, hashed on the way.
    async fn receive(&self, job: &mut Job<'_>) -> Result<Received, Stop> {
        let mut flow = self.begin(job).await?;
        let source = Source::open(self, job, &flow.checkpoint).await?;
        if source.start() != flow.checkpoint.done {
            self.start_over(job).await?;
            flow = self.begin(job).await?;
        }
        flow.checkpoint.total = source.total();
        flow.checkpoint.validator = source.validator().cloned();
        flow.hashers
            .set_header_digest(source.header_digest(), flow.checkpoint.done);
        source.total().map_or(Ok(()), job.admits)?;
        job.meter.begins(source.total(), flow.checkpoint.done);
        self.pump(job, &mut flow, source).await?;
        flow.finish(job.artifact)
    }

    /// The pipeline: parts as they are fetched, hashed in order, written side
    /// by side, recorded in order, the records being written meanwhile.
    async fn pump(&self, job: &Job<'_>, flow: &mut Flow, source: Source) -> Result<(), Stop> {
        let staged = flow.checkpoint.staged.clone();
        let hashers = std::mem::take(&mut flow.hashers);
        let hashed = stream::try_unfold((source, hashers), |(mut source, hashers)| async move {
            let Some(fetched) = source.next().await? else {
                return Ok::<_, Stop>(None);
            };
            let (hashers, fetched) = digest::update(hashers, fetched).await?;
            Ok(Some(((fetched, hashers.clone()), (source, hashers))))
        });
        let written = hashed
            .map_ok(|(fetched, hashers)| self.write(&staged, fetched, hashers))
            .try_buffered(WRITES);
        let mut written = std::pin::pin!(written);
        let mut saving: Option<BoxFuture<'_, Result<Saved, Stop>>> = None;
        let outcome = loop {
            let may_read = saving.is_none() || flow.unsaved() < MOST_UNSAVED;
            tokio::select! {
                biased;
                () = job.cancel.cancelled() => break Err(Stop::Interrupted),
                saved = settled(&mut saving) => {
                    saving = None;
                    match saved {
                        Ok(saved) => flow.saved(&saved),
                        Err(stop) => break Err(stop),
                    }
                }
                next = written.next(), if may_read => match next {
                    None => break Ok(()),
                    Some(Err(stop)) => break Err(stop),
                    Some(Ok((part, hashers))) => flow.advance(part, hashers),
                },
            }
            if let Err(too_large) = (job.admits)(flow.checkpoint.done) {
                break Err(too_large.into());
            }
            if saving.is_none() && flow.unsaved() >= CHECKPOINT_BYTES {
                saving = Some(self.save(job, flow.snapshot()).boxed());
            }
        };
        if matches!(outcome, Ok(()) | Err(Stop::LeaseLost)) {
            return outcome;
        }
        // What was under way is in the last one too.
        drop(saving);
        if flow.unsaved() > 0 {
            let saved = self.save(job, flow.snapshot()).await?;
            flow.saved(&saved);
        }
        outcome
    }

    async fn write(
        &self,
        staged: &Staged,
        fetched: Fetched,
        hashers: Hashers,
    ) -> Result<(Part, Hashers), Stop> {
        let Fetched {
            number,
            offset,
            chunks,
            memory,
        } = fetched;
        let part = self
            .storage
            .write_part(staged, number, offset, chunks)
            .await?;
        crash::point("part-written");
        drop(memory);
        Ok((part, hashers))
    }

    async fn save(&self, job: &Job<'_>, snapshot: Snapshot) -> Result<Saved, Stop> {
        self.storage.flush(&snapshot.checkpoint.staged).await?;
        crash::point("flushed");
        job.ledger
            .save(&snapshot.checkpoint, &snapshot.new_parts)
            .await?;
        crash::point("checkpoint-saved");
        Ok(snapshot.saved)
    }

    /// Takes up what an earlier worker left, when it is still there, else
    /// stages anew.
    async fn begin(&self, job: &mut Job<'_>) -> Result<Flow, Stop> {
        if let Some((checkpoint, parts)) = job.resume.take() {
            if let Some(hashers) = Hashers::restore(&checkpoint.hashers)
                && is_prefix(&parts, checkpoint.done)
                && can_be_joined(job.artifact, &checkpoint)
                && self.storage.is_staged(&checkpoint.staged).await?
            {
                return Ok(Flow::new(checkpoint, parts, hashers));
            }
            job.ledger.reset().await?;
        }
        let part_size = ranges::part_size(job.artifact.size.approximate());
        ranges::check_part(job.artifact, part_size, self.limits.memory())?;
        let expected = Expected {
            sha256: job.artifact.digests.sha256,
            size: job.artifact.size.exact(),
        };
        let staged = self.storage.stage(&job.stage, expected).await?;
        crash::point("staged");
        let checkpoint = Checkpoint {
            staged,
            done: 0,
            part_size,
            total: None,
            validator: None,
            hashers: digest::Saved::default(),
        };
        let hashers = Hashers::for_file(&job.artifact.digests, job.artifact.size.exact());
        Ok(Flow::new(checkpoint, Vec::new(), hashers))
    }

    async fn start_over(&self, job: &mut Job<'_>) -> Result<(), Stop> {
        job.resume = None;
        job.ledger.reset().await?;
        self.storage.discard(&job.stage).await?;
        Ok(())
    }

    async fn publish(
        &self,
        job: &Job<'_>,
        received: Received,
        repaired: bool,
    ) -> Result<Landed, Stop> {
        let Received {
            computed,
            staged,
            parts,
        } = received;
        crash::point("verified");
        self.storage
            .publish(&staged, &parts, &computed.sha256)
            .await?;
        crash::point("published");
        Ok(Landed {
            verification: computed.verification(&job.artifact.digests),
            sha256: computed.sha256,
            size: computed.size,
            repaired,
        })
    }
}

/// Whether something would tell if the rest were of another content.
fn can_be_joined(artifact: &Artifact, checkpoint: &Checkpoint) -> bool {
    let digests = &artifact.digests;
    checkpoint.validator.is_some()
        || digests.sha256.is_some()
        || digests.git_sha1.is_some()
        || digests.header.is_some()
}

/// The checkpoint that is being saved, when one is.
async fn settled(saving: &mut Option<BoxFuture<'_, Result<Saved, Stop>>>) -> Result<Saved, Stop> {
    match saving {
        Some(saving) => saving.await,
        None => std::future::pending().await,
    }
}

/// Whether the parts are exactly the file's first `done` bytes.
fn is_prefix(parts: &[Part], done: u64) -> bool {
    let mut at = 0;
    for (number, part) in (0u32..).zip(parts) {
        if part.number != number || part.offset != at {
            return false;
        }
        at += part.size;
    }
    at == done
}

fn mismatched(artifact: &Artifact, mismatch: &digest::Mismatch, same_twice: bool) -> Error {
    let path = &artifact.path;
    let provider = artifact.origin.provider();
    if same_twice {
        return Error::new(
            Code::HashMismatch,
            format!("{path} came twice with the same bytes, and they are not what was stated: {mismatch}"),
        )
        .hint(format!(
            "either the stated hash is wrong or {provider} serves another file; nothing was published. \
             If the hash is your own --sha256, check it; else report it to the publisher"
        ));
    }
    Error::new(
        Code::HashMismatch,
        format!("{path} came twice with different bytes, neither as stated: {mismatch}"),
    )
    .hint("something between here and the server damages data; try another network, or later")
}
