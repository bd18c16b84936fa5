//! Bare repository ids: `org/name`, `org/name@REV`, `gpt2`.
//!
//! The part that has to say no. A text is left to others when it could be
//! something else:
//! - anything with `:` before its first slash (`civitai:…`, `urn:air:…`, drives);
//! - a first word that ends like a domain (`example.com/x`), although the
//!   hub's rules would let an organisation have dots: `hf://` says so plainly;
//! - a lone number (Civitai's ids), a lone hash, a lone name with a dot (a file).

use std::net::Ipv4Addr;

use super::super::repo::{HfRef, RepoId, RepoType};
use super::{refused_owner, repo_id, uri, web};
use crate::source::SourceError;

/// Reads a bare id, or leaves the text to others.
pub(super) fn parse(text: &str) -> Option<Result<HfRef, SourceError>> {
    let (id, revision) = match text.split_once('@') {
        Some((id, revision)) => (id, Some(revision)),
        None => (text.trim_end_matches('/'), None),
    };
    let repo = match id.split('/').collect::<Vec<_>>()[..] {
        [name] => {
            let host = revision.is_some_and(looks_like_host);
            (is_root_name(name) && !host).then_some(Ok(id))?
        }
        [owner, name] => owned(owner, name)?.map(|()| id),
        [first, ref rest @ ..] => Err(longer(first, rest)?),
        [] => return None,
    };
    Some(repo.and_then(|repo| {
        let repo = repo_id(RepoType::Model, repo)?;
        let revision = revision.map(uri::decoded).transpose()?;
        HfRef::new(RepoType::Model, repo.as_str(), revision.as_deref(), "")
    }))
}

fn is_root_name(name: &str) -> bool {
    let number = name.bytes().all(|b| b.is_ascii_digit());
    let hash = name.len() >= 8
        && name.bytes().all(|b| b.is_ascii_hexdigit())
        && name.bytes().any(|b| b.is_ascii_digit());
    !number
        && !hash
        && !name.contains('.')
        && RepoId::parse(name).is_ok()
        && refused_owner(name).is_none()
}

fn owned(owner: &str, name: &str) -> Option<Result<(), SourceError>> {
    let id_like = |text: &str, more: &[char]| {
        text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
            && text.chars().all(|c| {
                c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.') || more.contains(&c)
            })
    };
    // A tag after the name is another tool's way; it is claimed to be explained.
    let ours = id_like(owner, &[]) && id_like(name, &[':']) && !looks_like_host(owner);
    ours.then(|| refused_owner(owner).map_or(Ok(()), Err))
}

/// More than two words: claimed only to show how it is written.
fn longer(first: &str, rest: &[&str]) -> Option<SourceError> {
    let id_of = |owner: &str, name: &str| RepoId::parse(&format!("{owner}/{name}")).ok();
    if let (Some(of), [owner, name]) = (RepoType::from_plural(first), rest) {
        return id_of(owner, name).map(|id| {
            SourceError::malformed(
                format!("a {of} by its bare name needs `hf://` before it"),
                format!("hf://{}/{id}", of.plural()),
            )
        });
    }
    match rest {
        [name, route, ..] if web::ROUTES.contains(route) && !looks_like_host(first) => {
            id_of(first, name).map(|id| {
                SourceError::malformed(
                    "a part of a page's address is not enough to go by",
                    format!("https://huggingface.co/{id}/{route}/main"),
                )
            })
        }
        _ => None,
    }
}

/// Whether the first word of a text reads as a host: an IPv4 address, or a
/// name that ends as domains do, in a dot and two or more letters.
fn looks_like_host(text: &str) -> bool {
    let host = text.split(['/', ':']).next().unwrap_or(text);
    let domain = host
        .rsplit_once('.')
        .is_some_and(|(_, top)| top.len() >= 2 && top.bytes().all(|b| b.is_ascii_alphabetic()));
    domain || host.parse::<Ipv4Addr>().is_ok()
}
