//! Runs what is due, in every process that works: whichever is first takes it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::Receiver;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::run::{Nobody, Runner, run};
use crate::error::Error;
use crate::import::Ferry;
use crate::records::{Signal, SyncClaim, wait_for};
use crate::worker::Worker;

/// Runs side by side in one process.
const RUNS: usize = 4;
/// Sources that one run imports at once.
const JOBS: usize = 4;
/// How often it is looked whether one is due.
const POLL: Duration = Duration::from_secs(1);
/// How long to wait when the database is away.
const PATIENCE: Duration = Duration::from_secs(5);

/// The scheduler of one process.
#[derive(Debug, Clone)]
pub struct Scheduler {
    worker: Arc<Worker>,
    ferry: Ferry,
    lease: Duration,
}

impl Scheduler {
    /// Runs syncs in the name of this process; a claim on one holds for
    /// `lease` without being renewed.
    pub fn new(worker: Arc<Worker>, ferry: Ferry, lease: Duration) -> Self {
        Self {
            worker,
            ferry,
            lease,
        }
    }

    /// Runs what is due until cancelled, and then puts back what is under way.
    pub async fn run(&self, cancel: &CancellationToken) {
        let (tasks, room) = (TaskTracker::new(), Arc::new(Semaphore::new(RUNS)));
        let mut signals = self.ferry.records.signals();
        while let Some(Ok(place)) = cancel
            .run_until_cancelled(room.clone().acquire_owned())
            .await
        {
            match self.claim().await {
                Ok(Some(claim)) => {
                    let (scheduler, cancel) = (self.clone(), cancel.clone());
                    tasks.spawn(async move { scheduler.carry_out(claim, place, &cancel).await });
                }
                Ok(None) => {
                    drop(place);
                    cancel
                        .run_until_cancelled(wait_for_work(&mut signals))
                        .await;
                }
                Err(error) => {
                    drop(place);
                    tracing::warn!(%error, "it could not be looked whether a sync is due");
                    cancel
                        .run_until_cancelled(tokio::time::sleep(PATIENCE))
                        .await;
                }
            }
        }
        tasks.close();
        tasks.wait().await;
    }

    async fn claim(&self) -> Result<Option<SyncClaim>, Error> {
        let records = &self.ferry.records;
        records.claim_due_sync(self.worker.id(), self.lease).await
    }

    async fn carry_out(
        &self,
        claim: SyncClaim,
        _place: OwnedSemaphorePermit,
        cancel: &CancellationToken,
    ) {
        tracing::info!(sync = %claim.sync.id, name = %claim.sync.name, run = %claim.run_id, "a sync's run begins");
        let runner = Runner {
            ferry: &self.ferry,
            worker: &self.worker,
            lease: self.lease,
            jobs: JOBS,
            cancel,
            watcher: &Nobody,
        };
        match Box::pin(run(&runner, &claim)).await {
            Ok(Some(_)) => {}
            Ok(None) => tracing::info!(sync = %claim.sync.id, "the run went to another worker"),
            Err(error) => {
                tracing::error!(sync = %claim.sync.id, %error, "the run's end could not be recorded");
            }
        }
    }
}

/// Returns when something may be due: somebody said so, or it is time to look.
async fn wait_for_work(signals: &mut Receiver<Signal>) {
    wait_for(signals, POLL, |signal| *signal == Signal::Work).await;
}
