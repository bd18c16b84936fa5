//! One answer for a URL: share links rewritten, the confirm page clicked
//! through, credentials sent to their own host, refusals in plain words.

use super::{Other, confirm, name, rewrite, sniff};
use crate::artifact::ByteRange;
use crate::auth::{Auth, HostCredential};
use crate::error::{ErrorKind, ProviderError};
use crate::http::{Answer, Method, Request};
use crate::url::SafeUrl;

/// Most bytes read of a page, or of an error's body.
const MAX_PAGE: usize = 256 * 1024;

/// Bytes that tell a page from a file.
const ENOUGH: usize = 512;

/// The stored credential for a URL's host. A bare `host` means https at its own
/// port: plain http, which others can read, takes one that names the port.
pub(super) fn credential<'a>(auth: &'a Auth, url: &SafeUrl) -> Option<&'a HostCredential> {
    let port = url.as_url().port_or_known_default()?;
    let is_plain_https = url.as_url().scheme() == "https" && port == 443;
    let bare = is_plain_https.then(|| auth.hosts.get(url.host())).flatten();
    bare.or_else(|| auth.hosts.get(&format!("{}:{port}", url.host())))
}

/// Asks for a URL's content from its start, which may be a share link's target.
pub(super) async fn get(
    other: &Other,
    url: &SafeUrl,
    method: Method,
    range: &ByteRange,
    auth: &Auth,
) -> Result<Answer, ProviderError> {
    let start = rewrite::direct(url);
    let ask = |url: SafeUrl| {
        let credential = credential(auth, &url);
        let mut request = Request::get(url).credential(credential).range(range);
        request.method = method;
        request
    };
    let answer = other.http.follow(&ask(start)).await?;
    if method == Method::Head || !asks_to_confirm(other, &answer) {
        return Ok(answer);
    }
    let at = answer.url.clone();
    let page = answer.text(MAX_PAGE).await?;
    let Some(target) = confirm::confirmed(&page, &at) else {
        let title = sniff::says(sniff::Text::Html, &page);
        let quota = title.as_deref().and_then(confirm::over_quota);
        return Err(quota.unwrap_or_else(|| not_a_file(&at, sniff::Text::Html, title)));
    };
    other.http.follow(&ask(target)).await
}

fn asks_to_confirm(other: &Other, answer: &Answer) -> bool {
    answer.status == 200
        && answer.media_type().as_deref() == Some("text/html")
        && !answer.headers.contains_key("content-disposition")
        && confirm::may_ask(&answer.url, other.services.drive.as_ref())
}

/// The failure that an answer's status stands for, with what its body says.
pub(super) async fn refused(mut answer: Answer) -> ProviderError {
    let mut error = answer.refusal();
    let status = answer.status;
    let body = answer.peek(MAX_PAGE).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&body);
    let Some(form) = sniff::unexpected(&body, None) else {
        return error;
    };
    let title = sniff::says(form, &text);
    if let Some(quota) = title.as_deref().and_then(confirm::over_quota) {
        return quota.status(status);
    }
    let expired = title
        .as_deref()
        .is_some_and(|t| t.to_lowercase().contains("expired"));
    if let Some(words) = title {
        error.message = format!("{}; it says \"{words}\"", error.message);
    }
    error.hub_code = sniff::xml_code(&text);
    let expired = expired || matches!(error.hub_code.as_deref(), Some("ExpiredToken"));
    if expired && matches!(error.kind, ErrorKind::AccessDenied | ErrorKind::Upstream) {
        error.kind = ErrorKind::AccessDenied;
        return error.hint("the link has expired; ask whoever gave it to you for a new one");
    }
    error
}

/// Refuses a page or message in the place of the file that `asked` names,
/// after a look at the answer's first bytes, which stay in it.
pub(super) async fn refuse_markup(
    answer: &mut Answer,
    asked: &SafeUrl,
) -> Result<(), ProviderError> {
    let from_start = match answer.status {
        200 => true,
        206 => answer.content_range().is_some_and(|range| range.start == 0),
        _ => false,
    };
    if !from_start {
        return Ok(());
    }
    let wanted = wanted_name(answer, asked);
    let head = answer.peek(ENOUGH).await?;
    let Some(form) = sniff::unexpected(&head, wanted.as_deref()) else {
        return Ok(());
    };
    // The title is worth a longer look, but a page that breaks off is a page.
    let text = answer.peek(MAX_PAGE).await.unwrap_or(head);
    let title = sniff::says(form, &String::from_utf8_lossy(&text));
    Err(not_a_file(&answer.url, form, title))
}

/// The failure of a page or message where a file was meant.
pub(super) fn not_a_file(at: &SafeUrl, form: sniff::Text, title: Option<String>) -> ProviderError {
    let titled = title.map_or_else(String::new, |title| format!(", \"{title}\""));
    ProviderError::new(
        ErrorKind::HtmlInsteadOfFile,
        format!(
            "{} answered with {}{titled}, not with a file: {at}",
            at.authority(),
            form.as_str()
        ),
    )
    .hint(
        "open the address in a browser: a login, a consent or another link may be needed; a \
         login is stored with `modelferry credentials set HOST`",
    )
}

/// What the file's content is held against: the name its answer gives it, else
/// the one in the user's own URL. A redirect's target has no say.
fn wanted_name(answer: &Answer, asked: &SafeUrl) -> Option<String> {
    answer
        .header_bytes("content-disposition")
        .and_then(name::suggested)
        .or_else(|| name::of_path(asked))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Token;

    #[test]
    fn a_bare_host_is_https_and_http_takes_a_port() {
        let with = |name: &str| {
            let mut auth = Auth::anonymous();
            let token = Token::new("secret").unwrap();
            auth.hosts
                .insert(name.to_owned(), HostCredential::Bearer(token));
            auth
        };
        for (name, url, sent) in [
            ("h.example", "https://h.example/x", true),
            ("h.example", "http://h.example/x", false),
            ("h.example", "https://h.example:8443/x", false),
            ("h.example:443", "https://h.example/x", true),
            ("h.example:80", "http://h.example/x", true),
            ("h.example:80", "https://h.example/x", false),
            ("h.example:8443", "https://h.example:8443/x", true),
            ("h.example", "https://sub.h.example/x", false),
        ] {
            let found = credential(&with(name), &SafeUrl::parse(url).unwrap()).is_some();
            assert_eq!(found, sent, "{name} for {url}");
        }
    }
}
