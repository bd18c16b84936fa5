//! A request as data, so that it can be asked again and redirected.

use std::borrow::Cow;

use bytes::Bytes;
use reqwest::header;

use crate::artifact::{ByteRange, Validator};
use crate::auth::{HostCredential, Token};
use crate::error::{ErrorKind, ProviderError};
use crate::url::SafeUrl;

/// The methods we use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Read.
    Get,
    /// Read the headers alone.
    Head,
}

/// One request. Asks for `identity` encoding always: hashes and ranges are of
/// the file's own bytes.
#[derive(Debug, Clone)]
pub struct Request {
    /// How.
    pub method: Method,
    /// Where.
    pub url: SafeUrl,
    credential: Option<HostCredential>,
    range: Option<ByteRange>,
    body: Option<Payload>,
    headers: Vec<(Cow<'static, str>, String)>,
    pub(super) best_effort: bool,
    pub(super) is_counted: bool,
}

/// What a POST carries.
#[derive(Debug, Clone)]
struct Payload {
    media_type: &'static str,
    bytes: Bytes,
}

impl Request {
    /// A GET.
    pub fn get(url: SafeUrl) -> Self {
        Self {
            method: Method::Get,
            url,
            credential: None,
            range: None,
            body: None,
            headers: Vec::new(),
            best_effort: false,
            is_counted: false,
        }
    }

    /// A HEAD.
    pub fn head(url: SafeUrl) -> Self {
        Self {
            method: Method::Head,
            ..Self::get(url)
        }
    }

    /// A POST of a url-encoded form.
    pub fn post_form(url: SafeUrl, form: String) -> Self {
        Self::post(url, "application/x-www-form-urlencoded", form.into())
    }

    /// A POST of JSON.
    pub fn post_json(url: SafeUrl, json: impl Into<Bytes>) -> Self {
        Self::post(url, "application/json", json.into())
    }

    /// A POST of these bytes.
    pub fn post(url: SafeUrl, media_type: &'static str, bytes: Bytes) -> Self {
        Self {
            body: Some(Payload { media_type, bytes }),
            ..Self::get(url)
        }
    }

    /// Adds a header for this URL alone: no redirect takes it along.
    pub fn header(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sends `Authorization: Bearer` to this URL's origin and nowhere else.
    pub fn bearer(mut self, token: Option<&Token>) -> Self {
        self.credential = token.cloned().map(HostCredential::Bearer);
        self
    }

    /// Sends a stored credential to this URL's origin and nowhere else.
    pub fn credential(mut self, credential: Option<&HostCredential>) -> Self {
        self.credential = credential.cloned();
        self
    }

    /// Asks for a part of the content (RFC 9110 §14), of the one that the
    /// range's validator names, if any. A whole range is left out.
    pub fn range(mut self, range: &ByteRange) -> Self {
        self.range = Some(range.clone());
        self
    }

    /// Asks once, and not at all while the host wants to be left alone: for
    /// what is good to know and no more.
    pub fn best_effort(mut self) -> Self {
        self.best_effort = true;
        self
    }

    /// For an address that counts its requests against a quota: a 429 that
    /// names no wait means that the quota is used up, and is not asked again.
    pub fn counted(mut self) -> Self {
        self.is_counted = true;
        self
    }

    /// The same request to where a redirect points.
    pub(super) fn redirected(&self, target: SafeUrl) -> Result<Self, ProviderError> {
        if self.url.as_url().scheme() == "https" && target.as_url().scheme() == "http" {
            return Err(ProviderError::new(
                ErrorKind::BlockedAddress,
                format!(
                    "{} redirects from https to http at {}",
                    self.url.authority(),
                    target.authority()
                ),
            )
            .hint("anyone between could change the file; ask its owner for an https address"));
        }
        let mut next = self.clone();
        if !self.url.same_origin(&target) {
            next.credential = None;
        }
        next.body = None;
        next.headers.clear();
        next.url = target;
        Ok(next)
    }

    pub(super) fn build(&self, client: &reqwest::Client) -> reqwest::RequestBuilder {
        let url = self.url.as_url().clone();
        let mut builder = match (&self.body, self.method) {
            (Some(Payload { media_type, bytes }), _) => client
                .post(url)
                .header(header::CONTENT_TYPE, *media_type)
                .body(bytes.clone()),
            (None, Method::Get) => client.get(url),
            (None, Method::Head) => client.head(url),
        };
        builder = builder.header(header::ACCEPT_ENCODING, "identity");
        for (name, value) in &self.headers {
            builder = builder.header(&**name, value);
        }
        builder = match &self.credential {
            Some(HostCredential::Bearer(token)) => builder.bearer_auth(token.expose()),
            Some(HostCredential::Basic(pair)) => {
                let (user, password) = pair.expose().split_once(':').unwrap_or((pair.expose(), ""));
                builder.basic_auth(user, Some(password))
            }
            None => builder,
        };
        match &self.range {
            Some(range) => ranged(builder, range),
            None => builder,
        }
    }
}

fn ranged(builder: reqwest::RequestBuilder, range: &ByteRange) -> reqwest::RequestBuilder {
    if range.is_whole() {
        return builder;
    }
    let bytes = match range.end {
        Some(end) => format!("bytes={}-{}", range.start, end.saturating_sub(1)),
        None => format!("bytes={}-", range.start),
    };
    let builder = builder.header(header::RANGE, bytes);
    match &range.validator {
        Some(Validator::Etag(tag)) => builder.header(header::IF_RANGE, tag),
        Some(Validator::Modified(date)) => builder.header(header::IF_RANGE, date),
        None => builder,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn led(from: &str, to: &str) -> Result<Request, ErrorKind> {
        let url = |text: &str| SafeUrl::parse(text).unwrap();
        let token = Token::new("s3cret");
        let request = Request::get(url(from)).bearer(token.as_ref());
        request.redirected(url(to)).map_err(|error| {
            assert!(error.hint.is_some() && !error.message.contains("sig="));
            error.kind
        })
    }

    #[test]
    fn no_redirect_leads_from_https_down_to_http() {
        let down = led("https://h/x", "http://h/x?sig=1");
        assert_eq!(down.unwrap_err(), ErrorKind::BlockedAddress);
        assert!(led("http://h/x", "https://h/x").is_ok());
        assert!(led("http://h/x", "http://h/y").is_ok());
    }

    #[test]
    fn what_a_post_carries_goes_along_with_no_redirect() {
        let url = |text: &str| SafeUrl::parse(text).unwrap();
        let request = Request::post_json(url("https://h/x"), "{}").header("webhook-id", "msg_1");
        let next = request.redirected(url("https://h/y")).unwrap();
        assert!(next.body.is_none() && next.headers.is_empty(), "{next:?}");
    }

    #[test]
    fn a_token_stays_with_its_scheme_host_and_port() {
        for (from, to, stays) in [
            ("https://h/x", "https://h/y?z", true),
            ("https://h/x", "https://h:443/y", true),
            ("https://h/x", "https://h:8443/y", false),
            ("https://h/x", "https://cdn.h/y", false),
            ("http://h/x", "https://h/x", false),
            ("https://h/x", "https://h./x", false),
        ] {
            let next = led(from, to).unwrap();
            assert_eq!(next.credential.is_some(), stays, "{from} to {to}");
        }
    }
}
