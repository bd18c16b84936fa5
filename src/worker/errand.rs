//! One source from asked to ended: what the command line, a batch and a sync
//! do for each of theirs.

use std::sync::Arc;

use modelferry_providers::Plan;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::Worker;
use crate::error::{Code, Error, Stop};
use crate::import::{Ferry, find_current, find_unchanged};
use crate::progress::Observer;
use crate::records::{ArtifactRow, NewUpload, UploadDetail};
use crate::request::ImportRequest;
use crate::upload::{ArtifactStatus, Upload, UploadStatus};

/// How one source ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Registered as an entity.
    Imported,
    /// Stored without an entity, as asked.
    Complete,
    /// Held already, at this very revision.
    Unchanged,
    /// Not imported; the error says why.
    Failed,
}

impl Outcome {
    /// The word on reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Imported => "imported",
            Self::Complete => "complete",
            Self::Unchanged => "unchanged",
            Self::Failed => "failed",
        }
    }
}

/// What came of one source.
#[derive(Debug)]
pub struct Ended {
    /// How it ended.
    pub outcome: Outcome,
    /// Its record; `None` where none was made.
    pub detail: Option<UploadDetail>,
    /// Its files, as they stand for this run: what an `unchanged` one holds
    /// was reused, and moved no byte.
    pub artifacts: Vec<ArtifactRow>,
    /// Why it failed.
    pub error: Option<Error>,
}

impl Ended {
    /// A source that was refused before there was a record.
    pub const fn refused(error: Error) -> Self {
        Self {
            outcome: Outcome::Failed,
            detail: None,
            artifacts: Vec::new(),
            error: Some(error),
        }
    }

    /// Bytes that came over the wire for it.
    pub fn bytes_moved(&self) -> u64 {
        self.artifacts
            .iter()
            .map(|file| file.bytes_transferred)
            .sum()
    }
}

/// A source to be imported by this process.
#[derive(Debug)]
pub struct Errand<'a> {
    /// What is asked for.
    pub request: &'a ImportRequest,
    /// What the record is called until it is resolved.
    pub shown: &'a str,
    /// Whether to import anew what is held.
    pub force: bool,
    /// Watches.
    pub observer: Arc<dyn Observer>,
    /// Ends it, keeping what is there.
    pub cancel: &'a CancellationToken,
    /// What is special about it.
    pub terms: Terms,
}

/// What is special about an errand. The default: nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Terms {
    /// The most bytes that it may come to.
    pub most_bytes: Option<u64>,
    /// Whether a source that can't be resolved leaves no record: whoever asks
    /// again and again keeps an account of its own.
    pub leaves_no_refusal: bool,
}

impl Terms {
    /// Holds a plan against them.
    ///
    /// # Errors
    /// [`Code::TooLarge`].
    pub fn admit(&self, plan: &Plan) -> Result<(), Error> {
        let sizes = plan.artifacts.iter();
        let sizes = sizes.map(|file| file.size.approximate().unwrap_or_default());
        let total = sizes.fold(0, u64::saturating_add);
        match self.most_bytes {
            Some(most) if total > most => Err(Error::new(
                Code::TooLarge,
                format!(
                    "{} comes to {total} bytes, the most asked for is {most}",
                    plan.reference
                ),
            )),
            _ => Ok(()),
        }
    }
}

impl Worker {
    /// Imports one source: goes on with an unfinished upload of it, finds that
    /// it is held, or makes a new upload and works on it.
    ///
    /// # Errors
    /// [`Stop::Interrupted`] leaves it for the next run. [`Stop::Failed`] is a
    /// failure before there was a record; any later one is in [`Ended`].
    pub async fn import(&self, ferry: &Ferry, errand: Errand<'_>) -> Result<Ended, Stop> {
        // A sync has many of these at once, each as large as the whole pipeline.
        Box::pin(self.import_in_place(ferry, errand)).await
    }

