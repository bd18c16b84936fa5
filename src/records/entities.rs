//! Models and assets, and whose they are.

use sqlx::FromRow;

use super::db::{fetch_all, fetch_optional};
use super::{EntityFile, Records, from_db, time, word};
use crate::error::{Code, Error};
use crate::upload::Kind;

/// A registered model or asset.
#[derive(Debug, Clone)]
pub struct EntityRow {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub owner: String,
    /// What it is.
    pub kind: Kind,
    /// What a person calls it.
    pub name: String,
    /// The upload that made it.
    pub upload: String,
    /// When.
    pub created_at: chrono::DateTime<chrono::Utc>,
}

impl Records {
    /// One entity of this owner.
    ///
    /// # Errors
    /// [`Code::NotFound`] when this owner has none of that id.
    pub async fn entity(&self, owner: &str, id: &str) -> Result<EntityRow, Error> {
        let mut conn = self.db.read().await?;
        let found = fetch_optional!(
            conn,
            Row,
            "SELECT id, owner_id, kind, name, upload_id, created_at FROM entities WHERE id = $1 AND owner_id = $2",
            id,
            owner,
        )?;
        let missing = || {
            let message = format!("there is no model or asset {}", id.escape_debug());
            Error::new(Code::NotFound, message).hint("an upload's `entityId` names what came of it")
        };
        found.ok_or_else(missing)?.read()
    }

    /// An entity's files, by their paths.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn entity_files(&self, entity: &str) -> Result<Vec<EntityFile>, Error> {
        let mut conn = self.db.read().await?;
        let rows = fetch_all!(
            conn,
            (String, i64, String),
            "SELECT path, size, sha256 FROM entity_files WHERE entity_id = $1 ORDER BY path",
            entity,
        )?;
        rows.into_iter().map(file).collect()
    }

    /// One file of an entity.
    ///
    /// # Errors
    /// [`Code::NotFound`] when it has none of that path.
    pub async fn entity_file(&self, entity: &str, path: &str) -> Result<EntityFile, Error> {
        let mut conn = self.db.read().await?;
        let found = fetch_optional!(
            conn,
            (String, i64, String),
            "SELECT path, size, sha256 FROM entity_files WHERE entity_id = $1 AND path = $2",
            entity,
            path,
        )?;
        let missing = || {
            let message = format!("{entity} has no file {}", path.escape_debug());
            Error::new(Code::NotFound, message).hint("its `files` list those there are")
        };
        file(found.ok_or_else(missing)?)
    }
}

fn file((path, size, sha256): (String, i64, String)) -> Result<EntityFile, Error> {
    Ok(EntityFile {
        path,
        size: from_db(size),
        sha256: word("a hash", &sha256)?,
    })
}

#[derive(FromRow)]
struct Row {
    id: String,
    owner_id: String,
    kind: String,
    name: String,
    upload_id: String,
    created_at: i64,
}

impl Row {
    fn read(self) -> Result<EntityRow, Error> {
        Ok(EntityRow {
            id: self.id,
            owner: self.owner_id,
            kind: word("a kind", &self.kind)?,
            name: self.name,
            upload: self.upload_id,
            created_at: time(self.created_at),
        })
    }
}
