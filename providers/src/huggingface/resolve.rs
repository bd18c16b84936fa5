//! From a reference to a plan: locate, list, select, prove access.

use super::errors::{Asked, missing_entry};
use super::hub::Hub;
use super::locate::{At, Found, find, wanted_split};
use super::open;
use super::repo::{HfRef, RepoId, RepoPath, RepoType};
use super::select::{Picked, Picker};
use super::{scan, tree};
use crate::ProviderKind;
use crate::artifact::{Origin, Place, Plan, Warning};
use crate::error::{ErrorKind, ProviderError};
use crate::glob::Globs;
use crate::path::RelPath;
use crate::source::Selection;

/// Makes the plan of a reference.
pub(super) async fn resolve(
    hub: &Hub<'_>,
    of: &HfRef,
    selection: &Selection,
) -> Result<Plan, ProviderError> {
    let globs = Globs::new(&selection.include, &selection.exclude)?;
    let found = find(hub, of, wanted_split(of, selection)?).await?;
    let commit = found.pinned.commit.to_string();
    let asked = Asked {
        repo_type: found.pinned.repo_type,
        repo: &found.pinned.repo,
        revision: &commit,
        path: found.split.path.as_ref().map(RepoPath::as_str),
    };
    let mut picked = pick(hub, asked, &found, globs).await?;
    if picked.artifacts.is_empty() {
        return Err(nothing_left(hub, asked, selection, &picked));
    }
    if found.is_guarded
        && let Some(file) = picked.artifacts.first()
        && let Origin::HuggingFace(origin) = &file.origin
    {
        open::may_read(hub, file, origin).await?;
    }
    let unheard = scan::ask(hub, asked, found.pinned.commit, &mut picked.artifacts).await;
    picked.warnings.extend(unheard);
    picked.warnings.extend(scan::warnings(&picked.artifacts));
    plan(hub, of, asked, &found, picked)
}

async fn pick(
    hub: &Hub<'_>,
    asked: Asked<'_>,
    found: &Found,
    globs: Globs,
) -> Result<Picked, ProviderError> {
    let mut picker = Picker::new(found.pinned.clone(), globs, found.split.path.clone());
    match &found.at {
        At::File(entry) => picker.take(entry)?,
        At::Folder(path) => tree::list(hub, asked, Some(path), |e| picker.take(&e)).await?,
        At::Root | At::Somewhere => tree::list(hub, asked, None, |e| picker.take(&e)).await?,
    }
    picker.finish()
}

fn nothing_left(
    hub: &Hub<'_>,
    asked: Asked<'_>,
    selection: &Selection,
    picked: &Picked,
) -> ProviderError {
    let (name, host) = (hub.name_of(asked), hub.endpoint.authority());
    if picked.offered.count == 0 {
        return match asked.path {
            Some(path) => missing_entry(hub, asked, path),
            None => ProviderError::new(
                ErrorKind::NotFound,
                format!("{name} at {host} has no files at {}", asked.revision),
            )
            .hint(format!("its files are listed at {}", hub.tree_page(asked))),
        };
    }
    let patterns = |flag: &str, globs: &[String]| -> String {
        let each = globs
            .iter()
            .map(|glob| format!(" --{flag} {}", super::errors::shown(glob)));
        each.collect()
    };
    ProviderError::new(
        ErrorKind::NotFound,
        format!(
            "none of the {} files of {name} at {host} is left by{}{}",
            picked.offered.count,
            patterns("include", &selection.include),
            patterns("exclude", &selection.exclude),
        ),
    )
    .hint(format!(
        "patterns match whole paths, case included; there are {}",
        picked.offered.listed()
    ))
}

fn plan(
    hub: &Hub<'_>,
    of: &HfRef,
    asked: Asked<'_>,
    found: &Found,
    picked: Picked,
) -> Result<Plan, ProviderError> {
    let mut warnings = picked.warnings;
    warnings.extend(found.notice.clone());
    if !of.repo.as_str().eq_ignore_ascii_case(asked.repo.as_str()) {
        warnings.insert(
            0,
            Warning::new(
                "renamed",
                format!("{} is now called {}", of.repo, asked.repo),
            ),
        );
    }
    let is_default = of.revision.is_none() && found.split.revision.as_str() == "main";
    let reference = HfRef {
        repo_type: of.repo_type,
        repo: asked.repo.clone(),
        revision: (!is_default).then(|| found.split.revision.clone()),
        path: found.split.path.clone(),
    };
    let route = if matches!(found.at, At::File(_)) {
        "blob"
    } else {
        "tree"
    };
    let below = found.split.path.iter().flat_map(|path| path.segments());
    let page = hub
        .page_of(asked.repo_type, asked.repo, &[route, asked.revision])
        .with_segments(below);
    Ok(Plan {
        provider: ProviderKind::HuggingFace,
        reference: reference.to_string(),
        revision: asked.revision.to_owned(),
        name: asked.repo.to_string(),
        page: page.to_string(),
        place: place(asked)?,
        is_asset: asked.repo_type != RepoType::Model,
        artifacts: picked.artifacts,
        left_out: Vec::new(),
        warnings,
        card: found.card.clone(),
    })
}

/// Owner and name as folders. A `--` is in no id, so that what has a type or
/// a filler before it never meets another repository: `datasets--acme/data`.
fn place(asked: Asked<'_>) -> Result<Place, ProviderError> {
    let owner = asked.repo.owner().unwrap_or_default();
    let owner = match asked.repo_type {
        RepoType::Model => folder(owner, "models--"),
        of => RelPath::parse(&format!("{}--{owner}", of.plural())),
    };
    let parts = || {
        Ok((
            owner?,
            folder(asked.repo.name(), "name--")?,
            RelPath::parse(asked.revision)?,
        ))
    };
    let (owner, name, revision) =
        parts().map_err(|why: crate::path::PathError| no_place(asked.repo, &why))?;
    Ok(Place {
        owner,
        name,
        revision,
    })
}

/// A part of an id as a folder; behind `filler` where it is missing or a
/// name that not every platform can create.
fn folder(part: &str, filler: &str) -> Result<RelPath, crate::path::PathError> {
    RelPath::parse(part).or_else(|_| RelPath::parse(&format!("{filler}{part}")))
}

fn no_place(repo: &RepoId, why: &crate::path::PathError) -> ProviderError {
    ProviderError::new(
        ErrorKind::Upstream,
        format!("{repo} makes no folder name: {why}"),
    )
    .hint("see whether the endpoint (HF_ENDPOINT) is the hub or a true mirror of it")
}
