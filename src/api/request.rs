//! From a body to an import: every field checked before anything is stored.

mod brought;

use modelferry_providers::{Locator, Reference, SafeUrl, Selection, Sha256};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

pub(super) use self::brought::Brought;
use self::brought::Whole;
use super::auth::Caller;
use super::problem::Problem;
use super::{Api, BODY_LIMIT};
use crate::error::{Code, Error};
use crate::request::ImportRequest;
use crate::upload::{Kind, UploadSource};
use crate::webhook;

/// Names in `include` and `exclude`, and collections of an asset.
const MOST_NAMES: usize = 1000;

/// What to import: exactly one of `huggingFaceModelName`, `civitaiModelUrl`,
/// `url`, and a file in parts (`fileName`, `contentType`, `fileSize`, `kind` and `parts`).
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CreateUpload {
    /// A Hugging Face repository, such as `acme/tiny`.
    hugging_face_model_name: Option<String>,
    /// A Civitai model's page, with or without `modelVersionId`.
    civitai_model_url: Option<String>,
    /// Any http(s) URL; needs `kind`.
    url: Option<String>,
    /// A file in parts: what it is called.
    file_name: Option<String>,
    /// A file in parts: its media type.
    content_type: Option<String>,
    /// A file in parts: its length in bytes.
    #[schema(value_type = Option<u64>)]
    file_size: Option<Whole>,
    /// A file in parts: how many, from 1 to 10,000. Every part but the last has
    /// at least 5 MiB; `fileSize / parts`, rounded up, will do where that is more.
    #[schema(value_type = Option<u64>)]
    parts: Option<Whole>,
    /// What it is, once validated.
    #[schema(value_type = Option<String>)]
    kind: Option<Kind>,
    /// For kinds that produce an asset.
    asset_options: Option<AssetOptions>,
    /// Details of this server.
    config: Option<Value>,
}

/// What becomes of an asset.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct AssetOptions {
    /// The collections to add it to.
    #[serde(skip_serializing_if = "Option::is_none")]
    collection_ids: Option<Vec<String>>,
    /// Whether it is hidden from the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    hide: Option<bool>,
    /// The asset it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_id: Option<String>,
}

/// `config`: details that the documented API has no field for.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct UploadConfig {
    /// A branch, tag or commit.
    revision: Option<String>,
    /// Only files that match one of these globs.
    include: Vec<String>,
    /// No files that match one of these globs.
    exclude: Vec<String>,
    /// What the one file must hash to, in hex.
    sha256: Option<String>,
    /// From -10 to 10; higher goes first.
    priority: i32,
    /// `false` stores the files and makes no entity.
    register: Option<bool>,
    /// Where to tell how it ended, signed as Standard Webhooks.
    webhook_url: Option<String>,
    /// The name of a stored credential to use in place of the usual one.
    credential: Option<String>,
}

/// A request that was found good.
#[derive(Debug)]
pub(super) struct Asked {
    pub request: ImportRequest,
    pub source: UploadSource,
    pub file_name: String,
    /// What a file in parts has beside every other source.
    pub brought: Option<Brought>,
}

pub(super) fn read(api: &Api, caller: &Caller, body: &[u8]) -> Result<Asked, Problem> {
    let body: CreateUpload = from_body(body)?;
    let brought = brought::read(&body)?;
    let (source, text) = match &brought {
        Some(brought) => (UploadSource::Multipart, brought.original_file_name.as_str()),
        None => source(&body)?,
    };
    let reference = match &brought {
        Some(brought) => brought.reference()?,
        None => reference(api, source, text)?,
    };
    let config: UploadConfig = match &body.config {
        None => UploadConfig::default(),
        Some(config) if !config.is_object() => {
            return Err(Problem::bad(
                "config is no JSON object",
                "GET /openapi.json describes every key",
            ));
        }
        Some(config) => serde_json::from_value(config.clone()).map_err(|error| {
            Problem::bad(
                format!("config: {error}"),
                "GET /openapi.json describes every key",
            )
        })?,
    };
    let file_name = match &reference.locator {
        Locator::Multipart { file, .. } => file.to_string(),
        _ => modelferry_providers::source::quoted(text.trim())
            .trim_matches('`')
            .to_owned(),
    };
    if brought.is_some() {
        brought::without_choice(&config)?;
    }
    let mut request = ImportRequest::local(reference, body.kind);
    request.reference.selection = selection(&config)?;
    request.owner.clone_from(&caller.owner);
    request.author.clone_from(&caller.author);
    request.priority = priority(&config)?;
    request.register = config.register.unwrap_or(true);
    request.webhook = match &config.webhook_url {
        Some(url) => Some(webhook::url(url, &api.settings().guard)?),
        None => None,
    };
    request.credential = config.credential;
    request.config = body
        .config
        .map(|config| shown(config, request.webhook.as_ref()));
    request.asset_options = asset_options(body.asset_options, request.provisional_kind())?;
    Ok(Asked {
        request,
        source,
        file_name,
        brought,
    })
}

/// `config` as a record may show it: a URL's query may be a secret.
fn shown(mut config: Value, webhook: Option<&SafeUrl>) -> Value {
    if let Some(url) = webhook {
        config["webhookUrl"] = url.to_string().into();
    }
    config
}

