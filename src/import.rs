//! The spine: one upload, from its source to `imported`.
//!
//! The API, the command line and syncs only write an upload and its job;
//! whoever holds the claim runs [`run`].

mod brought;
mod choose;
mod early;
mod fetch;
mod judge;
mod ledger;
mod policy;
mod register;
mod room;
mod sidecars;
mod steps;
mod unchanged;

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use modelferry_providers::{Plan, Providers};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, info_span};

pub use self::early::{Look, Verdict};
pub use self::policy::{FlaggedPolicy, FormatRule, NsfwLevel, Overrides, Rules, UnknownFormat};
pub use self::unchanged::{find_current, find_unchanged};
use crate::crash;
use crate::credentials::Vault;
use crate::error::{Code, Error, Stop};
use crate::progress::{Event, Observer};
use crate::records::{Claim, Records};
use crate::storage::Storage;
use crate::tokens::Tokens;
use crate::transfer::{Checkpoint, Engine};
use crate::upload::ArtifactStatus;
use crate::upload::UploadStatus::{self, Pending, Validated, Validating};

/// What of an upload a full disk has to hold for a retry: less is fetched again soon.
const WORTH_KEEPING: u64 = 64 * 1024 * 1024;

/// What the pipeline works with. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Ferry {
    /// Who resolves and hands out bytes.
    pub providers: Providers,
    /// What is known.
    pub records: Records,
    /// Where bytes are kept.
    pub storage: Arc<dyn Storage>,
    /// How bytes move.
    pub engine: Engine,
    /// The tokens of the operator, and of an owner once [`Ferry::for_request`]
    /// has added them.
    pub tokens: Tokens,
    /// Opens what owners stored.
    pub vault: Vault,
    /// What the operator lets in.
    pub rules: Arc<Rules>,
}

/// One claimed upload on its way.
struct Import<'a> {
    ferry: &'a Ferry,
    claim: &'a Claim,
    rules: Rules,
    observer: Arc<dyn Observer>,
    cancel: &'a CancellationToken,
}

/// Runs one claimed upload to its end.
///
/// A failure ends the record too, with the same words.
///
/// # Errors
/// [`Stop::Interrupted`] leaves the upload where it stands, for the next
/// worker; [`Stop::LeaseLost`] says that there already is one.
pub async fn run(
    ferry: &Ferry,
    claim: &Claim,
    resolved: Option<Plan>,
    observer: Arc<dyn Observer>,
    cancel: &CancellationToken,
) -> Result<(), Stop> {
    crash::point("claimed");
    let known = ferry.for_request(&claim.detail.request).await;
    let import = Import {
        ferry: known.as_ref().unwrap_or(ferry),
        claim,
        rules: ferry.rules.for_request(&claim.detail.request),
        observer,
        cancel,
    };
    if let Err(error) = &known {
        return Err(import.fail(error.clone()).await);
    }
    let outcome = tokio::select! {
        biased;
        outcome = import.steps(resolved) => outcome,
        () = import.abandoned() => Err(Stop::Interrupted),
    };
    match outcome {
        Ok(()) => Ok(()),
        Err(Stop::Failed(error)) => Err(import.fail(error).await),
        Err(early) => Err(early),
    }
}

