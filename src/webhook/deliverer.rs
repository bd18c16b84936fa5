//! Sends what is due, receiver by receiver.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::Utc;
use futures_util::{StreamExt, stream};
use modelferry_providers::Http;
use tokio::sync::broadcast::Receiver as Signals;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::attempt::{Tried, attempt};
use super::secret::{Secrets, Signer};
use crate::crash;
use crate::error::Error;
use crate::records::{DeliveryFailure, DueDelivery, Receiver, Records, Signal, wait_for};

/// How often the queue is looked at though nobody said that something is due.
const POLL: Duration = Duration::from_secs(2);
/// How long to wait when the database is away.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a delivery that ended can be looked at.
const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);
/// How often those are cleared away.
const ROUNDS: Duration = Duration::from_secs(3600);
/// The longest that a receiver is left alone at its own word.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// How deliveries are sent.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Receivers served at once by this process.
    pub receivers: usize,
    /// Of one owner, by all processes.
    pub per_owner: u32,
    /// Deliveries that a receiver gets before the next one's turn.
    pub batch: u32,
    /// Of those, on their way at once.
    pub at_once: usize,
    /// How long a receiver is held. Longer than a batch may take.
    pub lease: Duration,
    /// The wait after each failed try; after the last one, a delivery is given up.
    pub waits: Vec<Duration>,
    /// How old a delivery may be to be tried again.
    pub give_up: Duration,
    /// How long a receiver that failed is left alone; twice as long each time
    /// it goes on failing, up to sixty times that.
    pub pause: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        let (seconds, minutes) = (Duration::from_secs, |n: u64| Duration::from_secs(n * 60));
        Self {
            receivers: 32,
            per_owner: 8,
            batch: 16,
            at_once: 4,
            lease: seconds(120),
            // As the specification suggests; together just under a day.
            waits: vec![
                seconds(5),
                minutes(5),
                minutes(30),
                minutes(2 * 60),
                minutes(5 * 60),
                minutes(10 * 60),
                minutes(6 * 60),
            ],
            give_up: minutes(24 * 60),
            pause: seconds(5),
        }
    }
}

/// Sends deliveries in the name of one process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Deliverer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    worker: String,
    records: Records,
    secrets: Secrets,
    http: Http,
    settings: Settings,
}

impl Deliverer {
    /// A deliverer that leases in the name of this worker.
    pub fn new(
        worker: &str,
        records: Records,
        secrets: Secrets,
        http: Http,
        settings: Settings,
    ) -> Self {
        Self(Arc::new(Inner {
            worker: worker.to_owned(),
            records,
            secrets,
            http,
            settings,
        }))
    }

    /// Sends until cancelled; what is on its way then still ends.
    pub async fn run(&self, cancel: &CancellationToken) {
        let tasks = TaskTracker::new();
        let (this, ended) = (self.clone(), cancel.clone());
        tasks.spawn(async move { ended.run_until_cancelled(this.clear_away()).await });
        let slots = Arc::new(Semaphore::new(self.0.settings.receivers));
        let mut signals = self.0.records.signals();
        while let Some(slot) = self.next_slot(&slots, cancel).await {
            match self.claim().await {
                Ok(Some(receiver)) => {
                    let (this, cancel) = (self.clone(), cancel.clone());
                    tasks.spawn(async move { this.serve(receiver, slot, &cancel).await });
                }
                Ok(None) => {
                    drop(slot);
                    cancel.run_until_cancelled(self.wait(&mut signals)).await;
                }
                Err(error) => {
                    drop(slot);
                    tracing::warn!(%error, "no webhook could be looked for");
                    cancel
                        .run_until_cancelled(tokio::time::sleep(PATIENCE))
                        .await;
                }
            }
        }
        tasks.close();
        tasks.wait().await;
    }

    async fn next_slot(
        &self,
        slots: &Arc<Semaphore>,
        cancel: &CancellationToken,
    ) -> Option<OwnedSemaphorePermit> {
        // The semaphore is never closed.
        cancel
            .run_until_cancelled(slots.clone().acquire_owned())
            .await?
            .ok()
    }

    async fn claim(&self) -> Result<Option<Receiver>, Error> {
        let Inner {
            records, settings, ..
        } = &*self.0;
        match records.next_delivery_in().await? {
            Some(Duration::ZERO) => {
                records
                    .claim_receiver(&self.0.worker, settings.lease, settings.per_owner)
                    .await
            }
            _ => Ok(None),
        }
    }

    /// Returns when something may be due.
    async fn wait(&self, signals: &mut Signals<Signal>) {
        let due = self.0.records.next_delivery_in().await.ok().flatten();
        // One that is due and can't be had is another process's, or its owner has enough.
        let wait = due.filter(|due| !due.is_zero()).unwrap_or(POLL).min(POLL);
        wait_for(signals, wait, |signal| *signal == Signal::Deliveries).await;
    }

