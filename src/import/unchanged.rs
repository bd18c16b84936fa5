//! What needs no claim: resolving, proving access, and knowing what is held.

use std::collections::HashSet;

use futures_util::{StreamExt, TryStreamExt, stream};
use modelferry_providers::{Artifact, Auth, Plan, Sha256};

use super::{Ferry, brought, choose};
use crate::error::{Code, Error};
use crate::records::{ArtifactRow, EntityFile, UploadDetail};
use crate::request::ImportRequest;
use crate::storage::StorageKey;
use crate::upload::ArtifactStatus;

/// Questions to a hub at once, where one plan needs many.
const QUESTIONS: usize = 8;

impl Ferry {
    /// Pins a request's reference, chooses among its files, and checks what the
    /// user and the operator said about it.
    ///
    /// # Errors
    /// As [`Ferry::pin`], and the rule that refuses one of its files.
    pub async fn resolve(&self, request: &ImportRequest) -> Result<Plan, Error> {
        let plan = self.pin(request).await?;
        let rules = self.rules.for_request(request);
        rules.admit_files(&plan, request)?;
        Ok(plan)
    }

    /// The same for whoever only wants to see the plan: a file that would be
    /// refused is in it, with what is known of it.
    ///
    /// # Errors
    /// What the provider says, the rule that refuses it as a whole, or
    /// [`Code::InvalidRequest`] for a `sha256` on more than one file, or
    /// [`Code::HashMismatch`] when the hub already states another.
    pub async fn pin(&self, request: &ImportRequest) -> Result<Plan, Error> {
        let reference = &request.reference;
        let auth = self.tokens.for_request(request);
        let mut plan = match brought::plan(request) {
            Some(plan) => plan,
            None => {
                let provider = self.providers.of(reference.provider());
                provider.resolve(reference, &auth).await?
            }
        };
        let rules = self.rules.for_request(request);
        choose::prefer_safetensors(&mut plan, request, rules.pickle);
        if let Some(sha256) = reference.selection.sha256 {
            expect_sha256(&mut plan, sha256)?;
        }
        rules.admit(&plan, request)?;
        Ok(plan)
    }

    /// Asks the hub once for each thing that it grants on its own.
    ///
    /// # Errors
    /// What the provider says.
    pub async fn prove_access(&self, plan: &Plan, auth: &Auth) -> Result<(), Error> {
        let mut asked = HashSet::new();
        let mut questions = Vec::new();
        // Who brought a file need not be asked for it.
        let asked_for = |artifact: &&Artifact| !brought::is_brought(artifact);
        for artifact in plan.artifacts.iter().filter(asked_for) {
            if asked.insert(artifact.origin.grant()) {
                let provider = self.providers.of(artifact.origin.provider());
                questions.push(provider.may_read(artifact, auth));
            }
        }
        stream::iter(questions)
            .buffer_unordered(QUESTIONS)
            .try_collect::<()>()
            .await?;
        Ok(())
    }

    /// Of these files those that are stored, by their place in the plan: what
    /// was stored before a pause may be gone since.
    pub(super) async fn still_held(&self, rows: &[ArtifactRow]) -> Result<HashSet<u32>, Error> {
        // Nothing borrowed goes through the stream: the compiler could not tell
        // that it may go to another thread.
        let stored: Vec<(u32, Sha256, u64)> = rows
            .iter()
            .filter(|row| row.status == ArtifactStatus::Stored)
            .filter_map(|row| Some((row.position, row.sha256?, row.size?)))
            .collect();
        let looks = stream::iter(stored)
            .map(|(position, sha256, size)| async move {
                let there = self.storage.stat(&StorageKey::Blob(sha256)).await?;
                Ok::<_, Error>((position, there == Some(size)))
            })
            .buffer_unordered(QUESTIONS);
        let looked: Vec<_> = looks.try_collect().await?;
        Ok(looked
            .into_iter()
            .filter_map(|(position, there)| there.then_some(position))
            .collect())
    }

    /// The blob of this file and its length, when the storage has it.
    ///
    /// # Errors
    /// When records or storage can't be read.
    pub async fn held_blob(&self, artifact: &Artifact) -> Result<Option<(Sha256, u64)>, Error> {
        if brought::is_brought(artifact) {
            // To know a hash is not to have the bytes: they have to be brought.
            return Ok(None);
        }
        let sha256 = match (
            artifact.digests.sha256,
            artifact.digests.git_sha1,
            artifact.size.exact(),
        ) {
            (Some(sha256), ..) => Some(sha256),
            (None, Some(git_sha1), Some(size)) => {
                self.records.blob_by_git_id(git_sha1, size).await?
            }
            _ => None,
        };
        let Some(sha256) = sha256 else {
            return Ok(None);
        };
        let size = self.storage.stat(&StorageKey::Blob(sha256)).await?;
        let fits = |size: &u64| artifact.size.exact().is_none_or(|exact| exact == *size);
        Ok(size.filter(fits).map(|size| (sha256, size)))
    }
}

