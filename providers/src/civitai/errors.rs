//! What the hub's refusals mean, and what a person can do about each.

use super::wire::Failure;
use crate::error::{ErrorKind, ProviderError};
use crate::http::Answer;
use crate::other::sniff;
use crate::time;

/// The most that is read of a refusal's body.
const MOST_READ: usize = 64 * 1024;

/// What was asked for, for the message.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// `model 4384`, `version 128713 of Civitai`, …
    pub what: String,
    /// The page a person would open for it.
    pub page: String,
    /// Whether a token was sent.
    pub with_token: bool,
    /// Whether one would be sent there.
    pub takes_token: bool,
}

/// Names the failure that a hub's answer stands for. Reads its body.
pub(super) async fn refusal(answer: Answer, asked: &Asked) -> ProviderError {
    let Said {
        status,
        host,
        wait,
        request_id,
    } = Said::of(&answer);
    let is_page = answer
        .media_type()
        .is_some_and(|media| media.contains("html"));
    let body = answer.text(MOST_READ).await.unwrap_or_default();
    let failure: Failure = serde_json::from_str(&body).unwrap_or_default();
    let error = if is_page || body.trim_start().starts_with('<') {
        web_page(status, &host, &body, asked)
    } else {
        message(status, &host, &failure, wait.is_some(), asked)
    };
    let mut error = error.status(status).retry_after(wait);
    error.hub_code = failure.code.map(|code| clipped(&code, 80));
    error.request_id = request_id;
    error
}

/// What the hub's own words mean under a status.
fn message(
    status: u16,
    host: &str,
    failure: &Failure,
    has_wait: bool,
    asked: &Asked,
) -> ProviderError {
    let text = spoken(failure);
    match status {
        400 => fatal(
            ErrorKind::InvalidSource,
            format!(
                "{host} can't make sense of the request for {}: {text}",
                asked.what
            ),
        )
        .hint("check the ids and filters in the source"),
        401 => unauthorized(host, &text, asked),
        403 => forbidden(host, failure, &text, asked),
        404 => not_found(host, &text, asked),
        410 => archived(host, &asked.what),
        429 => too_often(host, &text, has_wait),
        451 => fatal(
            ErrorKind::RegionBlocked,
            format!(
                "{host} does not serve this machine's region for legal reasons: {}",
                asked.what
            ),
        )
        .hint("a token does not change that; import from a machine elsewhere"),
        499.. => passing(format!(
            "{host} has a fault of its own (status {status}): {text}"
        ))
        .hint("try again later"),
        _ => fatal(
            ErrorKind::Upstream,
            format!("{host} answered status {status} for {}: {text}", asked.what),
        ),
    }
}

struct Said {
    status: u16,
    host: String,
    wait: Option<std::time::Duration>,
    request_id: Option<String>,
}

impl Said {
    fn of(answer: &Answer) -> Self {
        Self {
            status: answer.status,
            host: answer.url.authority(),
            wait: answer.wait_asked(),
            request_id: answer.request_id(),
        }
    }
}

fn fatal(kind: ErrorKind, message: String) -> ProviderError {
    ProviderError::new(kind, message)
}

fn passing(message: String) -> ProviderError {
    ProviderError::transient(ErrorKind::Upstream, message)
}

/// The hub's own words: the fuller of its two keys.
fn spoken(failure: &Failure) -> String {
    let text = failure
        .message
        .as_deref()
        .or(failure.error.as_deref())
        .unwrap_or("no reason given");
    clipped(text, 200)
}

/// Outside text on one line, at most so many characters of it.
pub(super) fn clipped(text: &str, most: usize) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let clean = words.chars().filter(|c| !c.is_control());
    let mut short: String = clean.take(most).collect();
    if words.chars().count() > most {
        short.push('…');
    }
    short
}

fn unauthorized(host: &str, text: &str, asked: &Asked) -> ProviderError {
    if text.contains("disabled downloads") {
        return downloads_disabled(host, &asked.what);
    }
    login_needed(host, asked)
}

/// The creator lets it be used on the site alone.
pub(super) fn downloads_disabled(host: &str, what: &str) -> ProviderError {
    fatal(
        ErrorKind::AccessDenied,
        format!("the creator of {what} has disabled downloads at {host}"),
    )
    .hint("a token does not help: it can only be used on the site itself; ask its creator")
}

/// The creator, or the hub, hands it to accounts alone.
pub(super) fn login_needed(host: &str, asked: &Asked) -> ProviderError {
    let what = &asked.what;
    if !asked.takes_token {
        return fatal(
            ErrorKind::AuthRequired,
            format!(
                "{what} can be downloaded from {host} only with a login, and no token is sent there"
            ),
        )
        .hint(format!(
            "if you trust {host} with your API key, set CIVITAI_ENDPOINT=https://{host}"
        ));
    }
    if asked.with_token {
        return fatal(
            ErrorKind::AuthRequired,
            format!("{host} does not accept the token for {what}, which needs a login"),
        )
        .hint(format!(
            "make a new API key at https://{host}/user/account and store it with `modelferry credentials set civitai`"
        ));
    }
    fatal(ErrorKind::AuthRequired, format!("{what} can be downloaded from {host} only with a login"))
        .hint(format!(
            "make an API key at https://{host}/user/account and set CIVITAI_API_KEY, or store it with `modelferry credentials set civitai`"
        ))
}

