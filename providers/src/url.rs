//! URLs that were checked once and can't show a secret.

use std::fmt;

use serde::{Deserialize, Serialize};
use url::Url;

/// Longest URL accepted, in bytes.
pub const MAX_URL: usize = 8 * 1024;

/// Why a text is not a URL we would ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Not a URL at all, or one without a host.
    #[error("it is not a URL with a host")]
    Malformed,
    /// `file:`, `ftp:`, `data:` and so on.
    #[error("only http:// and https:// can be fetched")]
    Scheme,
    /// `https://user:password@host/`.
    #[error("it carries a user name or password, which belong in a stored credential")]
    UserInfo,
    /// Blanks, line breaks or other control characters inside.
    #[error("it has blanks or control characters inside")]
    Control,
    /// Longer than [`MAX_URL`].
    #[error("it is longer than 8192 bytes")]
    TooLong,
}

/// An absolute http(s) URL without user info or fragment.
///
/// `Display` and `Debug` show scheme, host and path, and `?…` in place of a
/// query, since a query may be a signature. The whole URL leaves only through
/// [`SafeUrl::as_url`].
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SafeUrl(Url);

impl SafeUrl {
    /// Reads and checks a URL.
    ///
    /// # Errors
    /// [`UrlError`] names what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        if text.len() > MAX_URL {
            return Err(UrlError::TooLong);
        }
        // The WHATWG parser drops tabs and line ends silently; a URL that had
        // them was not what its writer saw.
        if text.chars().any(|c| c.is_control() || c == ' ') {
            return Err(UrlError::Control);
        }
        Self::check(Url::parse(text).map_err(|_| UrlError::Malformed)?)
    }

    /// Resolves a `Location` or `Link` target against this URL.
    ///
    /// # Errors
    /// [`UrlError`], as for [`SafeUrl::parse`].
    pub fn join(&self, target: &str) -> Result<Self, UrlError> {
        if target.len() > MAX_URL {
            return Err(UrlError::TooLong);
        }
        if target.chars().any(char::is_control) {
            return Err(UrlError::Control);
        }
        Self::check(self.0.join(target).map_err(|_| UrlError::Malformed)?)
    }

    fn check(mut url: Url) -> Result<Self, UrlError> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(UrlError::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(UrlError::UserInfo);
        }
        if !url.host_str().is_some_and(is_host) {
            return Err(UrlError::Malformed);
        }
        url.set_fragment(None);
        Ok(Self(url))
    }

    /// The whole URL, query included. For the HTTP layer and for storing what
    /// a later request needs; never for a message.
    pub fn as_url(&self) -> &Url {
        &self.0
    }

    /// The host, in lower case; IPv6 in brackets.
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// `host`, or `host:port` when the port is not the scheme's own.
    pub fn authority(&self) -> String {
        match self.0.port() {
            Some(port) => format!("{}:{port}", self.host()),
            None => self.host().to_owned(),
        }
    }

    /// Whether scheme, host and port are the same: the reach of a token.
    pub fn same_origin(&self, other: &Self) -> bool {
        self.0.origin() == other.0.origin()
    }

    /// This URL with `segments` put after its path, each percent-encoded as
    /// one segment, so that a `/` inside one becomes `%2F`.
    pub fn with_segments<I: AsRef<str>>(&self, segments: impl IntoIterator<Item = I>) -> Self {
        let mut url = self.0.clone();
        url.set_query(None);
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty();
            for segment in segments {
                path.push(segment.as_ref());
            }
        }
        Self(url)
    }

    /// This URL with its query replaced; an empty one means none.
    pub fn with_query(&self, query: &str) -> Self {
        let mut url = self.0.clone();
        url.set_query((!query.is_empty()).then_some(query));
        Self(url)
    }
}

/// Whether each label of a name has something in it; one dot may end it
/// (RFC 3986 §3.2.2). The URL standard's parser lets `..` pass as a host.
fn is_host(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    host.split('.').all(|label| !label.is_empty())
}

