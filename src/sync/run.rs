//! One run of a sync, from its list to the record of what came of it.

mod counted;
mod entries;
mod look;
mod missing;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use modelferry_providers::{Auth, SafeUrl};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::held::Held;
use super::shown::ShownRun;
use super::source::{Reader, Source};
use super::spec::{Spec, next_run};
use crate::error::{Error, Stop};
use crate::import::Ferry;
use crate::progress::{Observer, Unwatched};
use crate::records::{
    Difference, Named, Records, RunCounts, RunEnd, RunRow, RunStatus, SavedError, SyncClaim,
    SyncRow,
};
use crate::worker::Worker;

/// How often what a run came to so far is kept, at most.
const SAVED_EVERY: Duration = Duration::from_secs(2);

/// What was found of one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Not held yet.
    New,
    /// Held at another revision.
    Changed,
    /// Held as it is.
    Unchanged,
    /// Not to be had.
    Failed,
    /// Held, and gone upstream.
    Missing,
    /// Gone upstream, and removed here.
    Pruned,
    /// Left out by the filter after a closer look.
    Unfit,
}

/// One source of a run, once it is known what became of it.
#[derive(Debug, Clone)]
pub struct Finding {
    /// What was found.
    pub what: What,
    /// Which source.
    pub named: Named,
    /// Bytes that came over the wire for it.
    pub bytes: u64,
}

/// Hears of a run while it goes on.
pub trait Watcher: Send + Sync {
    /// Watches one more source's import.
    fn observer(&self, source: &str) -> Arc<dyn Observer>;
    /// One more source is done.
    fn found(&self, finding: &Finding, counts: &RunCounts);
}

/// Nobody watches.
#[derive(Debug)]
pub struct Nobody;

impl Watcher for Nobody {
    fn observer(&self, _: &str) -> Arc<dyn Observer> {
        Arc::new(Unwatched)
    }

    fn found(&self, _: &Finding, _: &RunCounts) {}
}

/// Who runs syncs, and how.
pub struct Runner<'a> {
    /// What imports work with.
    pub ferry: &'a Ferry,
    /// This process among the workers.
    pub worker: &'a Worker,
    /// How long a claim on a sync holds without being renewed.
    pub lease: Duration,
    /// Sources imported at once.
    pub jobs: usize,
    /// Ends it, keeping what is there.
    pub cancel: &'a CancellationToken,
    /// Who watches.
    pub watcher: &'a dyn Watcher,
}

/// One run under way.
struct Run<'a> {
    ferry: Ferry,
    /// The owner's tokens, for lists.
    auth: Auth,
    sync: &'a SyncRow,
    spec: Spec,
    source: Source,
    held: Mutex<Held>,
    /// What broke the list off, or the run.
    broken: Mutex<Option<Error>>,
    has_given_up: AtomicBool,
    /// Who imports; `None` when nothing is to be changed.
    importing: Option<Importing<'a>>,
    jobs: usize,
    begun: DateTime<Utc>,
    cancel: CancellationToken,
    watcher: &'a dyn Watcher,
}

struct Importing<'a> {
    worker: &'a Worker,
    claim: &'a SyncClaim,
}

/// What a run came to so far.
#[derive(Debug, Default)]
struct Tally {
    counts: RunCounts,
    difference: Difference,
}

/// Runs a claimed sync to its end and records what came of it. `None`: the
/// claim was lost on the way, and whoever has it now records that.
///
/// # Errors
/// When the records can't be written. What goes wrong with the list or a
/// source is on the run.
pub async fn run(runner: &Runner<'_>, claim: &SyncClaim) -> Result<Option<RunRow>, Error> {
    let records = &runner.ferry.records;
    let working = runner.cancel.child_token();
    let keeper = keep_lease(records, claim, runner.lease, working.clone());
    let mut tally = Tally::default();
    let outcome = match Run::begin(runner, claim, working.clone()).await {
        Ok(run) => Box::pin(run.carry_out(&mut tally)).await,
        Err(error) => Err(Stop::Failed(error)),
    };
    drop(keeper);
    let (status, error) = match outcome {
        Ok(()) => (RunStatus::Done, None),
        Err(Stop::Failed(error)) => (RunStatus::Failed, Some(error)),
        Err(Stop::Interrupted | Stop::LeaseLost) => (RunStatus::Interrupted, None),
    };
    tracing::info!(sync = %claim.sync.id, run = %claim.run_id, %status, ?tally.counts, "a sync's run ended");
    let told = tell(records, claim, status, &tally, error.as_ref()).await?;
    let end = RunEnd {
        status,
        counts: &tally.counts,
        difference: &tally.difference,
        error: error.as_ref(),
        tells: told.as_ref().map(|(url, run)| (url, run)),
    };
    let was_due = claim.sync.next_run_at;
    let ended = records
        .end_run(claim, &end, |sync| match status {
            // It stays due: whoever is there goes on with it.
            RunStatus::Interrupted => was_due,
            _ => next_run(sync, Utc::now()),
        })
        .await?;
    if !ended {
        return Ok(None);
    }
    records.sync_run(&claim.run_id).await.map(Some)
}

