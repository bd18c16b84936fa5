//! Stored credentials, as [`Vault`](crate::credentials::Vault) sealed them.

use chrono::{DateTime, Utc};
use sqlx::FromRow;

use super::db::{execute, fetch_all};
use super::{Records, time, word};
use crate::credentials::{CredentialName, Sealed};
use crate::error::{Code, Error};

/// One stored credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialRow {
    /// Whose it is.
    pub owner: String,
    /// What it is for.
    pub name: CredentialName,
    /// Its secret, which only the key opens.
    pub sealed: Sealed,
    /// When there first was one of this name.
    pub created_at: DateTime<Utc>,
    /// When its secret was last set.
    pub updated_at: DateTime<Utc>,
}

impl Records {
    /// Stores a credential, in the place of an earlier one of this name.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn put_credential(
        &self,
        owner: &str,
        name: &CredentialName,
        sealed: &Sealed,
    ) -> Result<(), Error> {
        let mut conn = self.db.read().await?;
        execute!(
            conn,
            "INSERT INTO credentials (owner_id, name, key_id, nonce, sealed, created_at, updated_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $6) ON CONFLICT (owner_id, name) DO UPDATE SET \
             key_id = excluded.key_id, nonce = excluded.nonce, sealed = excluded.sealed, \
             updated_at = excluded.updated_at",
            owner,
            name.as_str(),
            &sealed.key_id,
            &sealed.nonce[..],
            &sealed.sealed[..],
            self.now(),
        )?;
        Ok(())
    }

    /// What is stored for an owner, by name.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn credentials(&self, owner: &str) -> Result<Vec<CredentialRow>, Error> {
        let mut conn = self.db.read().await?;
        let sql = "SELECT owner_id, name, key_id, nonce, sealed, created_at, updated_at \
                   FROM credentials WHERE owner_id = $1 ORDER BY name";
        fetch_all!(conn, Row, sql, owner)?
            .into_iter()
            .map(Row::read)
            .collect()
    }

    /// Forgets a credential, from the next import on.
    ///
    /// # Errors
    /// [`Code::NotFound`] when the owner has none of this name.
    pub async fn remove_credential(&self, owner: &str, name: &CredentialName) -> Result<(), Error> {
        let mut conn = self.db.read().await?;
        let removed = execute!(
            conn,
            "DELETE FROM credentials WHERE owner_id = $1 AND name = $2",
            owner,
            name.as_str(),
        )?;
        if removed == 1 {
            return Ok(());
        }
        let message = format!("{owner} has no stored credential for {name}");
        Err(Error::new(Code::NotFound, message)
            .hint("`modelferry credentials list` shows those there are"))
    }
}

#[derive(FromRow)]
struct Row {
    owner_id: String,
    name: String,
    key_id: String,
    nonce: Vec<u8>,
    sealed: Vec<u8>,
    created_at: i64,
    updated_at: i64,
}

impl Row {
    fn read(self) -> Result<CredentialRow, Error> {
        Ok(CredentialRow {
            owner: self.owner_id,
            name: word("a credential's name", &self.name)?,
            sealed: Sealed {
                key_id: self.key_id,
                nonce: self.nonce,
                sealed: self.sealed,
            },
            created_at: time(self.created_at),
            updated_at: time(self.updated_at),
        })
    }
}
