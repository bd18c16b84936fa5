//! `/v1/syncs`

mod body;

use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::Utc;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

pub(super) use self::body::{CreateSync, UpdateSync};
use super::Api;
use super::auth::Caller;
use super::page::Page;
use super::problem::{Problem, ProblemBody};
use super::request::from_body;
use crate::error::{Code, Error, Stop};
use crate::records::SyncRow;
use crate::sync::{Draft, Reader, ShownRun, ShownSync, foresee};
use crate::tokens::no_credential;

/// Questions of a dry run at once.
const JOBS: usize = 4;
/// How long a dry run may take: its client waits for it.
const PATIENCE: Duration = Duration::from_secs(120);

/// One sync.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SyncBody {
    /// The sync.
    sync: ShownSync,
}

/// A page of syncs.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SyncsBody {
    /// By name.
    syncs: Vec<ShownSync>,
    /// Asks for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_pagination_token: Option<String>,
}

/// One run.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RunBody {
    /// The run.
    run: ShownRun,
}

/// A page of runs.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RunsBody {
    /// The newest first.
    runs: Vec<ShownRun>,
    /// Asks for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_pagination_token: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct PageQuery {
    /// Entries on a page, 1 to 100.
    page_size: Option<u32>,
    /// Where an earlier page ended.
    pagination_token: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct RunQuery {
    /// Whether only to tell what a run would come to.
    #[serde(default)]
    dry_run: bool,
}

/// A file of the server's disk may not be named from outside.
fn reader(api: &Api) -> Reader<'_> {
    Reader {
        providers: &api.ferry().providers,
        guard: Some(&api.settings().guard),
        folder: None,
    }
}

async fn shown(api: &Api, sync: &SyncRow) -> Result<ShownSync, Problem> {
    let last = api.ferry().records.sync_runs(&sync.id, None, 1).await?;
    // The command line may have made it of a list on this disk.
    let reader = Reader {
        folder: Some(std::path::Path::new("/")),
        ..reader(api)
    };
    Ok(ShownSync::new(sync, last.into_iter().next(), reader)?)
}

/// What clashes with how things stand.
fn conflict(error: Error) -> Problem {
    match error.code {
        Code::InvalidRequest => Problem::with_status(409, error),
        _ => error.into(),
    }
}

/// A credential that is named must be there.
async fn check_credential(api: &Api, caller: &Caller, name: Option<&str>) -> Result<(), Problem> {
    if let Some(name) = name {
        let found = api.ferry().records.credential(&caller.owner, name).await?;
        found.ok_or_else(|| Problem::with_status(422, no_credential(name)))?;
    }
    Ok(())
}

/// Makes a sync.
#[utoipa::path(
    post, path = "/v1/syncs", request_body = CreateSync,
    responses((status = 200, body = SyncBody), (status = 409, body = ProblemBody), (status = "4XX", body = ProblemBody))
)]
pub(super) async fn create(
    State(api): State<Api>,
    caller: Caller,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<SyncBody>, Problem> {
    let body: CreateSync = from_body(&body?)?;
    check_credential(&api, &caller, body.credential.as_deref()).await?;
    let checked = body.draft(&caller).check(reader(&api))?;
    let records = &api.ferry().records;
    let sync = checked
        .add(records, &caller.owner)
        .await
        .map_err(conflict)?;
    Ok(Json(SyncBody {
        sync: shown(&api, &sync).await?,
    }))
}

/// Syncs, by name.
#[utoipa::path(
    get, path = "/v1/syncs", params(PageQuery),
    responses((status = 200, body = SyncsBody), (status = "4XX", body = ProblemBody))
)]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<SyncsBody>, Problem> {
    let Query(query) = query?;
    let page = Page::of(query.page_size)?;
    let records = &api.ferry().records;
    let after = query.pagination_token.as_deref();
    let rows = records.syncs(&caller.owner, after, page.limit()).await?;
    let (rows, next_pagination_token) = page.cut(rows, |sync| sync.name.clone());
    let mut syncs = Vec::with_capacity(rows.len());
    for row in &rows {
        syncs.push(shown(&api, row).await?);
    }
    Ok(Json(SyncsBody {
        syncs,
        next_pagination_token,
    }))
}

