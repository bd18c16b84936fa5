//! `/v1/uploads`

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use modelferry_providers::{GitSha1, ProviderKind, Sha256};
use serde::{Deserialize, Serialize};
use sha2::Digest;
use utoipa::{IntoParams, ToSchema};

use super::auth::Caller;
use super::page::Page;
use super::problem::{Problem, ProblemBody};
use super::{Api, plan, request};
use crate::error::{Code, Error};
use crate::records::{ArtifactRow, Created, Filter, NewUpload, Once};
use crate::telemetry;
use crate::upload::{ArtifactStatus, Upload, UploadSource, UploadStatus, Verification};

/// One upload.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UploadBody {
    /// The record.
    upload: Upload,
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
    responses((status = 200, body = UploadBody), (status = 269, description = "The plan of a dry run"), (status = "4XX", body = ProblemBody))
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

fn other_request() -> Problem {
    let error = Error::new(
        Code::InvalidRequest,
        "this Idempotency-Key was sent with another body in the last 24 hours",
    );
    Problem::with_status(422, error.hint("use a new key for a new request"))
}

/// One record.
#[utoipa::path(
    get, path = "/v1/uploads/{id}", params(("id" = String, Path)),
    responses((status = 200, body = UploadBody), (status = "4XX", body = ProblemBody))
)]
pub(super) async fn retrieve(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<UploadBody>, Problem> {
    let detail = api.ferry().records.get(&caller.owner, &id).await?;
    Ok(Json(UploadBody {
        upload: detail.upload,
    }))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// Only those that stand here.
    status: Option<UploadStatus>,
    /// Only those asked for this way.
    source: Option<UploadSource>,
    /// Only those resolved by this provider.
    #[param(value_type = Option<String>)]
    provider: Option<ProviderKind>,
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
        status: query.status,
        source: query.source,
        provider: query.provider,
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

/// What to do with an upload.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ActionBody {
    /// `cancel` or `retry`.
    action: Action,
}

#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Action {
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
        Action::Cancel => records.cancel(&caller.owner, &id).await?,
        Action::Retry => records.retry(&before).await?,
    };
    let after = records.get(&caller.owner, &id).await?;
    if !done {
        return Err(wrong_moment(action, after.upload.status));
    }
    Ok(Json(UploadBody {
        upload: after.upload,
    }))
}

fn wrong_moment(action: Action, status: UploadStatus) -> Problem {
    let (word, hint) = match action {
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
    Ok(Json(ArtifactsBody {
        artifacts: rows.into_iter().map(ArtifactBody::from).collect(),
        revision: detail.plan.map(|plan| plan.revision),
        error: detail.error.map(|error| {
            serde_json::json!({ "code": error.code, "message": error.message, "hint": error.hint })
        }),
    }))
}
