//! Uploads: made, read and listed.

use modelferry_providers::{Plan, ProviderKind};
use sqlx::{AssertSqlSafe, FromRow};
use uuid::Uuid;

use super::db::{Tx, execute, fetch_all, fetch_optional};
use super::{NewIntake, Records, from_json, time, to_json, word};
use crate::error::{Code, Error};
use crate::request::ImportRequest;
use crate::upload::{Kind, Upload, UploadSource, UploadStatus};

/// An upload to be made.
#[derive(Debug, Clone)]
pub struct NewUpload<'a> {
    /// What was asked for.
    pub request: &'a ImportRequest,
    /// How it was asked for.
    pub source: UploadSource,
    /// What it is called until it is resolved.
    pub file_name: &'a str,
}

/// An upload with what is not on the public record.
#[derive(Debug, Clone)]
pub struct UploadDetail {
    /// The public record.
    pub upload: Upload,
    /// What was asked for.
    pub request: ImportRequest,
    /// What it was pinned to, once resolved.
    pub plan: Option<Plan>,
    /// Why it failed.
    pub error: Option<Error>,
}

/// Which uploads to list.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only those that stand in one of these; empty: anywhere.
    pub statuses: Vec<UploadStatus>,
    /// Only those asked for this way.
    pub source: Option<UploadSource>,
    /// Only those resolved by this provider.
    pub provider: Option<ProviderKind>,
    /// Only those that failed with this code.
    pub code: Option<Code>,
    /// Only those with this text in their name, source, id or entity's id,
    /// whatever its case.
    pub text: Option<String>,
    /// The id after which to go on, newest first.
    pub after: Option<String>,
    /// At most so many.
    pub limit: u32,
}

/// An id that no upload has. They sort by the time they were made at.
pub fn new_upload_id() -> String {
    format!("upload_{}", Uuid::now_v7().simple())
}

/// The public record and the error's parts.
pub(super) const COLUMNS: &str = "id, owner_id, author_id, created_at, updated_at, file_name, kind, source, status, asset_options, \
     config, content_type, entity_id, error_message, file_size, job_id, original_file_name, parts, parts_count, \
     provider, url, error_code, error_hint";

