//! A process that works on uploads: its lock, its leases, its claims.

mod errand;
mod pool;
mod recorder;

use std::convert::Infallible;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use modelferry_providers::Plan;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::field::Empty;
use tracing::{Instrument, Span};
use uuid::Uuid;

pub use self::errand::{Ended, Errand, Outcome, Terms};
pub use self::pool::{Pool, PoolSettings};
use crate::error::{Code, Error, Stop};
use crate::import::{self, Ferry};
use crate::progress::Observer;
use crate::records::{Claim, Records, Signal, Standing};
use crate::storage::Storage;
use crate::telemetry;
use crate::upload::Upload;

/// How long a claim holds without being renewed.
const LEASE: Duration = Duration::from_secs(30);
/// How often dead workers are looked for.
const WAKE: Duration = Duration::from_secs(2);
/// How often an upload that another worker has is looked at again.
const POLL: Duration = Duration::from_millis(500);

/// This process as the records know it. The lock on its file ends with the
/// process, however it ends: so others on this machine know it is dead.
#[derive(Debug)]
pub struct Worker {
    id: String,
    lock_path: PathBuf,
    _lock: File,
    /// Set when a claim could not be given back.
    owes_a_claim: AtomicBool,
}

impl Worker {
    /// What the records call it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Announces this process in `home`.
    ///
    /// # Errors
    /// [`Code::StorageError`] when the lock can't be made.
    pub fn start(home: &Path) -> Result<Self, Error> {
        let id = format!("worker_{}", Uuid::now_v7().simple());
        let folder = home.join("workers");
        let lock_path = folder.join(format!("{id}.lock"));
        let lock = fs::create_dir_all(&folder).and_then(|()| {
            // Under its own name it is locked already: nobody takes it for a dead one's.
            let unlocked = folder.join(format!("{id}.new"));
            let lock = File::create_new(&unlocked)?;
            lock.lock()?;
            fs::rename(&unlocked, &lock_path)?;
            Ok(lock)
        });
        let lock = lock.map_err(|error| {
            Error::new(Code::StorageError, format!("can't write to {}: {error}", folder.display()))
                .hint("check the folder's owner and mode, or set MODELFERRY_HOME to one that can be written to")
        })?;
        Ok(Self {
            id,
            lock_path,
            _lock: lock,
            owes_a_claim: AtomicBool::new(false),
        })
    }

    /// Frees what dead workers of this machine had claimed, and throws away
    /// staged bytes that no upload will use.
    ///
    /// # Errors
    /// When records or storage can't be reached.
    pub async fn clean_up(&self, records: &Records, storage: &dyn Storage) -> Result<(), Error> {
        self.free_the_dead(records).await?;
        // Staged before asked: an upload that begins in between is in neither list's gap. What
        // these records don't know may be of others; `gc` looks at its age.
        for staged in storage.staged_uploads().await? {
            if records.standing(&staged.upload).await? == Some(Standing::Over) {
                storage.discard_upload(&staged.upload).await?;
            }
        }
        Ok(())
    }

    /// Frees what dead workers of this machine had claimed.
    ///
    /// # Errors
    /// When the records can't be reached.
    pub async fn free_the_dead(&self, records: &Records) -> Result<(), Error> {
        for (id, lock_path) in self.dead_workers() {
            let freed = records.release_dead(&id).await?;
            tracing::info!(worker = %id, freed, "a worker of this machine had died");
            let _ = fs::remove_file(lock_path);
        }
        Ok(())
    }

    /// Does so again and again: what a worker waits for may be a dead one's.
    async fn keep_freeing_the_dead(&self, records: &Records) -> Infallible {
        loop {
            tokio::time::sleep(WAKE).await;
            if let Err(error) = self.free_the_dead(records).await {
                tracing::warn!(%error, "dead workers could not be looked for");
            }
        }
    }

