//! The gate: what is left out, what is refused early, and what stored files
//! turn out to be.

use std::collections::{HashMap, HashSet};

use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use modelferry_providers::Plan;

use super::choose::{self, leftover};
use super::early::{self, Verdict};
use super::{Import, held};
use crate::error::{Code, Error, Stop};
use crate::inspect::{self, Facts, Finding, InspectError, Kind, Refusal};
use crate::progress::Event;
use crate::records::{ArtifactRow, Refused};
use crate::storage::StorageKey;
use crate::upload::ArtifactStatus;

/// Stored files that are looked into at once.
const LOOKS: usize = 16;

/// What the content turned out to be.
pub(super) struct Found {
    /// The kind of the whole.
    pub kind: Kind,
    /// The media type, where there is one file.
    pub media_type: Option<&'static str>,
}

/// A file that was looked into.
struct Looked {
    index: u32,
    path: String,
    finding: Finding,
}

impl Import<'_> {
    /// Refuses what can be refused unseen: leftovers of a training run that
    /// the hub calls dangerous. What an earlier run refused is judged anew,
    /// since the rules may be others now.
    pub(super) async fn leave_out(&self, plan: &Plan) -> Result<HashSet<u32>, Stop> {
        held(self.ferry.records.take_back_refusals(self.claim).await?)?;
        let mut refused = HashSet::new();
        for (index, artifact) in (0u32..).zip(&plan.artifacts) {
            if let Err(error) = self.rules.admit_unseen(artifact) {
                self.refuse(plan, index, error, 0).await?;
                refused.insert(index);
            }
        }
        Ok(refused)
    }

    /// Looks into the headers of what is missing, before the bulk of it moves.
    /// Returns what is still wanted.
    pub(super) async fn judge_early(
        &self,
        plan: &Plan,
        missing: Vec<u32>,
    ) -> Result<Vec<u32>, Stop> {
        let auth = self.auth();
        let candidates = early::candidates(plan, &missing);
        // The first refusal ends the other looks too.
        let cancel = self.cancel.child_token();
        let _ends_with_this = cancel.clone().drop_guard();
        // Made before they are run: the compiler can't tell that a stream which
        // borrows while it makes them may go to another thread.
        let looks: Vec<_> = candidates
            .into_iter()
            .map(|(index, artifact)| {
                let look = self.ferry.look_early(&self.rules, artifact, &auth, &cancel);
                async move { (index, look.await) }.boxed()
            })
            .collect();
        let mut looks = stream::iter(looks).buffer_unordered(early::SIDE_BY_SIDE);
        let mut findings = HashMap::new();
        let mut refused = HashSet::new();
        while let Some((index, look)) = looks.next().await {
            match look.verdict {
                Verdict::Undecided => {}
                Verdict::Refused(error) => {
                    self.refuse(plan, index, error, look.bytes).await?;
                    refused.insert(index);
                }
                Verdict::Fit(finding) => {
                    if let Some(error) = self.misfit(plan, index, &finding) {
                        self.refuse(plan, index, error, look.bytes).await?;
                        refused.insert(index);
                    }
                    findings.insert(index, *finding);
                }
            }
        }
        self.settle_early(plan, &findings)?;
        Ok(missing
            .into_iter()
            .filter(|index| !refused.contains(index))
            .collect())
    }

    /// What a rule has against a file of this content, whatever the others are.
    fn misfit(&self, plan: &Plan, index: u32, finding: &Finding) -> Option<Error> {
        let path = plan.artifacts.get(index as usize)?.path.as_str();
        if let Err(error) = self.rules.admit_format(path, finding) {
            return Some(error);
        }
        let kind = self.claim.detail.request.expected_kind(plan)?;
        inspect::clash(kind, path, finding).map(|refusal| refused(path, refusal))
    }

    /// Where all files were looked into early, their kind is known early too.
    fn settle_early(&self, plan: &Plan, findings: &HashMap<u32, Finding>) -> Result<(), Stop> {
        if findings.len() < plan.artifacts.len() {
            return Ok(());
        }
        let files = (0u32..)
            .zip(&plan.artifacts)
            .filter_map(|(index, artifact)| Some((artifact.path.as_str(), findings.get(&index)?)));
        self.settle(plan, files).map(drop)
    }

    fn settle<'f>(
        &self,
        plan: &Plan,
        files: impl IntoIterator<Item = (&'f str, &'f Finding)>,
    ) -> Result<Kind, Stop> {
        let expected = self.claim.detail.request.expected_kind(plan);
        let kind = inspect::settle(expected, files)
            .map_err(|refusal| refused(&plan.reference, refusal))?
            .unwrap_or(Kind::Asset);
        self.rules.admit_kind(&plan.reference, kind)?;
        Ok(kind)
    }

    /// Looks into every stored file: is it what it says, is it safe, is it what
    /// was asked for.
    pub(super) async fn inspect(&self, plan: &Plan) -> Result<Found, Stop> {
        let rows = self.ferry.records.artifacts(self.claim.upload_id()).await?;
        let rows = rows
            .into_iter()
            .filter(|row| row.status != ArtifactStatus::Refused);
        let looks: Vec<_> = rows.map(|row| self.look(plan, row).boxed()).collect();
        let looked: Vec<Option<Looked>> = stream::iter(looks)
            .buffer_unordered(LOOKS)
            .try_collect()
            .await?;
        let mut looked: Vec<Looked> = looked.into_iter().flatten().collect();
        looked.sort_by_key(|file| file.index);
        for file in &looked {
            for warning in &file.finding.warnings {
                self.observer.event(&Event::Warning {
                    path: &file.path,
                    message: &warning.message,
                });
            }
        }
        let files = || {
            looked
                .iter()
                .map(|file| (file.path.as_str(), &file.finding))
        };
        let kind = self.settle(plan, files())?;
        let facts: Vec<(u32, &Facts)> = looked
            .iter()
            .filter(|file| !file.finding.facts.is_empty())
            .map(|file| (file.index, &file.finding.facts))
            .collect();
        held(self.ferry.records.save_facts(self.claim, &facts).await?)?;
        Ok(Found {
            kind,
            media_type: match looked.as_slice() {
                [only] => Some(only.finding.media_type),
                _ => None,
            },
        })
    }

    /// `None` for a file that is refused and does without.
    async fn look(&self, plan: &Plan, row: ArtifactRow) -> Result<Option<Looked>, Stop> {
        let (Some(sha256), Some(size)) = (row.sha256, row.size) else {
            return Err(Error::new(
                Code::Internal,
                format!("{} has no blob to look into", row.path),
            )
            .into());
        };
        let mut content = self.ferry.storage.open(&StorageKey::Blob(sha256)).await?;
        let (policy, allowed) = (self.rules.pickle, self.rules.pickle_allow.clone());
        let path = row.path.clone();
        let looked = tokio::task::spawn_blocking(move || {
            inspect::inspect(&path, size, &mut content, policy, &allowed)
        })
        .await
        .map_err(|error| Error::internal("looking into a file", error))?;
        let finding = match looked {
            Ok(finding) => finding,
            Err(InspectError::Refused(refusal)) => {
                let error = refused(&row.path, refusal);
                self.refuse(plan, row.position, error, 0).await?;
                return Ok(None);
            }
            Err(InspectError::Io(error)) => {
                let message = format!("{} can't be read back: {error}", row.path);
                return Err(Error::new(Code::StorageError, message).into());
            }
        };
        let misfit = self.rules.admit_size(&row.path, size).err();
        if let Some(error) = misfit.or_else(|| self.misfit(plan, row.position, &finding)) {
            self.refuse(plan, row.position, error, 0).await?;
            return Ok(None);
        }
        Ok(Some(Looked {
            index: row.position,
            path: row.path,
            finding,
        }))
    }

    /// Leaves a refused file out where the import can do without it, and else
    /// ends the import with the error.
    async fn refuse(&self, plan: &Plan, index: u32, error: Error, bytes: u64) -> Result<(), Stop> {
        let (records, request) = (&self.ferry.records, &self.claim.detail.request);
        let artifact = plan
            .artifacts
            .get(index as usize)
            .filter(|artifact| choose::is_dispensable(plan, request, artifact));
        let Some(artifact) = artifact else {
            held(records.blame(self.claim, index, error.code, bytes).await?)?;
            return Err(error.into());
        };
        let path = artifact.path.as_str();
        let what = leftover(path).unwrap_or_default();
        let refused = Refused {
            code: error.code,
            reason: format!("{what}, which the import does without: {}", error.message),
            bytes_transferred: bytes,
        };
        held(records.refuse(self.claim, index, &refused).await?)?;
        self.observer.event(&Event::Warning {
            path,
            message: &refused.reason,
        });
        Ok(())
    }
}

/// What inspection found wrong, as the public error.
pub(super) fn refused(what: &str, refusal: Refusal) -> Error {
    let code = Code::ALL
        .iter()
        .copied()
        .find(|code| code.as_str() == refusal.reason.code());
    let message = if refusal.message.contains(what) {
        refusal.message
    } else {
        format!("{what}: {}", refusal.message)
    };
    Error {
        code: code.unwrap_or(Code::MalformedFile),
        message,
        hint: refusal.hint,
        retry_after: None,
    }
}
