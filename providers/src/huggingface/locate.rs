//! Where a reference points: the commit, and whether its path is a file or a folder.

use serde_json::Value;

use super::card;
use super::errors::{Asked, disabled, missing_entry, plain, shown};
use super::hub::Hub;
use super::refs::Split;
use super::repo::{Commit, HfRef, RepoId, RepoPath, Revision};
use super::select::Pinned;
use super::wire::{Entry, Info};
use crate::artifact::Warning;
use crate::error::{ErrorKind, ProviderError};
use crate::source::Selection;

/// Where a source points, once the hub has borne it out.
pub(super) struct Found {
    pub pinned: Pinned,
    pub split: Split,
    pub at: At,
    /// Whether some who can list the files may perhaps not read them.
    pub is_guarded: bool,
    /// What the hub wants its users to know.
    pub notice: Option<Warning>,
    /// What the hub says of the repository.
    pub card: Option<Value>,
}

/// What is there.
pub(super) enum At {
    /// The whole repository.
    Root,
    /// One file.
    File(Box<Entry>),
    /// A folder, listed by itself.
    Folder(RepoPath),
    /// A file or a folder, on a mirror that can't tell: sought in the whole listing.
    Somewhere,
}

/// The revision to ask for: the source's own, or the one given beside it.
pub(super) fn wanted_split(of: &HfRef, selection: &Selection) -> Result<Split, ProviderError> {
    let beside = selection.revision.as_deref().map(|text| {
        Revision::parse(text).map_err(|why| {
            let shown = shown(text);
            ProviderError::new(
                ErrorKind::InvalidSource,
                format!("{shown} is no revision: {why}"),
            )
            .hint("leave out --revision to take the branch `main`")
        })
    });
    let revision = match (&of.revision, beside.transpose()?) {
        (Some(named), Some(beside)) if *named != beside => {
            return Err(ProviderError::new(
                ErrorKind::InvalidSource,
                format!(
                    "the source names revision `{named}`, and `{beside}` was asked for beside it"
                ),
            )
            .hint("leave one of them out"));
        }
        (Some(named), _) => named.clone(),
        (None, Some(beside)) => beside,
        (None, None) => Revision::main(),
    };
    Ok(Split {
        revision,
        path: of.path.clone(),
    })
}

/// Pins the revision and looks at the path; where that fails and the text can
/// be cut another way, tries the way that the hub's refs bear out.
pub(super) async fn find(hub: &Hub<'_>, of: &HfRef, split: Split) -> Result<Found, ProviderError> {
    let revision = split.revision.clone();
    let asked = Asked {
        repo_type: of.repo_type,
        repo: &of.repo,
        revision: revision.as_str(),
        path: split.path.as_ref().map(RepoPath::as_str),
    };
    let error = match find_as_split(hub, of, split.clone()).await {
        Err(error) if of.revision.is_some() && may_be_cut_wrong(&error) => error,
        outcome => return outcome,
    };
    match split.other(hub, asked).await {
        Ok(Some(other)) => find_as_split(hub, of, other).await,
        // The first refusal says what the user asked for.
        Ok(None) | Err(_) => Err(error),
    }
}

fn may_be_cut_wrong(error: &ProviderError) -> bool {
    error.status == Some(404) && error.hub_code.as_deref() != Some("RepoNotFound")
}

async fn find_as_split(hub: &Hub<'_>, of: &HfRef, split: Split) -> Result<Found, ProviderError> {
    let asked = Asked {
        repo_type: of.repo_type,
        repo: &of.repo,
        revision: split.revision.as_str(),
        path: None,
    };
    let (info, notice) = hub.info(asked).await?;
    if info.disabled == Some(true) {
        return Err(disabled(hub, asked));
    }
    let pinned = pin(hub, asked, &info)?;
    let asked = Asked {
        repo: &pinned.repo,
        ..asked
    };
    let at = match &split.path {
        None => At::Root,
        Some(path) => look_at(hub, asked, pinned.commit, path).await?,
    };
    Ok(Found {
        is_guarded: info.is_guarded(),
        notice: notice.map(|text| Warning::new("hub_notice", plain(&text, 300))),
        card: card::card(&info),
        pinned,
        at,
        split,
    })
}

/// The commit, and the repository's name of today.
fn pin(hub: &Hub<'_>, asked: Asked<'_>, info: &Info) -> Result<Pinned, ProviderError> {
    let commit = info.sha.as_deref().map(Commit::parse);
    let Some(Ok(commit)) = commit else {
        return Err(ProviderError::new(
            ErrorKind::Upstream,
            format!(
                "{} names no commit for {}",
                hub.endpoint.authority(),
                hub.name_of(asked)
            ),
        )
        .hint("see whether the endpoint (HF_ENDPOINT) is the hub or a true mirror of it"));
    };
    let today = info.id.as_deref().map(RepoId::parse);
    Ok(Pinned {
        repo_type: asked.repo_type,
        repo: match today {
            Some(Ok(id)) => id,
            _ => asked.repo.clone(),
        },
        commit,
    })
}

async fn look_at(
    hub: &Hub<'_>,
    asked: Asked<'_>,
    commit: Commit,
    path: &RepoPath,
) -> Result<At, ProviderError> {
    let Some(entries) = hub
        .paths_info(asked, commit, &[path.as_str()], false)
        .await?
    else {
        return Ok(At::Somewhere);
    };
    match entries
        .into_iter()
        .find(|entry| entry.path == path.as_str())
    {
        Some(entry) if entry.kind == "file" => Ok(At::File(Box::new(entry))),
        Some(entry) if entry.kind == "directory" => Ok(At::Folder(path.clone())),
        _ => Err(missing_entry(hub, asked, path.as_str())),
    }
}
