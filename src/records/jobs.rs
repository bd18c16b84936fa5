//! Jobs: who may work on an upload, and the moves that only they may make.

use std::time::Duration;

use modelferry_providers::Sha256;
use sqlx::{Sqlite, SqliteConnection, Transaction};
use uuid::Uuid;

use super::{Records, UploadDetail, broken, now, to_db};
use crate::error::{Code, Error};
use crate::upload::{Kind, UploadStatus};

/// The right to work on one upload, until the lease runs out. Only
/// [`Records::claim`] makes one.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The upload as it stood when it was claimed.
    pub detail: UploadDetail,
    token: String,
}

impl Claim {
    /// The upload's id.
    pub fn upload_id(&self) -> &str {
        &self.detail.upload.id
    }

    pub(super) fn token(&self) -> &str {
        &self.token
    }
}

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
    /// Takes an upload's job, when nobody has it.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn claim(
        &self,
        owner: &str,
        upload: &str,
        worker: &str,
        lease: Duration,
    ) -> Result<Option<Claim>, Error> {
        let token = Uuid::new_v4().simple().to_string();
        let at = now();
        let mut tx = self.write().await?;
        let taken = sqlx::query(
            "UPDATE jobs SET lease_owner = $1, lease_token = $2, lease_until = $3, attempt = attempt + 1 \
             WHERE upload_id = $4 AND lease_until <= $5",
        )
        .bind(worker)
        .bind(&token)
        .bind(at + millis(lease))
        .bind(upload)
        .bind(at)
        .execute(&mut *tx)
        .await
        .map_err(broken)?;
        tx.commit().await.map_err(broken)?;
        if taken.rows_affected() == 0 {
            return Ok(None);
        }
        let detail = self.get(owner, upload).await?;
        Ok(Some(Claim { detail, token }))
    }

    /// Keeps a claim alive. `false`: it is lost.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn renew(&self, claim: &Claim, lease: Duration) -> Result<bool, Error> {
        let until = now() + millis(lease);
        self.guarded(
            "UPDATE jobs SET lease_until = $3 WHERE upload_id = $1 AND lease_token = $2",
            claim,
            until,
        )
        .await
    }

    /// Gives a claim back, so that the next worker need not wait.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn release(&self, claim: &Claim) -> Result<bool, Error> {
        let sql = "UPDATE jobs SET lease_owner = NULL, lease_token = NULL, lease_until = $3 WHERE upload_id = $1 AND lease_token = $2";
        self.guarded(sql, claim, 0).await
    }

    async fn guarded(&self, sql: &'static str, claim: &Claim, value: i64) -> Result<bool, Error> {
        let done = sqlx::query(sql)
            .bind(claim.upload_id())
            .bind(&claim.token)
            .bind(value)
            .execute(&self.pool)
            .await
            .map_err(broken)?;
        Ok(done.rows_affected() == 1)
    }

    /// Frees whatever a worker that is known to be dead had claimed.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn release_dead(&self, worker: &str) -> Result<u64, Error> {
        let freed = sqlx::query("UPDATE jobs SET lease_owner = NULL, lease_token = NULL, lease_until = 0 WHERE lease_owner = $1")
            .bind(worker)
            .execute(&self.pool)
            .await
            .map_err(broken)?;
        Ok(freed.rows_affected())
    }

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
        let mut tx = self.write().await?;
        let moved = shift(&mut tx, claim, from, to).await?;
        tx.commit().await.map_err(broken)?;
        Ok(moved)
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
        let mut tx = self.write().await?;
        if !shift(
            &mut tx,
            claim,
            UploadStatus::Validating,
            UploadStatus::Validated,
        )
        .await?
        {
            return Ok(false);
        }
        sqlx::query("UPDATE uploads SET kind = $2, content_type = $3 WHERE id = $1")
            .bind(claim.upload_id())
            .bind(kind.as_str())
            .bind(media_type)
            .execute(&mut *tx)
            .await
            .map_err(broken)?;
        tx.commit().await.map_err(broken)?;
        Ok(true)
    }

    /// Registers the entity and ends the upload as `imported`, in one transaction.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn import(&self, claim: &Claim, entity: &Entity) -> Result<bool, Error> {
        let mut tx = self.write().await?;
        if !shift(
            &mut tx,
            claim,
            UploadStatus::Validated,
            UploadStatus::Imported,
        )
        .await?
        {
            return Ok(false);
        }
        insert_entity(&mut tx, claim, entity).await?;
        end_job(&mut tx, claim).await?;
        tx.commit().await.map_err(broken)?;
        Ok(true)
    }

    /// Ends the upload as `complete`: stored, without an entity.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn complete(&self, claim: &Claim) -> Result<bool, Error> {
        let mut tx = self.write().await?;
        if !shift(
            &mut tx,
            claim,
            UploadStatus::Validated,
            UploadStatus::Complete,
        )
        .await?
        {
            return Ok(false);
        }
        end_job(&mut tx, claim).await?;
        tx.commit().await.map_err(broken)?;
        Ok(true)
    }

    /// Ends the upload as `failed`.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn fail(&self, claim: &Claim, error: &Error) -> Result<bool, Error> {
        let mut tx = self.write().await?;
        let mut moved = false;
        for from in [
            UploadStatus::Pending,
            UploadStatus::Validating,
            UploadStatus::Validated,
        ] {
            moved = moved || shift(&mut tx, claim, from, UploadStatus::Failed).await?;
        }
        if !moved {
            return Ok(false);
        }
        sqlx::query(
            "UPDATE uploads SET error_message = $2, error_code = $3, error_hint = $4 WHERE id = $1",
        )
        .bind(claim.upload_id())
        .bind(error.record_message())
        .bind(error.code.as_str())
        .bind(&error.hint)
        .execute(&mut *tx)
        .await
        .map_err(broken)?;
        end_job(&mut tx, claim).await?;
        tx.commit().await.map_err(broken)?;
        Ok(true)
    }

    /// Takes a failed upload back to `pending`, with a job of its own again.
    /// `false`: it is not failed.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn retry(&self, detail: &UploadDetail) -> Result<bool, Error> {
        let at = now();
        let mut tx = self.write().await?;
        let moved = sqlx::query(
            "UPDATE uploads SET status = 'pending', error_message = NULL, error_code = NULL, error_hint = NULL, \
             updated_at = $2 WHERE id = $1 AND status = 'failed'",
        )
        .bind(&detail.upload.id)
        .bind(at)
        .execute(&mut *tx)
        .await
        .map_err(broken)?;
        if moved.rows_affected() == 0 {
            return Ok(false);
        }
        let job = detail.upload.job_id.as_deref().unwrap_or_default();
        enqueue(&mut tx, job, &detail.upload.id, detail.request.priority, at).await?;
        tx.commit().await.map_err(broken)?;
        Ok(true)
    }
}

