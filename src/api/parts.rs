//! Uploads in parts: where their parts go, and the way in for those that no
//! store takes itself.

mod receive;

use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ETAG};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Json, http};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::entities::base_url;
use super::problem::{Problem, ProblemBody};
use super::request::{Asked, Brought};
use super::uploads::{UploadBody, other_request};
use crate::error::{Code, Error};
use crate::parts::{PartUrl, Refused, Shape, Signer};
use crate::records::{Created, Intake, NewIntake, NewUpload, Once, UploadDetail};
use crate::storage::{StageName, StorageError};
use crate::upload::{Upload, UploadSource};

/// Signing many URLs lets others have a turn after so many.
const TURN: u32 = 64;

/// Where one part goes.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PartBody {
    /// Its place in the file, from 1.
    number: u32,
    /// Takes its bytes by PUT, without any other credentials.
    url: String,
    /// When that ends. GET the upload for fresh URLs.
    expires: String,
}

/// Makes an upload that waits for its parts.
pub(super) async fn create(
    api: &Api,
    asked: &Asked,
    brought: &Brought,
    once: Option<Once<'_>>,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let (ferry, owner) = (api.ferry(), &asked.request.owner);
    // What the rules refuse is refused before its bytes move.
    let planned = ferry.resolve(&asked.request).await;
    planned.map_err(Problem::of_source)?;
    if let Some(once) = once
        && let Some(found) = ferry.records.answered(owner, once).await?
    {
        return answer(api, found, headers).await;
    }
    ferry.admit_bytes(owner, brought.shape.size()).await?;
    check_room(api, brought).await?;
    let name = StageName {
        upload: brought.upload.clone(),
        index: 0,
    };
    let door = api.settings().part_door;
    let staged = ferry
        .storage
        .open_intake(&name, door)
        .await
        .map_err(Error::from)?;
    let new = NewUpload {
        request: &asked.request,
        source: asked.source,
        file_name: &asked.file_name,
    };
    let intake = NewIntake {
        upload: &brought.upload,
        staged: &staged,
        size: brought.shape.size(),
        parts: brought.shape.count(),
        original_file_name: &brought.original_file_name,
        content_type: &brought.content_type,
    };
    let most = api.settings().max_queued;
    let created = ferry.records.create_intake(&new, &intake, once, most).await;
    if !matches!(created, Ok(Created::Now(_))) {
        throw_away(api, &brought.upload).await;
    }
    answer(api, created?, headers).await
}

/// A disk that is too small is known before the first byte moves.
async fn check_room(api: &Api, brought: &Brought) -> Result<(), Problem> {
    let free = api.ferry().storage.free_space().await;
    let size = brought.shape.size();
    match free.map_err(Error::from)? {
        Some(free) if free < size => {
            let message =
                format!("the file has {size} bytes, and the storage has {free} bytes free");
            Err(Error::new(Code::StorageFull, message)
                .hint("ask whoever runs this to free some space")
                .into())
        }
        _ => Ok(()),
    }
}

async fn answer(api: &Api, created: Created, headers: &HeaderMap) -> Result<Response, Problem> {
    match created {
        Created::Now(upload) => {
            let upload = with_parts(api, *upload, headers).await?;
            Ok(Json(UploadBody { upload }).into_response())
        }
        // The record of then; its URLs are signed anew while they are of use.
        Created::Before(mut upload) => {
            let id = upload["id"].as_str().unwrap_or_default().to_owned();
            if let Some(parts) = parts_of(api, &id, headers).await? {
                upload["parts"] = parts;
            }
            Ok(Json(json!({ "upload": upload })).into_response())
        }
        Created::OtherRequest => Err(other_request()),
    }
}

/// What an upload that is not to be had staged. The next `gc` takes what stays.
pub(super) async fn throw_away(api: &Api, upload: &str) {
    if let Err(error) = api.ferry().storage.discard_upload(upload).await {
        tracing::warn!(%upload, %error, "parts could not be thrown away");
    }
}

/// A record as its owner sees it: with fresh URLs while parts are taken.
pub(super) async fn with_parts(
    api: &Api,
    mut upload: Upload,
    headers: &HeaderMap,
) -> Result<Upload, Problem> {
    if upload.source == UploadSource::Multipart {
        upload.parts = parts_of(api, &upload.id, headers).await?;
    }
    Ok(upload)
}

