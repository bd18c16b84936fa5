//! Source texts: pages, API and download URLs, AIR, hashes.

mod lists;
mod query;

use std::borrow::Cow;

use url::Url;

pub(super) use self::lists::parse as parse_listing;
use self::query::Query;
use super::air::{self, Air};
use super::filter::{FileType, ShortText};
use super::hash::{HashKind, ModelHash};
use super::id::CivitaiId;
use super::reference::{CivitaiRef, CivitaiTarget, SisterHost};
use crate::huggingface::{HfRef, RepoType};
use crate::source::quoted;
use crate::url::UrlError;
use crate::{Locator, Reference, SafeUrl, SourceError};

const EXAMPLE: &str =
    "https://civitai.com/models/4384?modelVersionId=128713 or civitai:4384@128713";
const AIR_EXAMPLE: &str = "urn:air:sdxl:checkpoint:civitai:827184@2514310 or civitai:4384@128713";

/// Reads a source text. `None`: not the hub's.
pub(super) fn parse(text: &str, endpoint: &SafeUrl) -> Option<Result<Reference, SourceError>> {
    let text = text.trim();
    if let Some(page) = hub_url(text, endpoint) {
        return Some(page.and_then(|page| read_url(&page)));
    }
    if has_scheme(text) {
        return None;
    }
    if air::is_written_as_one(text) {
        return Some(read_air(text));
    }
    if text.len() == 64
        && let Ok(hash) = ModelHash::new(None, text)
    {
        return Some(Ok(reference(CivitaiRef::new(CivitaiTarget::Hash(hash)))));
    }
    let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| {
        Err(SourceError::malformed(
            format!("{} may be a model or a version on Civitai", quoted(text)),
            format!("civitai:{text} for a model, or https://civitai.com/model-versions/{text} for a version"),
        ))
    })
}

fn reference(civitai: CivitaiRef) -> Reference {
    Reference::new(Locator::Civitai(civitai))
}

/// A URL on the hub, a sister domain or the endpoint.
struct HubUrl {
    url: SafeUrl,
    /// The path's names below the endpoint's own path.
    names: Vec<String>,
    host: Option<SisterHost>,
}

/// `None` when the text is no URL of the hub. `civitai.com/models/4384` is one too.
fn hub_url(text: &str, endpoint: &SafeUrl) -> Option<Result<HubUrl, SourceError>> {
    let text: Cow<str> = if has_scheme(text) {
        text.into()
    } else if owns_authority(text, endpoint) {
        format!("{}://{text}", scheme_for(text, endpoint)).into()
    } else {
        return None;
    };
    let url = Url::parse(&text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"))?;
    let is_endpoint = is_at(&url, endpoint);
    let domain = hub_domain(url.host_str()?);
    if !is_endpoint && domain.is_none() {
        return None;
    }
    let url = match SafeUrl::parse(&text) {
        Ok(url) => url,
        Err(error) => return Some(Err(bad_url(error))),
    };
    let mut names: Vec<String> = path_names(&url);
    if is_endpoint {
        let prefix = path_names(endpoint);
        if !names.starts_with(&prefix) {
            return None;
        }
        names.drain(..prefix.len());
    } else if url.as_url().port().is_some() {
        return Some(Err(SourceError::malformed(
            format!(
                "{} has a port, which the hub does not use",
                quoted(&url.to_string())
            ),
            EXAMPLE,
        )));
    }
    let host = if is_endpoint { None } else { domain.flatten() };
    Some(Ok(HubUrl { url, names, host }))
}

fn has_scheme(text: &str) -> bool {
    let scheme = text.split_once("://").map_or("", |(scheme, _)| scheme);
    !scheme.is_empty()
        && scheme
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

fn bad_url(error: UrlError) -> SourceError {
    SourceError::malformed(format!("this Civitai URL can't be used: {error}"), EXAMPLE)
}

/// Whether a text without a scheme starts with one of the hub's hosts.
fn owns_authority(text: &str, endpoint: &SafeUrl) -> bool {
    let authority = text.split(['/', '?', '#', '\\']).next().unwrap_or(text);
    let host_and_port = authority.rsplit('@').next().unwrap_or(authority);
    let host = host_and_port.split(':').next().unwrap_or(host_and_port);
    hub_domain(host).is_some()
        || (text != authority && is_endpoint_authority(host_and_port, endpoint))
}

fn is_endpoint_authority(authority: &str, endpoint: &SafeUrl) -> bool {
    authority.eq_ignore_ascii_case(&endpoint.authority())
}

fn scheme_for<'a>(text: &str, endpoint: &'a SafeUrl) -> &'a str {
    let authority = text.split('/').next().unwrap_or(text);
    if is_endpoint_authority(authority, endpoint) {
        endpoint.as_url().scheme()
    } else {
        "https"
    }
}

