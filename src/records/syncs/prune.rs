//! Removing what a sync imported and nobody else asked for.
//!
//! First its uploads are condemned: nobody finds them as held any more. Then
//! the caller removes what is in the storage, and then the records. Whoever
//! asked for one of them before that made it everybody's, and it stays.

use super::SyncClaim;
use crate::error::Error;
use crate::records::db::{Tx, execute, fetch_all, fetch_optional};
use crate::records::{Records, from_json};
use modelferry_providers::Plan;

/// A condemned upload, with what has to go before its records do.
#[derive(Debug, Clone)]
pub struct Pruned {
    /// Its id.
    pub upload: String,
    /// Its entity, whose manifest goes.
    pub entity: Option<String>,
    /// Its plan, whose links in the library go.
    pub plan: Option<Plan>,
}

impl Records {
    /// What a sync imported belongs to others too from now on. `false`: it is
    /// condemned, and no longer to be relied on.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn share_upload(&self, upload: &str) -> Result<bool, Error> {
        let mut conn = self.db.read().await?;
        let sql = "SELECT sync_id FROM uploads WHERE id = $1 AND request_key <> ''";
        match fetch_optional!(conn, (Option<String>,), sql, upload)? {
            None => Ok(false),
            Some((None,)) => Ok(true),
            Some((Some(_),)) => {
                let shared = execute!(
                    conn,
                    "UPDATE uploads SET sync_id = NULL WHERE id = $1 AND request_key <> ''",
                    upload,
                )?;
                Ok(shared == 1)
            }
        }
    }

    /// Condemns everything that this sync imported of a source and that
    /// nobody else asked for. Answers how many uploads those are; `None`: the
    /// lease is lost.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn condemn_imports(
        &self,
        claim: &SyncClaim,
        subject: &str,
    ) -> Result<Option<u64>, Error> {
        let Some((mut tx, sync)) = self.leased_sync(claim).await? else {
            return Ok(None);
        };
        let condemned = execute!(
            tx,
            "UPDATE uploads SET request_key = '', plan_key = NULL WHERE sync_id = $1 AND sync_subject = $2 \
             AND status IN ('imported', 'complete') \
             AND NOT EXISTS (SELECT 1 FROM sync_items i WHERE i.upload_id = uploads.id AND i.sync_id <> $1)",
            &sync.id,
            subject,
        )?;
        execute!(
            tx,
            "DELETE FROM sync_items WHERE sync_id = $1 AND source = $2",
            &sync.id,
            subject,
        )?;
        tx.commit().await?;
        Ok(Some(condemned))
    }

    /// The uploads of this sync that are condemned and not yet gone, those
    /// included that an earlier run did not get to.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn condemned_imports(&self, sync: &str) -> Result<Vec<Pruned>, Error> {
        let mut conn = self.db.read().await?;
        let rows = fetch_all!(
            conn,
            (String, Option<String>, Option<String>),
            "SELECT id, entity_id, plan FROM uploads WHERE sync_id = $1 AND request_key = '' ORDER BY id",
            sync,
        )?;
        rows.into_iter()
            .map(|(upload, entity, plan)| {
                let plan = plan.map(|text| from_json("a plan", &text)).transpose()?;
                Ok(Pruned {
                    upload,
                    entity,
                    plan,
                })
            })
            .collect()
    }

    /// Plans of other finished uploads of the same name: they may share links
    /// in the library.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn plans_beside(&self, upload: &str, plan: &Plan) -> Result<Vec<Plan>, Error> {
        let mut conn = self.db.read().await?;
        let rows = fetch_all!(
            conn,
            (String,),
            "SELECT plan FROM uploads WHERE file_name = $1 AND provider = $2 AND id <> $3 \
             AND status IN ('imported', 'complete') AND plan IS NOT NULL AND request_key <> ''",
            &plan.name,
            plan.provider.as_str(),
            upload,
        )?;
        rows.into_iter()
            .map(|(text,)| from_json("a plan", &text))
            .collect()
    }

    /// Forgets a condemned upload and its entity. `false`: the lease is lost.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn forget_import(&self, claim: &SyncClaim, upload: &str) -> Result<bool, Error> {
        let Some((mut tx, _)) = self.leased_sync(claim).await? else {
            return Ok(false);
        };
        forget(&mut tx, upload).await?;
        tx.commit().await?;
        Ok(true)
    }
}

async fn forget(tx: &mut Tx, upload: &str) -> Result<(), Error> {
    for sql in [
        "DELETE FROM entity_files WHERE entity_id IN (SELECT id FROM entities WHERE upload_id = $1)",
        "DELETE FROM entities WHERE upload_id = $1",
        "DELETE FROM artifact_parts WHERE upload_id = $1",
        "DELETE FROM artifacts WHERE upload_id = $1",
        "DELETE FROM events WHERE upload_id = $1",
        "DELETE FROM uploads WHERE id = $1",
    ] {
        execute!(tx, sql, upload)?;
    }
    Ok(())
}
