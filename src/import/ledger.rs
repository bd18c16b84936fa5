//! Checkpoints of one file's transfer, kept in the records.

use async_trait::async_trait;
use modelferry_providers::Artifact;

use super::held;
use crate::error::{Error, Stop};
use crate::records::{Claim, Records};
use crate::storage::{ONE_PART, Part};
use crate::transfer::{Checkpoint, Ledger};

/// [`Ledger`] over the records, for one file of one claim.
pub(super) struct RecordsLedger<'a> {
    pub records: &'a Records,
    pub claim: &'a Claim,
    pub index: u32,
}

impl RecordsLedger<'_> {
    /// Where an earlier worker left off. A checkpoint that can't be read means starting over.
    pub async fn load(&self, artifact: &Artifact) -> Result<Option<(Checkpoint, Vec<Part>)>, Stop> {
        if artifact.size.exact().is_some_and(|size| size <= ONE_PART) {
            // Fetched whole, without checkpoints.
            return Ok(None);
        }
        self.saved().await
    }

    /// The same for a file of any length.
    pub async fn saved(&self) -> Result<Option<(Checkpoint, Vec<Part>)>, Stop> {
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