/// One sync, by its id or its name.
#[utoipa::path(
    get, path = "/v1/syncs/{id}", params(("id" = String, Path)),
    responses((status = 200, body = SyncBody), (status = "4XX", body = ProblemBody))
)]
pub(super) async fn retrieve(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<SyncBody>, Problem> {
    let sync = api.ferry().records.sync(&caller.owner, &id).await?;
    Ok(Json(SyncBody {
        sync: shown(&api, &sync).await?,
    }))
}

/// Changes a sync. A run under way goes on as it began.
#[utoipa::path(
    patch, path = "/v1/syncs/{id}", params(("id" = String, Path)), request_body = UpdateSync,
    responses((status = 200, body = SyncBody), (status = 409, body = ProblemBody), (status = "4XX", body = ProblemBody))
)]
pub(super) async fn update(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<SyncBody>, Problem> {
    let changes: UpdateSync = from_body(&body?)?;
    check_credential(
        &api,
        &caller,
        changes.credential.as_ref().and_then(Option::as_deref),
    )
    .await?;
    let records = &api.ferry().records;
    let before = records.sync(&caller.owner, &id).await?;
    let mut reader = reader(&api);
    if changes.source.is_none() && changes.webhook_url.is_none() {
        // What stays may be what only the command line can make, or what was allowed then.
        reader.folder = Some(std::path::Path::new("/"));
        reader.guard = None;
    }
    let mut draft = Draft::of(&before)?;
    changes.apply(&mut draft);
    draft.check(reader)?;
    let changed = records.change_sync(&caller.owner, &before.id, |sync| {
        let mut draft = Draft::of(sync)?;
        changes.apply(&mut draft);
        draft.replace(sync, reader)
    });
    let sync = changed.await.map_err(conflict)?;
    Ok(Json(SyncBody {
        sync: shown(&api, &sync).await?,
    }))
}

/// Forgets a sync; what it imported stays.
#[utoipa::path(
    delete, path = "/v1/syncs/{id}", params(("id" = String, Path)),
    responses((status = 204), (status = "4XX", body = ProblemBody))
)]
pub(super) async fn remove(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    api.ferry().records.remove_sync(&caller.owner, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Asks for a run, which the next worker that is free begins; with `dryRun`,
/// tells what one would come to.
#[utoipa::path(
    post, path = "/v1/syncs/{id}/run", params(("id" = String, Path), RunQuery),
    responses(
        (status = 202, body = RunBody), (status = 200, description = "What a run would come to", body = RunBody),
        (status = 409, description = "It is being run", body = ProblemBody), (status = "4XX", body = ProblemBody)
    )
)]
pub(super) async fn run(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    query: Result<Query<RunQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(query) = query?;
    let records = &api.ferry().records;
    if query.dry_run {
        let sync = records.sync(&caller.owner, &id).await?;
        return dry_run(&api, &sync).await;
    }
    let asked = records.request_run(&caller.owner, &id).await;
    let run = ShownRun::from(asked.map_err(conflict)?);
    Ok((StatusCode::ACCEPTED, Json(RunBody { run })).into_response())
}

async fn dry_run(api: &Api, sync: &SyncRow) -> Result<Response, Problem> {
    let (begun, closing) = (Utc::now(), &api.settings().closing);
    let foreseen = Box::pin(foresee(api.ferry(), sync, JOBS, closing));
    let foreseen = tokio::time::timeout(PATIENCE, foreseen).await;
    let foreseen = match foreseen {
        Ok(Ok(foreseen)) => foreseen,
        Ok(Err(Stop::Failed(error))) => return Err(Problem::of_source(error)),
        Ok(Err(Stop::Interrupted | Stop::LeaseLost)) => {
            let error = Error::new(Code::Cancelled, "the server is being stopped");
            return Err(Problem::with_status(
                503,
                error.hint("try again in a moment"),
            ));
        }
        Err(_) => {
            let error = Error::new(
                Code::Stalled,
                "the list is too long to be gone through while you wait",
            );
            return Err(Problem::with_status(
                504,
                error.hint("narrow it, or ask for a run"),
            ));
        }
    };
    let run = ShownRun::foreseen(sync, begun, foreseen);
    Ok(Json(RunBody { run }).into_response())
}

/// A sync's runs, newest first.
#[utoipa::path(
    get, path = "/v1/syncs/{id}/runs", params(("id" = String, Path), PageQuery),
    responses((status = 200, body = RunsBody), (status = "4XX", body = ProblemBody))
)]
pub(super) async fn runs(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<RunsBody>, Problem> {
    let Query(query) = query?;
    let page = Page::of(query.page_size)?;
    let records = &api.ferry().records;
    let sync = records.sync(&caller.owner, &id).await?;
    let before = query.pagination_token.as_deref();
    let rows = records.sync_runs(&sync.id, before, page.limit()).await?;
    let (rows, next_pagination_token) = page.cut(rows, |run| run.id.clone());
    Ok(Json(RunsBody {
        next_pagination_token,
        runs: rows.into_iter().map(ShownRun::from).collect(),
    }))
}
