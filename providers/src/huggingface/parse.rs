//! Reads what people paste: `hf://` URIs, web addresses, bare repository ids.
//! Pure: whatever only the hub can tell is left for resolving.

mod bare;
mod canonical;
mod lists;
#[cfg(test)]
mod tests;
mod uri;
mod web;

pub(super) use self::lists::parse as parse_listing;
use super::errors::shown;
use super::repo::{HfRef, RepoId, RepoType};
use crate::source::{SourceError, trimmed};
use crate::url::SafeUrl;

/// First words of the hub's own pages: no user or organisation has them.
const OWN_PAGES: &[&str] = &[
    "api",
    "blog",
    "chat",
    "docs",
    "enterprise",
    "inference",
    "join",
    "learn",
    "login",
    "new",
    "organizations",
    "papers",
    "posts",
    "pricing",
    "search",
    "settings",
    "tasks",
];
/// Sorts of thing that the hub also keeps and that hold no model to import.
const NOT_IMPORTED: &[&str] = &["buckets", "kernels", "collections"];

/// Reads a source text; `None` when it is no business of this hub.
pub(super) fn parse(source: &str, endpoint: &SafeUrl) -> Option<Result<HfRef, SourceError>> {
    let text = trimmed(source).ok()?;
    if let Some(body) = uri::body(text) {
        return Some(uri::parse(body));
    }
    web::parse(text, endpoint).or_else(|| bare::parse(text))
}

/// Checks a repository id, and says what is wrong with one that is none.
pub(super) fn repo_id(repo_type: RepoType, text: &str) -> Result<RepoId, SourceError> {
    if let Some(word) = text.split('/').next().and_then(refused_owner) {
        return Err(word);
    }
    RepoId::parse(text).map_err(|why| {
        let example = |id: &str| match repo_type.page_prefix() {
            Some(prefix) => format!("hf://{prefix}/{id}"),
            None => id.to_owned(),
        };
        if let Some((id, tag)) = text.split_once(':')
            && let Ok(id) = RepoId::parse(id)
        {
            let message = format!(
                "{} ends in an Ollama tag; leave it out and choose its files with --include '*{}*'",
                shown(text),
                tag.chars()
                    .filter(|c| c.is_ascii_graphic())
                    .take(40)
                    .collect::<String>(),
            );
            return SourceError::malformed(message, example(id.as_str()));
        }
        let repaired = RepoId::parse(text.trim_end_matches(".git"));
        let id = repaired.as_ref().map_or("org/name", RepoId::as_str);
        SourceError::malformed(
            format!("{} is no repository id: {why}", shown(text)),
            example(id),
        )
    })
}

/// The refusal of a first word that is no owner of repositories.
fn refused_owner(word: &str) -> Option<SourceError> {
    if NOT_IMPORTED.contains(&word) {
        return Some(SourceError::unsupported(
            format!("{word} of the hub are not imported; models, datasets and spaces are"),
            "hf://datasets/org/name",
        ));
    }
    if OWN_PAGES.contains(&word) {
        return Some(SourceError::unsupported(
            format!("`{word}` is a page of the hub itself, not a repository's"),
            "https://huggingface.co/org/name",
        ));
    }
    RepoType::from_plural(word).map(|of| {
        SourceError::malformed(
            format!("a {of} is named by `org/name` after `{word}/`"),
            format!("hf://{word}/org/name"),
        )
    })
}
