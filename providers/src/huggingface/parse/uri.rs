//! `hf://[models|datasets|spaces/]org/name[@REV][/path]`.

use percent_encoding::percent_decode_str;

use super::super::errors::shown;
use super::super::repo::{HfRef, RepoType, special_ref_len};
use super::refused_owner;
use crate::source::SourceError;

/// What follows `hf://`, in any case of letters.
pub(super) fn body(text: &str) -> Option<&str> {
    let (scheme, body) = text.split_once("://")?;
    scheme.eq_ignore_ascii_case("hf").then_some(body)
}

/// Reads the body of a URI. Its path stands as it is; in its revision `%2F`
/// is a slash.
pub(super) fn parse(body: &str) -> Result<HfRef, SourceError> {
    let body = body.trim_matches('/');
    let (first, rest) = body.split_once('/').unwrap_or((body, ""));
    let (repo_type, location) = match RepoType::from_plural(first) {
        Some(of) => (of, rest),
        None => (RepoType::Model, body),
    };
    if matches!(first, "model" | "dataset" | "space") {
        return Err(SourceError::malformed(
            format!("the type in `hf://{first}/…` must be plural"),
            format!("hf://{first}s/org/name"),
        ));
    }
    if let Some(refusal) = refused_owner(location.split('/').next().unwrap_or_default()) {
        return Err(refusal);
    }
    let (repo, revision, path) = split(location);
    if repo.matches('/').count() != 1 {
        let prefix = repo_type.page_prefix().map(|word| format!("{word}/"));
        return Err(SourceError::malformed(
            format!("{} names no `org/name`", shown(&format!("hf://{body}"))),
            format!("hf://{}org/name", prefix.unwrap_or_default()),
        ));
    }
    let revision = revision.map(decoded).transpose()?;
    HfRef::new(repo_type, repo, revision.as_deref(), path)
}

/// Repository, revision and path. An `@` after the second slash belongs to a
/// file's name.
fn split(location: &str) -> (&str, Option<&str>, &str) {
    if let Some((repo, rest)) = location.split_once('@')
        && repo.matches('/').count() <= 1
    {
        let parts: Vec<&str> = rest.split('/').collect();
        let length = special_ref_len(&parts).unwrap_or(1);
        let at = parts[..length]
            .iter()
            .map(|part| part.len() + 1)
            .sum::<usize>()
            - 1;
        return (
            repo,
            Some(&rest[..at]),
            rest.get(at + 1..).unwrap_or_default(),
        );
    }
    match location.match_indices('/').nth(1) {
        Some((at, _)) => (&location[..at], None, &location[at + 1..]),
        None => (location, None, ""),
    }
}

/// A revision with its percent-encoding undone.
pub(super) fn decoded(revision: &str) -> Result<String, SourceError> {
    let text = percent_decode_str(revision).decode_utf8().map_err(|_| {
        SourceError::malformed(
            format!("{} is no revision: it is no UTF-8", shown(revision)),
            "hf://org/name@feature%2Fx",
        )
    })?;
    Ok(text.into_owned())
}
