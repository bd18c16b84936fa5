//! An answer to a ranged request, held against what was asked and what was
//! pinned. The one place that decides whether its bytes may be joined to others.

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, stream};

use super::{Answer, ContentRange};
use crate::artifact::{Body, ByteRange, MAX_SIZE, Validator};
use crate::error::{ErrorKind, ProviderError};
use crate::url::SafeUrl;

/// Makes an open [`Body`] of an answer, or says why it is not the content asked for.
///
/// `pinned_total` is the file's exact length, where the plan knows it.
///
/// - 206: `Content-Range` must be there, start where asked, end no later than
///   asked and agree with the pinned length and the validator.
/// - 200 to a part: a server that ignores ranges answers from zero. With a
///   validator asked for, the answer must carry the same one.
/// - 416 at the very end of a file of unknown length: an empty body.
/// - An encoded body, several parts, or another status is an error; so are,
///   in the stream, more or fewer bytes than the headers promised.
///
/// # Errors
/// [`ErrorKind::SourceChanged`], [`ErrorKind::SizeMismatch`] (another length
/// than pinned, and no validator to tell whose fault it is),
/// [`ErrorKind::Upstream`], or what the status stands for ([`Answer::refusal`]).
pub fn body(
    answer: Answer,
    asked: &ByteRange,
    pinned_total: Option<u64>,
) -> Result<Body, ProviderError> {
    match answer.status {
        206 => partial(answer, asked, pinned_total),
        200 => full(answer, asked, pinned_total),
        416 => at_the_end(&answer, asked, pinned_total),
        _ => Err(answer.refusal()),
    }
}

fn partial(answer: Answer, asked: &ByteRange, pinned: Option<u64>) -> Result<Body, ProviderError> {
    answer.check_encoding()?;
    let range = answer.content_range().ok_or_else(|| {
        wrong(
            &answer,
            "answered with a part of the file but not which part",
        )
    })?;
    check_validator(&answer, asked, false)?;
    let total = agreed_total(&answer, asked, range.total, pinned)?;
    check_part(&answer, asked, range, total)?;
    Ok(Body {
        offset: range.start,
        end: Some(range.end),
        total,
        validator: answer.validator(),
        digest: answer.digest(),
        media_type: answer.media_type(),
        pushbacks: answer.pushbacks,
        bytes: counted(answer, Some(range.end - range.start)),
    })
}

fn check_part(
    answer: &Answer,
    asked: &ByteRange,
    range: ContentRange,
    total: Option<u64>,
) -> Result<(), ProviderError> {
    let last = asked.end.or(total).unwrap_or(u64::MAX);
    if range.start != asked.start || range.end > last {
        return Err(wrong(answer, "answered with another range than was asked"));
    }
    let length = range.end - range.start;
    match answer.content_length() {
        Some(stated) if stated != length => Err(wrong(
            answer,
            "contradicts itself about how many bytes it sends",
        )),
        _ => Ok(()),
    }
}

fn full(answer: Answer, asked: &ByteRange, pinned: Option<u64>) -> Result<Body, ProviderError> {
    answer.check_encoding()?;
    check_validator(&answer, asked, !asked.is_whole())?;
    let total = agreed_total(&answer, asked, answer.content_length(), pinned)?;
    Ok(Body {
        offset: 0,
        end: total,
        total,
        validator: answer.validator(),
        digest: answer.digest(),
        media_type: answer.media_type(),
        pushbacks: answer.pushbacks,
        bytes: counted(answer, total),
    })
}

/// Asked for more when there was no more: fine where nobody knew the length.
fn at_the_end(
    answer: &Answer,
    asked: &ByteRange,
    pinned: Option<u64>,
) -> Result<Body, ProviderError> {
    let total = agreed_total(answer, asked, answer.unsatisfied_total(), pinned)?;
    match total {
        Some(total) if total == asked.start => Ok(Body {
            offset: total,
            end: Some(total),
            total: Some(total),
            validator: asked.validator.clone(),
            digest: None,
            media_type: None,
            pushbacks: answer.pushbacks,
            bytes: stream::empty().boxed(),
        }),
        Some(total) if total < asked.start && pinned.is_none() => {
            Err(changed(answer, "it is shorter than the part already held"))
        }
        _ => Err(wrong(
            answer,
            "says that the range asked for does not exist",
        )),
    }
}