/// Refuses a request whose credential is not there, or is for elsewhere.
pub(super) async fn check_credential(api: &Api, request: &ImportRequest) -> Result<(), Problem> {
    match api.ferry().named_credential(request).await {
        Ok(_) => Ok(()),
        Err(error) if error.code == Code::AuthRequired => Err(Error {
            code: Code::InvalidRequest,
            ..error
        }
        .into()),
        Err(error) => Err(error.into()),
    }
}

/// A body that is JSON of this shape.
pub(super) fn from_body<'b, T: Deserialize<'b>>(body: &'b [u8]) -> Result<T, Problem> {
    if body.len() > BODY_LIMIT {
        return Err(Problem::too_large());
    }
    // A list would do for serde, field by field.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(Problem::bad(
            "the body is no JSON object",
            "GET /openapi.json describes every field",
        ));
    }
    serde_json::from_slice(body).map_err(|error| {
        Problem::bad(
            format!("the body is not as it should be: {error}"),
            "GET /openapi.json describes every field",
        )
    })
}

const ONE_OF: &str = "send exactly one of huggingFaceModelName, civitaiModelUrl, url (with kind), \
     and a file in parts (fileName, contentType, fileSize, kind, parts)";

fn source(body: &CreateUpload) -> Result<(UploadSource, &str), Problem> {
    let given = [
        (UploadSource::HuggingFace, &body.hugging_face_model_name),
        (UploadSource::Civitai, &body.civitai_model_url),
        (UploadSource::Url, &body.url),
    ];
    let mut given = given
        .into_iter()
        .filter_map(|(source, text)| Some((source, text.as_deref()?)));
    let Some((source, text)) = given.next() else {
        return Err(Problem::bad("the request names no source", ONE_OF));
    };
    if given.next().is_some() {
        return Err(Problem::bad(
            "the request names more than one source",
            ONE_OF,
        ));
    }
    if source == UploadSource::Url && body.kind.is_none() {
        return Err(Problem::bad(
            "a url needs a kind",
            "add kind: 3d, asset, audio, avatar, image, model, text or video",
        ));
    }
    Ok((source, text))
}

/// A source text that may be asked for in this way.
pub(super) fn reference(api: &Api, source: UploadSource, text: &str) -> Result<Reference, Error> {
    let reference = api.ferry().providers.parse(text)?;
    let fits = match (source, &reference.locator) {
        (UploadSource::HuggingFace, Locator::HuggingFace(_))
        | (UploadSource::Civitai, Locator::Civitai(_)) => true,
        (UploadSource::Url, _) => text.trim().starts_with("http"),
        _ => false,
    };
    if !fits {
        let (what, example) = match source {
            UploadSource::HuggingFace => ("no Hugging Face model name", "acme/tiny"),
            UploadSource::Civitai => ("no Civitai model URL", "https://civitai.com/models/4384"),
            _ => ("no http(s) URL", "https://example.com/model.safetensors"),
        };
        let shown = modelferry_providers::source::quoted(text);
        let error = Error::new(Code::InvalidSource, format!("{shown} is {what}"));
        return Err(error.hint(format!("write it like {example}")));
    }
    if reference.token.is_some() {
        let error = Error::new(Code::InvalidRequest, "the URL carries a token");
        return Err(error.hint("records are shown to others: configure the token on the server"));
    }
    if let Locator::Other { url } = &reference.locator {
        api.settings().guard.check_url(url)?;
    }
    Ok(reference)
}

fn selection(config: &UploadConfig) -> Result<Selection, Problem> {
    for (name, globs) in [("include", &config.include), ("exclude", &config.exclude)] {
        if globs.len() > MOST_NAMES {
            return Err(Problem::bad(
                format!("config.{name} has over {MOST_NAMES} globs"),
                "use fewer, wider ones",
            ));
        }
    }
    let sha256 = config
        .sha256
        .as_deref()
        .map(str::parse::<Sha256>)
        .transpose();
    Ok(Selection {
        revision: config.revision.clone(),
        include: config.include.clone(),
        exclude: config.exclude.clone(),
        sha256: sha256.map_err(|error| {
            Problem::bad(
                format!("config.sha256: {error}"),
                "write 64 hexadecimal digits",
            )
        })?,
        ..Selection::default()
    })
}

fn priority(config: &UploadConfig) -> Result<i32, Problem> {
    if (-10..=10).contains(&config.priority) {
        return Ok(config.priority);
    }
    Err(Problem::bad(
        "config.priority is from -10 to 10",
        "0 is the usual one",
    ))
}

fn asset_options(options: Option<AssetOptions>, kind: Kind) -> Result<Option<Value>, Problem> {
    let Some(options) = options else {
        return Ok(None);
    };
    if kind == Kind::Model {
        return Err(Problem::bad(
            "assetOptions is not for kind model",
            "leave it out, or name the kind of asset",
        ));
    }
    if options
        .collection_ids
        .as_ref()
        .is_some_and(|ids| ids.len() > MOST_NAMES)
    {
        return Err(Problem::bad(
            "assetOptions.collectionIds is too long",
            "name fewer collections",
        ));
    }
    let value = serde_json::to_value(options);
    value
        .map(Some)
        .map_err(|error| Error::internal("keeping assetOptions", error).into())
}
