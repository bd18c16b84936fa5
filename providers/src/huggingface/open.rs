//! A file's bytes, by way of the hub's redirect.
//!
//! What the hub knows of a file (its commit, hash and size) stands on the
//! redirect alone; the storage behind it speaks for nothing but bytes. So each
//! hop of the hub's own is read before it is followed, and the last hop's
//! entity tag is a validator, never a hash: the CDN's is 64 digits too, and
//! another hash.

use super::errors::{Asked, refusal, shown};
use super::hub::Hub;
use super::links::{Links, Way};
use super::repo::{Commit, HfOrigin};
use crate::artifact::{Artifact, Body, ByteRange};
use crate::digest::{GitSha1, Sha256};
use crate::error::{ErrorKind, ProviderError};
use crate::http::{Answer, Request, ranged};
use crate::url::SafeUrl;

/// Asks for the headers of a file, up to where the hub would hand it out.
pub(super) async fn may_read(
    hub: &Hub<'_>,
    file: &Artifact,
    origin: &HfOrigin,
) -> Result<(), ProviderError> {
    let url = hub.content_url(origin);
    let inspect = |answer: &Answer| check_pinned(answer, file, origin);
    let head = Request::head(url.clone()).bearer(hub.token);
    let mut answer = hub.ask(head, inspect).await?;
    if matches!(answer.status, 405 | 501) {
        // Some mirrors know no HEAD. Of one byte asked for, none is read.
        let one = ByteRange {
            start: 0,
            end: Some(1),
            validator: None,
        };
        let get = Request::get(url).bearer(hub.token).range(&one);
        answer = hub.ask(get, inspect).await?;
    }
    if answer.status == 416 || is_handed_out(&answer)? {
        return Ok(());
    }
    let commit = origin.commit.to_string();
    Err(refusal(hub, Asked::file(origin, &commit), answer).await)
}

/// Whether the hub answers with a file, or with where it is.
pub(super) fn is_handed_out(answer: &Answer) -> Result<bool, ProviderError> {
    Ok(answer.is_success() || answer.redirect()?.is_some())
}

/// Opens a file at a range, over the link that is kept or a new one.
pub(super) async fn open(
    hub: &Hub<'_>,
    links: &Links,
    file: &Artifact,
    origin: &HfOrigin,
    range: &ByteRange,
) -> Result<Body, ProviderError> {
    let key = links.key(origin, hub.token);
    let mut is_second = false;
    loop {
        let mut own = None;
        let ask = async {
            let answer = Box::pin(content(hub, file, origin, range)).await?;
            if let Some(link) = answer.redirect()? {
                return Ok(Way::Link(secure(hub, link)?));
            }
            own = Some(answer);
            Ok(Way::Hub)
        };
        let lent = links.lend(&key, ask).await?;
        let answer = match (own, &lent.way) {
            (Some(answer), _) => answer,
            (None, Way::Link(link)) => Box::pin(fetch(hub, link, range)).await?,
            (None, Way::Hub) => Box::pin(content(hub, file, origin, range)).await?,
        };
        // A link that wore out, or a hub that hands out links by now.
        let is_over = match lent.way {
            Way::Link(_) => is_refused(&answer),
            Way::Hub => answer.redirect()?.is_some(),
        };
        if !is_over {
            return body(file, range, answer);
        }
        links.give_up(&key, &lent);
        if is_second {
            return Err(refused_link(file, &answer));
        }
        is_second = true;
    }
}

/// Asks the hub itself for a file: its bytes, or a redirect to them.
async fn content(
    hub: &Hub<'_>,
    file: &Artifact,
    origin: &HfOrigin,
    range: &ByteRange,
) -> Result<Answer, ProviderError> {
    let request = Request::get(hub.content_url(origin))
        .bearer(hub.token)
        .range(range);
    let answer = hub
        .ask(request, |answer| check_pinned(answer, file, origin))
        .await?;
    if answer.is_success() || answer.status == 416 || answer.redirect()?.is_some() {
        return Ok(answer);
    }
    let commit = origin.commit.to_string();
    Err(refusal(hub, Asked::file(origin, &commit), answer).await)
}

/// Asks the storage behind the hub. No token goes along.
async fn fetch(hub: &Hub<'_>, link: &SafeUrl, range: &ByteRange) -> Result<Answer, ProviderError> {
    hub.http
        .follow(&Request::get(link.clone()).range(range))
        .await
}

/// A step from https down to http would show the file to everyone on the way.
fn secure(hub: &Hub<'_>, link: SafeUrl) -> Result<SafeUrl, ProviderError> {
    let is_https = |url: &SafeUrl| url.as_url().scheme() == "https";
    if is_https(hub.endpoint) && !is_https(&link) {
        return Err(ProviderError::new(
            ErrorKind::BlockedAddress,
            format!(
                "{} redirects from https to http at {}",
                hub.endpoint.authority(),
                link.authority()
            ),
        )
        .hint(
            "anyone between could change the file; ask who runs this endpoint for an https one",
        ));
    }
    Ok(link)
}

