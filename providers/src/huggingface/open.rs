//! A file's bytes, by way of the hub's redirect.
//!
//! What the hub knows of a file (its commit, hash and size) stands on the
//! redirect alone; the storage behind it speaks for nothing but bytes. So each
//! hop of the hub's own is read before it is followed, and the last hop's
//! entity tag is a validator, never a hash: the CDN's is 64 digits too, and
//! another hash.

use bytes::Bytes;
use futures_util::{StreamExt, stream};

use super::errors::{Asked, refusal, shown};
use super::hub::Hub;
use super::links::Links;
use super::repo::{Commit, HfOrigin};
use crate::artifact::{Artifact, Body, ByteRange, Validator};
use crate::digest::{GitSha1, Sha256};
use crate::error::{ErrorKind, ProviderError};
use crate::http::{Answer, Request};
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
    if answer.is_success() || answer.status == 416 || answer.redirect()?.is_some() {
        return Ok(());
    }
    let commit = origin.commit.to_string();
    Err(refusal(hub, Asked::file(origin, &commit), answer).await)
}

/// Opens a file at a range.
pub(super) async fn open(
    hub: &Hub<'_>,
    links: &Links,
    file: &Artifact,
    origin: &HfOrigin,
    range: &ByteRange,
) -> Result<Body, ProviderError> {
    if let Some(size) = file
        .size
        .exact()
        .filter(|size| range.start > 0 && range.start >= *size)
    {
        return at_or_past_the_end(file, range.start, size);
    }
    let key = links.key(origin, hub.token);
    if let Some(link) = links.get(&key) {
        let answer = fetch(hub, &link, range).await?;
        if !is_refused(&answer) {
            return body(file, range, answer);
        }
        links.forget(&key);
    }
    let request = Request::get(hub.content_url(origin))
        .bearer(hub.token)
        .range(range);
    let answer = hub
        .ask(request, |answer| check_pinned(answer, file, origin))
        .await?;
    let Some(link) = answer.redirect()? else {
        if answer.is_success() || answer.status == 416 {
            return body(file, range, answer);
        }
        let commit = origin.commit.to_string();
        return Err(refusal(hub, Asked::file(origin, &commit), answer).await);
    };
    let link = secure(hub, link)?;
    let answer = fetch(hub, &link, range).await?;
    if is_refused(&answer) {
        return Err(refused_link(file, &answer));
    }
    links.keep(key, link);
    body(file, range, answer)
}

fn at_or_past_the_end(file: &Artifact, start: u64, size: u64) -> Result<Body, ProviderError> {
    if start > size {
        return Err(ProviderError::new(
            ErrorKind::SizeMismatch,
            format!(
                "{} has {size} bytes, none at {start}",
                shown(file.path.as_str())
            ),
        ));
    }
    Ok(Body {
        offset: size,
        end: Some(size),
        total: Some(size),
        validator: None,
        digest: None,
        media_type: None,
        bytes: stream::empty::<Result<Bytes, ProviderError>>().boxed(),
    })
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
    let trouble = Trouble {
        file,
        host: answer.url.authority(),
        status: answer.status,
    };
    refuse_other_forms(&trouble, &answer)?;
    if answer.is_success()
        && range
            .validator
            .as_ref()
            .is_some_and(|held| names_other(&answer, held))
    {
        return Err(trouble.changed("its content changed since the first bytes"));
    }
    let (offset, end, total) = match answer.status {
        206 => part(&trouble, range, &answer)?,
        200 => whole(&trouble, &answer)?,
        416 => return Err(trouble.unsatisfiable(&answer)),
        429 => return Err(trouble.rate_limited(&answer)),
        _ => return Err(trouble.upstream("an answer that carries no file")),
    };
    Ok(Body {
        offset,
        end,
        total,
        validator: answer.validator(),
        digest: None,
        media_type: answer.header("content-type").map(str::to_owned),
        bytes: answer.into_bytes(),
    })
}

type Span = (u64, Option<u64>, Option<u64>);

