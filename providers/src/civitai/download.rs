//! The download endpoint: proof of access, and a signed link to the bytes.

use tokio::time::Instant;

use super::CivitaiOrigin;
use super::api::Api;
use super::errors::{self, Asked};
use super::links::{self, Link};
use crate::artifact::ByteRange;
use crate::error::{ErrorKind, ProviderError};
use crate::http::{Answer, Request};
use crate::time;
use crate::url::SafeUrl;

/// Redirects from one address of the hub to another that are followed.
const MOST_MOVES: usize = 3;

/// Asks for a file and returns where its bytes are, without fetching them.
///
/// By file id always; when the hub can't find it so, once more, since its
/// storage fails like that for a moment; then by the file's own download URL.
pub(super) async fn link(api: &Api<'_>, file: &CivitaiOrigin) -> Result<Link, ProviderError> {
    let by_id = endpoint(
        api,
        file,
        file.file
            .map(|id| format!("fileId={id}"))
            .unwrap_or_default(),
    );
    let asked = api.asked(what(file), api.page(None, Some(file.version)));
    let first = request(api, &by_id, file, &asked).await;
    let Err(error) = first else {
        return first;
    };
    if !is_misplaced(&error) {
        return Err(error);
    }
    let again = request(api, &by_id, file, &asked).await;
    match (again, &file.download_query) {
        (Err(error), Some(query)) if is_misplaced(&error) && file.file.is_some() => {
            let by_url = endpoint(api, file, query.clone());
            let link = request(api, &by_url, file, &asked).await?;
            Ok(Link {
                by_id: false,
                ..link
            })
        }
        (again, _) => again,
    }
}

/// `file 93208 of version 128713 of Civitai`.
pub(super) fn what(file: &CivitaiOrigin) -> String {
    let version = format!("version {} of Civitai", file.version);
    file.file
        .map_or(version.clone(), |id| format!("file {id} of {version}"))
}

fn endpoint(api: &Api<'_>, file: &CivitaiOrigin, query: String) -> SafeUrl {
    let path = ["api", "download", "models"]
        .map(str::to_owned)
        .into_iter()
        .chain([file.version.to_string()]);
    api.base.with_segments(path).with_query(&query)
}

fn is_misplaced(error: &ProviderError) -> bool {
    error.status == Some(404) && error.message.contains("File not found")
}

/// One counted request, and what its answer means.
async fn request(
    api: &Api<'_>,
    url: &SafeUrl,
    file: &CivitaiOrigin,
    asked: &Asked,
) -> Result<Link, ProviderError> {
    let mut url = url.clone();
    for _ in 0..=MOST_MOVES {
        let answer = api.http.send(&first_byte(api, &url)).await?;
        let Some(target) = answer.redirect()? else {
            return served(answer, asked).await;
        };
        if url.as_url().scheme() == "https" && target.as_url().scheme() == "http" {
            return Err(downgraded(&url, &target));
        }
        if !target
            .as_url()
            .path()
            .ends_with(&format!("/download/models/{}", file.version))
        {
            return redirected(api, &answer, target, asked);
        }
        url = target;
    }
    Err(ProviderError::new(
        ErrorKind::Upstream,
        format!(
            "{} sends {} from one address to the next",
            api.host(),
            asked.what
        ),
    ))
}

/// A HEAD is refused even with a token, so one byte is asked for.
fn first_byte(api: &Api<'_>, url: &SafeUrl) -> Request {
    let token = api.token.filter(|_| url.same_origin(&api.base));
    let range = ByteRange {
        start: 0,
        end: Some(1),
        validator: None,
    };
    Request::get(url.clone())
        .bearer(token)
        .range(&range)
        .counted()
}

/// The hub sends the bytes itself, as a stand-in for it may; or refuses.
async fn served(answer: Answer, asked: &Asked) -> Result<Link, ProviderError> {
    if !matches!(answer.status, 200 | 206) {
        return Err(errors::refusal(answer, asked).await);
    }
    Ok(Link {
        url: answer.url.clone(),
        is_hubs: true,
        by_id: true,
        proven: Instant::now(),
        until: None,
    })
}

/// To storage, by a signed link; or to a page, which means no.
fn redirected(
    api: &Api<'_>,
    answer: &Answer,
    target: SafeUrl,
    asked: &Asked,
) -> Result<Link, ProviderError> {
    let names: Vec<&str> = target
        .as_url()
        .path()
        .split('/')
        .filter(|name| !name.is_empty())
        .collect();
    let is_hubs = target.same_origin(&api.base) || target.same_origin(&answer.url);
    match names.as_slice() {
        // Logins have a domain of their own since 2026.
        [.., "login"] => {
            return Err(errors::login_needed(&api.host(), asked).status(answer.status));
        }
        [.., "model-versions" | "models", _] if is_hubs => {
            return Err(shown_the_page(api, answer, asked));
        }
        _ => {}
    }
    let date = answer
        .header("date")
        .and_then(|date| httpdate::parse_http_date(date).ok());
    let since = date.and_then(|date| date.duration_since(std::time::UNIX_EPOCH).ok());
    let now = since
        .and_then(|since| i64::try_from(since.as_secs()).ok())
        .unwrap_or_else(time::now);
    let until = links::lifetime(target.as_url(), now).map(|left| Instant::now() + left);
    Ok(Link {
        url: target,
        is_hubs: false,
        by_id: true,
        proven: Instant::now(),
        until,
    })
}

fn shown_the_page(api: &Api<'_>, answer: &Answer, asked: &Asked) -> ProviderError {
    ProviderError::new(
        ErrorKind::AccessDenied,
        format!(
            "{} shows the page of {} in place of handing it out",
            api.host(),
            asked.what
        ),
    )
    .status(answer.status)
    .hint(format!("open {} to see what stands in the way", asked.page))
}

fn downgraded(from: &SafeUrl, to: &SafeUrl) -> ProviderError {
    ProviderError::new(
        ErrorKind::BlockedAddress,
        format!(
            "{} redirects from https to http at {}",
            from.authority(),
            to.authority()
        ),
    )
}