    /// Sends a receiver what it is due, until something fails.
    async fn serve(
        &self,
        receiver: Receiver,
        slot: OwnedSemaphorePermit,
        cancel: &CancellationToken,
    ) {
        let (failures, pause) = match self.send_batch(&receiver, cancel).await {
            Ok(None) => (0, Duration::ZERO),
            Ok(Some(wait)) => (receiver.failures.saturating_add(1), wait),
            Err(error) => {
                tracing::error!(owner = %receiver.owner, host = %receiver.host, %error, "webhooks wait");
                (receiver.failures.saturating_add(1), Duration::ZERO)
            }
        };
        let pause = self.pause(failures).max(pause.min(LONGEST_PAUSE));
        let released = self
            .0
            .records
            .release_receiver(&receiver, failures, pause)
            .await;
        if let Err(error) = released {
            tracing::warn!(host = %receiver.host, %error, "a webhook's lease has to run out");
        }
        drop(slot);
    }

    fn pause(&self, failures: u32) -> Duration {
        match failures {
            0 => Duration::ZERO,
            n => self.0.settings.pause * (1 << (n - 1).min(6)).min(60),
        }
    }

    /// `Some`: something failed, and this is the wait that the receiver asked for.
    async fn send_batch(
        &self,
        receiver: &Receiver,
        cancel: &CancellationToken,
    ) -> Result<Option<Duration>, Error> {
        let Inner {
            records,
            secrets,
            settings,
            ..
        } = &*self.0;
        let due = records.due_deliveries(receiver, settings.batch).await?;
        let signer = secrets.signer(&receiver.owner).await?;
        let failed = AtomicBool::new(false);
        let tries = stream::iter(due).map(|delivery: DueDelivery| {
            let (signer, failed) = (&signer, &failed);
            async move {
                if failed.load(Ordering::Relaxed) || cancel.is_cancelled() {
                    return Ok(None);
                }
                let outcome = self.send(receiver, &delivery, signer).await;
                if !matches!(outcome, Ok(None)) {
                    failed.store(true, Ordering::Relaxed);
                }
                outcome
            }
        });
        let outcomes: Vec<_> = tries.buffer_unordered(settings.at_once).collect().await;
        let mut longest = None;
        for outcome in outcomes {
            longest = longest.max(outcome?);
        }
        Ok(longest)
    }

    /// `Some`: it failed, and this is the wait that the receiver asked for.
    async fn send(
        &self,
        receiver: &Receiver,
        delivery: &DueDelivery,
        signer: &Signer,
    ) -> Result<Option<Duration>, Error> {
        let records = &self.0.records;
        crash::point("webhook-claimed");
        let tried = attempt(&self.0.http, signer, delivery).await;
        crash::point("webhook-sent");
        let (why, wait, asked) = match tried {
            Tried::Delivered => {
                records.delivered(delivery).await?;
                tracing::debug!(id = %delivery.id, kind = %delivery.kind, url = %delivery.url, "delivered");
                return Ok(None);
            }
            Tried::Gone(why) => (why, None, Duration::ZERO),
            Tried::Failed { why, wait } => {
                let asked = wait.unwrap_or_default();
                (why, self.next_wait(delivery, asked), asked)
            }
        };
        tracing::info!(id = %delivery.id, kind = %delivery.kind, url = %delivery.url, %why, ?wait, "not delivered");
        let failure = DeliveryFailure { why: &why, wait };
        records.not_delivered(receiver, delivery, &failure).await?;
        Ok(Some(asked))
    }

    /// The wait before the next try; `None`: there is none.
    fn next_wait(&self, delivery: &DueDelivery, asked: Duration) -> Option<Duration> {
        let settings = &self.0.settings;
        let wait = *settings.waits.get(delivery.attempts as usize)?;
        // Those that failed together don't come back together.
        let jitter =
            wait.mul_f64(f64::from(Utc::now().timestamp_subsec_micros() % 1000) / 10_000.0);
        let wait = (wait - jitter).max(asked);
        let age = (Utc::now() - delivery.created_at)
            .to_std()
            .unwrap_or_default();
        (age + wait <= settings.give_up).then_some(wait)
    }

    async fn clear_away(&self) {
        loop {
            match self.0.records.forget_deliveries(KEPT).await {
                Ok(forgotten) => tracing::debug!(forgotten, "old webhook deliveries are forgotten"),
                Err(error) => tracing::warn!(%error, "old webhook deliveries stay"),
            }
            tokio::time::sleep(ROUNDS).await;
        }
    }
}