async fn parts_of(api: &Api, upload: &str, headers: &HeaderMap) -> Result<Option<Value>, Problem> {
    let records = &api.ferry().records;
    let Some(intake) = records.intake(upload).await?.filter(Intake::is_open) else {
        return Ok(None);
    };
    let urls = urls(api, &intake, headers).await?;
    records.note_asked(&intake).await?;
    let parts = serde_json::to_value(urls);
    parts
        .map(Some)
        .map_err(|error| Error::internal("showing parts", error).into())
}

async fn urls(api: &Api, intake: &Intake, headers: &HeaderMap) -> Result<Vec<PartBody>, Problem> {
    let lifetime = api.settings().part_urls;
    let storage = &api.ferry().storage;
    let until = Utc::now() + TimeDelta::from_std(lifetime).unwrap_or(TimeDelta::MAX);
    let base = base_url(api, headers);
    let mut parts = Vec::with_capacity(intake.count as usize);
    for number in 1..=intake.count {
        let signed = storage.presign_part(&intake.staged, number - 1, lifetime);
        let url = match signed.await.map_err(Error::from)? {
            Some(url) => url,
            None => own_url(api, &base, &intake.upload, number, until).await?,
        };
        parts.push(PartBody {
            number,
            url,
            expires: until.to_rfc3339_opts(SecondsFormat::Secs, true),
        });
        if number % TURN == 0 {
            tokio::task::yield_now().await;
        }
    }
    Ok(parts)
}

async fn own_url(
    api: &Api,
    base: &str,
    upload: &str,
    number: u32,
    until: DateTime<Utc>,
) -> Result<String, Problem> {
    let expires = until.timestamp();
    let url = PartUrl {
        upload,
        number,
        expires,
    };
    let signature = api.part_signer().await?.sign(&url);
    Ok(format!(
        "{base}/v1/parts/{upload}/{number}?expires={expires}&signature={signature}"
    ))
}

impl Api {
    /// The same in every process that has the secret key.
    async fn part_signer(&self) -> Result<&Signer, Error> {
        let made = self.0.part_signer.get_or_try_init(async || {
            let key = self.ferry().vault.derive("part URLs").await?;
            Ok(Signer::new(&key))
        });
        made.await
    }
}

/// Closes an upload to further parts and has it imported. Closed already is
/// fine for as long as the import goes on.
pub(super) async fn complete(api: &Api, detail: &UploadDetail) -> Result<(), Problem> {
    let upload = &detail.upload;
    if upload.source != UploadSource::Multipart {
        return Err(at_a_wrong_moment(
            "the upload is not one in parts: there is nothing to complete",
            "only uploads made with fileName, fileSize and parts are completed",
        ));
    }
    let (records, storage) = (&api.ferry().records, &api.ferry().storage);
    let Some(intake) = records.intake(&upload.id).await? else {
        return Err(over(upload));
    };
    if intake.status.is_terminal() {
        return Err(over(upload));
    }
    if !intake.is_open() {
        return Ok(());
    }
    let there = match storage.brought(&intake.staged).await {
        Err(StorageError::Missing(_)) => {
            return Err(at_a_wrong_moment(
                "the storage no longer has the place for this upload's parts",
                "cancel it, make a new upload and send the parts again",
            ));
        }
        there => there.map_err(Error::from)?,
    };
    shape(&intake)?.check(&there)?;
    if records.complete_intake(detail, &there).await? || records.intake(&upload.id).await?.is_some()
    {
        return Ok(());
    }
    Err(over(upload))
}

/// Recorded numbers were found good when the upload was made.
fn shape(intake: &Intake) -> Result<Shape, Error> {
    Shape::new(intake.size, u64::from(intake.count))
        .map_err(|error| Error::internal("reading an upload's shape", error))
}

fn over(upload: &Upload) -> Problem {
    at_a_wrong_moment(
        &format!(
            "the upload is over ({}) and can't be completed",
            upload.status
        ),
        "GET the upload: its record says what came of it",
    )
}

