//! What an owner's deliveries are signed with, as the vault sealed it.

use chrono::{DateTime, Utc};
use sqlx::FromRow;

use super::db::{execute, fetch_all};
use super::jobs::millis;
use super::{Records, time};
use crate::credentials::Sealed;
use crate::error::Error;

/// One secret of an owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookSecretRow {
    /// Its place among the owner's secrets, from 1.
    pub number: i64,
    /// The secret, which only the key opens.
    pub sealed: Sealed,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it stops to sign; `None`: it is the current one.
    pub ends_at: Option<DateTime<Utc>>,
}

/// Secrets that sign at once, at most: a header has only so much room.
const MOST: i64 = 3;

impl Records {
    /// The secrets that sign now, the current one first.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn webhook_secrets(&self, owner: &str) -> Result<Vec<WebhookSecretRow>, Error> {
        let mut conn = self.db.read().await?;
        let rows = fetch_all!(
            conn,
            Row,
            "SELECT number, key_id, nonce, sealed, created_at, ends_at FROM webhook_secrets \
             WHERE owner_id = $1 AND (ends_at IS NULL OR ends_at > $2) ORDER BY number DESC LIMIT $3",
            owner,
            self.now(),
            MOST,
        )?;
        Ok(rows.into_iter().map(Row::read).collect())
    }

    /// The secrets of every owner.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn all_webhook_secrets(&self) -> Result<Vec<(String, WebhookSecretRow)>, Error> {
        let mut conn = self.db.read().await?;
        let owners = fetch_all!(
            conn,
            (String,),
            "SELECT DISTINCT owner_id FROM webhook_secrets ORDER BY owner_id",
        )?;
        drop(conn);
        let mut all = Vec::new();
        for (owner,) in owners {
            let rows = self.webhook_secrets(&owner).await?;
            all.extend(rows.into_iter().map(|row| (owner.clone(), row)));
        }
        Ok(all)
    }

    /// Stores the same secret, sealed anew. `false`: it is no longer there.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn replace_webhook_secret(
        &self,
        owner: &str,
        row: &WebhookSecretRow,
        sealed: &Sealed,
    ) -> Result<bool, Error> {
        let mut conn = self.db.read().await?;
        let replaced = execute!(
            conn,
            "UPDATE webhook_secrets SET key_id = $3, nonce = $4, sealed = $5 WHERE owner_id = $1 AND number = $2",
            owner,
            row.number,
            &sealed.key_id,
            &sealed.nonce[..],
            &sealed.sealed[..],
        )?;
        Ok(replaced == 1)
    }

    /// Keeps a secret as this owner's `number`th, and has earlier ones end
    /// after `overlap`. `false`: somebody else was faster, and theirs holds.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn put_webhook_secret(
        &self,
        owner: &str,
        number: i64,
        sealed: &Sealed,
        overlap: std::time::Duration,
    ) -> Result<bool, Error> {
        let at = self.now();
        let mut tx = self.db.write().await?;
        let put = execute!(
            tx,
            "INSERT INTO webhook_secrets (owner_id, number, key_id, nonce, sealed, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (owner_id, number) DO NOTHING",
            owner,
            number,
            &sealed.key_id,
            &sealed.nonce[..],
            &sealed.sealed[..],
            at,
        )?;
        if put == 0 {
            return Ok(false);
        }
        execute!(
            tx,
            "UPDATE webhook_secrets SET ends_at = $3 WHERE owner_id = $1 AND number < $2 AND ends_at IS NULL",
            owner,
            number,
            at + millis(overlap),
        )?;
        execute!(
            tx,
            "DELETE FROM webhook_secrets WHERE owner_id = $1 AND ends_at <= $2",
            owner,
            at,
        )?;
        tx.commit().await?;
        Ok(true)
    }
}

#[derive(FromRow)]
struct Row {
    number: i64,
    key_id: String,
    nonce: Vec<u8>,
    sealed: Vec<u8>,
    created_at: i64,
    ends_at: Option<i64>,
}

impl Row {
    fn read(self) -> WebhookSecretRow {
        WebhookSecretRow {
            number: self.number,
            sealed: Sealed {
                key_id: self.key_id,
                nonce: self.nonce,
                sealed: self.sealed,
            },
            created_at: time(self.created_at),
            ends_at: self.ends_at.map(time),
        }
    }
}
