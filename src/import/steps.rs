//! The steps up to `validated`, but for the transfer: resolve, prove access, inspect.

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use modelferry_providers::{Auth, Plan};

use super::{Import, held};
use crate::crash;
use crate::error::{Code, Error, Stop};
use crate::inspect::{self, Finding, InspectError, Refusal};
use crate::progress::Event;
use crate::records;
use crate::storage::{StageName, StorageKey};
use crate::upload::Kind;

/// Files of one upload that are looked into at once.
const FILES: usize = 16;

/// What the content turned out to be.
pub(super) struct Found {
    /// The kind of the whole.
    pub kind: Kind,
    /// The media type, where there is one file.
    pub media_type: Option<&'static str>,
}

impl Import<'_> {
    /// The plan: the one that an earlier worker saved, the one in hand, or a new one.
    pub(super) async fn resolve(&self, resolved: Option<Plan>) -> Result<Plan, Stop> {
        let detail = &self.claim.detail;
        if let Some(saved) = &detail.plan {
            self.observer.event(&Event::Planned(saved));
            return Ok(saved.clone());
        }
        let plan = match resolved {
            Some(plan) => plan,
            None => self.ferry.resolve(&detail.request).await?,
        };
        let key = detail.request.plan_key(&plan);
        held(
            self.ferry
                .records
                .save_plan(self.claim, &plan, &key)
                .await?,
        )?;
        crash::point("plan-saved");
        self.observer.event(&Event::Planned(&plan));
        Ok(plan)
    }

    /// Asks the hub whether this token may read each thing it grants, before
    /// any held blob is used. Knowing a hash opens nothing.
    pub(super) async fn prove_access(&self, plan: &Plan) -> Result<(), Stop> {
        Ok(self.ferry.prove_access(plan, &self.auth()).await?)
    }

    /// Looks into every file: is it what it says, is it safe, is it what was
    /// asked for.
    pub(super) async fn inspect(&self, plan: &Plan) -> Result<Found, Stop> {
        let rows = self.ferry.records.artifacts(self.claim.upload_id()).await?;
        let mut looks: FuturesUnordered<_> = FuturesUnordered::new();
        let mut findings: Vec<(String, Finding)> = Vec::with_capacity(rows.len());
        let mut rows = rows.into_iter();
        loop {
            while looks.len() < FILES
                && let Some(row) = rows.next()
            {
                looks.push(self.look(row));
            }
            match looks.next().await {
                Some(found) => findings.push(found?),
                None => break,
            }
        }
        findings.sort_by(|a, b| a.0.cmp(&b.0));
        for (path, warning) in findings
            .iter()
            .flat_map(|(path, finding)| finding.warnings.iter().map(move |w| (path, w)))
        {
            self.observer.event(&Event::Warning {
                path,
                message: &warning.message,
            });
        }
        let expected = self.claim.detail.request.expected_kind(plan);
        let kind = inspect::settle(
            expected,
            findings
                .iter()
                .map(|(path, finding)| (path.as_str(), finding)),
        )
        .map_err(|refusal| refused(&plan.reference, refusal))?
        .unwrap_or(Kind::Asset);
        let media_type = match findings.as_slice() {
            [(_, only)] => Some(only.media_type),
            _ => None,
        };
        Ok(Found { kind, media_type })
    }

    async fn look(&self, row: records::ArtifactRow) -> Result<(String, Finding), Stop> {
        let (Some(sha256), Some(size)) = (row.sha256, row.size) else {
            return Err(Error::new(
                Code::Internal,
                format!("{} has no blob to look into", row.path),
            )
            .into());
        };
        let mut content = self.ferry.storage.open(&StorageKey::Blob(sha256)).await?;
        let (policy, allowed) = (self.ferry.pickles, self.ferry.allowed_references.clone());
        let path = row.path.clone();
        let looked = tokio::task::spawn_blocking(move || {
            inspect::inspect(&path, size, &mut content, policy, &allowed)
        })
        .await
        .map_err(|error| Error::internal("looking into a file", error))?;
        match looked {
            Ok(finding) => Ok((row.path, finding)),
            Err(InspectError::Refused(refusal)) => {
                let error = refused(&row.path, refusal);
                held(
                    self.ferry
                        .records
                        .blame(self.claim, row.position, error.code, 0)
                        .await?,
                )?;
                Err(error.into())
            }
            Err(InspectError::Io(error)) => Err(Error::new(
                Code::StorageError,
                format!("{} can't be read back: {error}", row.path),
            )
            .into()),
        }
    }

    pub(super) fn auth(&self) -> Auth {
        self.ferry.tokens.for_request(&self.claim.detail.request)
    }

    pub(super) fn stage_name(&self, index: u32) -> StageName {
        StageName {
            upload: self.claim.upload_id().to_owned(),
            index,
        }
    }

    pub(super) async fn discard_staged(&self) {
        let upload = self.claim.upload_id();
        if let Err(error) = self.ferry.storage.discard_upload(upload).await {
            tracing::warn!(%error, "staged bytes could not be thrown away; the next start tries again");
        }
    }
}

/// What inspection found wrong, as the public error.
fn refused(what: &str, refusal: Refusal) -> Error {
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
    }
}
