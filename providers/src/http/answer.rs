//! An answer's headers, read strictly, and its body, read within bounds.

use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use reqwest::header::HeaderMap;
use serde::de::DeserializeOwned;

use super::watch::{TooSlow, Watch};
use super::{digests, failure, retry};
use crate::artifact::Validator;
use crate::digest::HeaderDigest;
use crate::error::{ErrorKind, ProviderError};
use crate::url::SafeUrl;

/// What a server answered. The body is unread.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// What was asked.
    pub url: SafeUrl,
    /// The headers.
    pub headers: HeaderMap,
    /// How often a host said 429 or 503 on the way to this answer.
    pub pushbacks: u32,
    response: reqwest::Response,
    /// What was peeked at, still to be handed out.
    peeked: Vec<Bytes>,
    watch: Watch,
}

/// `Content-Range: bytes start-last/total` (RFC 9110 §14.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentRange {
    /// First byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
    /// The whole length, unless it was `*`.
    pub total: Option<u64>,
}

impl Answer {
    pub(super) fn new(url: SafeUrl, response: reqwest::Response, watch: Watch) -> Self {
        Self {
            status: response.status().as_u16(),
            url,
            headers: response.headers().clone(),
            pushbacks: 0,
            response,
            peeked: Vec::new(),
            watch,
        }
    }

    /// Whether the status is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// A header's value, when it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// A header's raw bytes, which servers may write in any encoding.
    pub fn header_bytes(&self, name: &str) -> Option<&[u8]> {
        Some(self.headers.get(name)?.as_bytes())
    }

    /// `Content-Length`, when it is one whole number and says how long the
    /// body is: not beside `Transfer-Encoding`, nor of encoded bytes.
    pub fn content_length(&self) -> Option<u64> {
        if self.headers.contains_key("transfer-encoding") || self.content_encoding().is_some() {
            return None;
        }
        self.header("content-length")?.trim().parse().ok()
    }

    /// The `Content-Encoding`, unless it is `identity`.
    pub fn content_encoding(&self) -> Option<&str> {
        let encoding = self.header("content-encoding")?.trim();
        let plain = encoding.is_empty() || encoding.eq_ignore_ascii_case("identity");
        (!plain).then_some(encoding)
    }

    /// The media type alone, in lower case, without parameters.
    pub fn media_type(&self) -> Option<String> {
        let essence = self.header("content-type")?.split(';').next()?.trim();
        (!essence.is_empty()).then(|| essence.to_ascii_lowercase())
    }

    /// A digest of the whole file that a header states, the strongest one.
    pub fn digest(&self) -> Option<HeaderDigest> {
        digests::strongest(&self.headers, self.status == 200)
    }

    /// The whole length that a 416 states: `Content-Range: bytes */N`.
    pub fn unsatisfied_total(&self) -> Option<u64> {
        let total = self
            .header("content-range")?
            .trim()
            .strip_prefix("bytes */")?;
        total.trim().parse().ok()
    }

    /// `Content-Range` of a 206.
    pub fn content_range(&self) -> Option<ContentRange> {
        parse_content_range(self.header("content-range")?)
    }

    /// What names this content in a later `If-Range`: a strong entity tag,
    /// else `Last-Modified` (RFC 9110 §13.1.5). An unquoted tag, as some
    /// mirrors send, can't be compared by anyone and is passed over.
    pub fn validator(&self) -> Option<Validator> {
        let strong = |tag: &&str| tag.len() > 2 && tag.starts_with('"') && tag.ends_with('"');
        if let Some(tag) = self.header("etag").filter(strong) {
            return Some(Validator::Etag(tag.to_owned()));
        }
        self.header("last-modified")
            .map(|date| Validator::Modified(date.to_owned()))
    }