fn part(trouble: &Trouble<'_>, range: &ByteRange, answer: &Answer) -> Result<Span, ProviderError> {
    let Some(given) = answer.content_range() else {
        return Err(trouble.upstream("a part without saying which"));
    };
    if let (Some(total), Some(size)) = (given.total, trouble.file.size.exact())
        && total != size
    {
        return Err(trouble.changed(&format!("it now has {total} bytes instead of {size}")));
    }
    if given.start != range.start || range.end.is_some_and(|end| given.end > end) {
        return Err(trouble.upstream("another part than was asked for"));
    }
    Ok((given.start, Some(given.end), given.total))
}

fn whole(trouble: &Trouble<'_>, answer: &Answer) -> Result<Span, ProviderError> {
    let length = answer.content_length();
    if let (Some(length), Some(size)) = (length, trouble.file.size.exact())
        && length != size
    {
        return Err(ProviderError::new(
            ErrorKind::SizeMismatch,
            format!(
                "{} sends {length} bytes for {}, which has {size}",
                trouble.host,
                trouble.name()
            ),
        )
        .status(trouble.status));
    }
    Ok((0, length, length))
}

/// Whether the answer's validator says that this is not the content that
/// `held` names. One that says nothing is no proof of either.
fn names_other(answer: &Answer, held: &Validator) -> bool {
    match held {
        // A weak or unquoted tag can't be compared (RFC 9110 §8.8.3.2).
        Validator::Etag(tag) => answer
            .header("etag")
            .is_some_and(|now| now.starts_with('"') && now != tag),
        Validator::Modified(date) => answer
            .header("last-modified")
            .is_some_and(|now| now != date),
    }
}

/// Refuses a web page in place of a file, and bytes that are not the file's own.
fn refuse_other_forms(trouble: &Trouble<'_>, answer: &Answer) -> Result<(), ProviderError> {
    let media_type = answer.header("content-type").unwrap_or_default();
    let is_page = media_type
        .trim()
        .to_ascii_lowercase()
        .starts_with("text/html");
    let name = trouble.file.path.name().to_ascii_lowercase();
    let is_meant = [".html", ".htm", ".xhtml"]
        .iter()
        .any(|end| name.ends_with(end));
    if answer.is_success() && is_page && !is_meant {
        return Err(ProviderError::new(
            ErrorKind::HtmlInsteadOfFile,
            format!(
                "{} sent a web page in place of {}",
                trouble.host,
                trouble.name()
            ),
        )
        .status(trouble.status)
        .hint(
            "a proxy or login page may stand in between; open the address in a browser to see it",
        ));
    }
    match answer.header("content-encoding") {
        None | Some("" | "identity") => Ok(()),
        Some(_) => Err(trouble.upstream("compressed bytes although the file's own were asked for")),
    }
}

/// What went wrong with which file from which host.
struct Trouble<'a> {
    file: &'a Artifact,
    host: String,
    status: u16,
}

impl Trouble<'_> {
    fn name(&self) -> String {
        shown(self.file.path.as_str())
    }

    fn changed(&self, how: &str) -> ProviderError {
        ProviderError::new(
            ErrorKind::SourceChanged,
            format!("{} at {} is not what it was: {how}", self.name(), self.host),
        )
        .status(self.status)
        .hint("import it again from the start")
    }

    fn upstream(&self, what: &str) -> ProviderError {
        let message = format!(
            "{} answered {} for {}: {what}",
            self.host,
            self.status,
            self.name()
        );
        if self.status >= 500 {
            ProviderError::transient(ErrorKind::Upstream, message)
        } else {
            ProviderError::new(ErrorKind::Upstream, message)
        }
        .status(self.status)
    }

    fn rate_limited(&self, answer: &Answer) -> ProviderError {
        ProviderError::transient(
            ErrorKind::RateLimited,
            format!("{} asks us to slow down over {}", self.host, self.name()),
        )
        .status(self.status)
        .retry_after(answer.wait_asked())
    }

    /// A range that is not there. `Content-Range: bytes */N` says how long the
    /// file is now (RFC 9110 §15.5.17).
    fn unsatisfiable(&self, answer: &Answer) -> ProviderError {
        let now = answer
            .header("content-range")
            .and_then(|text| text.trim().strip_prefix("bytes */")?.parse::<u64>().ok());
        match (now, self.file.size.exact()) {
            (Some(now), Some(size)) if now != size => {
                self.changed(&format!("it now has {now} bytes instead of {size}"))
            }
            _ => self.upstream("no such part of the file"),
        }
    }
}
