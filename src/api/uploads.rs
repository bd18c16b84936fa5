//! `/v1/uploads`

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use chrono::SecondsFormat;
use modelferry_providers::{GitSha1, ProviderKind, Sha256};
use serde::{Deserialize, Serialize};
use sha2::Digest;
use utoipa::{IntoParams, ToSchema};

use super::auth::Caller;
use super::page::Page;
use super::problem::{Problem, ProblemBody};
use super::{Api, parts, plan, request};
use crate::error::{Code, Error};
use crate::records::{ArtifactRow, Created, Filter, NewUpload, Once, Waiting};
use crate::telemetry;
use crate::upload::{ArtifactStatus, Upload, UploadSource, UploadStatus, Verification};

/// Bytes of a text to search for.
const MOST_SEARCHED: usize = 200;

/// One upload.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UploadBody {
    /// The record.
    pub upload: Upload,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct CreateQuery {
    /// `true` or `api`: answers 269 with the plan, and stores nothing.
    dry_run: Option<String>,
    /// A project that the key may act for.
    #[serde(rename = "projectId")]
    _project_id: Option<String>,
}

/// Asks for an import, or an upload in parts.
#[utoipa::path(
    post, path = "/v1/uploads", params(CreateQuery), request_body = request::CreateUpload,
    responses((status = 200, body = UploadBody), (status = 269, description = "The plan of a dry run", body = plan::PlanBody), (status = "4XX", body = ProblemBody))
)]
pub(super) async fn create(
    State(api): State<Api>,
    caller: Caller,
    query: Result<Query<CreateQuery>, QueryRejection>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let (Query(query), body) = (query?, body?);
    let mut asked = request::read(&api, &caller, &body)?;
    asked.request.trace = telemetry::current(super::trace_of(&headers));
    request::check_credential(&api, &asked.request).await?;
    match query.dry_run.as_deref() {
        None | Some("false" | "") => {}
        Some("true" | "api") => return plan::answer(&api, &asked.request).await,
        Some(_) => {
            return Err(Problem::bad(
                "dryRun is true or api",
                "leave it out to import",
            ));
        }
    }
    // Whoever is full already gets no further than here.
    api.ferry().admit_bytes(&caller.owner, 1).await?;
    let body_hash = hex::encode(sha2::Sha256::digest(&body));
    let once = idempotency_key(&headers)?.map(|key| Once {
        key,
        body_hash: &body_hash,
    });
    if let Some(brought) = &asked.brought {
        return parts::create(&api, &asked, brought, once, &headers).await;
    }
    let new = NewUpload {
        request: &asked.request,
        source: asked.source,
        file_name: &asked.file_name,
    };
    let most = api.settings().max_queued;
    match api.ferry().records.create_for(&new, once, most).await? {
        Created::Now(upload) => Ok(Json(UploadBody { upload: *upload }).into_response()),
        Created::Before(upload) => {
            Ok(Json(serde_json::json!({ "upload": upload })).into_response())
        }
        Created::OtherRequest => Err(other_request()),
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let Some(value) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    match value.to_str() {
        Ok(key) if (1..=255).contains(&key.len()) => Ok(Some(key)),
        _ => Err(Problem::bad(
            "the Idempotency-Key is no text of 1 to 255 characters",
            "use a UUID",
        )),
    }
}

pub(super) fn other_request() -> Problem {
    let error = Error::new(
        Code::InvalidRequest,
        "this Idempotency-Key was sent with another body in the last 24 hours",
    );
    Problem::with_status(422, error.hint("use a new key for a new request"))
}

/// One record. An upload in parts that waits for them shows fresh URLs.
#[utoipa::path(
    get, path = "/v1/uploads/{id}", params(("id" = String, Path)),
    responses((status = 200, body = UploadBody), (status = "4XX", body = ProblemBody))
)]
pub(super) async fn retrieve(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<UploadBody>, Problem> {
    let detail = api.ferry().records.get(&caller.owner, &id).await?;
    let upload = parts::with_parts(&api, detail.upload, &headers).await?;
    Ok(Json(UploadBody { upload }))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// Only those that stand here; several with commas between.
    #[param(value_type = Option<String>)]
    status: Option<String>,
    /// Only those asked for this way.
    source: Option<UploadSource>,
    /// Only those resolved by this provider.
    #[param(value_type = Option<String>)]
    provider: Option<ProviderKind>,
    /// Only those that failed with this code.
    #[param(value_type = Option<String>)]
    code: Option<Code>,
    /// Only those with this text in their name, source, id or entity's id,
    /// whatever its case.
    text: Option<String>,
    /// Records on a page, 1 to 100.
    page_size: Option<u32>,
    /// Where an earlier page ended.
    pagination_token: Option<String>,
}

/// A page of records.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListBody {
    /// The newest first.
    uploads: Vec<Upload>,
    /// Asks for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_pagination_token: Option<String>,
}

/// Records, newest first.
#[utoipa::path(
    get, path = "/v1/uploads", params(ListQuery),
    responses((status = 200, body = ListBody), (status = "4XX", body = ProblemBody))
)]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<ListBody>, Problem> {
    let Query(query) = query?;
    let page = Page::of(query.page_size)?;
    let filter = Filter {
        statuses: statuses(query.status.as_deref())?,
        source: query.source,
        provider: query.provider,
        code: query.code,
        text: search(query.text)?,
        after: query.pagination_token,
        limit: page.limit(),
    };
    let uploads = api.ferry().records.list(&caller.owner, &filter).await?;
    let (uploads, next) = page.cut(uploads, |upload| upload.id.clone());
    Ok(Json(ListBody {
        next_pagination_token: next,
        uploads,
    }))
}