/// Puts an upload's job in the queue, in the transaction that makes it runnable.
pub(super) async fn enqueue(
    tx: &mut SqliteConnection,
    job: &str,
    upload: &str,
    priority: i32,
    at: i64,
) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO jobs (id, kind, upload_id, priority, run_at, attempt, lease_until) VALUES ($1, 'import', $2, $3, $4, 0, 0)",
    )
    .bind(job)
    .bind(upload)
    .bind(priority)
    .bind(at)
    .execute(tx)
    .await
    .map_err(broken)?;
    Ok(())
}

/// The one guarded update that every status move is.
async fn shift(
    tx: &mut Transaction<'static, Sqlite>,
    claim: &Claim,
    from: UploadStatus,
    to: UploadStatus,
) -> Result<bool, Error> {
    if !from.may_become(to) {
        return Err(Error::new(
            Code::Internal,
            format!("an upload never goes from {from} to {to}"),
        ));
    }
    let moved = sqlx::query(sqlx::AssertSqlSafe(format!(
        "UPDATE uploads SET status = $3, updated_at = $4 WHERE id = $1 AND status = $5 AND {LEASED}"
    )))
    .bind(claim.upload_id())
    .bind(&claim.token)
    .bind(to.as_str())
    .bind(now())
    .bind(from.as_str())
    .execute(&mut **tx)
    .await
    .map_err(broken)?;
    Ok(moved.rows_affected() == 1)
}

async fn insert_entity(
    tx: &mut Transaction<'static, Sqlite>,
    claim: &Claim,
    entity: &Entity,
) -> Result<(), Error> {
    sqlx::query("INSERT INTO entities (id, owner_id, kind, name, upload_id, created_at) VALUES ($1, $2, $3, $4, $5, $6)")
        .bind(&entity.id)
        .bind(&claim.detail.upload.owner_id)
        .bind(entity.kind.as_str())
        .bind(&entity.name)
        .bind(claim.upload_id())
        .bind(now())
        .execute(&mut **tx)
        .await
        .map_err(broken)?;
    for file in &entity.files {
        sqlx::query(
            "INSERT INTO entity_files (entity_id, path, size, sha256) VALUES ($1, $2, $3, $4)",
        )
        .bind(&entity.id)
        .bind(&file.path)
        .bind(to_db(file.size))
        .bind(file.sha256.to_string())
        .execute(&mut **tx)
        .await
        .map_err(broken)?;
    }
    sqlx::query("UPDATE uploads SET entity_id = $2 WHERE id = $1")
        .bind(claim.upload_id())
        .bind(&entity.id)
        .execute(&mut **tx)
        .await
        .map_err(broken)?;
    Ok(())
}

async fn end_job(tx: &mut Transaction<'static, Sqlite>, claim: &Claim) -> Result<(), Error> {
    sqlx::query("DELETE FROM jobs WHERE upload_id = $1 AND lease_token = $2")
        .bind(claim.upload_id())
        .bind(&claim.token)
        .execute(&mut **tx)
        .await
        .map_err(broken)?;
    Ok(())
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 2)
}