    fn dead_workers(&self) -> Vec<(String, PathBuf)> {
        let Some(entries) = self
            .lock_path
            .parent()
            .and_then(|folder| fs::read_dir(folder).ok())
        else {
            return Vec::new();
        };
        let others = entries
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| *path != self.lock_path);
        others
            .filter_map(|path| {
                let id = path
                    .file_name()?
                    .to_str()?
                    .strip_suffix(".lock")?
                    .to_owned();
                // A lock that can be had is a lock that nobody holds.
                File::open(&path).ok()?.try_lock().ok()?;
                Some((id, path))
            })
            .collect()
    }

    /// Works on one upload until it ends, waiting for another worker that has it.
    ///
    /// # Errors
    /// [`Stop`]: why it is not `imported` or `complete`.
    pub async fn work_on(
        &self,
        ferry: &Ferry,
        owner: &str,
        upload: &str,
        resolved: Option<Plan>,
        observer: Arc<dyn Observer>,
        cancel: &CancellationToken,
    ) -> Result<(), Stop> {
        let claim = loop {
            if let Some(claim) = ferry.records.claim(owner, upload, &self.id, LEASE).await? {
                break claim;
            }
            let detail = ferry.records.get(owner, upload).await?;
            if detail.upload.status.is_terminal() {
                return detail
                    .error
                    .map_or(Ok(()), |error| Err(Stop::Failed(error)));
            }
            tokio::select! {
                () = cancel.cancelled() => return Err(Stop::Interrupted),
                () = tokio::time::sleep(POLL) => {}
            }
        };
        let span = span_of(&claim);
        let work = self.work(ferry, claim, LEASE, resolved, observer, cancel);
        work.boxed().instrument(span).await
    }

    /// Works on one claimed upload until it ends or the claim is lost.
    async fn work(
        &self,
        ferry: &Ferry,
        claim: Claim,
        lease: Duration,
        resolved: Option<Plan>,
        observer: Arc<dyn Observer>,
        cancel: &CancellationToken,
    ) -> Result<(), Stop> {
        let working = cancel.child_token();
        let keeper = keep_lease(ferry.records.clone(), claim.clone(), lease, working.clone());
        let import = import::run(ferry, &claim, resolved, observer, &working).boxed();
        let outcome = tokio::select! {
            outcome = import => outcome,
            never = self.keep_freeing_the_dead(&ferry.records) => match never {},
        };
        drop(keeper);
        if let Err(Stop::Failed(error)) = &outcome {
            let span = Span::current();
            span.record("otel.status_code", "error");
            span.record("error.type", error.code.as_str());
        }
        if outcome.is_err() {
            match ferry.records.release(&claim).await {
                Ok(held) if !held && matches!(outcome, Err(Stop::Interrupted)) => {
                    return Err(Stop::LeaseLost);
                }
                Ok(_) => {}
                // The lock file tells the next process that this claim is nobody's.
                Err(_) => self.owes_a_claim.store(true, Ordering::Relaxed),
            }
        }
        outcome
    }
}

impl Worker {
    /// Ends an upload whose source was refused before it could be worked on.
    ///
    /// # Errors
    /// When the records can't be written.
    async fn refuse(&self, ferry: &Ferry, upload: &Upload, error: &Error) -> Result<(), Error> {
        if let Some(claim) = ferry
            .records
            .claim(&upload.owner_id, &upload.id, &self.id, LEASE)
            .await?
        {
            ferry.records.fail(&claim, error).await?;
        }
        Ok(())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if !self.owes_a_claim.load(Ordering::Relaxed) {
            let _ = fs::remove_file(&self.lock_path);
        }
    }
}

/// What every line and every span about an upload belongs to; part of the
/// trace of whatever asked for it.
fn span_of(claim: &Claim) -> Span {
    let detail = &claim.detail;
    // At this level it is on each line, whatever the filter lets through.
    let span = tracing::error_span!(
        "upload",
        id = claim.upload_id(), owner = %detail.upload.owner_id, attempt = claim.attempt(),
        otel.kind = "consumer", otel.status_code = Empty, error.type = Empty,
    );
    telemetry::join(&span, detail.request.trace.as_deref());
    span
}

/// Renews a claim for as long as the handle lives. Work ends before a lease
/// that can't be renewed does, and at once when somebody else ended the upload.
fn keep_lease(
    records: Records,
    claim: Claim,
    lease: Duration,
    working: CancellationToken,
) -> AbortOnDropHandle<()> {
    let keeping = async move {
        let mut signals = records.signals();
        let renewal = lease / 3;
        let mut held_until = Instant::now() + lease;
        loop {
            wait_or_hear_of(&mut signals, claim.upload_id(), renewal).await;
            let begun = Instant::now();
            // A worker that learns too late that its lease is over works beside its successor.
            match timeout_at(held_until - renewal / 2, records.renew(&claim, lease)).await {
                Ok(Ok(true)) => held_until = begun + lease,
                Ok(Ok(false)) | Err(_) => break,
                Ok(Err(error)) => {
                    tracing::warn!(%error, "the lease could not be renewed");
                    tokio::time::sleep(renewal / 10).await;
                }
            }
        }
        working.cancel();
    };
    AbortOnDropHandle::new(tokio::spawn(keeping.in_current_span()))
}

/// Returns after `wait`, or earlier when the upload is said to have changed.
async fn wait_or_hear_of(signals: &mut Receiver<Signal>, upload: &str, wait: Duration) {
    let heard = async {
        loop {
            match signals.recv().await {
                Ok(Signal::Changed(changed)) if changed == upload => return,
                Err(RecvError::Closed) => std::future::pending().await,
                Ok(_) | Err(RecvError::Lagged(_)) => {}
            }
        }
    };
    // Time is up: that is the other way to return.
    let _ = tokio::time::timeout(wait, heard).await;
}
