//! Workers that take whatever is next: what `serve` and `worker` run.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::Receiver;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use super::recorder::Recorder;
use super::{Worker, span_of};
use crate::error::{Code, Error, Stop};
use crate::import::Ferry;
use crate::records::{Claim, Signal, Terms, wait_for};

/// How often the queue is looked at though nobody said that something is in it.
const POLL: Duration = Duration::from_secs(1);
/// How often the dead of this machine are looked for.
const ROUNDS: Duration = Duration::from_secs(5);
/// How long a worker waits when the database is away.
const PATIENCE: Duration = Duration::from_secs(2);

/// How a pool works.
#[derive(Debug, Clone)]
pub struct PoolSettings {
    /// Uploads worked on at once.
    pub workers: usize,
    /// How long a claim holds without being renewed.
    pub lease: Duration,
    /// How often an upload is begun before its failure is final.
    pub attempts: u32,
}

/// The workers of one process.
#[derive(Debug, Clone)]
pub struct Pool {
    worker: Arc<Worker>,
    ferry: Ferry,
    terms: Terms,
    workers: usize,
}

impl Pool {
    /// Workers in the name of this process.
    pub fn new(worker: Arc<Worker>, ferry: Ferry, settings: &PoolSettings) -> Self {
        let terms = Terms {
            worker: worker.id.clone(),
            lease: settings.lease,
            attempts: settings.attempts,
        };
        Self {
            worker,
            ferry,
            terms,
            workers: settings.workers,
        }
    }

    /// Works until cancelled, and then puts back what it had, keeping what was
    /// transferred.
    pub async fn run(&self, cancel: &CancellationToken) {
        let tasks = TaskTracker::new();
        for _ in 0..self.workers {
            let (pool, cancel) = (self.clone(), cancel.clone());
            tasks.spawn(async move { pool.take_turns(&cancel).await });
        }
        let (pool, ended) = (self.clone(), cancel.clone());
        tasks.spawn(async move { ended.run_until_cancelled(pool.make_rounds()).await });
        tasks.close();
        tasks.wait().await;
    }

    async fn take_turns(&self, cancel: &CancellationToken) {
        let mut signals = self.ferry.records.signals();
        while !cancel.is_cancelled() {
            let claimed = self.ferry.records.claim_next(&self.terms).await;
            match claimed {
                Ok(Some(claim)) => self.work(claim, cancel).await,
                Ok(None) => {
                    cancel
                        .run_until_cancelled(wait_for_work(&mut signals))
                        .await;
                }
                Err(error) => {
                    tracing::warn!(%error, "no job could be claimed");
                    cancel
                        .run_until_cancelled(tokio::time::sleep(PATIENCE))
                        .await;
                }
            }
        }
    }

    async fn work(&self, claim: Claim, cancel: &CancellationToken) {
        let span = span_of(&claim);
        self.work_within(claim, cancel).instrument(span).await;
    }

    async fn work_within(&self, claim: Claim, cancel: &CancellationToken) {
        let (owner, id) = (
            claim.detail.upload.owner_id.clone(),
            claim.upload_id().to_owned(),
        );
        tracing::info!("begins");
        let outcome = if claim.is_worn_out() {
            self.give_up(&claim).await
        } else {
            let recorder = Recorder::start(&self.ferry.records, &claim);
            let outcome = self
                .worker
                .work(
                    &self.ferry,
                    claim,
                    self.terms.lease,
                    None,
                    recorder.observer(),
                    cancel,
                )
                .await;
            recorder.end().await;
            outcome
        };
        match outcome {
            Ok(()) => tracing::info!("done"),
            Err(Stop::Failed(error)) => {
                tracing::warn!(%error, code = %error.code, "failed");
            }
            Err(Stop::Interrupted) => tracing::info!("put back"),
            Err(Stop::LeaseLost) => self.tidy_up(&owner, &id).await,
        }
    }

    /// An upload whose workers die of it must not go round for ever.
    async fn give_up(&self, claim: &Claim) -> Result<(), Stop> {
        let message = format!(
            "{} workers in a row died at this upload",
            self.terms.attempts
        );
        let error = Error::new(Code::Internal, message)
            .hint("look into the workers' logs; `retry` starts it again");
        self.ferry.records.fail(claim, &error).await?;
        Err(Stop::Failed(error))
    }

    /// What a cancelled upload had staged is of no use to anybody.
    async fn tidy_up(&self, owner: &str, id: &str) {
        let Ok(detail) = self.ferry.records.get(owner, id).await else {
            return;
        };
        let cancelled = detail
            .error
            .is_some_and(|error| error.code == Code::Cancelled);
        tracing::info!(cancelled, "let go");
        if cancelled && let Err(error) = self.ferry.storage.discard_upload(id).await {
            tracing::warn!(%error, "staged bytes stay until the next start");
        }
    }

    async fn make_rounds(&self) {
        loop {
            let freed = self.worker.free_the_dead(&self.ferry.records).await;
            if let Err(error) = freed.and(self.ferry.records.set_clock().await) {
                tracing::warn!(%error, "the records could not be asked");
            }
            tokio::time::sleep(ROUNDS).await;
        }
    }
}

/// Returns when there may be work: somebody said so, or it is time to look.
async fn wait_for_work(signals: &mut Receiver<Signal>) {
    wait_for(signals, POLL, |signal| *signal == Signal::Work).await;
}