    async fn import_in_place(&self, ferry: &Ferry, errand: Errand<'_>) -> Result<Ended, Stop> {
        let Errand {
            request,
            force,
            terms,
            ..
        } = errand;
        let ferry = &ferry.for_request(request).await?;
        let records = &ferry.records;
        if !force && let Some(earlier) = records.find_unfinished(request).await? {
            if earlier.upload.status == UploadStatus::Failed {
                records.retry(&earlier).await?;
            }
            share(ferry, request, &earlier).await?;
            return self.carry_out(ferry, &errand, &earlier.upload, None).await;
        }
        if !force {
            let current = tokio::select! {
                current = find_current(ferry, request) => current?,
                () = errand.cancel.cancelled() => return Err(Stop::Interrupted),
            };
            if let Some(earlier) = current
                && share(ferry, request, &earlier).await?
            {
                return unchanged(ferry, request, &earlier.upload.id).await;
            }
        }
        let resolved = tokio::select! {
            resolved = ferry.resolve(request) => resolved,
            () = errand.cancel.cancelled() => return Err(Stop::Interrupted),
        };
        if let Ok(plan) = &resolved
            && !force
            && let Some(earlier) = find_unchanged(ferry, request, plan).await?
            && share(ferry, request, &earlier).await?
        {
            return unchanged(ferry, request, &earlier.upload.id).await;
        }
        match &resolved {
            Ok(plan) => terms.admit(plan)?,
            Err(error) if terms.leaves_no_refusal => return Err(Stop::Failed(error.clone())),
            Err(_) => {}
        }
        let new = NewUpload {
            request,
            source: request.upload_source(),
            file_name: resolved
                .as_ref()
                .map_or(errand.shown, |plan| plan.name.as_str()),
        };
        let upload = records.create(&new).await?;
        match resolved {
            Ok(plan) => self.carry_out(ferry, &errand, &upload, Some(plan)).await,
            Err(error) => {
                self.refuse(ferry, &upload, &error).await?;
                ended(ferry, request, &upload.id, Some(error)).await
            }
        }
    }

    /// Works on an upload that is there, until it ends.
    ///
    /// # Errors
    /// As [`Worker::import`].
    pub async fn carry_out(
        &self,
        ferry: &Ferry,
        errand: &Errand<'_>,
        upload: &Upload,
        plan: Option<Plan>,
    ) -> Result<Ended, Stop> {
        let request = errand.request;
        let mut ferry = ferry.clone();
        ferry.tokens = ferry.tokens.with_source_token(request);
        let (observer, cancel) = (errand.observer.clone(), errand.cancel);
        let worked = self
            .work_on(&ferry, &upload.owner_id, &upload.id, plan, observer, cancel)
            .await;
        match worked {
            Ok(()) => ended(&ferry, request, &upload.id, None).await,
            Err(Stop::Failed(error)) => ended(&ferry, request, &upload.id, Some(error)).await,
            Err(early) if cancel.is_cancelled() => Err(early),
            // The claim is lost: somebody cancelled the upload, or goes on with it.
            Err(early) => {
                let ended = ended(&ferry, request, &upload.id, None).await?;
                let is_over = |detail: &UploadDetail| detail.upload.status.is_terminal();
                if ended.detail.as_ref().is_some_and(is_over) {
                    Ok(ended)
                } else {
                    Err(early)
                }
            }
        }
    }
}

/// What a sync imported and somebody else asks for too is no longer the sync's
/// alone to remove. `false`: it is being removed.
async fn share(
    ferry: &Ferry,
    request: &ImportRequest,
    earlier: &UploadDetail,
) -> Result<bool, Error> {
    let sync_of = |request: &ImportRequest| request.sync.as_ref().map(|of| of.id.clone());
    let owner = sync_of(&earlier.request);
    if owner.is_none() || owner == sync_of(request) {
        return Ok(true);
    }
    ferry.records.share_upload(&earlier.upload.id).await
}

async fn unchanged(ferry: &Ferry, request: &ImportRequest, id: &str) -> Result<Ended, Stop> {
    let mut ended = ended(ferry, request, id, None).await?;
    ended.outcome = Outcome::Unchanged;
    for artifact in &mut ended.artifacts {
        artifact.reused = artifact.status == ArtifactStatus::Stored;
        artifact.bytes_transferred = 0;
    }
    Ok(ended)
}

async fn ended(
    ferry: &Ferry,
    request: &ImportRequest,
    id: &str,
    error: Option<Error>,
) -> Result<Ended, Stop> {
    let detail = ferry.records.get(&request.owner, id).await?;
    let outcome = match (&error, detail.upload.status) {
        (None, UploadStatus::Imported) => Outcome::Imported,
        (None, UploadStatus::Complete) => Outcome::Complete,
        _ => Outcome::Failed,
    };
    Ok(Ended {
        outcome,
        artifacts: ferry.records.artifacts(id).await?,
        error: error.or_else(|| detail.error.clone()),
        detail: Some(detail),
    })
}