fn is_at(url: &Url, endpoint: &SafeUrl) -> bool {
    let endpoint = endpoint.as_url();
    url.host_str() == endpoint.host_str()
        && url.port_or_known_default() == endpoint.port_or_known_default()
}

/// `Some(None)` for civitai.com, `Some(Some(sister))` for a sister, with `www.` and `api.` before either.
fn hub_domain(host: &str) -> Option<Option<SisterHost>> {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let bare = host
        .strip_prefix("www.")
        .or_else(|| host.strip_prefix("api."))
        .unwrap_or(&host);
    if bare == "civitai.com" {
        return Some(None);
    }
    SisterHost::ALL
        .into_iter()
        .find(|sister| sister.domain() == bare)
        .map(Some)
}

fn path_names(url: &SafeUrl) -> Vec<String> {
    let names = url
        .as_url()
        .path()
        .split('/')
        .filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

fn read_url(page: &HubUrl) -> Result<Reference, SourceError> {
    let query = Query::read(page.url.as_url().query().unwrap_or_default());
    let names: Vec<&str> = page.names.iter().map(String::as_str).collect();
    let read = match names.as_slice() {
        ["api", "v1", names @ ..] => api_url(names, &query),
        ["api", names @ ..] => download_url(names, &query),
        ["download", ..] => download_url(&names, &query),
        names => site_page(names, &query),
    };
    let mut civitai = read?.ok_or_else(|| {
        let shown = quoted(&page.url.to_string());
        let message = format!("{shown} is not the page of one model or version");
        SourceError::unsupported(message, EXAMPLE)
    })?;
    civitai.host = page.host;
    Ok(Reference {
        token: query.token()?,
        ..reference(civitai)
    })
}

type Read = Result<Option<CivitaiRef>, SourceError>;

/// A page of the site; `None` when it is of something else.
fn site_page(names: &[&str], query: &Query) -> Read {
    Ok(Some(match *names {
        ["models", "license", version] => CivitaiRef::new(version_alone(version)?),
        ["models", model, "model-versions", version, ..] => {
            let model = Some(id("model", model)?);
            CivitaiRef::new(CivitaiTarget::Version {
                model,
                version: id("version", version)?,
            })
        }
        ["models", model, ..] => model_page(model, query)?,
        ["models"] => {
            return Err(SourceError::malformed(
                "the page of all models names none",
                EXAMPLE,
            ));
        }
        ["model-versions", version, ..] => CivitaiRef::new(version_alone(version)?),
        _ => return Ok(None),
    }))
}

/// What stands below `/api/v1`; `None` for a search and the like.
fn api_url(names: &[&str], query: &Query) -> Read {
    Ok(Some(match *names {
        ["models", model] => model_page(model, query)?,
        ["model-versions", "mini", version] => {
            let file = query.id("modelFileId")?;
            CivitaiRef {
                file,
                ..CivitaiRef::new(version_alone(version)?)
            }
        }
        ["model-versions", "by-hash", hash] => CivitaiRef::new(by_hash(None, hash)?),
        ["model-versions", version] => CivitaiRef::new(version_alone(version)?),
        _ => return Ok(None),
    }))
}

fn download_url(names: &[&str], query: &Query) -> Read {
    Ok(Some(match *names {
        ["download", "models", version] => {
            query.narrow(CivitaiRef::new(version_alone(version)?))?
        }
        ["download", "training-data", version] => {
            let mut civitai = query.narrow(CivitaiRef::new(version_alone(version)?))?;
            civitai.filter.file_type = Some(FileType::TrainingData);
            civitai
        }
        _ => return Ok(None),
    }))
}

fn model_page(model: &str, query: &Query) -> Result<CivitaiRef, SourceError> {
    let model = id("model", model)?;
    let target = match query.id("modelVersionId")? {
        Some(version) => CivitaiTarget::Version {
            model: Some(model),
            version,
        },
        None => CivitaiTarget::Model(model),
    };
    Ok(CivitaiRef::new(target))
}

fn version_alone(version: &str) -> Result<CivitaiTarget, SourceError> {
    Ok(CivitaiTarget::Version {
        model: None,
        version: id("version", version)?,
    })
}

fn by_hash(kind: Option<HashKind>, hash: &str) -> Result<CivitaiTarget, SourceError> {
    let hash = ModelHash::new(kind, hash).map_err(|error| {
        SourceError::malformed(
            format!("{} can't be looked up: {error}", quoted(hash)),
            "civitai:sha256: and 64 hexadecimal digits",
        )
    })?;
    Ok(CivitaiTarget::Hash(hash))
}

fn id(what: &str, text: &str) -> Result<CivitaiId, SourceError> {
    text.parse().map_err(|error| {
        SourceError::malformed(
            format!("{} is no {what} id: {error}", quoted(text)),
            EXAMPLE,
        )
    })
}

fn read_air(text: &str) -> Result<Reference, SourceError> {
    let (name, query) = text.split_once('?').unwrap_or((text, ""));
    let query = Query::read(query);
    let mut parts = name.splitn(3, ':');
    if let (Some(hub), Some(kind), Some(hash)) = (parts.next(), parts.next(), parts.next())
        && hub.eq_ignore_ascii_case("civitai")
        && let Some(kind) = HashKind::named(kind)
    {
        let civitai = query.narrow(CivitaiRef::new(by_hash(Some(kind), hash)?))?;
        return Ok(Reference {
            token: query.token()?,
            ..reference(civitai)
        });
    }
    let air = air::parse(name).ok_or_else(|| {
        SourceError::malformed(
            format!("{} is no AIR that can be read", quoted(name)),
            AIR_EXAMPLE,
        )
    })?;
    match air.source.to_ascii_lowercase().as_str() {
        "civitai" => {
            let civitai = query.narrow(air_target(&air)?)?;
            Ok(Reference {
                token: query.token()?,
                ..reference(civitai)
            })
        }
        "huggingface" => huggingface(&air),
        other => Err(SourceError::unsupported(
            format!("an AIR of the source {} can't be imported", quoted(other)),
            AIR_EXAMPLE,
        )),
    }
}

fn air_target(air: &Air) -> Result<CivitaiRef, SourceError> {
    let model = id("model", air.id)?;
    let target = match air.version {
        Some(version) => CivitaiTarget::Version {
            model: Some(model),
            version: id("version", version)?,
        },
        None => CivitaiTarget::Model(model),
    };
    Ok(CivitaiRef {
        file: air.file.map(|file| id("file", file)).transpose()?,
        format_hint: air
            .format
            .and_then(|format| ShortText::new("format", format).ok()),
        ..CivitaiRef::new(target)
    })
}

/// The hub also names repositories of Hugging Face.
fn huggingface(air: &Air) -> Result<Reference, SourceError> {
    if air.file.is_some() {
        let message = format!(
            "{} is of Hugging Face, which has no file ids",
            quoted(air.id)
        );
        return Err(SourceError::malformed(
            message,
            "hf://org/name@main/file.safetensors",
        ));
    }
    let of = HfRef::new(RepoType::Model, air.id, air.version, "")?;
    Ok(Reference::new(Locator::HuggingFace(of)))
}

#[cfg(test)]
mod tests;