/// A text to search for; nothing but blanks is none.
pub(super) fn search(text: Option<String>) -> Result<Option<String>, Problem> {
    let text = text.map(|text| text.trim().to_owned());
    let text = text.filter(|text| !text.is_empty());
    if text.as_ref().is_some_and(|text| text.len() > MOST_SEARCHED) {
        return Err(Problem::bad(
            format!("text is over {MOST_SEARCHED} bytes long"),
            "search for a part of it",
        ));
    }
    Ok(text)
}

fn statuses(words: Option<&str>) -> Result<Vec<UploadStatus>, Problem> {
    let words = words.into_iter().flat_map(|words| words.split(','));
    let read = words.map(|word| word.trim().parse::<UploadStatus>());
    read.collect::<Result<_, _>>().map_err(|error| {
        Problem::bad(
            format!("status: {error}"),
            "name one, or several with commas",
        )
    })
}

/// What to do with an upload.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ActionBody {
    /// `complete` (an upload in parts, once all are there), `cancel` or `retry`.
    action: Action,
}

#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Action {
    #[serde(alias = "upload-complete")]
    Complete,
    Cancel,
    Retry,
}

/// Cancels an upload, or tries a failed one again.
#[utoipa::path(
    post, path = "/v1/uploads/{id}/action", params(("id" = String, Path)), request_body = ActionBody,
    responses((status = 200, body = UploadBody), (status = 409, body = ProblemBody), (status = "4XX", body = ProblemBody))
)]
pub(super) async fn action(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<UploadBody>, Problem> {
    let body = body?;
    let ActionBody { action } = request::from_body(&body)?;
    let records = &api.ferry().records;
    let before = records.get(&caller.owner, &id).await?;
    let done = match action {
        Action::Complete => {
            parts::complete(&api, &before).await?;
            true
        }
        Action::Cancel => {
            let done = records.cancel(&caller.owner, &id).await?;
            if done && before.upload.source == UploadSource::Multipart {
                parts::throw_away(&api, &id).await;
            }
            done
        }
        Action::Retry => records.retry(&before).await?,
    };
    let after = records.get(&caller.owner, &id).await?;
    if !done {
        return Err(wrong_moment(action, &after.upload));
    }
    Ok(Json(UploadBody {
        upload: after.upload,
    }))
}

fn wrong_moment(action: Action, upload: &Upload) -> Problem {
    let status = upload.status;
    let (word, hint) = match action {
        Action::Complete => ("completed", "only one in parts that waits for them can be"),
        Action::Retry
            if upload.source == UploadSource::Multipart && status == UploadStatus::Failed =>
        {
            (
                "retried",
                "its parts are gone: make a new upload and send them again",
            )
        }
        Action::Cancel => ("cancelled", "only an upload that has not ended can be"),
        Action::Retry => ("retried", "only a failed upload can be"),
    };
    let message = format!("the upload is {status} and can't be {word}");
    Problem::with_status(409, Error::new(Code::InvalidRequest, message).hint(hint))
}

/// The files of an upload.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ArtifactsBody {
    /// In the source's order; empty until it is resolved.
    artifacts: Vec<ArtifactBody>,
    /// What it was pinned to.
    revision: Option<String>,
    /// Why it failed.
    #[schema(value_type = Option<Object>)]
    error: Option<serde_json::Value>,
    /// What it waits for, when it is to be tried again.
    waiting: Option<WaitingBody>,
}

/// A try that is to come.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct WaitingBody {
    /// How often it was begun.
    attempts: u32,
    /// When it is tried again.
    until: String,
    /// What went wrong the last time.
    message: String,
}

impl From<Waiting> for WaitingBody {
    fn from(waiting: Waiting) -> Self {
        Self {
            attempts: waiting.attempts,
            until: waiting.until.to_rfc3339_opts(SecondsFormat::Millis, true),
            message: waiting.error,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ArtifactBody {
    path: String,
    size: Option<u64>,
    #[schema(value_type = Option<String>)]
    sha256: Option<Sha256>,
    #[schema(value_type = Option<String>)]
    git_sha1: Option<GitSha1>,
    status: ArtifactStatus,
    bytes_transferred: u64,
    reused: bool,
    verification: Option<Verification>,
    repaired: bool,
    error_code: Option<String>,
    /// Why it was refused, in plain words.
    reason: Option<String>,
}

impl From<ArtifactRow> for ArtifactBody {
    fn from(row: ArtifactRow) -> Self {
        Self {
            path: row.path,
            size: row.size,
            sha256: row.sha256,
            git_sha1: row.git_sha1,
            status: row.status,
            bytes_transferred: row.bytes_transferred,
            reused: row.reused,
            verification: row.verification,
            repaired: row.repaired,
            error_code: row.error_code,
            reason: row.reason,
        }
    }
}

/// The files of an upload, and why it failed.
#[utoipa::path(
    get, path = "/v1/uploads/{id}/artifacts", params(("id" = String, Path)),
    responses((status = 200, body = ArtifactsBody), (status = "4XX", body = ProblemBody))
)]
pub(super) async fn artifacts(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<ArtifactsBody>, Problem> {
    let records = &api.ferry().records;
    let detail = records.get(&caller.owner, &id).await?;
    let rows = records.artifacts(&id).await?;
    let waiting = records.waiting(&id).await?;
    Ok(Json(ArtifactsBody {
        artifacts: rows.into_iter().map(ArtifactBody::from).collect(),
        revision: detail.plan.map(|plan| plan.revision),
        error: detail.error.map(|error| {
            serde_json::json!({ "code": error.code, "message": error.message, "hint": error.hint })
        }),
        waiting: waiting.map(WaitingBody::from),
    }))
}
