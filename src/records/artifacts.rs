//! The files of an upload: what was planned, how far each is, what came of it.

use modelferry_providers::{GitSha1, Plan, Sha256};
use sqlx::FromRow;

use super::db::{Tx, execute, fetch_all, fetch_optional};
use super::{Claim, Records, from_db, from_json, to_db, to_json, word};
use crate::error::{Code, Error};
use crate::inspect::Facts;
use crate::storage::Part;
use crate::upload::{ArtifactStatus, UploadSource, Verification};

/// One file of an upload, as recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct ArtifactRow {
    /// Its place in the plan.
    pub position: u32,
    /// Its path below the entity's root.
    pub path: String,
    /// Its length, as far as it is known.
    pub size: Option<u64>,
    /// Its content: expected at first, computed once stored.
    pub sha256: Option<Sha256>,
    /// The hub's git blob id, where it gave one.
    pub git_sha1: Option<GitSha1>,
    /// Where it stands.
    pub status: ArtifactStatus,
    /// What it was held against.
    pub verification: Option<Verification>,
    /// Bytes that came over the wire for it, repeats included.
    pub bytes_transferred: u64,
    /// Whether the storage already had it.
    pub reused: bool,
    /// Whether a first, damaged transfer was made good.
    pub repaired: bool,
    /// Why it failed or was refused.
    pub error_code: Option<String>,
    /// Why it was refused, in plain words.
    pub reason: Option<String>,
    /// What its headers say it is.
    pub facts: Option<Facts>,
}

/// A file whose blob is published.
#[derive(Debug, Clone)]
pub struct Stored {
    /// Its content.
    pub sha256: Sha256,
    /// Its length.
    pub size: u64,
    /// What it was held against.
    pub verification: Verification,
    /// Bytes that came over the wire for it by this worker.
    pub bytes_transferred: u64,
    /// Whether the storage already had it.
    pub reused: bool,
    /// Whether a first, damaged transfer was made good.
    pub repaired: bool,
}