/// Holds the answer's validator against the one asked for. Validators of
/// different kinds can't be compared; `needed` says whether that is a failure.
fn check_validator(answer: &Answer, asked: &ByteRange, needed: bool) -> Result<(), ProviderError> {
    let Some(wanted) = &asked.validator else {
        return Ok(());
    };
    let same = match (wanted, answer.validator()) {
        (Validator::Etag(wanted), Some(Validator::Etag(found))) => Some(*wanted == found),
        (Validator::Modified(wanted), Some(Validator::Modified(found))) => Some(*wanted == found),
        _ => answer
            .header("last-modified")
            .and_then(|date| match wanted {
                Validator::Modified(wanted) => Some(wanted == date),
                Validator::Etag(_) => None,
            }),
    };
    match same {
        Some(true) => Ok(()),
        None if !needed => Ok(()),
        _ => Err(changed(
            answer,
            "its validator is no longer the one first seen",
        )),
    }
}

/// The whole length as this answer and the plan agree on it.
fn agreed_total(
    answer: &Answer,
    asked: &ByteRange,
    stated: Option<u64>,
    pinned: Option<u64>,
) -> Result<Option<u64>, ProviderError> {
    if stated.is_some_and(|stated| stated > MAX_SIZE) {
        return Err(wrong(answer, "states a length that no file has"));
    }
    match (stated, pinned) {
        (Some(stated), Some(pinned)) if stated != pinned => {
            let what = format!("it is {stated} bytes long, and was {pinned}");
            if asked.validator.is_some() {
                return Err(changed(answer, &what));
            }
            Err(ProviderError::new(
                ErrorKind::SizeMismatch,
                format!(
                    "{} is {stated} bytes long where {pinned} were promised",
                    answer.url
                ),
            )
            .status(answer.status)
            .hint("import it again to take the file as it is now"))
        }
        _ => Ok(stated.or(pinned)),
    }
}

fn changed(answer: &Answer, how: &str) -> ProviderError {
    ProviderError::new(
        ErrorKind::SourceChanged,
        format!(
            "{} changed at {} while it was read: {how}",
            answer.url,
            answer.url.authority()
        ),
    )
    .status(answer.status)
    .hint("import it again to take the file as it is now")
}

fn wrong(answer: &Answer, what: &str) -> ProviderError {
    ProviderError::new(
        ErrorKind::Upstream,
        format!("{} {what}: {}", answer.url.authority(), answer.url),
    )
    .status(answer.status)
    .hint("the server breaks HTTP's rules for ranges; another mirror may not")
}

/// The bytes, which end in an error unless there are `expected` of them.
fn counted(
    answer: Answer,
    expected: Option<u64>,
) -> BoxStream<'static, Result<Bytes, ProviderError>> {
    let url = answer.url.clone();
    let bytes = answer.into_bytes();
    let Some(expected) = expected else {
        return bytes;
    };
    stream::unfold(Some((bytes, 0_u64, url)), move |state| async move {
        let (mut bytes, seen, url) = state?;
        match bytes.next().await {
            Some(Ok(chunk)) => {
                let seen = seen + chunk.len() as u64;
                if seen > expected {
                    Some((Err(too_many(&url, expected)), None))
                } else {
                    Some((Ok(chunk), Some((bytes, seen, url))))
                }
            }
            Some(Err(error)) => Some((Err(error), None)),
            None if seen < expected => Some((Err(too_few(&url, seen, expected)), None)),
            None => None,
        }
    })
    .boxed()
}

fn too_many(url: &SafeUrl, expected: u64) -> ProviderError {
    ProviderError::new(
        ErrorKind::SizeMismatch,
        format!(
            "{} sends more than the {expected} bytes promised: {url}",
            url.authority()
        ),
    )
    .hint("the file may have changed; import it again")
}

fn too_few(url: &SafeUrl, seen: u64, expected: u64) -> ProviderError {
    ProviderError::transient(
        ErrorKind::Truncated,
        format!(
            "{} ended after {seen} of {expected} bytes: {url}",
            url.authority()
        ),
    )
    .hint("try again; what was received is kept")
}
