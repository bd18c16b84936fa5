//! The steps up to the last byte: resolve, reuse, transfer.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};
use modelferry_providers::{Artifact, Auth, Plan, Sha256};

use super::{Import, held};
use crate::crash;
use crate::error::{Code, Error, Stop};
use crate::progress::{ArtifactMeter, Event};
use crate::records::{Claim, Records, Stored};
use crate::storage::{Part, StageName};
use crate::transfer::{Checkpoint, Job, Ledger};
use crate::upload::Verification;

/// Files of one upload that are on their way at once. Connections and memory
/// are bounded elsewhere; this only bounds bookkeeping.
const FILES: usize = 16;

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
        let key = detail.request.plan_key(&plan, &self.rules.fingerprint());
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

    /// Takes what the storage already holds. Returns what it does not.
    pub(super) async fn reuse(
        &self,
        plan: &Plan,
        refused: &HashSet<u32>,
    ) -> Result<Vec<u32>, Stop> {
        let rows = self.ferry.records.artifacts(self.claim.upload_id()).await?;
        let done = self.ferry.still_held(&rows).await?;
        let mut missing = Vec::new();
        for (index, artifact) in (0u32..).zip(&plan.artifacts) {
            if done.contains(&index) || refused.contains(&index) {
                continue;
            }
            match self.ferry.held_blob(artifact).await? {
                Some((sha256, size)) => self.take_held(index, artifact, sha256, size).await?,
                None => missing.push(index),
            }
        }
        Ok(missing)
    }

    async fn take_held(
        &self,
        index: u32,
        artifact: &Artifact,
        sha256: Sha256,
        size: u64,
    ) -> Result<(), Stop> {
        let stored = Stored {
            sha256,
            size,
            verification: if artifact.digests.sha256.is_some() {
                Verification::Sha256
            } else {
                Verification::GitSha1
            },
            bytes_transferred: 0,
            reused: true,
            repaired: false,
        };
        if self.claim.detail.plan.is_some() {
            // A worker that died right after publishing left the place it was staged at.
            self.ferry.storage.discard(&self.stage_name(index)).await?;
        }
        held(self.ferry.records.store(self.claim, index, &stored).await?)?;
        crash::point("stored");
        self.observer.event(&Event::Stored {
            index,
            stored: &stored,
        });
        Ok(())
    }

    /// Moves what is missing, several files side by side.
    pub(super) async fn transfer(&self, plan: &Plan, missing: Vec<u32>) -> Result<(), Stop> {
        self.check_space(plan, &missing).await?;
        let auth = self.auth();
        stream::iter(missing)
            .map(|index| self.transfer_one(plan, index, &auth))
            .buffer_unordered(FILES)
            .try_collect::<()>()
            .await
    }

    async fn transfer_one(&self, plan: &Plan, index: u32, auth: &Auth) -> Result<(), Stop> {
        let Some(artifact) = plan.artifacts.get(index as usize) else {
            return Ok(());
        };
        if self.cancel.is_cancelled() {
            return Err(Stop::Interrupted);
        }
        let ledger = RecordsLedger {
            records: &self.ferry.records,
            claim: self.claim,
            index,
        };
        let meter = Arc::new(ArtifactMeter::new(self.observer.clone(), index, artifact));
        let job = Job {
            artifact,
            auth,
            stage: self.stage_name(index),
            resume: ledger.load().await?,
            ledger: &ledger,
            meter: meter.clone(),
            cancel: self.cancel,
        };
        let landed = match self.ferry.engine.run(job).await {
            Ok(landed) => landed,
            Err(Stop::Failed(error)) => {
                held(
                    self.ferry
                        .records
                        .blame(self.claim, index, error.code, meter.received())
                        .await?,
                )?;
                return Err(Stop::Failed(error));
            }
            Err(early) => return Err(early),
        };
        let stored = Stored {
            sha256: landed.sha256,
            size: landed.size,
            verification: landed.verification,
            bytes_transferred: meter.received(),
            reused: false,
            repaired: landed.repaired,
        };
        held(self.ferry.records.store(self.claim, index, &stored).await?)?;
        crash::point("stored");
        self.observer.event(&Event::Stored {
            index,
            stored: &stored,
        });
        Ok(())
    }

    /// Refuses what can't fit before the first byte of it moves.
    async fn check_space(&self, plan: &Plan, missing: &[u32]) -> Result<(), Stop> {
        let Some(free) = self.ferry.storage.free_space().await? else {
            return Ok(());
        };
        let needed: u64 = missing
            .iter()
            .filter_map(|index| plan.artifacts.get(*index as usize)?.size.approximate())
            .fold(0, u64::saturating_add);
        if needed <= free {
            return Ok(());
        }
        let message = format!(
            "{} needs {needed} bytes and the storage has {free} bytes free",
            plan.reference
        );
        Err(Error::new(Code::StorageFull, message).hint("free some space or set MODELFERRY_STORAGE to a larger place, then run the same command again").into())
    }

    pub(super) fn auth(&self) -> Auth {
        self.ferry.tokens.for_request(&self.claim.detail.request)
    }

    fn stage_name(&self, index: u32) -> StageName {
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

/// [`Ledger`] over the records, for one file of one claim.
struct RecordsLedger<'a> {
    records: &'a Records,
    claim: &'a Claim,
    index: u32,
}

impl RecordsLedger<'_> {
    /// Where an earlier worker left off. A checkpoint that can't be read means starting over.
    async fn load(&self) -> Result<Option<(Checkpoint, Vec<Part>)>, Stop> {
        let Some((saved, parts)) = self
            .records
            .checkpoint(self.claim.upload_id(), self.index)
            .await?
        else {
            return Ok(None);
        };
        match serde_json::from_value(saved) {
            Ok(checkpoint) => Ok(Some((checkpoint, parts))),
            Err(_) => {
                self.reset().await?;
                Ok(None)
            }
        }
    }
}

#[async_trait]
impl Ledger for RecordsLedger<'_> {
    async fn save(&self, checkpoint: &Checkpoint, new_parts: &[Part]) -> Result<(), Stop> {
        let value = serde_json::to_value(checkpoint)
            .map_err(|error| Error::internal("saving a checkpoint", error))?;
        held(
            self.records
                .save_checkpoint(self.claim, self.index, &value, new_parts)
                .await?,
        )
    }

    async fn reset(&self) -> Result<(), Stop> {
        held(self.records.drop_checkpoint(self.claim, self.index).await?)
    }
}
