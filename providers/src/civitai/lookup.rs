//! From what a source names to one version with all that the hub says of it.
//!
//! No endpoint says everything: `/model-versions/{id}` has the AIR and who may
//! use it, but drops `quantType` and hides versions without a browsing level;
//! `/models/{id}` has the creator, the licence flags and every metadata key;
//! `mini` alone says that a login is needed. So all three are asked.

mod complete;

use self::complete::{complete_from_url, completed, from_short};
use super::access;
use super::air;
use super::api::Api;
use super::hash::ModelHash;
use super::id::CivitaiId;
use super::reference::{CivitaiRef, CivitaiTarget, SisterHost};
use super::wire::{Mini, Model, Version};
use crate::error::{ErrorKind, ProviderError};
use crate::time;

/// A version, found.
pub(super) struct Found {
    pub version_id: CivitaiId,
    pub version: Version,
    pub model_id: Option<CivitaiId>,
    pub model: Option<Model>,
    /// `mini` says so.
    pub needs_login: bool,
    /// `mini` says so: the hub looks whether the account may have it.
    pub needs_grant: bool,
    /// The sister domain that knew it.
    pub sister: Option<SisterHost>,
}

/// Looks a reference up at one address; `None` when nothing of it is there.
pub(super) async fn find(api: &Api<'_>, of: &CivitaiRef) -> Result<Option<Found>, ProviderError> {
    match &of.target {
        CivitaiTarget::Model(model) => by_model(api, *model, of.file).await,
        CivitaiTarget::Version { model, version } => {
            by_version(api, *model, *version, of.file).await
        }
        CivitaiTarget::Hash(hash) => by_hash(api, hash).await,
    }
}

/// What the one answer tells that names a version with its files; `None` when
/// it shows none. It does not say whether a login is needed.
pub(super) async fn glance(api: &Api<'_>, of: &CivitaiRef) -> Result<Option<Found>, ProviderError> {
    let version = match &of.target {
        CivitaiTarget::Model(id) => {
            let Some(model) = api.model(*id).await? else {
                return Ok(None);
            };
            let chosen = match of.file {
                Some(file) => holder(&model, file),
                None => newest(model.model_versions.iter()),
            };
            let parent = Some((*id, model));
            return Ok(chosen.and_then(|chosen| assemble(api, chosen, None, None, parent)));
        }
        CivitaiTarget::Version { version, .. } => api.version(*version).await?,
        CivitaiTarget::Hash(hash) => api.by_hash(hash).await?,
    };
    let id = version.as_ref().and_then(|version| version.id);
    Ok(id.and_then(|id| assemble(api, id, version, None, None)))
}

async fn by_model(
    api: &Api<'_>,
    id: CivitaiId,
    file: Option<CivitaiId>,
) -> Result<Option<Found>, ProviderError> {
    let Some(model) = api.model(id).await? else {
        return Ok(None);
    };
    let chosen = match file {
        Some(file) => holder(&model, file).ok_or_else(|| no_such_file(api, id, file))?,
        None => newest(model.model_versions.iter()).ok_or_else(|| no_versions(api, id, &model))?,
    };
    // Its listing is here: what its own endpoint adds is no reason to fail.
    let (version, mini) = both(api, chosen, None).await;
    let version = spared(true, version)?;
    let mini = spared(true, mini)?;
    Ok(assemble(api, chosen, version, mini, Some((id, model))))
}

async fn by_version(
    api: &Api<'_>,
    model: Option<CivitaiId>,
    id: CivitaiId,
    file: Option<CivitaiId>,
) -> Result<Option<Found>, ProviderError> {
    let (version, mini) = both(api, id, file).await;
    let outage = version.as_ref().err().filter(|error| is_outage(error));
    let outage = outage.cloned();
    let version = spared(true, version)?;
    let mut mini = spared(version.is_some() || outage.is_some(), mini)?;
    if version.is_none() && mini.is_none() && file.is_some() {
        // The version may be there and only the file not.
        mini = short(api, id, None).await?;
    }
    let owner = version.as_ref().and_then(|version| version.model_id);
    let owner = owner.or_else(|| mini.as_ref().and_then(model_in_air));
    if let (Some(named), Some(owner)) = (model, owner)
        && named != owner
    {
        return Err(another_models(api, named, id, owner));
    }
    let parent = match owner.or(model) {
        Some(id) => api.model(id).await?.map(|model| (id, model)),
        None => None,
    };
    match outage {
        // The short form alone is too little to stand for what may come back.
        Some(outage) if listed(parent.as_ref(), id).is_none() => Err(outage),
        _ => Ok(assemble(api, id, version, mini, parent)),
    }
}

