//! The moves of an upload, each one guarded update in one transaction.

use modelferry_providers::Sha256;
use sqlx::AssertSqlSafe;

use super::db::{Tx, execute};
use super::deliveries::announce_end;
use super::events::put_status;
use super::fetches::end_fetches;
use super::intakes::end_claimed_intake;
use super::queue::enqueue;
use super::{Claim, Records, UploadDetail, to_db};
use crate::error::{Code, Error};
use crate::upload::Kind;
use crate::upload::UploadStatus::{
    self, Complete, Failed, Imported, Pending, Validated, Validating,
};

/// Where an upload may still fail.
const UNFINISHED: &[UploadStatus] = &[Pending, Validating, Validated];

/// A model or asset to be registered.
#[derive(Debug, Clone)]
pub struct Entity {
    /// Its id.
    pub id: String,
    /// What it was found to be.
    pub kind: Kind,
    /// What a person calls it.
    pub name: String,
    /// Its files.
    pub files: Vec<EntityFile>,
}

/// One file of an entity.
#[derive(Debug, Clone)]
pub struct EntityFile {
    /// Its path below the entity's root.
    pub path: String,
    /// Its length.
    pub size: u64,
    /// Its content.
    pub sha256: Sha256,
}

/// Holds while the caller has the lease: `$1` is the upload, `$2` the token.
const LEASED: &str = "EXISTS (SELECT 1 FROM jobs WHERE upload_id = $1 AND lease_token = $2)";

impl Records {
    /// Moves an upload on. `false`: the lease is lost, or it stood elsewhere.
    ///
    /// # Errors
    /// When the database can't be written, or the move is none of the machine's.
    pub async fn advance(
        &self,
        claim: &Claim,
        from: UploadStatus,
        to: UploadStatus,
    ) -> Result<bool, Error> {
        let Some(tx) = self.shifted(claim, &[from], to, None).await? else {
            return Ok(false);
        };
        tx.commit().await?;
        Ok(true)
    }

