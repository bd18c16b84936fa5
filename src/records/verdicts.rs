//! What the gate says of the files of an upload.

use super::db::execute;
use super::{Claim, Records, to_db, to_json};
use crate::error::{Code, Error};
use crate::inspect::Facts;

/// A file that the gate refuses and the import does without.
#[derive(Debug, Clone)]
pub struct Refused {
    /// The class of the refusal.
    pub code: Code,
    /// Why, in plain words.
    pub reason: String,
    /// Bytes that came over the wire to find out.
    pub bytes_transferred: u64,
}

impl Records {
    /// Records that a file is refused, and the bytes it cost to find out.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn refuse(
        &self,
        claim: &Claim,
        position: u32,
        refused: &Refused,
    ) -> Result<bool, Error> {
        let Some(mut tx) = self.leased(claim).await? else {
            return Ok(false);
        };
        execute!(
            tx,
            "UPDATE artifacts SET status = 'refused', error_code = $3, reason = $4, facts = NULL, \
             bytes_transferred = bytes_transferred + $5 WHERE upload_id = $1 AND position = $2",
            claim.upload_id(),
            i64::from(position),
            refused.code.as_str(),
            &refused.reason,
            to_db(refused.bytes_transferred)
        )?;
        tx.commit().await?;
        Ok(true)
    }

    /// Makes refused files pending again, to be judged anew.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn take_back_refusals(&self, claim: &Claim) -> Result<bool, Error> {
        let Some(mut tx) = self.leased(claim).await? else {
            return Ok(false);
        };
        execute!(
            tx,
            "UPDATE artifacts SET status = 'pending', error_code = NULL, reason = NULL \
             WHERE upload_id = $1 AND status = 'refused'",
            claim.upload_id()
        )?;
        tx.commit().await?;
        Ok(true)
    }

    /// Records what the headers of these files say they are.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn save_facts(&self, claim: &Claim, facts: &[(u32, &Facts)]) -> Result<bool, Error> {
        let Some(mut tx) = self.leased(claim).await? else {
            return Ok(false);
        };
        for (position, facts) in facts {
            execute!(
                tx,
                "UPDATE artifacts SET facts = $3 WHERE upload_id = $1 AND position = $2",
                claim.upload_id(),
                i64::from(*position),
                to_json(facts)?
            )?;
        }
        tx.commit().await?;
        Ok(true)
    }
}