impl Import<'_> {
    async fn steps(&self, resolved: Option<Plan>) -> Result<(), Stop> {
        let resolve = self.resolve(resolved).boxed();
        let plan = resolve.instrument(info_span!("resolve")).await?;
        self.ferry.records.outlast_collectors().await?;
        self.prove_access(&plan).await?;
        let refused = self.leave_out(&plan).await?;
        let missing = self.reuse(&plan, &refused).await?;
        let missing = self.judge_early(&plan, missing).await?;
        self.transfer(&plan, missing).await?;
        self.validating().await?;
        let inspect = self.inspect(&plan).boxed();
        let found = inspect.instrument(info_span!("inspect")).await?;
        self.validated(&found).await?;
        if !self.claim.detail.request.register {
            return self.complete().await;
        }
        let publish = async {
            let entity = self.register(&plan, found.kind).await?;
            self.imported(&entity).await
        };
        publish.boxed().instrument(info_span!("publish")).await
    }

    /// The record ends with the error; staged bytes stay only where they are
    /// of use to a retry.
    async fn fail(&self, error: Error) -> Stop {
        if let Some(wait) = self.claim.tries_again_in(&error) {
            return self.postpone(error, wait).await;
        }
        let full = error.code == Code::StorageFull;
        if !error.code.keeps_staged() || (full && self.staged_bytes().await < WORTH_KEEPING) {
            self.discard_staged().await;
        }
        match self.record(&error).await {
            Ok(true) => {
                self.observer.event(&Event::Failed { error: &error });
                Stop::Failed(error)
            }
            Ok(false) => Stop::LeaseLost,
            // The record still says what it said; the next worker will find out again.
            Err(unwritable) => {
                tracing::error!(%unwritable, "the failure could not be recorded");
                Stop::Failed(error)
            }
        }
    }

    /// The upload waits for another try; what was transferred stays.
    async fn postpone(&self, error: Error, wait: std::time::Duration) -> Stop {
        let upload = self.claim.upload_id();
        tracing::warn!(%upload, %error, code = %error.code, ?wait, "will be tried again");
        match self.ferry.records.postpone(self.claim, &error, wait).await {
            Ok(_) => Stop::LeaseLost,
            Err(unwritable) => {
                tracing::error!(%upload, %unwritable, "the wait could not be recorded; the lease will run out");
                Stop::Failed(error)
            }
        }
    }

    /// How much of this upload is staged and in the records: what a retry
    /// would not have to fetch again.
    async fn staged_bytes(&self) -> u64 {
        let (records, upload) = (&self.ferry.records, self.claim.upload_id());
        let rows = records.artifacts(upload).await.unwrap_or_default();
        let mut staged = 0;
        for row in rows
            .iter()
            .filter(|row| row.status != ArtifactStatus::Stored)
        {
            if let Ok(Some((saved, _))) = records.checkpoint(upload, row.position).await
                && let Ok(checkpoint) = serde_json::from_value::<Checkpoint>(saved)
            {
                staged += checkpoint.done;
            }
        }
        staged
    }

    /// On a full disk, room comes free once the last write on the bytes just
    /// thrown away has ended. Where the records get none even so, they come
    /// before anything that is staged.
    async fn record(&self, error: &Error) -> Result<bool, Error> {
        let records = &self.ferry.records;
        for attempt in 0..20 {
            match records.fail(self.claim, error).await {
                Err(_) if error.code == Code::StorageFull => {
                    if attempt == 1 {
                        self.discard_staged().await;
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                other => return other,
            }
        }
        records.fail(self.claim, error).await
    }

    /// Ends the steps that don't watch for it themselves, a little after the
    /// transfer had its chance to save.
    async fn abandoned(&self) {
        self.cancel.cancelled().await;
        tokio::time::sleep(Duration::from_secs(3)).await;
    }

    /// Tells of a move that is already on the record.
    fn moved(&self, to: UploadStatus) {
        tracing::info!(upload = %self.claim.upload_id(), status = %to, "the upload moved on");
        self.observer.event(&Event::Status(to));
    }

    async fn validating(&self) -> Result<(), Stop> {
        if self.claim.detail.upload.status != Pending {
            return Ok(());
        }
        held(
            self.ferry
                .records
                .advance(self.claim, Pending, Validating)
                .await?,
        )?;
        crash::point("validating");
        self.moved(Validating);
        Ok(())
    }

    async fn validated(&self, found: &judge::Found) -> Result<(), Stop> {
        if self.claim.detail.upload.status == Validated {
            return Ok(());
        }
        held(
            self.ferry
                .records
                .validated(self.claim, found.kind, found.media_type)
                .await?,
        )?;
        crash::point("validated");
        self.moved(Validated);
        Ok(())
    }
}

/// A guarded write that found the lease gone.
fn held(written: bool) -> Result<(), Stop> {
    if written {
        Ok(())
    } else {
        Err(Stop::LeaseLost)
    }
}
