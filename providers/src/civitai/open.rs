//! An open file: the storage's bytes, held against what the hub said of them.

use super::CivitaiOrigin;
use super::api::Api;
use super::download;
use super::errors;
use super::links::{Lent, Link, Links};
use crate::artifact::{Artifact, Body, ByteRange, Size};
use crate::error::{ErrorKind, ProviderError};
use crate::http::{Answer, Request, ranged};
use crate::other::sniff;

/// Bytes that tell a page from a file.
const ENOUGH: usize = 512;
/// The most that is read of a page in place of a file.
const MOST_READ: usize = 64 * 1024;

/// Opens a file at a range, over the link that is kept or a new one.
pub(super) async fn open(
    api: &Api<'_>,
    links: &Links,
    file: &Artifact,
    origin: &CivitaiOrigin,
    range: &ByteRange,
) -> Result<Body, ProviderError> {
    let key = links.key(origin, api.token);
    let mut is_second = false;
    loop {
        let lent = links.lend(&key, || download::link(api, origin)).await?;
        let answer = fetch(api, &lent, range).await?;
        let worn_out = matches!(answer.status, 401 | 403 | 404 | 410) && !lent.link.is_hubs;
        if worn_out {
            links.give_up(&key, &lent);
            if !is_second {
                is_second = true;
                continue;
            }
        }
        return body(api, answer, &lent.link, file, origin, range).await;
    }
}

/// The storage gets no token: it answers 400 to one, and it is not the hub's own.
async fn fetch(api: &Api<'_>, lent: &Lent, range: &ByteRange) -> Result<Answer, ProviderError> {
    let token = api
        .token
        .filter(|_| lent.link.is_hubs && lent.link.url.same_origin(&api.base));
    let request = Request::get(lent.link.url.clone())
        .bearer(token)
        .range(range);
    api.http.follow(&request).await
}

async fn body(
    api: &Api<'_>,
    mut answer: Answer,
    link: &Link,
    file: &Artifact,
    origin: &CivitaiOrigin,
    range: &ByteRange,
) -> Result<Body, ProviderError> {
    if link.is_hubs && !matches!(answer.status, 200 | 206 | 416) {
        let asked = api.asked(download::what(origin), api.page(None, Some(origin.version)));
        return Err(errors::refusal(answer, &asked).await);
    }
    if matches!(answer.status, 401 | 403 | 404 | 410) {
        return Err(refused_by_storage(&answer, file));
    }
    refuse_page(&mut answer, file).await?;
    let body = ranged::body(answer, range, file.size.exact())?;
    if !link.by_id {
        check_stand_in(&body, file)?;
    }
    Ok(body)
}

/// Looks at the first bytes, whatever type they claim to be. Configurations
/// and workflows may be text themselves.
async fn refuse_page(answer: &mut Answer, file: &Artifact) -> Result<(), ProviderError> {
    let starts =
        answer.status == 200 || answer.content_range().is_some_and(|range| range.start == 0);
    if !starts || !answer.is_success() {
        return Ok(());
    }
    let head = answer.peek(ENOUGH).await?;
    let Some(form) = sniff::unexpected(&head, Some(file.path.name())) else {
        return Ok(());
    };
    // Its title is worth a longer look, but a page that breaks off is a page.
    let page = answer.peek(MOST_READ).await.unwrap_or(head);
    let title = sniff::says(form, &String::from_utf8_lossy(&page));
    Err(errors::page_not_file(
        &answer.url.authority(),
        file.path.as_str(),
        form,
        title,
    ))
}

/// A file found by its filters may be another one. With a SHA-256 the transfer
/// tells; without, the length must be the stated one to the byte.
fn check_stand_in(body: &Body, file: &Artifact) -> Result<(), ProviderError> {
    if file.digests.sha256.is_some() {
        return Ok(());
    }
    let stated = match file.size {
        Size::Exact(bytes) | Size::About(bytes) => Some(bytes),
        Size::Unknown => None,
    };
    if stated.is_some() && stated == body.total {
        return Ok(());
    }
    Err(ProviderError::new(
        ErrorKind::SizeMismatch,
        format!(
            "the hub can't find {} by its id, and gives another file in its place ({} bytes, not {})",
            file.path,
            body.total.map_or("unknown".to_owned(), |bytes| bytes.to_string()),
            stated.map_or("unknown".to_owned(), |bytes| bytes.to_string()),
        ),
    )
    .hint("try again later; if it stays so, tell the hub's support that the file is missing"))
}

fn refused_by_storage(answer: &Answer, file: &Artifact) -> ProviderError {
    let host = answer.url.authority();
    let kind = if answer.status == 404 {
        ErrorKind::NotFound
    } else {
        ErrorKind::Upstream
    };
    let mut error = ProviderError::transient(
        kind,
        format!("the hub's storage {host} refuses a fresh link to {} (status {})", file.path, answer.status),
    )
    .status(answer.status)
    .hint("the storage is out of order or the clocks of this machine and the hub differ; try again later");
    error.request_id = answer.request_id();
    error
}