impl Records {
    /// Makes an upload and the job that works on it, in one transaction.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn create(&self, new: &NewUpload<'_>) -> Result<Upload, Error> {
        let mut tx = self.db.write().await?;
        let upload = self.insert_upload(&mut tx, new, None).await?;
        tx.commit().await?;
        Ok(upload)
    }

    pub(super) async fn insert_upload(
        &self,
        tx: &mut Tx,
        new: &NewUpload<'_>,
        intake: Option<&NewIntake<'_>>,
    ) -> Result<Upload, Error> {
        let id = intake.map_or_else(new_upload_id, |intake| intake.upload.to_owned());
        let job = format!("job_{}", Uuid::now_v7().simple());
        let at = self.now();
        let request = new.request;
        let upload = Upload {
            id,
            author_id: request.author.clone(),
            owner_id: request.owner.clone(),
            created_at: time(at),
            updated_at: time(at),
            file_name: new.file_name.to_owned(),
            kind: request.provisional_kind(),
            source: new.source,
            status: UploadStatus::Pending,
            asset_options: request.asset_options.clone(),
            config: request.config.clone(),
            content_type: intake.map(|intake| intake.content_type.to_owned()),
            entity_id: None,
            error_message: None,
            file_size: intake.map(|intake| super::to_db(intake.size)),
            job_id: Some(job),
            original_file_name: intake.map(|intake| intake.original_file_name.to_owned()),
            parts: None,
            parts_count: intake.map(|intake| i64::from(intake.parts)),
            provider: None,
            url: request.shown_source(),
        };
        let job = upload.job_id.as_deref().unwrap_or_default();
        execute!(
            tx,
            "INSERT INTO uploads (id, owner_id, author_id, created_at, updated_at, file_name, kind, source, status, \
             asset_options, config, job_id, url, request, request_key, sync_id, sync_subject) \
             VALUES ($1, $2, $3, $4, $4, $5, $6, $7, 'pending', $8, $9, $10, $11, $12, $13, $14, $15)",
            &upload.id,
            &upload.owner_id,
            &upload.author_id,
            at,
            &upload.file_name,
            upload.kind.as_str(),
            upload.source.as_str(),
            upload.asset_options.as_ref().map(to_json).transpose()?,
            upload.config.as_ref().map(to_json).transpose()?,
            job,
            &upload.url,
            to_json(request)?,
            request.key(),
            request.sync.as_ref().map(|of| of.id.as_str()),
            request.sync.as_ref().map(|of| of.subject.as_str()),
        )?;
        match intake {
            // It has a job once its parts are there.
            Some(intake) => self.insert_intake(tx, &upload.owner_id, intake).await?,
            None => super::queue::enqueue(tx, job, &upload.id, request, at).await?,
        }
        Ok(upload)
    }

    /// One upload of this owner.
    ///
    /// # Errors
    /// [`Code::NotFound`] when this owner has none of that id.
    pub async fn get(&self, owner: &str, id: &str) -> Result<UploadDetail, Error> {
        let found = self.one("id = $1 AND owner_id = $2", id, owner).await?;
        found.ok_or_else(|| {
            Error::new(
                Code::NotFound,
                format!("there is no upload {}", id.escape_debug()),
            )
            .hint("`modelferry uploads list` shows those there are")
        })
    }

    /// The newest upload of this very request that has not ended, or ended in
    /// a way that kept what it had transferred.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn find_unfinished(
        &self,
        request: &ImportRequest,
    ) -> Result<Option<UploadDetail>, Error> {
        let found = self
            .one(
                "owner_id = $1 AND request_key = $2 AND status NOT IN ('imported', 'complete') \
                 ORDER BY created_at DESC, id DESC LIMIT 1",
                &request.owner,
                &request.key(),
            )
            .await?;
        Ok(found.filter(|detail| {
            detail
                .error
                .as_ref()
                .is_none_or(|error| error.code.keeps_staged())
        }))
    }

    /// The newest upload of this very request that ended well.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn find_imported(
        &self,
        request: &ImportRequest,
    ) -> Result<Option<UploadDetail>, Error> {
        self.one(
            "owner_id = $1 AND request_key = $2 AND status IN ('imported', 'complete') \
             ORDER BY created_at DESC, id DESC LIMIT 1",
            &request.owner,
            &request.key(),
        )
        .await
    }

    /// The newest finished upload of this owner that came to the same plan.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn find_finished(
        &self,
        owner: &str,
        plan_key: &str,
    ) -> Result<Option<UploadDetail>, Error> {
        self.one(
            "owner_id = $1 AND plan_key = $2 AND status IN ('imported', 'complete') \
             ORDER BY created_at DESC, id DESC LIMIT 1",
            owner,
            plan_key,
        )
        .await
    }

    /// Uploads of this owner, newest first.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn list(&self, owner: &str, filter: &Filter) -> Result<Vec<Upload>, Error> {
        let mut conn = self.db.read().await?;
        let rows = fetch_all!(
            conn,
            Row,
            AssertSqlSafe(format!(
                "SELECT {COLUMNS} FROM uploads WHERE owner_id = $1 AND {} ORDER BY id DESC LIMIT $7",
                filter.conditions()
            )),
            owner,
            filter.source.map(UploadSource::as_str),
            filter.provider.map(ProviderKind::as_str),
            filter.code.map(Code::as_str),
            filter.text.as_deref().map(pattern),
            filter.after.as_deref(),
            i64::from(filter.limit),
        )?;
        rows.into_iter().map(|row| Ok(row.read()?.0)).collect()
    }

    async fn one(
        &self,
        condition: &'static str,
        first: &str,
        second: &str,
    ) -> Result<Option<UploadDetail>, Error> {
        let mut conn = self.db.read().await?;
        // Both parts are literals of this file.
        let sql = AssertSqlSafe(format!(
            "SELECT {COLUMNS}, request, plan FROM uploads WHERE {condition}"
        ));
        let row = fetch_optional!(conn, DetailRow, sql, first, second)?;
        row.map(DetailRow::read).transpose()
    }
}

