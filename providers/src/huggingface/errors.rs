//! The hub's refusals, each named for what it is, with the page to visit.

use super::hub::Hub;
use super::repo::{HfOrigin, RepoId, RepoType};
use crate::error::{ErrorKind, ProviderError};
use crate::http::Answer;

/// Most of an error's body that is read for its message, in bytes.
const MAX_ERROR_BODY: usize = 16 * 1024;
/// Most characters of outside text that a message repeats.
const MAX_SHOWN: usize = 160;

/// A piece of outside text made fit for a message.
pub(super) fn shown(text: &str) -> String {
    format!("`{}`", plain(text, MAX_SHOWN))
}

/// At most so many characters, control characters escaped.
pub(super) fn plain(text: &str, most: usize) -> String {
    let mut short: String = text
        .chars()
        .take(most)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().nth(most).is_some() {
        short.push('…');
    }
    short
}

/// What was asked for when the hub refused.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub repo_type: RepoType,
    pub repo: &'a RepoId,
    pub revision: &'a str,
    pub path: Option<&'a str>,
}

impl<'a> Asked<'a> {
    /// A file at its pinned commit.
    pub(super) fn file(origin: &'a HfOrigin, commit: &'a str) -> Self {
        Self {
            repo_type: origin.repo_type,
            repo: &origin.repo,
            revision: commit,
            path: Some(origin.path.as_str()),
        }
    }
}

/// What the hub said of its refusal.
struct Said {
    status: u16,
    code: Option<String>,
    text: String,
}

impl Said {
    async fn of(answer: Answer) -> Self {
        let status = answer.status;
        let code = answer.header("x-error-code").map(|code| plain(code, 60));
        let text = match answer.header("x-error-message") {
            Some(message) => message.to_owned(),
            None => body_error(answer).await.unwrap_or_default(),
        };
        Self {
            status,
            code,
            text: plain(text.trim(), 300),
        }
    }

    fn is(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }

    fn quote(&self) -> String {
        if self.text.is_empty() {
            String::new()
        } else {
            format!(": \"{}\"", self.text)
        }
    }
}

async fn body_error(answer: Answer) -> Option<String> {
    let is_json = answer.header("content-type")?.contains("json");
    let body = answer.text(MAX_ERROR_BODY).await.ok().filter(|_| is_json)?;
    let body: serde_json::Value = serde_json::from_str(&body).ok()?;
    Some(body.get("error")?.as_str()?.to_owned())
}

/// The error for an answer that is no success.
pub(super) async fn refusal(hub: &Hub<'_>, asked: Asked<'_>, answer: Answer) -> ProviderError {
    let wait = answer.wait_asked();
    let request_id = ["x-request-id", "x-amz-cf-id"]
        .iter()
        .find_map(|name| answer.header(name))
        .map(|id| plain(id, 100));
    let said = Said::of(answer).await;
    let mut error = match said.status {
        401 => unauthorized(hub, asked, &said),
        403 => forbidden(hub, asked, &said),
        404 | 410 => missing(hub, asked, &said),
        _ => troubled(hub, asked, &said),
    };
    error.status = Some(said.status);
    error.hub_code = said.code;
    error.request_id = request_id;
    error.retry_after = wait;
    error
}

fn unauthorized(hub: &Hub<'_>, asked: Asked<'_>, said: &Said) -> ProviderError {
    let (name, page) = (hub.name_of(asked), hub.page(asked));
    let host = hub.endpoint.authority();
    let tokens = hub.endpoint.with_segments(["settings", "tokens"]);
    if said.is("GatedRepo") || said.text.starts_with("Access to ") {
        let token = match hub.token {
            Some(_) => "check that the token given is valid and of the account that has access",
            None => {
                "give a token of that account (HF_TOKEN, or `modelferry credentials set huggingface`)"
            }
        };
        return ProviderError::new(
            ErrorKind::Gated,
            format!("{name} at {host} is gated: its files are only for who accepted its terms"),
        )
        .hint(format!("accept the terms at {page}, then {token}"));
    }
    if hub.token.is_some() {
        return ProviderError::new(
            ErrorKind::AuthRequired,
            format!("{host} rejected the token given for {name}{}", said.quote()),
        )
        .hint(format!(
            "make a new token with read access at {tokens}, or import without one"
        ));
    }
    ProviderError::new(
        ErrorKind::NotFound,
        format!("{name} does not exist at {host}, or is private; the hub does not say which"),
    )
    .hint(format!(
        "check the spelling at {page}; if it is private, give a token from {tokens} \
         (HF_TOKEN, or `modelferry credentials set huggingface`)"
    ))
}

