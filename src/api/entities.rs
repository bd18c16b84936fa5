//! `/v1/models` and `/v1/assets`: what imports made, and its bytes.

use std::ops::Range;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HOST, IF_NONE_MATCH,
    IF_RANGE, LOCATION, RANGE,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::{Value, json};

use super::Api;
use super::auth::Caller;
use super::problem::{Problem, ProblemBody};
use crate::error::{Code, Error};
use crate::records::{EntityFile, EntityRow};
use crate::storage::StorageKey;
use crate::upload::Kind;

/// How long a link to a file works.
const LINK: Duration = Duration::from_secs(3600);
/// What can't stand in a path as it is.
const PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'`')
    .add(b'{')
    .add(b'}')
    .add(b'\\');

/// A model and its files.
#[utoipa::path(
    get, path = "/v1/models/{id}", params(("id" = String, Path)),
    responses((status = 200, body = Object), (status = "4XX", body = ProblemBody))
)]
pub(super) async fn model(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, Problem> {
    let entity = find(&api, &caller, &id, Sort::Model).await?;
    Ok(Json(
        json!({ "model": shown(&api, &entity, "models", &headers).await? }),
    ))
}

/// An asset and its files.
#[utoipa::path(
    get, path = "/v1/assets/{id}", params(("id" = String, Path)),
    responses((status = 200, body = Object), (status = "4XX", body = ProblemBody))
)]
pub(super) async fn asset(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, Problem> {
    let entity = find(&api, &caller, &id, Sort::Asset).await?;
    Ok(Json(
        json!({ "asset": shown(&api, &entity, "assets", &headers).await? }),
    ))
}

/// A model's file, whole or in part; a redirect where the storage can hand it out.
#[utoipa::path(
    get, path = "/v1/models/{id}/files/{path}", params(("id" = String, Path), ("path" = String, Path), ("Range" = Option<String>, Header)),
    responses((status = 200, content_type = "application/octet-stream", body = Vec<u8>), (status = 206), (status = 307), (status = "4XX", body = ProblemBody))
)]
pub(super) async fn model_file(
    State(api): State<Api>,
    caller: Caller,
    Path((id, path)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let entity = find(&api, &caller, &id, Sort::Model).await?;
    file(&api, &entity, &path, &headers).await
}

/// An asset's file, whole or in part; a redirect where the storage can hand it out.
#[utoipa::path(
    get, path = "/v1/assets/{id}/files/{path}", params(("id" = String, Path), ("path" = String, Path), ("Range" = Option<String>, Header)),
    responses((status = 200, content_type = "application/octet-stream", body = Vec<u8>), (status = 206), (status = 307), (status = "4XX", body = ProblemBody))
)]
pub(super) async fn asset_file(
    State(api): State<Api>,
    caller: Caller,
    Path((id, path)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let entity = find(&api, &caller, &id, Sort::Asset).await?;
    file(&api, &entity, &path, &headers).await
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sort {
    Model,
    Asset,
}

async fn find(api: &Api, caller: &Caller, id: &str, sort: Sort) -> Result<EntityRow, Problem> {
    let entity = api.ferry().records.entity(&caller.owner, id).await?;
    if (entity.kind == Kind::Model) != (sort == Sort::Model) {
        let error = Error::new(Code::NotFound, format!("{id} is of kind {}", entity.kind));
        return Err(error
            .hint("models are under /v1/models, everything else under /v1/assets")
            .into());
    }
    Ok(entity)
}

/// The manifest as it is stored, with a link for each file.
async fn shown(
    api: &Api,
    entity: &EntityRow,
    place: &str,
    headers: &HeaderMap,
) -> Result<Value, Problem> {
    let key = StorageKey::Manifest {
        entity: entity.id.clone(),
    };
    let storage = &api.ferry().storage;
    let mut content = storage.open(&key).await.map_err(Error::from)?;
    let read =
        tokio::task::spawn_blocking(move || serde_json::from_reader::<_, Value>(&mut content));
    let manifest = read
        .await
        .map_err(|error| Error::internal("reading a manifest", error))?;
    let mut manifest = manifest.map_err(|error| Error::internal("reading a manifest", error))?;
    let base = base_url(api, headers);
    for file in manifest["files"].as_array_mut().into_iter().flatten() {
        let path = file["path"].as_str().unwrap_or_default();
        let path = utf8_percent_encode(path, PATH);
        file["url"] = json!(format!("{base}/v1/{place}/{}/files/{path}", entity.id));
    }
    manifest["ownerId"] = json!(entity.owner);
    manifest["uploadId"] = json!(entity.upload);
    Ok(manifest)
}

/// Where the client reaches this server, as far as is known.
pub(super) fn base_url(api: &Api, headers: &HeaderMap) -> String {
    match &api.settings().public_url {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => {
            let host = headers.get(HOST).and_then(|host| host.to_str().ok());
            format!("http://{}", host.unwrap_or("localhost"))
        }
    }
}

async fn file(
    api: &Api,
    entity: &EntityRow,
    path: &str,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let file = api.ferry().records.entity_file(&entity.id, path).await?;
    let storage = &api.ferry().storage;
    let key = StorageKey::Blob(file.sha256);
    if let Some(url) = storage.presign_get(&key, LINK).await.map_err(Error::from)? {
        return Ok((StatusCode::TEMPORARY_REDIRECT, [(LOCATION, url)]).into_response());
    }
    let tag = format!("\"{}\"", file.sha256);
    if headers
        .get(IF_NONE_MATCH)
        .is_some_and(|known| known.as_bytes() == tag.as_bytes())
    {
        return Ok((StatusCode::NOT_MODIFIED, [(ETAG, tag)]).into_response());
    }
    let wanted = match asked(headers, &tag, file.size) {
        Asked::Whole => None,
        Asked::Part(range) => Some(range),
        Asked::Nothing => return Ok(unsatisfiable(&file)),
    };
    let range = wanted.clone().unwrap_or(0..file.size);
    let mut response = Response::builder()
        .header(ETAG, tag)
        .header(ACCEPT_RANGES, "bytes")
        .header(CONTENT_TYPE, "application/octet-stream")
        .header("x-content-type-options", "nosniff")
        .header(CONTENT_LENGTH, range.end - range.start);
    if let Some(part) = wanted {
        let shown = format!("bytes {}-{}/{}", part.start, part.end - 1, file.size);
        response = response
            .status(StatusCode::PARTIAL_CONTENT)
            .header(CONTENT_RANGE, shown);
    }
    let body = if range.is_empty() {
        Body::empty()
    } else {
        Body::from_stream(storage.read(&key, range).await.map_err(Error::from)?)
    };
    response
        .body(body)
        .map_err(|error| Error::internal("answering with a file", error).into())
}

/// What a client wants of a file.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Whole,
    Part(Range<u64>),
    /// A range beyond its end.
    Nothing,
}

/// One range is served; several, or one of another content, are the whole
/// file, as RFC 9110 allows.
fn asked(headers: &HeaderMap, tag: &str, size: u64) -> Asked {
    let same = headers
        .get(IF_RANGE)
        .is_none_or(|known| known.as_bytes() == tag.as_bytes());
    let text = headers
        .get(RANGE)
        .filter(|_| same)
        .and_then(|range| range.to_str().ok());
    let Some((first, last)) = text.and_then(|text| text.strip_prefix("bytes=")?.split_once('-'))
    else {
        return Asked::Whole;
    };
    let (first, last) = (first.trim(), last.trim());
    let range = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => first..last.saturating_add(1).min(size),
        (Ok(first), Err(_)) if last.is_empty() => first..size,
        (Err(_), Ok(length)) if first.is_empty() => size.saturating_sub(length)..size,
        _ => return Asked::Whole,
    };
    if range.is_empty() {
        Asked::Nothing
    } else {
        Asked::Part(range)
    }
}