/// A version as its model lists it.
fn listed(parent: Option<&(CivitaiId, Model)>, version: CivitaiId) -> Option<&Version> {
    let (_, model) = parent?;
    let mut versions = model.model_versions.iter();
    versions.find(|listed| listed.id == Some(version))
}

async fn by_hash(api: &Api<'_>, hash: &ModelHash) -> Result<Option<Found>, ProviderError> {
    let Some(version) = api.by_hash(hash).await? else {
        return Ok(None);
    };
    let Some(id) = version.id else {
        let message = format!("{} answered without an id for the hash {hash}", api.host());
        return Err(ProviderError::new(ErrorKind::Upstream, message).hint("try again later"));
    };
    let mini = spared(true, short(api, id, None).await)?;
    let parent = match version.model_id {
        Some(id) => api.model(id).await?.map(|model| (id, model)),
        None => None,
    };
    Ok(assemble(api, id, Some(version), mini, parent))
}

async fn both(
    api: &Api<'_>,
    id: CivitaiId,
    file: Option<CivitaiId>,
) -> (
    Result<Option<Version>, ProviderError>,
    Result<Option<Short>, ProviderError>,
) {
    tokio::join!(api.version(id), short(api, id, file))
}

/// A version's short form, which is of the file that was asked for or of the main one.
pub(super) struct Short {
    pub mini: Mini,
    pub file: Option<CivitaiId>,
}

async fn short(
    api: &Api<'_>,
    id: CivitaiId,
    file: Option<CivitaiId>,
) -> Result<Option<Short>, ProviderError> {
    let mini = api.mini(id, file).await?;
    Ok(mini.map(|mini| Short { mini, file }))
}

/// Of endpoints that say much the same, one may be out of order, for a version
/// and for days (civitai-browser-plus issue 8). Nothing is said then.
fn spared<T>(
    is_known: bool,
    answer: Result<Option<T>, ProviderError>,
) -> Result<Option<T>, ProviderError> {
    match answer {
        Err(error) if is_known && is_outage(&error) => {
            tracing::debug!(%error, "going on without one of a version's endpoints");
            Ok(None)
        }
        answer => answer,
    }
}

fn is_outage(error: &ProviderError) -> bool {
    let kinds = [ErrorKind::Upstream, ErrorKind::Stalled];
    error.is_transient() && kinds.contains(&error.kind)
}

/// One version out of what each endpoint knows. `None` when none knows it.
pub(super) fn assemble(
    api: &Api<'_>,
    id: CivitaiId,
    version: Option<Version>,
    mini: Option<Short>,
    parent: Option<(CivitaiId, Model)>,
) -> Option<Found> {
    let entry = listed(parent.as_ref(), id).cloned();
    let says = |of: fn(&Mini) -> Option<bool>| {
        let said = mini.as_ref().and_then(|short| of(&short.mini));
        said == Some(true)
    };
    let needs_login = says(|mini| mini.require_auth);
    let needs_grant = says(|mini| mini.check_permission);
    let model_in_air = mini.as_ref().and_then(model_in_air);
    let air = mini.as_ref().and_then(|short| short.mini.air.clone());
    let mut version = match (version, entry) {
        (Some(version), Some(entry)) => completed(version, entry),
        (Some(version), None) => version,
        (None, Some(entry)) => entry,
        (None, None) => from_short(mini?),
    };
    version.files.iter_mut().for_each(complete_from_url);
    version.air = version.air.or(air);
    let parent_id = parent.as_ref().map(|(id, _)| *id);
    let model_id = parent_id.or(version.model_id).or(model_in_air);
    Some(Found {
        version_id: id,
        version,
        model_id,
        model: parent.map(|(_, model)| model),
        needs_login,
        needs_grant,
        sister: api.sister,
    })
}