fn forbidden(hub: &Hub<'_>, asked: Asked<'_>, said: &Said) -> ProviderError {
    let (name, page) = (hub.name_of(asked), hub.page(asked));
    let host = hub.endpoint.authority();
    if said.is("GatedRepo") {
        return ProviderError::new(
            ErrorKind::Gated,
            format!("{name} at {host} is gated, and the token's account has no access to it{}", said.quote()),
        )
        .hint(format!(
            "ask for access at {page}; a fine-grained token also needs the permission to read gated repositories"
        ));
    }
    if said.text == "Access to this resource is disabled." {
        return disabled(hub, asked);
    }
    ProviderError::new(
        ErrorKind::AccessDenied,
        format!("{host} does not let this token read {name}{}", said.quote()),
    )
    .hint(format!(
        "open {page} with the same account; a fine-grained token must be allowed to read this repository"
    ))
}

/// The hub took the repository down.
pub(super) fn disabled(hub: &Hub<'_>, asked: Asked<'_>) -> ProviderError {
    let name = hub.name_of(asked);
    ProviderError::new(
        ErrorKind::AccessDenied,
        format!(
            "{name} is disabled by {}: nobody can download it",
            hub.endpoint.authority()
        ),
    )
    .hint(format!("{} may say why; no token helps", hub.page(asked)))
}

fn missing(hub: &Hub<'_>, asked: Asked<'_>, said: &Said) -> ProviderError {
    if said.is("RevisionNotFound") {
        return missing_revision(hub, asked);
    }
    if said.is("EntryNotFound")
        && let Some(path) = asked.path
    {
        return missing_entry(hub, asked, path);
    }
    let (name, page) = (hub.name_of(asked), hub.page(asked));
    let hint = match hub.token {
        Some(_) => format!(
            "check the spelling at {page}; if it is private, the token must be of an account that sees it"
        ),
        None => format!("check the spelling at {page}"),
    };
    ProviderError::new(
        ErrorKind::NotFound,
        format!(
            "{name} is not at {}, or not for this token to see",
            hub.endpoint.authority()
        ),
    )
    .hint(hint)
}

fn missing_revision(hub: &Hub<'_>, asked: Asked<'_>) -> ProviderError {
    ProviderError::new(
        ErrorKind::NotFound,
        format!(
            "{} at {} has no branch, tag or commit {}",
            hub.name_of(asked),
            hub.endpoint.authority(),
            shown(asked.revision)
        ),
    )
    .hint(format!(
        "its branches and tags are listed at {}",
        hub.page(asked)
    ))
}

/// A file or folder that is not in the repository at this revision.
pub(super) fn missing_entry(hub: &Hub<'_>, asked: Asked<'_>, path: &str) -> ProviderError {
    ProviderError::new(
        ErrorKind::NotFound,
        format!(
            "{} at {} has no file or folder {} at revision {}",
            hub.name_of(asked),
            hub.endpoint.authority(),
            shown(path),
            shown(asked.revision)
        ),
    )
    .hint(format!("its files are listed at {}", hub.tree_page(asked)))
    .status(404)
}

fn troubled(hub: &Hub<'_>, asked: Asked<'_>, said: &Said) -> ProviderError {
    let (name, host) = (hub.name_of(asked), hub.endpoint.authority());
    match said.status {
        429 => ProviderError::transient(
            ErrorKind::RateLimited,
            format!("{host} asks us to slow down over {name}{}", said.quote()),
        )
        .hint("wait and run the same again; a token raises the hub's limits"),
        451 => ProviderError::new(
            ErrorKind::RegionBlocked,
            format!(
                "{host} withholds {name} here for legal reasons{}",
                said.quote()
            ),
        )
        .hint(format!(
            "{} may say more; the hub decides by where this machine is",
            hub.page(asked)
        )),
        408 | 425 | 500..=599 => ProviderError::transient(
            ErrorKind::Upstream,
            format!("{host} answered {} for {name}{}", said.status, said.quote()),
        )
        .hint("the hub has trouble; run the same again later"),
        status => ProviderError::new(
            ErrorKind::Upstream,
            format!("{host} answered {status} for {name}{}", said.quote()),
        )
        .hint(format!(
            "see whether {} opens in a browser",
            hub.page(asked)
        )),
    }
}