impl fmt::Display for SafeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = &self.0;
        write!(f, "{}://{}{}", url.scheme(), self.authority(), url.path())?;
        if url.query().is_some() {
            f.write_str("?…")?;
        }
        Ok(())
    }
}

impl fmt::Debug for SafeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for SafeUrl {
    type Error = UrlError;

    fn try_from(text: String) -> Result<Self, UrlError> {
        Self::parse(&text)
    }
}

impl From<SafeUrl> for String {
    fn from(url: SafeUrl) -> String {
        url.0.into()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn holds_its_promises(url: &SafeUrl) -> Result<(), TestCaseError> {
        let inner = url.as_url();
        prop_assert!(matches!(inner.scheme(), "http" | "https"));
        prop_assert!(inner.username().is_empty() && inner.password().is_none());
        prop_assert!(!url.host().is_empty() && inner.fragment().is_none());
        let climbs = inner.path().split('/').any(|part| part == "..");
        prop_assert!(!climbs, "{}", inner);
        let shown = format!("{url} {url:?}");
        prop_assert!(!shown.chars().any(char::is_control), "{}", shown);
        let again = SafeUrl::parse(inner.as_str());
        prop_assert_eq!(again.as_ref(), Ok(url));
        Ok(())
    }

    proptest! {
        #[test]
        fn any_text_is_a_safe_url_or_none(
            text in "(https?:/{0,3})?[a-z0-9.@:%\\[\\]/?#\\\\ -]{0,60}|.{0,60}",
            target in "(//|/|\\?|https?://|javascript:)?[a-z0-9.@:%/?#\\\\ \r\n-]{0,40}|.{0,40}",
        ) {
            if let Ok(url) = SafeUrl::parse(&text) {
                holds_its_promises(&url)?;
                if let Ok(joined) = url.join(&target) {
                    holds_its_promises(&joined)?;
                }
            }
        }

        #[test]
        fn segments_put_on_a_url_stay_below_it(parts in prop::collection::vec(".{0,12}", 0..5)) {
            let base = SafeUrl::parse("https://h/api/models").unwrap();
            let url = base.with_segments(&parts);
            prop_assert!(url.same_origin(&base));
            prop_assert!(url.as_url().path().starts_with("/api/models"), "{}", url);
        }
    }

    #[test]
    fn a_query_is_never_shown() {
        let url = SafeUrl::parse("https://Host.example:8443/a/b?X-Amz-Signature=s3cret#f").unwrap();
        assert_eq!(url.to_string(), "https://host.example:8443/a/b?…");
        assert_eq!(format!("{url:?}"), "https://host.example:8443/a/b?…");
    }

    #[test]
    fn what_we_would_not_ask_for_is_refused() {
        let cases = [
            ("file:///etc/passwd", UrlError::Scheme),
            ("javascript:alert(1)", UrlError::Scheme),
            ("https://user:pw@host/", UrlError::UserInfo),
            ("https://user@host/", UrlError::UserInfo),
            ("https:///", UrlError::Malformed),
            ("not a url", UrlError::Control),
            ("https://host/a\r\nb", UrlError::Control),
            ("host/path", UrlError::Malformed),
            ("https://../x", UrlError::Malformed),
            ("https://..:", UrlError::Malformed),
            ("https://./", UrlError::Malformed),
            ("https://a..b/", UrlError::Malformed),
            ("https://.a/", UrlError::Malformed),
        ];
        for (text, error) in cases {
            assert_eq!(SafeUrl::parse(text), Err(error), "{text}");
        }
        let long = format!("https://host/{}", "a".repeat(MAX_URL));
        assert_eq!(SafeUrl::parse(&long), Err(UrlError::TooLong));
    }

    #[test]
    fn a_slash_inside_a_segment_stays_inside() {
        let base = SafeUrl::parse("http://h:1/prefix").unwrap();
        let url = base.with_segments(["api", "refs/pr/1", "a b#?.txt"]);
        assert_eq!(
            url.as_url().as_str(),
            "http://h:1/prefix/api/refs%2Fpr%2F1/a%20b%23%3F.txt"
        );
    }
}