fn model_in_air(short: &Short) -> Option<CivitaiId> {
    air::parse(short.mini.air.as_deref()?)?.id.parse().ok()
}

fn is_published(version: &Version) -> bool {
    version
        .status
        .as_deref()
        .is_none_or(|status| status.eq_ignore_ascii_case("Published"))
}

/// A refusal of a model's newest version, which names the newest one that is
/// not sold, if there is one.
pub(super) fn with_free_version(
    api: &Api<'_>,
    found: &Found,
    of: &CivitaiRef,
    refusal: ProviderError,
) -> ProviderError {
    let (CivitaiTarget::Model(id), Some(model)) = (&of.target, &found.model) else {
        return refusal;
    };
    let is_free = |version: &&Version| !version.files.is_empty() && !access::is_sold(version);
    let free = newest(model.model_versions.iter().filter(is_free));
    match (free, refusal.kind, refusal.hint.clone()) {
        (Some(free), ErrorKind::EarlyAccess, Some(hint)) if free != found.version_id => {
            let host = api.host();
            refusal.hint(format!(
                "{hint}; version {free} is free at {host}: civitai:{id}@{free}"
            ))
        }
        _ => refusal,
    }
}

/// The version published last.
pub(super) fn newest<'a>(versions: impl Iterator<Item = &'a Version>) -> Option<CivitaiId> {
    published(versions).next().and_then(|version| version.id)
}

/// The published versions, newest first. The hub lists them in the creator's
/// order, so the dates decide; without dates, the order does.
pub(super) fn published<'a>(
    versions: impl Iterator<Item = &'a Version>,
) -> impl Iterator<Item = &'a Version> {
    let moment = |version: &Version| {
        let date = version
            .published_at
            .as_deref()
            .or(version.created_at.as_deref());
        date.and_then(time::unix_seconds).unwrap_or(i64::MIN)
    };
    let mut shown: Vec<&Version> = versions
        .filter(|version| is_published(version) && version.id.is_some())
        .collect();
    // Of equal ones the first listed stays first.
    shown.sort_by_key(|version| std::cmp::Reverse(moment(version)));
    shown.into_iter()
}

fn holder(model: &Model, file: CivitaiId) -> Option<CivitaiId> {
    let has = |version: &&Version| version.files.iter().any(|held| held.id == Some(file));
    model.model_versions.iter().find(has)?.id
}

pub(super) fn no_versions(api: &Api<'_>, id: CivitaiId, model: &Model) -> ProviderError {
    if model.mode.as_deref() == Some("Archived") {
        return super::errors::archived(&api.host(), &format!("model {id}"));
    }
    ProviderError::new(
        ErrorKind::NotFound,
        format!("model {id} at {} has no published version", api.host()),
    )
    .hint(format!("open {} to see", api.page(Some(id), None)))
}

fn no_such_file(api: &Api<'_>, model: CivitaiId, file: CivitaiId) -> ProviderError {
    ProviderError::new(
        ErrorKind::NotFound,
        format!(
            "no version of model {model} at {} has a file {file}",
            api.host()
        ),
    )
    .hint(format!(
        "name the version too, as civitai:{model}@VERSION+{file}"
    ))
}

fn another_models(
    api: &Api<'_>,
    named: CivitaiId,
    version: CivitaiId,
    owner: CivitaiId,
) -> ProviderError {
    ProviderError::new(
        ErrorKind::InvalidSource,
        format!(
            "version {version} at {} is of model {owner}, not of {named}",
            api.host()
        ),
    )
    .hint(format!(
        "write civitai:{owner}@{version}, or civitai:{named} for that model's newest version"
    ))
}

#[cfg(test)]
mod tests;