    /// Records what validation found, while moving to `validated`.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn validated(
        &self,
        claim: &Claim,
        kind: Kind,
        media_type: Option<&str>,
    ) -> Result<bool, Error> {
        let Some(mut tx) = self.shifted(claim, &[Validating], Validated, None).await? else {
            return Ok(false);
        };
        execute!(
            tx,
            "UPDATE uploads SET kind = $2, content_type = $3 WHERE id = $1",
            claim.upload_id(),
            kind.as_str(),
            media_type,
        )?;
        tx.commit().await?;
        Ok(true)
    }

    /// Registers the entity and ends the upload as `imported`, in one transaction.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn import(&self, claim: &Claim, entity: &Entity) -> Result<bool, Error> {
        let Some(mut tx) = self.shifted(claim, &[Validated], Imported, None).await? else {
            return Ok(false);
        };
        insert_entity(&mut tx, claim, entity, self.now()).await?;
        end_claimed_intake(&mut tx, claim).await?;
        self.end(tx, claim).await?;
        Ok(true)
    }

    /// Ends the upload as `complete`: stored, without an entity.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn complete(&self, claim: &Claim) -> Result<bool, Error> {
        let Some(mut tx) = self.shifted(claim, &[Validated], Complete, None).await? else {
            return Ok(false);
        };
        end_claimed_intake(&mut tx, claim).await?;
        self.end(tx, claim).await?;
        Ok(true)
    }

    /// Ends the upload as `failed`.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn fail(&self, claim: &Claim, error: &Error) -> Result<bool, Error> {
        let Some(mut tx) = self.shifted(claim, UNFINISHED, Failed, Some(error)).await? else {
            return Ok(false);
        };
        put_error(&mut tx, claim.upload_id(), error).await?;
        self.end(tx, claim).await?;
        Ok(true)
    }

    /// Takes a failed upload back to `pending`, with a job of its own again.
    /// `false`: it is not failed, or one whose parts are gone.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn retry(&self, detail: &UploadDetail) -> Result<bool, Error> {
        let at = self.now();
        let mut tx = self.db.write().await?;
        let moved = execute!(
            tx,
            "UPDATE uploads SET status = 'pending', error_message = NULL, error_code = NULL, error_hint = NULL, \
             updated_at = $2 WHERE id = $1 AND status = 'failed' \
             AND (source <> 'multipart' OR EXISTS (SELECT 1 FROM intakes WHERE upload_id = $1))",
            &detail.upload.id,
            at,
        )?;
        if moved == 0 {
            return Ok(false);
        }
        let job = detail.upload.job_id.as_deref().unwrap_or_default();
        enqueue(&mut tx, job, &detail.upload.id, &detail.request, at).await?;
        put_status(&mut tx, &detail.upload.id, Pending, None, at).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// What belongs to every last move: no job is left, and whoever wanted to
    /// hear of the end will.
    async fn end(&self, mut tx: Tx, claim: &Claim) -> Result<(), Error> {
        end_job(&mut tx, claim).await?;
        let receiver = claim.detail.request.webhook.as_ref();
        announce_end(&mut tx, receiver, claim.upload_id(), self.now()).await?;
        tx.commit().await
    }

    /// The one guarded update that every move of a worker is. The transaction
    /// goes on to whatever belongs to the move; `None`: nothing moved.
    async fn shifted(
        &self,
        claim: &Claim,
        from: &[UploadStatus],
        to: UploadStatus,
        error: Option<&Error>,
    ) -> Result<Option<Tx>, Error> {
        let Some(mut tx) = self.leased(claim).await? else {
            return Ok(None);
        };
        for from in from {
            if !from.may_become(to) {
                return Err(Error::new(
                    Code::Internal,
                    format!("an upload never goes from {from} to {to}"),
                ));
            }
            let moved = execute!(
                tx,
                AssertSqlSafe(format!(
                    "UPDATE uploads SET status = $3, updated_at = $4 WHERE id = $1 AND status = $5 AND {LEASED}"
                )),
                claim.upload_id(),
                claim.token(),
                to.as_str(),
                self.now(),
                from.as_str(),
            )?;
            if moved == 1 {
                put_status(&mut tx, claim.upload_id(), to, error, self.now()).await?;
                return Ok(Some(tx));
            }
        }
        Ok(None)
    }
}

pub(super) async fn put_error(tx: &mut Tx, upload: &str, error: &Error) -> Result<(), Error> {
    execute!(
        tx,
        "UPDATE uploads SET error_message = $2, error_code = $3, error_hint = $4 WHERE id = $1",
        upload,
        error.record_message(),
        error.code.as_str(),
        &error.hint,
    )?;
    Ok(())
}

async fn insert_entity(tx: &mut Tx, claim: &Claim, entity: &Entity, at: i64) -> Result<(), Error> {
    execute!(
        tx,
        "INSERT INTO entities (id, owner_id, kind, name, upload_id, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
        &entity.id,
        &claim.detail.upload.owner_id,
        entity.kind.as_str(),
        &entity.name,
        claim.upload_id(),
        at,
    )?;
    for file in &entity.files {
        execute!(
            tx,
            "INSERT INTO entity_files (entity_id, path, size, sha256) VALUES ($1, $2, $3, $4)",
            &entity.id,
            &file.path,
            to_db(file.size),
            file.sha256.to_string(),
        )?;
    }
    execute!(
        tx,
        "UPDATE uploads SET entity_id = $2 WHERE id = $1",
        claim.upload_id(),
        &entity.id,
    )?;
    Ok(())
}

async fn end_job(tx: &mut Tx, claim: &Claim) -> Result<(), Error> {
    execute!(
        tx,
        "DELETE FROM jobs WHERE upload_id = $1 AND lease_token = $2",
        claim.upload_id(),
        claim.token(),
    )?;
    end_fetches(tx, claim.upload_id()).await
}