    /// Where a 3xx with `Location` points.
    ///
    /// # Errors
    /// [`ErrorKind::BlockedAddress`] for a target that is no http(s) URL.
    pub fn redirect(&self) -> Result<Option<SafeUrl>, ProviderError> {
        if !matches!(self.status, 301 | 302 | 303 | 307 | 308) {
            return Ok(None);
        }
        let Some(location) = self.header("location") else {
            return Ok(None);
        };
        self.url.join(location).map(Some).map_err(|error| {
            ProviderError::new(
                ErrorKind::BlockedAddress,
                format!(
                    "{} redirects to an address that can't be followed: {error}",
                    self.url.authority()
                ),
            )
            .status(self.status)
            .hint("ask its owner for an address that http or https can fetch")
        })
    }

    /// The body as text, at most `limit` bytes of it.
    ///
    /// # Errors
    /// [`ErrorKind::Upstream`] when it is longer, or breaks off.
    pub async fn text(self, limit: usize) -> Result<String, ProviderError> {
        Ok(String::from_utf8_lossy(&self.body(limit).await?).into_owned())
    }

    /// The body as JSON, at most `limit` bytes of it.
    ///
    /// # Errors
    /// [`ErrorKind::Upstream`] when it is longer, breaks off, or is not the JSON meant.
    pub async fn json<T: DeserializeOwned>(self, limit: usize) -> Result<T, ProviderError> {
        let url = self.url.clone();
        let body = self.body(limit).await?;
        serde_json::from_slice(&body).map_err(|error| {
            ProviderError::new(
                ErrorKind::Upstream,
                format!("{url} answered with JSON we can't read: {error}"),
            )
            .hint("check that the address is the one meant; the hub may also have changed its API")
        })
    }

    /// Refuses a body whose bytes are not the file's own.
    pub(super) fn check_encoding(&self) -> Result<(), ProviderError> {
        let Some(encoding) = self.content_encoding() else {
            return Ok(());
        };
        let encoding: String = encoding
            .chars()
            .filter(|c| c.is_ascii_graphic())
            .take(40)
            .collect();
        Err(ProviderError::new(
            ErrorKind::Upstream,
            format!(
                "{} answered with {encoding}-encoded bytes although the plain ones were asked for: {}",
                self.url.authority(),
                self.url
            ),
        )
        .status(self.status)
        .hint("this server can't be imported from until it honours `Accept-Encoding: identity`"))
    }