fn unsatisfiable(file: &EntityFile) -> Response {
    let mut response = Problem::with_status(
        416,
        Error::new(
            Code::InvalidRequest,
            format!("{} is {} bytes long", file.path, file.size),
        )
        .hint("ask for a range within it"),
    )
    .into_response();
    if let Ok(value) = format!("bytes */{}", file.size).parse() {
        response.headers_mut().insert(CONTENT_RANGE, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_in_every_form() {
        let cases = [
            ("bytes=0-4", Asked::Part(0..5)),
            ("bytes=5-", Asked::Part(5..10)),
            ("bytes=-3", Asked::Part(7..10)),
            ("bytes=-30", Asked::Part(0..10)),
            ("bytes=8-99", Asked::Part(8..10)),
            ("bytes=10-", Asked::Nothing),
            ("bytes=-0", Asked::Nothing),
            ("bytes=4-2", Asked::Whole),
            ("bytes=0-1,4-5", Asked::Whole),
            ("lines=0-1", Asked::Whole),
        ];
        for (text, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(RANGE, text.parse().unwrap());
            assert_eq!(asked(&headers, "\"a\"", 10), expected, "{text}");
        }
    }

    #[test]
    fn a_range_of_another_content_is_the_whole_of_this_one() {
        let mut headers = HeaderMap::new();
        headers.insert(RANGE, "bytes=0-4".parse().unwrap());
        headers.insert(IF_RANGE, "\"b\"".parse().unwrap());
        assert_eq!(asked(&headers, "\"a\"", 10), Asked::Whole);
        assert_eq!(asked(&headers, "\"b\"", 10), Asked::Part(0..5));
    }
}
