//! API keys. A secret is kept as its hash alone; it is long and random, so
//! that one round of SHA-256 is as good as any.

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use sqlx::FromRow;
use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::db::{execute, fetch_all, fetch_optional};
use super::{Records, from_json, time, to_json};
use crate::error::{Code, Error};

/// A key, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its public half, which is its name too.
    pub id: String,
    /// For whom it acts.
    pub owner: String,
    /// Who is shown to have asked.
    pub author: String,
    /// The projects it may act for when a request names one.
    pub projects: Vec<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it stopped to work.
    pub revoked_at: Option<DateTime<Utc>>,
}

impl Records {
    /// Makes a key. Its secret is returned here and never again.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn create_key(
        &self,
        owner: &str,
        author: &str,
        projects: &[String],
    ) -> Result<(ApiKey, String), Error> {
        let random = || Uuid::new_v4().simple().to_string();
        let (id, secret) = (
            format!("key_{}", random()),
            format!("{}{}", random(), random()),
        );
        let at = self.now();
        let mut conn = self.db.read().await?;
        execute!(
            conn,
            "INSERT INTO api_keys (id, secret_hash, owner_id, author_id, projects, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
            &id,
            hash(&secret),
            owner,
            author,
            to_json(&projects)?,
            at,
        )?;
        let key = ApiKey {
            id,
            owner: owner.to_owned(),
            author: author.to_owned(),
            projects: projects.to_vec(),
            created_at: time(at),
            revoked_at: None,
        };
        Ok((key, secret))
    }

    /// The key with this secret, when it works.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn check_key(&self, id: &str, secret: &str) -> Result<Option<ApiKey>, Error> {
        let mut conn = self.db.read().await?;
        let sql = "SELECT id, secret_hash, owner_id, author_id, projects, created_at, revoked_at \
                   FROM api_keys WHERE id = $1 AND revoked_at IS NULL";
        let Some(row) = fetch_optional!(conn, Row, sql, id)? else {
            return Ok(None);
        };
        let same = row.secret_hash.as_bytes().ct_eq(hash(secret).as_bytes());
        if !bool::from(same) {
            return Ok(None);
        }
        row.read().map(Some)
    }

    /// Every key, the newest first.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn keys(&self) -> Result<Vec<ApiKey>, Error> {
        let mut conn = self.db.read().await?;
        let sql = "SELECT id, secret_hash, owner_id, author_id, projects, created_at, revoked_at \
                   FROM api_keys ORDER BY created_at DESC, id";
        fetch_all!(conn, Row, sql)?
            .into_iter()
            .map(Row::read)
            .collect()
    }

    /// The ids of keys that no longer work.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn revoked_keys(&self) -> Result<Vec<String>, Error> {
        let mut conn = self.db.read().await?;
        let sql = "SELECT id FROM api_keys WHERE revoked_at IS NOT NULL";
        let rows = fetch_all!(conn, (String,), sql)?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }

    /// Ends a key, from the next request on.
    ///
    /// # Errors
    /// [`Code::NotFound`] when there is no such key that works.
    pub async fn revoke_key(&self, id: &str) -> Result<(), Error> {
        let mut conn = self.db.read().await?;
        let ended = execute!(
            conn,
            "UPDATE api_keys SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL",
            id,
            self.now(),
        )?;
        if ended == 1 {
            return Ok(());
        }
        let message = format!("there is no key {} that works", id.escape_debug());
        Err(Error::new(Code::NotFound, message)
            .hint("`modelferry keys list` shows those there are"))
    }
}

fn hash(secret: &str) -> String {
    hex::encode(Sha256::digest(secret))
}

#[derive(FromRow)]
struct Row {
    id: String,
    secret_hash: String,
    owner_id: String,
    author_id: String,
    projects: String,
    created_at: i64,
    revoked_at: Option<i64>,
}

impl Row {
    fn read(self) -> Result<ApiKey, Error> {
        Ok(ApiKey {
            id: self.id,
            owner: self.owner_id,
            author: self.author_id,
            projects: from_json("a key's projects", &self.projects)?,
            created_at: time(self.created_at),
            revoked_at: self.revoked_at.map(time),
        })
    }
}