impl Records {
    /// Records what an upload was pinned to, and its files.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn save_plan(
        &self,
        claim: &Claim,
        plan: &Plan,
        plan_key: &str,
    ) -> Result<bool, Error> {
        let sizes: Vec<Option<u64>> = plan
            .artifacts
            .iter()
            .map(|artifact| artifact.size.approximate())
            .collect();
        let total = sizes
            .iter()
            .try_fold(0u64, |sum, size| sum.checked_add((*size)?));
        let Some(mut tx) = self.leased(claim).await? else {
            return Ok(false);
        };
        execute!(
            tx,
            "UPDATE uploads SET plan = $2, plan_key = $3, provider = $4, file_name = $5, file_size = $6, updated_at = $7 WHERE id = $1",
            claim.upload_id(),
            to_json(plan)?,
            plan_key,
            // No provider has to do with a file that its owner brought.
            (claim.detail.upload.source != UploadSource::Multipart).then(|| plan.provider.as_str()),
            &plan.name,
            total.map(to_db),
            self.now()
        )?;
        delete_artifacts(&mut tx, claim.upload_id()).await?;
        for (position, (artifact, size)) in plan.artifacts.iter().zip(sizes).enumerate() {
            execute!(
                tx,
                "INSERT INTO artifacts (upload_id, position, path, size, sha256, git_sha1, status, bytes_transferred, reused, repaired) \
                 VALUES ($1, $2, $3, $4, $5, $6, 'pending', 0, FALSE, FALSE)",
                claim.upload_id(),
                i64::try_from(position).unwrap_or(i64::MAX),
                artifact.path.as_str(),
                size.map(to_db),
                artifact.digests.sha256.map(|hash| hash.to_string()),
                artifact.digests.git_sha1.map(|hash| hash.to_string())
            )?;
        }
        tx.commit().await?;
        Ok(true)
    }

    /// The files of an upload, in the plan's order.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn artifacts(&self, upload: &str) -> Result<Vec<ArtifactRow>, Error> {
        let mut conn = self.db.read().await?;
        let rows = fetch_all!(
            conn,
            Row,
            "SELECT position, path, size, sha256, git_sha1, status, verification, bytes_transferred, reused, repaired, error_code, reason, facts \
             FROM artifacts WHERE upload_id = $1 ORDER BY position",
            upload,
        )?;
        rows.into_iter().map(Row::read).collect()
    }

    /// Where a file's transfer stands, with every part stored so far.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn checkpoint(
        &self,
        upload: &str,
        position: u32,
    ) -> Result<Option<(serde_json::Value, Vec<Part>)>, Error> {
        let mut conn = self.db.read().await?;
        let found = fetch_optional!(
            conn,
            (Option<String>,),
            "SELECT checkpoint FROM artifacts WHERE upload_id = $1 AND position = $2",
            upload,
            i64::from(position),
        )?;
        let Some((Some(text),)) = found else {
            return Ok(None);
        };
        let rows = fetch_all!(
            conn,
            (i64, i64, i64, String),
            "SELECT number, byte_offset, size, tag FROM artifact_parts WHERE upload_id = $1 AND position = $2 ORDER BY number",
            upload,
            i64::from(position),
        )?;
        let parts = rows.into_iter().map(|(number, offset, size, tag)| Part {
            number: u32::try_from(number).unwrap_or(u32::MAX),
            offset: from_db(offset),
            size: from_db(size),
            tag,
        });
        Ok(Some((from_json("a checkpoint", &text)?, parts.collect())))
    }

    /// Records how far a file's transfer is.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn save_checkpoint(
        &self,
        claim: &Claim,
        position: u32,
        checkpoint: &serde_json::Value,
        new_parts: &[Part],
    ) -> Result<bool, Error> {
        let Some(mut tx) = self.leased(claim).await? else {
            return Ok(false);
        };
        execute!(
            tx,
            "UPDATE artifacts SET checkpoint = $3 WHERE upload_id = $1 AND position = $2",
            claim.upload_id(),
            i64::from(position),
            to_json(checkpoint)?
        )?;
        for part in new_parts {
            execute!(
                tx,
                "INSERT INTO artifact_parts (upload_id, position, number, byte_offset, size, tag) VALUES ($1, $2, $3, $4, $5, $6) \
                 ON CONFLICT (upload_id, position, number) DO UPDATE SET byte_offset = excluded.byte_offset, size = excluded.size, tag = excluded.tag",
                claim.upload_id(),
                i64::from(position),
                i64::from(part.number),
                to_db(part.offset),
                to_db(part.size),
                &part.tag
            )?;
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Forgets how far a file was: it starts over.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn drop_checkpoint(&self, claim: &Claim, position: u32) -> Result<bool, Error> {
        let Some(mut tx) = self.leased(claim).await? else {
            return Ok(false);
        };
        for sql in [
            "UPDATE artifacts SET checkpoint = NULL WHERE upload_id = $1 AND position = $2",
            "DELETE FROM artifact_parts WHERE upload_id = $1 AND position = $2",
        ] {
            execute!(tx, sql, claim.upload_id(), i64::from(position))?;
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Records that a file's blob is published, and the blob itself.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn store(
        &self,
        claim: &Claim,
        position: u32,
        stored: &Stored,
    ) -> Result<bool, Error> {
        self.store_all(claim, &[(position, stored.clone())]).await
    }

    /// Records that these files' blobs are published, all or none.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn store_all(&self, claim: &Claim, files: &[(u32, Stored)]) -> Result<bool, Error> {
        let Some(mut tx) = self.leased(claim).await? else {
            return Ok(false);
        };
        for (position, stored) in files {
            put_stored(&mut tx, claim, *position, stored, self.now()).await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Records which file gave its upload the error, and the bytes it cost.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn blame(
        &self,
        claim: &Claim,
        position: u32,
        code: Code,
        bytes: u64,
    ) -> Result<bool, Error> {
        let Some(mut tx) = self.leased(claim).await? else {
            return Ok(false);
        };
        execute!(
            tx,
            "UPDATE artifacts SET status = 'failed', error_code = $3, bytes_transferred = bytes_transferred + $4 \
             WHERE upload_id = $1 AND position = $2",
            claim.upload_id(),
            i64::from(position),
            code.as_str(),
            to_db(bytes)
        )?;
        tx.commit().await?;
        Ok(true)
    }

    /// The blob that an earlier import found to have this git id and length.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn blob_by_git_id(
        &self,
        git_sha1: GitSha1,
        size: u64,
    ) -> Result<Option<Sha256>, Error> {
        let mut conn = self.db.read().await?;
        let found = fetch_optional!(
            conn,
            (String,),
            "SELECT sha256 FROM blobs WHERE git_sha1 = $1 AND size = $2 LIMIT 1",
            git_sha1.to_string(),
            to_db(size),
        )?;
        found
            .map(|(text,)| word("a blob's hash", &text))
            .transpose()
    }
}

async fn put_stored(
    tx: &mut Tx,
    claim: &Claim,
    position: u32,
    stored: &Stored,
    at: i64,
) -> Result<(), Error> {
    execute!(
        tx,
        "UPDATE artifacts SET status = 'stored', size = $3, sha256 = $4, verification = $5, \
         bytes_transferred = bytes_transferred + $6, reused = $7, repaired = $8, checkpoint = NULL, error_code = NULL \
         WHERE upload_id = $1 AND position = $2",
        claim.upload_id(),
        i64::from(position),
        to_db(stored.size),
        stored.sha256.to_string(),
        stored.verification.as_str(),
        to_db(stored.bytes_transferred),
        stored.reused,
        stored.repaired
    )?;
    execute!(
        tx,
        "DELETE FROM artifact_parts WHERE upload_id = $1 AND position = $2",
        claim.upload_id(),
        i64::from(position)
    )?;
    execute!(
        tx,
        "INSERT INTO blobs (sha256, size, git_sha1, created_at) \
         SELECT $3, $4, git_sha1, $5 FROM artifacts WHERE upload_id = $1 AND position = $2 \
         ON CONFLICT (sha256) DO UPDATE SET git_sha1 = COALESCE(excluded.git_sha1, blobs.git_sha1)",
        claim.upload_id(),
        i64::from(position),
        stored.sha256.to_string(),
        to_db(stored.size),
        at
    )?;
    Ok(())
}

async fn delete_artifacts(tx: &mut Tx, upload: &str) -> Result<(), Error> {
    for sql in [
        "DELETE FROM artifact_parts WHERE upload_id = $1",
        "DELETE FROM artifacts WHERE upload_id = $1",
    ] {
        execute!(tx, sql, upload)?;
    }
    Ok(())
}

#[derive(FromRow)]
struct Row {
    position: i64,
    path: String,
    size: Option<i64>,
    sha256: Option<String>,
    git_sha1: Option<String>,
    status: String,
    verification: Option<String>,
    bytes_transferred: i64,
    reused: bool,
    repaired: bool,
    error_code: Option<String>,
    reason: Option<String>,
    facts: Option<String>,
}

impl Row {
    fn read(self) -> Result<ArtifactRow, Error> {
        Ok(ArtifactRow {
            position: u32::try_from(self.position).unwrap_or(u32::MAX),
            path: self.path,
            size: self.size.map(from_db),
            sha256: self.sha256.map(|text| word("a hash", &text)).transpose()?,
            git_sha1: self
                .git_sha1
                .map(|text| word("a git id", &text))
                .transpose()?,
            status: word("a file's status", &self.status)?,
            verification: self
                .verification
                .map(|text| word("a verification", &text))
                .transpose()?,
            bytes_transferred: from_db(self.bytes_transferred),
            reused: self.reused,
            repaired: self.repaired,
            error_code: self.error_code,
            reason: self.reason,
            facts: self
                .facts
                .map(|text| from_json("a file's facts", &text))
                .transpose()?,
        })
    }
}