/// What the sync's receiver is told of a run that ended; one that goes on
/// elsewhere is not over.
async fn tell(
    records: &Records,
    claim: &SyncClaim,
    status: RunStatus,
    tally: &Tally,
    error: Option<&Error>,
) -> Result<Option<(SafeUrl, Value)>, Error> {
    let spec = Spec::of(&claim.sync)?;
    let url = spec.webhook_url.as_deref().map(SafeUrl::parse);
    let (Some(Ok(url)), false) = (url, status == RunStatus::Interrupted) else {
        return Ok(None);
    };
    let run = ShownRun::from(RunRow {
        status,
        ended_at: Some(Utc::now()),
        counts: tally.counts,
        difference: tally.difference.clone(),
        error: error.cloned(),
        ..records.sync_run(&claim.run_id).await?
    });
    let sync = json!({ "id": claim.sync.id, "name": claim.sync.name });
    Ok(Some((url, json!({ "sync": sync, "run": run }))))
}

/// What a run would come to now; imports nothing, and records nothing.
///
/// # Errors
/// When the list can't be read, or the records can't.
pub async fn foresee(
    ferry: &Ferry,
    sync: &SyncRow,
    jobs: usize,
    cancel: &CancellationToken,
) -> Result<(RunCounts, Difference), Stop> {
    let run = Run::of(ferry, sync, jobs, cancel.clone()).await?;
    let mut tally = Tally::default();
    run.carry_out(&mut tally).await?;
    Ok((tally.counts, tally.difference))
}

impl<'a> Run<'a> {
    async fn begin(
        runner: &Runner<'a>,
        claim: &'a SyncClaim,
        cancel: CancellationToken,
    ) -> Result<Self, Error> {
        let run = Self::of(runner.ferry, &claim.sync, runner.jobs, cancel).await?;
        let importing = Some(Importing {
            worker: runner.worker,
            claim,
        });
        Ok(Run {
            importing,
            watcher: runner.watcher,
            ..run
        })
    }

    async fn of(
        ferry: &Ferry,
        sync: &'a SyncRow,
        jobs: usize,
        cancel: CancellationToken,
    ) -> Result<Self, Error> {
        let ferry = ferry.for_owner(&sync.owner_id).await?;
        let spec = Spec::of(sync)?;
        let reader = Reader {
            providers: &ferry.providers,
            guard: None,
            folder: Some(std::path::Path::new("/")),
        };
        let (source, _) = reader.read(&spec.source)?;
        let held = Held::read(&ferry.records, &sync.id).await?;
        Ok(Self {
            auth: ferry
                .auth_of(&sync.owner_id, spec.credential.as_deref())
                .await?,
            ferry,
            sync,
            spec,
            source,
            held: Mutex::new(held),
            broken: Mutex::default(),
            has_given_up: AtomicBool::new(false),
            importing: None,
            jobs,
            begun: Utc::now(),
            cancel,
            watcher: &Nobody,
        })
    }

    async fn carry_out(&self, tally: &mut Tally) -> Result<(), Stop> {
        self.finish_pruning().await?;
        let entries = self.entries().await?;
        let mut findings = entries
            .map(|found| self.look(found))
            .buffer_unordered(self.jobs);
        let (told, tells) = watch::channel((tally.counts, tally.difference.clone()));
        let saver = self.importing.as_ref().map(|importing| {
            let records = self.ferry.records.clone();
            keep_saved(records, importing.claim.clone(), tells, self.cancel.clone())
        });
        let mut last = Instant::now();
        // Nothing is waited for in here but the next finding: while anything else is, those
        // under way stand still, and one of them may hold the database's write lock.
        while let Some(finding) = findings.next().await {
            match finding {
                Ok(finding) => self.count(tally, &finding),
                Err(Stop::Failed(error)) => self.give_up(error),
                // The rest of those under way end by themselves.
                Err(Stop::Interrupted | Stop::LeaseLost) => {}
            }
            if last.elapsed() >= SAVED_EVERY {
                told.send_replace((tally.counts, tally.difference.clone()));
                last = Instant::now();
            }
        }
        drop((findings, saver));
        if self.cancel.is_cancelled() {
            return Err(Stop::Interrupted);
        }
        if let Some(error) = self.take_broken() {
            return Err(Stop::Failed(error));
        }
        self.missing(tally).await
    }

