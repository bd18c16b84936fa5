//! `/v1/sources`: what a source text means, before anything is asked of a hub.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Query, State};
use modelferry_providers::{CivitaiTarget, Locator, ProviderKind, Reference};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::auth::Caller;
use super::problem::{Problem, ProblemBody};
use super::{Api, request};
use crate::error::Error;
use crate::plan::ShownRefusal;
use crate::upload::UploadSource;

/// Texts that are read at once.
const MOST: usize = 1000;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct SourceQuery {
    /// A source as a person writes it.
    text: String,
}

/// Sources as people write them.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SourcesQuestion {
    /// At most 1,000.
    texts: Vec<String>,
}

/// What a source text means.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SourceAnswer {
    source: SourceBody,
}

/// What source texts mean, in their order.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SourcesAnswer {
    sources: Vec<SourceBody>,
}

/// What one text means: a source, or an error.
#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SourceBody {
    /// Whose it is.
    #[schema(value_type = Option<String>)]
    provider: Option<ProviderKind>,
    /// The field of `POST /v1/uploads` that takes it.
    field: Option<&'static str>,
    /// `model`, `dataset`, `space`, `version`, `hash` or `file`.
    sort: Option<String>,
    /// A repository's, model's or file's name.
    name: Option<String>,
    /// What it names of that: a branch, tag, commit or version.
    revision: Option<String>,
    /// A folder or file within.
    path: Option<String>,
    /// Where a plain URL leads.
    host: Option<String>,
    /// Whether an upload of it has to name a kind.
    needs_kind: bool,
    /// Why it is no source.
    error: Option<ShownRefusal>,
}

/// Reads a source text. Asks no hub.
#[utoipa::path(
    get, path = "/v1/sources", params(SourceQuery),
    responses((status = 200, body = SourceAnswer), (status = "4XX", body = ProblemBody))
)]
pub(super) async fn one(
    State(api): State<Api>,
    _caller: Caller,
    query: Result<Query<SourceQuery>, QueryRejection>,
) -> Result<Json<SourceAnswer>, Problem> {
    let Query(query) = query?;
    let source = read(&api, &query.text);
    Ok(Json(SourceAnswer { source }))
}

/// Reads source texts. Asks no hub.
#[utoipa::path(
    post, path = "/v1/sources", request_body = SourcesQuestion,
    responses((status = 200, body = SourcesAnswer), (status = "4XX", body = ProblemBody))
)]
pub(super) async fn many(
    State(api): State<Api>,
    _caller: Caller,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<SourcesAnswer>, Problem> {
    let body = body?;
    let SourcesQuestion { texts } = request::from_body(&body)?;
    if texts.len() > MOST {
        return Err(Problem::bad(
            format!("texts has {} entries, the most is {MOST}", texts.len()),
            "send them in several requests",
        ));
    }
    let sources = texts.iter().map(|text| read(&api, text)).collect();
    Ok(Json(SourcesAnswer { sources }))
}

fn read(api: &Api, text: &str) -> SourceBody {
    let parsed = api.ferry().providers.parse(text).map_err(Error::from);
    let read = parsed.and_then(|reference| {
        let source = asked_by(&reference);
        request::reference(api, source, text).map(|reference| (source, reference))
    });
    match read {
        Ok((source, reference)) => SourceBody::of(source, &reference),
        Err(error) => SourceBody {
            error: Some(ShownRefusal::from(&error)),
            ..SourceBody::default()
        },
    }
}

const fn asked_by(reference: &Reference) -> UploadSource {
    match reference.locator {
        Locator::HuggingFace(_) => UploadSource::HuggingFace,
        Locator::Civitai(_) => UploadSource::Civitai,
        Locator::Other { .. } => UploadSource::Url,
        Locator::Multipart { .. } => UploadSource::Multipart,
    }
}

impl SourceBody {
    fn of(source: UploadSource, reference: &Reference) -> Self {
        let body = Self {
            provider: Some(reference.provider()),
            field: Some(match source {
                UploadSource::HuggingFace => "huggingFaceModelName",
                UploadSource::Civitai => "civitaiModelUrl",
                UploadSource::Multipart => "fileName",
                _ => "url",
            }),
            ..Self::default()
        };
        match &reference.locator {
            Locator::HuggingFace(of) => Self {
                sort: Some(of.repo_type.to_string()),
                name: Some(of.repo.to_string()),
                revision: of.revision.as_ref().map(ToString::to_string),
                path: of.path.as_ref().map(ToString::to_string),
                ..body
            },
            Locator::Civitai(of) => {
                let (sort, name, revision) = match &of.target {
                    CivitaiTarget::Model(model) => ("model", Some(model.to_string()), None),
                    CivitaiTarget::Version { model, version } => (
                        "version",
                        model.as_ref().map(ToString::to_string),
                        Some(version.to_string()),
                    ),
                    CivitaiTarget::Hash(hash) => ("hash", Some(hash.to_string()), None),
                };
                Self {
                    sort: Some(sort.to_owned()),
                    name,
                    revision,
                    ..body
                }
            }
            Locator::Other { url } => Self {
                sort: Some("file".to_owned()),
                name: url
                    .as_url()
                    .path_segments()
                    .and_then(|mut segments| segments.next_back())
                    .filter(|name| !name.is_empty())
                    .map(str::to_owned),
                host: Some(url.authority()),
                needs_kind: true,
                ..body
            },
            Locator::Multipart { file, .. } => Self {
                sort: Some("file".to_owned()),
                name: Some(file.to_string()),
                needs_kind: true,
                ..body
            },
        }
    }
}