/// The finished upload of this very request, where its source has not changed
/// since and this token may still read it: told without resolving, by one
/// request to most hubs. `None` where that takes a closer look.
///
/// # Errors
/// When the hub asks to be left alone, or records or storage can't be read.
pub async fn find_current(
    ferry: &Ferry,
    request: &ImportRequest,
) -> Result<Option<UploadDetail>, Error> {
    let rules = ferry.rules.for_request(request);
    let earlier = ferry.records.find_imported(request).await?;
    let Some(plan) = earlier.and_then(|earlier| earlier.plan) else {
        return Ok(None);
    };
    if rules.admit(&plan, request).is_err() || rules.admit_files(&plan, request).is_err() {
        return Ok(None);
    }
    let Some(held) = find_held(ferry, request, &plan).await? else {
        return Ok(None);
    };
    let provider = ferry.providers.of(plan.provider);
    let auth = ferry.tokens.for_request(request);
    if !provider
        .is_current(&plan, &request.reference, &auth)
        .await?
    {
        return Ok(None);
    }
    Ok(Some(held.with_sidecars(ferry, request, &plan).await))
}

/// The finished upload that already is what this plan asks for: every blob is
/// still there, and this token may still read the source. Sidecars that it
/// lacks, and that are asked for now, are written.
///
/// # Errors
/// When access is no longer granted, or records or storage can't be read.
pub async fn find_unchanged(
    ferry: &Ferry,
    request: &ImportRequest,
    plan: &Plan,
) -> Result<Option<UploadDetail>, Error> {
    let Some(held) = find_held(ferry, request, plan).await? else {
        return Ok(None);
    };
    ferry
        .prove_access(plan, &ferry.tokens.for_request(request))
        .await?;
    Ok(Some(held.with_sidecars(ferry, request, plan).await))
}

/// A finished upload whose blobs are all there.
struct Held {
    upload: UploadDetail,
    files: Vec<EntityFile>,
}

impl Held {
    async fn with_sidecars(
        self,
        ferry: &Ferry,
        request: &ImportRequest,
        plan: &Plan,
    ) -> UploadDetail {
        ferry
            .complete_sidecars(request, plan, &self.upload, &self.files)
            .await;
        self.upload
    }
}

async fn find_held(
    ferry: &Ferry,
    request: &ImportRequest,
    plan: &Plan,
) -> Result<Option<Held>, Error> {
    let rules = ferry.rules.for_request(request).fingerprint();
    let Some(earlier) = ferry
        .records
        .find_finished(&request.owner, &request.plan_key(plan, &rules))
        .await?
    else {
        return Ok(None);
    };
    let mut files = Vec::new();
    let mut rows = ferry.records.artifacts(&earlier.upload.id).await?;
    rows.retain(|row| row.status != ArtifactStatus::Refused);
    for row in rows {
        let (Some(sha256), Some(size)) = (row.sha256, row.size) else {
            return Ok(None);
        };
        if ferry.storage.stat(&StorageKey::Blob(sha256)).await? != Some(size) {
            return Ok(None);
        }
        files.push(EntityFile {
            path: row.path,
            size,
            sha256,
        });
    }
    Ok(Some(Held {
        upload: earlier,
        files,
    }))
}

fn expect_sha256(plan: &mut Plan, sha256: Sha256) -> Result<(), Error> {
    let [artifact] = plan.artifacts.as_mut_slice() else {
        let message = format!(
            "--sha256 names one file's hash, but {} has {} files",
            plan.reference,
            plan.artifacts.len()
        );
        return Err(Error::new(Code::InvalidRequest, message)
            .hint("name one file in the source, or narrow it with --include"));
    };
    if let Some(stated) = artifact.digests.sha256.filter(|stated| *stated != sha256) {
        let message = format!(
            "{} has SHA-256 {stated} at {}, not {sha256}",
            artifact.path, plan.provider
        );
        return Err(Error::new(Code::HashMismatch, message)
            .hint("nothing was downloaded; check the hash, or the revision it belongs to"));
    }
    artifact.digests.sha256 = Some(sha256);
    Ok(())
}