    fn count(&self, tally: &mut Tally, finding: &Finding) {
        tally.add(finding);
        self.watcher.found(finding, &tally.counts);
    }

    fn take_broken(&self) -> Option<Error> {
        let mut broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        broken.take()
    }

    /// The records are out of reach: nothing further is begun.
    fn give_up(&self, error: Error) {
        self.has_given_up.store(true, Ordering::Relaxed);
        self.break_off(error);
    }

    fn break_off(&self, error: Error) {
        let mut broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        broken.get_or_insert(error);
    }

    fn with_held<T>(&self, act: impl FnOnce(&mut Held) -> T) -> T {
        act(&mut self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One of a difference's lists.
type List = fn(&mut Difference) -> &mut Vec<Named>;

impl Tally {
    fn add(&mut self, finding: &Finding) {
        let counts = &mut self.counts;
        counts.bytes += finding.bytes;
        let (count, list): (&mut u64, Option<List>) = match finding.what {
            What::New => (&mut counts.new, Some(|diff| &mut diff.new)),
            What::Changed => (&mut counts.changed, Some(|diff| &mut diff.changed)),
            What::Unchanged => (&mut counts.unchanged, None),
            What::Failed => (&mut counts.failed, Some(|diff| &mut diff.failed)),
            What::Missing => (&mut counts.missing, Some(|diff| &mut diff.missing)),
            What::Pruned => (&mut counts.pruned, Some(|diff| &mut diff.pruned)),
            What::Unfit => return,
        };
        *count += 1;
        if !matches!(finding.what, What::Missing | What::Pruned) {
            counts.seen += 1;
        }
        if let Some(list) = list {
            self.difference.name(list, finding.named.clone());
        }
    }
}

impl Finding {
    fn of(what: What, named: Named) -> Self {
        Self {
            what,
            named,
            bytes: 0,
        }
    }

    fn failed(named: Named, error: &Error) -> Self {
        Self::of(
            What::Failed,
            Named {
                error: Some(SavedError::from(error)),
                ..named
            },
        )
    }
}

/// Keeps in the records what a run is told to have come to, for as long as the
/// handle lives.
fn keep_saved(
    records: Records,
    claim: SyncClaim,
    mut tells: watch::Receiver<(RunCounts, Difference)>,
    working: CancellationToken,
) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(async move {
        while tells.changed().await.is_ok() {
            let (counts, difference) = tells.borrow_and_update().clone();
            match records.save_run(&claim, &counts, &difference).await {
                Ok(true) => {}
                Ok(false) => return working.cancel(),
                Err(error) => tracing::warn!(%error, "how far a sync's run is could not be kept"),
            }
        }
    }))
}

/// Renews a claim for as long as the handle lives. Work ends before a lease
/// that can't be renewed does.
fn keep_lease(
    records: &Records,
    claim: &SyncClaim,
    lease: Duration,
    working: CancellationToken,
) -> AbortOnDropHandle<()> {
    let (records, claim) = (records.clone(), claim.clone());
    AbortOnDropHandle::new(tokio::spawn(async move {
        let renewal = lease / 3;
        let mut held_until = Instant::now() + lease;
        loop {
            tokio::time::sleep(renewal).await;
            let begun = Instant::now();
            let renewed = records.renew_sync(&claim, lease);
            match timeout_at(held_until - renewal / 2, renewed).await {
                Ok(Ok(true)) => held_until = begun + lease,
                Ok(Ok(false)) | Err(_) => break,
                Ok(Err(error)) => {
                    tracing::warn!(%error, "a sync's lease could not be renewed");
                    if Instant::now() >= held_until - renewal / 2 {
                        break;
                    }
                }
            }
        }
        working.cancel();
    }))
}