impl Filter {
    /// What the filter's values, `$2` to `$6`, are held against. What is not
    /// asked for is not in the text, so that the database finds its index.
    fn conditions(&self) -> String {
        let unless = |asked: bool, condition: &str, value: &str| {
            if asked {
                condition.to_owned()
            } else {
                format!("CAST({value} AS TEXT) IS NULL")
            }
        };
        let like = "(LOWER(file_name) LIKE $5 ESCAPE '!' OR LOWER(COALESCE(url, '')) LIKE $5 ESCAPE '!' \
                    OR id LIKE $5 ESCAPE '!' OR COALESCE(entity_id, '') LIKE $5 ESCAPE '!')";
        let mut conditions = vec![
            unless(self.source.is_some(), "source = $2", "$2"),
            unless(self.provider.is_some(), "provider = $3", "$3"),
            unless(self.code.is_some(), "error_code = $4", "$4"),
            unless(self.text.is_some(), like, "$5"),
            unless(self.after.is_some(), "id < $6", "$6"),
        ];
        if !self.statuses.is_empty() {
            let words: Vec<String> = self.statuses.iter().map(|s| format!("'{s}'")).collect();
            conditions.push(format!("status IN ({})", words.join(", ")));
        }
        conditions.join(" AND ")
    }
}

/// A text as `LIKE` finds it anywhere, its own `%` and `_` meant as such.
pub(super) fn pattern(text: &str) -> String {
    let mut pattern = String::from("%");
    for c in text.chars().flat_map(char::to_lowercase) {
        if matches!(c, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

/// An upload as this transaction sees it.
pub(super) async fn read_upload(tx: &mut Tx, id: &str) -> Result<UploadDetail, Error> {
    let sql = AssertSqlSafe(format!(
        "SELECT {COLUMNS}, request, plan FROM uploads WHERE id = $1"
    ));
    let row = fetch_optional!(tx, DetailRow, sql, id)?;
    let row = row.ok_or_else(|| Error::internal("reading an upload", "it is not there"))?;
    row.read()
}

#[derive(FromRow)]
pub(super) struct Row {
    id: String,
    owner_id: String,
    author_id: String,
    created_at: i64,
    pub(super) updated_at: i64,
    file_name: String,
    kind: String,
    source: String,
    status: String,
    asset_options: Option<String>,
    config: Option<String>,
    content_type: Option<String>,
    entity_id: Option<String>,
    error_message: Option<String>,
    file_size: Option<i64>,
    job_id: String,
    original_file_name: Option<String>,
    parts: Option<String>,
    parts_count: Option<i64>,
    provider: Option<String>,
    url: Option<String>,
    error_code: Option<String>,
    error_hint: Option<String>,
}

#[derive(FromRow)]
struct DetailRow {
    #[sqlx(flatten)]
    record: Row,
    request: String,
    plan: Option<String>,
}

impl DetailRow {
    fn read(self) -> Result<UploadDetail, Error> {
        let (upload, error) = self.record.read()?;
        let plan = self.plan.map(|text| from_json("a plan", &text));
        Ok(UploadDetail {
            upload,
            request: from_json("a request", &self.request)?,
            plan: plan.transpose()?,
            error,
        })
    }
}

impl Row {
    /// The record, and why it failed.
    pub(super) fn read(self) -> Result<(Upload, Option<Error>), Error> {
        let json =
            |what: &str, text: Option<String>| text.map(|text| from_json(what, &text)).transpose();
        let error = match (&self.error_code, &self.error_message) {
            (Some(code), Some(message)) => Some(Error {
                code: from_json("an error code", &format!("\"{code}\""))?,
                message: message
                    .strip_suffix(&format!(" [{code}]"))
                    .unwrap_or(message)
                    .to_owned(),
                hint: self.error_hint,
                retry_after: None,
            }),
            _ => None,
        };
        let upload = Upload {
            id: self.id,
            author_id: self.author_id,
            owner_id: self.owner_id,
            created_at: time(self.created_at),
            updated_at: time(self.updated_at),
            file_name: self.file_name,
            kind: word::<Kind>("a kind", &self.kind)?,
            source: word("a source", &self.source)?,
            status: word("a status", &self.status)?,
            asset_options: json("asset options", self.asset_options)?,
            config: json("a config", self.config)?,
            content_type: self.content_type,
            entity_id: self.entity_id,
            error_message: self.error_message,
            file_size: self.file_size,
            job_id: Some(self.job_id),
            original_file_name: self.original_file_name,
            parts: json("parts", self.parts)?,
            parts_count: self.parts_count,
            provider: self
                .provider
                .map(|text| from_json("a provider", &format!("\"{text}\"")))
                .transpose()?,
            url: self.url,
        };
        Ok((upload, error))
    }
}