/// Whether the storage no longer takes a link: what S3 and CloudFront answer
/// for one that expired or is not theirs.
fn is_refused(answer: &Answer) -> bool {
    matches!(answer.status, 400 | 401 | 403 | 404 | 410)
}

fn refused_link(file: &Artifact, answer: &Answer) -> ProviderError {
    ProviderError::transient(
        ErrorKind::Upstream,
        format!(
            "{} answered {} to a fresh link for {}",
            answer.url.authority(),
            answer.status,
            shown(file.path.as_str())
        ),
    )
    .status(answer.status)
    .hint("run the same again; if it stays so, the hub has lost the file")
}

/// Checks what the hub says of the file, on each of its own hops, against
/// what was pinned.
fn check_pinned(answer: &Answer, file: &Artifact, origin: &HfOrigin) -> Result<(), ProviderError> {
    if answer.status >= 400 {
        return Ok(());
    }
    let changed = |what: &str| {
        Err(ProviderError::new(
            ErrorKind::SourceChanged,
            format!(
                "{} now answers another {what} for {} of {} than it listed",
                answer.url.authority(),
                shown(origin.path.as_str()),
                origin.repo
            ),
        )
        .hint("import it again to pin what is there now"))
    };
    let commit = answer.header("x-repo-commit").map(Commit::parse);
    if commit.is_some_and(|commit| commit != Ok(origin.commit)) {
        return changed("commit");
    }
    let stated: Option<u64> = answer
        .header("x-linked-size")
        .and_then(|size| size.parse().ok());
    if let (Some(stated), Some(size)) = (stated, file.size.exact())
        && size != stated
    {
        return changed("size");
    }
    let tag = answer
        .header("x-linked-etag")
        .map(bare_tag)
        .unwrap_or_default();
    let sha256 = tag.parse::<Sha256>().ok().zip(file.digests.sha256);
    let git_sha1 = tag.parse::<GitSha1>().ok().zip(file.digests.git_sha1);
    if sha256.is_some_and(|(a, b)| a != b) || git_sha1.is_some_and(|(a, b)| a != b) {
        return changed("hash");
    }
    Ok(())
}

/// An entity tag without weakness mark and quotes, which mirrors leave out.
fn bare_tag(tag: &str) -> &str {
    tag.trim().trim_start_matches("W/").trim_matches('"')
}

/// The bytes of an answer, once its headers fit the request and the pin.
fn body(file: &Artifact, range: &ByteRange, answer: Answer) -> Result<Body, ProviderError> {
    if answer.is_success() && is_page(&answer) && !is_page_meant(file) {
        return Err(ProviderError::new(
            ErrorKind::HtmlInsteadOfFile,
            format!(
                "{} sent a web page in place of {}",
                answer.url.authority(),
                shown(file.path.as_str())
            ),
        )
        .status(answer.status)
        .hint("a proxy or login page may stand in between; open the repository in a browser"));
    }
    let body = ranged::body(answer, range, file.size.exact())?;
    Ok(Body {
        // What the hub stated is checked; a digest header of a CDN adds nothing to it.
        digest: None,
        ..body
    })
}

fn is_page(answer: &Answer) -> bool {
    let media_type = answer.media_type();
    matches!(
        media_type.as_deref(),
        Some("text/html" | "application/xhtml+xml")
    )
}

fn is_page_meant(file: &Artifact) -> bool {
    let name = file.path.name().to_ascii_lowercase();
    [".html", ".htm", ".xhtml"]
        .iter()
        .any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Http, HttpSettings};

    #[test]
    fn a_link_of_an_https_hub_is_an_https_link() {
        let http = Http::new(HttpSettings::default()).unwrap();
        for (endpoint, link, good) in [
            (
                "https://huggingface.co",
                "https://cdn.example/x?sig=1",
                true,
            ),
            (
                "https://huggingface.co",
                "http://cdn.example/x?sig=1",
                false,
            ),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8081/x", true),
            ("http://127.0.0.1:8080", "https://cdn.example/x", true),
        ] {
            let endpoint = SafeUrl::parse(endpoint).unwrap();
            let hub = Hub {
                endpoint: &endpoint,
                http: &http,
                token: None,
            };
            let kept = secure(&hub, SafeUrl::parse(link).unwrap());
            let kind = kept.map(drop).map_err(|error| error.kind);
            let expected = if good {
                Ok(())
            } else {
                Err(ErrorKind::BlockedAddress)
            };
            assert_eq!(kind, expected, "{link}");
        }
    }

    #[test]
    fn entity_tags_are_read_in_every_form() {
        for tag in ["abc", "\"abc\"", "W/\"abc\"", " \"abc\" "] {
            assert_eq!(bare_tag(tag), "abc");
        }
    }
}