    async fn body(self, limit: usize) -> Result<Vec<u8>, ProviderError> {
        let url = self.url.clone();
        let mut stream = self.into_bytes();
        let mut body = Vec::new();
        while let Some(chunk) = stream.try_next().await? {
            if body.len() + chunk.len() > limit {
                return Err(ProviderError::new(
                    ErrorKind::Upstream,
                    format!("{url} answered with more than {limit} bytes"),
                )
                .hint("check that the address is the one meant"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// The failure that this answer's status stands for, in HTTP's own terms,
    /// for where a hub has no better word for it.
    pub fn refusal(&self) -> ProviderError {
        let (kind, what) = meaning(self.status);
        let message = format!("{} {what}: {}", self.url.authority(), self.url);
        let error = if retry::is_passing(self.status) {
            ProviderError::transient(kind, message)
        } else {
            ProviderError::new(kind, message)
        };
        let mut error = error
            .status(self.status)
            .retry_after(self.wait_asked())
            .hint(advice(kind));
        error.request_id = self.request_id();
        error
    }

    /// The server's name for this exchange, for its support.
    pub fn request_id(&self) -> Option<String> {
        let id = ["x-request-id", "x-amz-request-id", "cf-ray"]
            .iter()
            .find_map(|name| self.header(name))?;
        let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '<' | '>');
        Some(id.chars().filter(|c| plain(*c)).take(80).collect())
    }

    /// The body's first bytes: `enough` of them or a few more, fewer only where
    /// it ends. They stay in the body.
    ///
    /// # Errors
    /// As the body's stream.
    pub async fn peek(&mut self, enough: usize) -> Result<Vec<u8>, ProviderError> {
        self.check_encoding()?;
        let mut seen: usize = self.peeked.iter().map(Bytes::len).sum();
        while seen < enough {
            let next = async { self.response.chunk().await.transpose() };
            match self.watch.wait(next).await {
                Ok(Some(Ok(chunk))) => {
                    seen += chunk.len();
                    self.peeked.push(chunk);
                }
                Ok(None) => break,
                Ok(Some(Err(_))) => return Err(failure::broken(&self.url)),
                Err(TooSlow) => return Err(failure::stalled(&self.url)),
            }
        }
        Ok(self.peeked.concat())
    }

    /// The body as it comes. An encoded one, which we never ask for, is an
    /// error in place of its bytes: they are not the file's.
    pub fn into_bytes(self) -> BoxStream<'static, Result<Bytes, ProviderError>> {
        if let Err(error) = self.check_encoding() {
            return stream::once(async { Err(error) }).boxed();
        }
        let peeked = stream::iter(self.peeked.into_iter().map(Ok));
        let bytes = peeked.chain(self.response.bytes_stream()).boxed();
        let state = Some((bytes, self.url, self.watch));
        stream::unfold(state, |state| async move {
            let (mut bytes, url, mut watch) = state?;
            match watch.wait(bytes.next()).await {
                Ok(Some(Ok(chunk))) => Some((Ok(chunk), Some((bytes, url, watch)))),
                Ok(Some(Err(_))) => Some((Err(failure::broken(&url)), None)),
                Ok(None) => None,
                Err(TooSlow) => Some((Err(failure::stalled(&url)), None)),
            }
        })
        .boxed()
    }
}

/// What a status means between any client and server (RFC 9110 §15).
fn meaning(status: u16) -> (ErrorKind, String) {
    match status {
        401 | 407 => (ErrorKind::AuthRequired, "asks for a login".into()),
        403 => (ErrorKind::AccessDenied, "refuses access".into()),
        404 | 410 => (ErrorKind::NotFound, "has no such file".into()),
        408 | 504 => (ErrorKind::Stalled, "took too long".into()),
        429 => (ErrorKind::RateLimited, "was asked too often".into()),
        451 => (
            ErrorKind::RegionBlocked,
            "serves it to nobody here for legal reasons".into(),
        ),
        500..=599 => (
            ErrorKind::Upstream,
            format!("has a fault of its own (status {status})"),
        ),
        _ => (
            ErrorKind::Upstream,
            format!("answered with status {status}"),
        ),
    }
}

fn advice(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::AuthRequired => {
            "store a credential for this host with `modelferry credentials set HOST`"
        }
        ErrorKind::AccessDenied => {
            "check that the stored credential may read this file, or that the link has not expired"
        }
        ErrorKind::NotFound => "check the address; it may have been moved or taken down",
        ErrorKind::RegionBlocked => {
            "the host decides by where this machine is; import from a machine elsewhere"
        }
        _ => "try again later",
    }
}

fn parse_content_range(text: &str) -> Option<ContentRange> {
    let (range, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (start, last) = range.split_once('-')?;
    let (start, last): (u64, u64) = (start.trim().parse().ok()?, last.trim().parse().ok()?);
    let total = match total.trim() {
        "*" => None,
        number => Some(number.parse().ok()?),
    };
    let end = last.checked_add(1)?;
    (start < end && total.is_none_or(|total| end <= total)).then_some(ContentRange {
        start,
        end,
        total,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_content_range_is_sound_or_none(text in "(bytes )?[0-9*/ -]{0,45}|.{0,60}") {
            if let Some(range) = parse_content_range(&text) {
                prop_assert!(range.start < range.end);
                prop_assert!(range.total.is_none_or(|total| range.end <= total));
            }
        }
    }

    #[test]
    fn content_range_is_read_strictly() {
        let whole = |start, end, total| Some(ContentRange { start, end, total });
        let cases = [
            ("bytes 0-0/1", whole(0, 1, Some(1))),
            ("bytes 5-9/10", whole(5, 10, Some(10))),
            ("bytes 5-9/*", whole(5, 10, None)),
            ("bytes 9-5/10", None),
            ("bytes 5-10/10", None),
            ("bytes */10", None),
            ("items 0-1/2", None),
            ("bytes 0-18446744073709551615/*", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_content_range(text), expected, "{text}");
        }
    }
}
