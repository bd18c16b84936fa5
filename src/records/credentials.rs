//! Stored credentials, as [`Vault`](crate::credentials::Vault) sealed them.

use chrono::{DateTime, Utc};
use sqlx::FromRow;

use super::db::{execute, fetch_all, fetch_optional};
use super::trouble::unreadable;
use super::{Records, time};
use crate::credentials::{Sealed, Slot};
use crate::error::{Code, Error};

/// One stored credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialRow {
    /// Whose it is.
    pub owner: String,
    /// Its name, and what it is for.
    pub slot: Slot,
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
        slot: &Slot,
        sealed: &Sealed,
    ) -> Result<(), Error> {
        let mut conn = self.db.read().await?;
        execute!(
            conn,
            "INSERT INTO credentials (owner_id, name, host, key_id, nonce, sealed, created_at, updated_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $7) ON CONFLICT (owner_id, name) DO UPDATE SET \
             host = excluded.host, key_id = excluded.key_id, nonce = excluded.nonce, sealed = excluded.sealed, \
             updated_at = excluded.updated_at",
            owner,
            slot.name(),
            slot.is_labelled().then(|| slot.target().as_str()),
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
        let sql = "SELECT owner_id, name, host, key_id, nonce, sealed, created_at, updated_at \
                   FROM credentials WHERE owner_id = $1 ORDER BY name";
        fetch_all!(conn, Row, sql, owner)?
            .into_iter()
            .map(Row::read)
            .collect()
    }

    /// What is stored for an owner under this name.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn credential(
        &self,
        owner: &str,
        name: &str,
    ) -> Result<Option<CredentialRow>, Error> {
        let mut conn = self.db.read().await?;
        let sql = "SELECT owner_id, name, host, key_id, nonce, sealed, created_at, updated_at \
                   FROM credentials WHERE owner_id = $1 AND name = $2";
        let found = fetch_optional!(conn, Row, sql, owner, name)?;
        found.map(Row::read).transpose()
    }

    /// What is stored for any owner.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn all_credentials(&self) -> Result<Vec<CredentialRow>, Error> {
        let mut conn = self.db.read().await?;
        let sql = "SELECT owner_id, name, host, key_id, nonce, sealed, created_at, updated_at \
                   FROM credentials ORDER BY owner_id, name";
        fetch_all!(conn, Row, sql)?
            .into_iter()
            .map(Row::read)
            .collect()
    }

    /// Stores the same secret, sealed anew. `false`: it was set or removed
    /// meanwhile.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn replace_credential(
        &self,
        row: &CredentialRow,
        sealed: &Sealed,
    ) -> Result<bool, Error> {
        let mut conn = self.db.read().await?;
        let replaced = execute!(
            conn,
            "UPDATE credentials SET key_id = $3, nonce = $4, sealed = $5 \
             WHERE owner_id = $1 AND name = $2 AND nonce = $6 AND key_id = $7",
            &row.owner,
            row.slot.name(),
            &sealed.key_id,
            &sealed.nonce[..],
            &sealed.sealed[..],
            &row.sealed.nonce[..],
            &row.sealed.key_id,
        )?;
        Ok(replaced == 1)
    }

    /// Forgets a credential, from the next import on.
    ///
    /// # Errors
    /// [`Code::NotFound`] when the owner has none of this name.
    pub async fn remove_credential(&self, owner: &str, name: &str) -> Result<(), Error> {
        let mut conn = self.db.read().await?;
        let removed = execute!(
            conn,
            "DELETE FROM credentials WHERE owner_id = $1 AND name = $2",
            owner,
            name,
        )?;
        if removed == 1 {
            return Ok(());
        }
        let message = format!(
            "{owner} has no stored credential for {}",
            name.escape_debug()
        );
        Err(Error::new(Code::NotFound, message)
            .hint("`modelferry credentials list` shows those there are"))
    }
}

#[derive(FromRow)]
struct Row {
    owner_id: String,
    name: String,
    host: Option<String>,
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
            slot: Slot::read(&self.name, self.host.as_deref())
                .map_err(|why| unreadable("a credential's name", why))?,
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
