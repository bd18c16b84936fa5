//! Models and assets, and whose they are.

use std::collections::HashMap;

use modelferry_providers::ProviderKind;
use sqlx::{AssertSqlSafe, FromRow};

use super::db::{fetch_all, fetch_optional};
use super::uploads::pattern;
use super::{EntityFile, Records, from_db, from_json, time, word};
use crate::error::{Code, Error};
use crate::inspect::Facts;
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

/// Which entities to list.
#[derive(Debug, Clone, Default)]
pub struct EntityFilter {
    /// Models, or everything else.
    pub models: bool,
    /// Only those from here.
    pub provider: Option<ProviderKind>,
    /// Only those with this text in their name or id, whatever its case.
    pub text: Option<String>,
    /// The place after which to go on: time and id of the last one seen.
    pub after: Option<(i64, String)>,
    /// At most so many.
    pub limit: u32,
}

/// An entity as a list shows it.
#[derive(Debug, Clone)]
pub struct ListedEntity {
    /// The entity.
    pub entity: EntityRow,
    /// Who resolved it.
    pub provider: Option<ProviderKind>,
    /// The source in its shortest true form.
    pub reference: Option<String>,
    /// What it was pinned to.
    pub revision: Option<String>,
    /// How many files it has.
    pub files: u64,
    /// Their bytes.
    pub size: u64,
    /// What the headers of its files say together.
    pub facts: Facts,
}

impl Records {
    /// Entities of this owner, the newest first.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn entities(
        &self,
        owner: &str,
        filter: &EntityFilter,
    ) -> Result<Vec<ListedEntity>, Error> {
        let mut conn = self.db.read().await?;
        let (at, id) = filter.after.clone().unwrap_or((i64::MAX, String::new()));
        let rows = fetch_all!(
            conn,
            ListedRow,
            AssertSqlSafe(format!(
                "SELECT e.id, e.owner_id, e.kind, e.name, e.upload_id, e.created_at, u.provider, \
                 {} AS reference, {} AS revision, \
                 (SELECT COUNT(*) FROM entity_files f WHERE f.entity_id = e.id) AS files, \
                 CAST((SELECT COALESCE(SUM(f.size), 0) FROM entity_files f WHERE f.entity_id = e.id) AS BIGINT) AS size \
                 FROM entities e JOIN uploads u ON u.id = e.upload_id WHERE e.owner_id = $1 AND {} \
                 AND (CAST($2 AS TEXT) IS NULL OR u.provider = $2) \
                 AND (CAST($3 AS TEXT) IS NULL OR LOWER(e.name) LIKE $3 ESCAPE '!' OR e.id LIKE $3 ESCAPE '!') \
                 AND e.created_at <= $4 AND (e.created_at < $4 OR e.id < $5) \
                 ORDER BY e.created_at DESC, e.id DESC LIMIT $6",
                self.db.json_text("u.plan", "reference"),
                self.db.json_text("u.plan", "revision"),
                if filter.models {
                    "e.kind = 'model'"
                } else {
                    "e.kind <> 'model'"
                },
            )),
            owner,
            filter.provider.map(ProviderKind::as_str),
            filter.text.as_deref().map(pattern),
            at,
            id,
            i64::from(filter.limit),
        )?;
        let read = rows.into_iter().map(ListedRow::read);
        let mut entities = read.collect::<Result<Vec<_>, _>>()?;
        drop(conn);
        self.add_facts(owner, &mut entities).await?;
        Ok(entities)
    }

    /// Reads the facts of a page of entities in one go.
    async fn add_facts(&self, owner: &str, page: &mut [ListedEntity]) -> Result<(), Error> {
        let (Some(newest), Some(oldest)) = (page.first(), page.last()) else {
            return Ok(());
        };
        let mut conn = self.db.read().await?;
        let rows = fetch_all!(
            conn,
            (String, String, String),
            "SELECT a.upload_id, a.path, a.facts FROM entities e JOIN artifacts a ON a.upload_id = e.upload_id \
             WHERE e.owner_id = $1 AND e.created_at >= $2 AND e.created_at <= $3 AND a.facts IS NOT NULL",
            owner,
            oldest.entity.created_at.timestamp_millis(),
            newest.entity.created_at.timestamp_millis(),
        )?;
        let mut facts: HashMap<String, Vec<(String, Facts)>> = HashMap::new();
        for (upload, path, text) in rows {
            let of = from_json("facts", &text)?;
            facts.entry(upload).or_default().push((path, of));
        }
        for listed in page {
            if let Some(of) = facts.get(&listed.entity.upload) {
                let of = of.iter().map(|(path, facts)| (path.as_str(), facts));
                listed.facts = Facts::combine(of);
            }
        }
        Ok(())
    }

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

#[derive(FromRow)]
struct ListedRow {
    #[sqlx(flatten)]
    entity: Row,
    provider: Option<String>,
    reference: Option<String>,
    revision: Option<String>,
    files: i64,
    size: i64,
}

impl ListedRow {
    fn read(self) -> Result<ListedEntity, Error> {
        let provider = self.provider.map(|text| format!("\"{text}\""));
        let provider = provider.map(|text| from_json("a provider", &text));
        Ok(ListedEntity {
            entity: self.entity.read()?,
            provider: provider.transpose()?,
            reference: self.reference,
            revision: self.revision,
            files: from_db(self.files),
            size: from_db(self.size),
            facts: Facts::default(),
        })
    }
}