fn forbidden(host: &str, failure: &Failure, text: &str, asked: &Asked) -> ProviderError {
    let says = |word: &str| {
        [&failure.error, &failure.message]
            .into_iter()
            .flatten()
            .any(|said| said.contains(word))
    };
    if says("Early Access") {
        let until = failure.deadline.as_deref().and_then(time::shown);
        return early_access(host, asked, until.as_deref());
    }
    if says("do not have access") {
        return no_grant(host, asked);
    }
    fatal(
        ErrorKind::AccessDenied,
        format!(
            "{host} refuses {} to this account or address: {text}",
            asked.what
        ),
    )
    .hint("the hub blocks the account or the network; another login does not help, its support may")
}

/// Sold before it becomes free, `until` then as a person reads it.
pub(super) fn early_access(host: &str, asked: &Asked, until: Option<&str>) -> ProviderError {
    let (what, page) = (&asked.what, &asked.page);
    let token = match (asked.takes_token, asked.with_token) {
        (true, true) => String::new(),
        (true, false) => " and use that account's API key".to_owned(),
        (false, _) => format!(" and set CIVITAI_ENDPOINT=https://{host} to use its API key there"),
    };
    let (message, hint) = match until {
        Some(until) => (
            format!("{what} is in early access at {host} until {until}"),
            format!("buy access at {page}{token}, or wait until then"),
        ),
        None => (
            format!("{what} is in early access at {host}, which names no date for its end"),
            format!("buy access at {page}{token}"),
        ),
    };
    fatal(ErrorKind::EarlyAccess, message).hint(hint)
}

/// Handed to chosen accounts only.
fn no_grant(host: &str, asked: &Asked) -> ProviderError {
    let who = if asked.with_token {
        "the token's account has"
    } else {
        "without a login there is"
    };
    fatal(
        ErrorKind::AccessDenied,
        format!("{who} no access to {} at {host}", asked.what),
    )
    .hint(format!(
        "its creator decides who has access: see {}",
        asked.page
    ))
}

fn not_found(host: &str, text: &str, asked: &Asked) -> ProviderError {
    fatal(
        ErrorKind::NotFound,
        format!("{host} has no {} to hand out ({text})", asked.what),
    )
    .hint(format!(
        "it may be deleted, unpublished or hidden: open {} to see",
        asked.page
    ))
}

/// Still listed, its files gone.
pub(super) fn archived(host: &str, what: &str) -> ProviderError {
    fatal(
        ErrorKind::Archived,
        format!("{what} is archived at {host} and no longer handed out"),
    )
    .hint("a token does not help; look for another upload of it")
}

/// The download limit is counted by account or address and lasts long, so it
/// is not worth another try at once; a plain 429 with its wait is.
fn too_often(host: &str, text: &str, has_wait: bool) -> ProviderError {
    let message = format!("{host} was asked too often: {text}");
    if has_wait || !text.contains("amount of downloading") {
        return ProviderError::transient(ErrorKind::RateLimited, message).hint("try again later");
    }
    fatal(ErrorKind::RateLimited, message).hint(
        "the hub limits this account's downloads: come back in some hours, or write to its support",
    )
}

/// A firewall's or a CDN's page in place of the hub's own words.
fn web_page(status: u16, host: &str, body: &str, asked: &Asked) -> ProviderError {
    let title = sniff::says(sniff::Text::Html, body).unwrap_or_else(|| "no title".to_owned());
    match status {
        500.. => passing(format!("{host} is out of order (status {status}): {title}"))
            .hint("try again later"),
        403 | 401 => fatal(
            ErrorKind::AccessDenied,
            format!("a firewall before {host} refuses {}: {title}", asked.what),
        )
        .hint("it judges by network and client, not by login; try later or from another network"),
        404 => fatal(ErrorKind::NotFound, format!("{host} has no {}", asked.what))
            .hint(format!("open {} to see", asked.page)),
        451 => fatal(
            ErrorKind::RegionBlocked,
            format!("{host} does not serve this machine's region: {title}"),
        )
        .hint("a token does not change that; import from a machine elsewhere"),
        429 => too_often(host, &title, false),
        _ => fatal(
            ErrorKind::Upstream,
            format!(
                "{host} answered with a web page for {}: {title}",
                asked.what
            ),
        )
        .hint(format!("open {} to see what the hub wants", asked.page)),
    }
}

/// A page or a message where a file was meant.
pub(super) fn page_not_file(
    host: &str,
    file: &str,
    form: sniff::Text,
    title: Option<String>,
) -> ProviderError {
    let titled = title.map_or_else(String::new, |title| format!(", \"{title}\","));
    fatal(
        ErrorKind::HtmlInsteadOfFile,
        format!("{host} sent {}{titled} in place of {file}", form.as_str()),
    )
    .hint("the hub or its storage is out of order, or wants something of you; open the model's page to see")
}