fn at_a_wrong_moment(message: &str, hint: &str) -> Problem {
    Problem::with_status(409, Error::new(Code::InvalidRequest, message).hint(hint))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Signed {
    /// When the URL stops working, in seconds since 1970.
    expires: i64,
    /// What shows that this server made the URL.
    signature: String,
}

/// Takes one part of an upload. The URL comes from the upload's record, and is
/// all that is needed; a part can be sent again until the upload is completed.
#[utoipa::path(
    put, path = "/v1/parts/{upload}/{number}",
    params(("upload" = String, Path), ("number" = u32, Path), Signed, ("Content-MD5" = Option<String>, Header)),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, description = "The part is kept", headers(("ETag" = String))), (status = "4XX", body = ProblemBody)),
    security(())
)]
pub(super) async fn put(
    State(api): State<Api>,
    path: Result<Path<(String, u32)>, PathRejection>,
    query: Result<Query<Signed>, QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let mut sender = receive::Sender::new(body);
    let taken = match (path, query) {
        (Ok(Path((upload, number))), Ok(Query(signed))) => {
            let url = PartUrl {
                upload: &upload,
                number,
                expires: signed.expires,
            };
            take(&api, &url, &signed.signature, &headers, &mut sender).await
        }
        (Err(rejection), _) => Err(rejection.into()),
        (_, Err(rejection)) => Err(rejection.into()),
    };
    let answer = match taken {
        Ok(tag) => (StatusCode::OK, [(ETAG, tag)]).into_response(),
        Err(problem) => {
            sender.hear_out().await;
            problem.into_response()
        }
    };
    for_any_page(answer)
}

/// Browsers ask before they send to another site. The URL is all that counts.
pub(super) async fn preflight() -> Response {
    let allowed: [(HeaderName, &str); 3] = [
        (http::header::ACCESS_CONTROL_ALLOW_METHODS, "PUT"),
        (
            http::header::ACCESS_CONTROL_ALLOW_HEADERS,
            "content-type, content-md5",
        ),
        (http::header::ACCESS_CONTROL_MAX_AGE, "86400"),
    ];
    for_any_page((StatusCode::NO_CONTENT, allowed).into_response())
}

fn for_any_page(answer: Response) -> Response {
    let headers = [
        (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (ACCESS_CONTROL_EXPOSE_HEADERS, "ETag"),
    ];
    (headers, answer).into_response()
}

async fn take(
    api: &Api,
    url: &PartUrl<'_>,
    signature: &str,
    headers: &HeaderMap,
    sender: &mut receive::Sender,
) -> Result<String, Problem> {
    let checked = api.part_signer().await?.check(url, signature, Utc::now());
    checked.map_err(refused)?;
    let intake = open_intake(api, url.upload).await?;
    let terms = receive::terms(api, &intake, url.number, headers).await?;
    let (incoming, outcome) = sender.send(terms)?;
    let storage = &api.ferry().storage;
    let taken = storage
        .take_part(&intake.staged, url.number - 1, incoming)
        .await;
    // Closed meanwhile: what was sent does not count, whatever became of it.
    open_intake(api, url.upload).await?;
    taken.map_err(receive::problem)?;
    outcome.tag().ok_or_else(|| {
        Error::internal("taking a part", "it was kept before its last byte came").into()
    })
}

async fn open_intake(api: &Api, upload: &str) -> Result<Intake, Problem> {
    let intake = api.ferry().records.intake(upload).await?;
    intake.filter(Intake::is_open).ok_or_else(|| {
        at_a_wrong_moment(
            "the upload takes no parts any more: it is completed, cancelled or over",
            "GET the upload: its record says where it stands",
        )
    })
}

fn refused(why: Refused) -> Problem {
    let (message, hint) = match why {
        Refused::Tampered => (
            "the URL is not one that this server signed".to_owned(),
            "send to the URL as it stands in the upload's parts; GET the upload shows them again",
        ),
        Refused::Late(when) => (
            format!(
                "the URL worked until {}",
                when.to_rfc3339_opts(SecondsFormat::Secs, true)
            ),
            "GET the upload for fresh URLs; the parts that are there stay",
        ),
    };
    Error::new(Code::AccessDenied, message).hint(hint).into()
}
