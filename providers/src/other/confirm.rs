//! Google Drive's page that asks whether a file too large for its virus scan
//! is wanted all the same.

use std::sync::LazyLock;

use regex::Regex;
use url::form_urlencoded::Serializer;

use super::sniff;
use crate::error::{ErrorKind, ProviderError};
use crate::url::SafeUrl;

/// Where the page's button leads: the form's action with its hidden fields, or
/// the older link with a `confirm` parameter. Nothing that leaves the page's own
/// site is believed.
pub(super) fn confirmed(page: &str, at: &SafeUrl) -> Option<SafeUrl> {
    let target = form(page, at).or_else(|| link(page, at))?;
    same_site(at, &target).then_some(target)
}

fn form(page: &str, at: &SafeUrl) -> Option<SafeUrl> {
    static FORM: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"(?is)<form\b([^>]*)>(.*?)</form").ok());
    static INPUT: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"(?is)<input\b([^>]*)>").ok());
    let forms = FORM.as_ref()?.captures_iter(page);
    let found = forms
        .map(|form| (form[1].to_owned(), form[2].to_owned()))
        .find(|(head, _)| {
            attribute(head, "id").is_some_and(|id| id == "download-form" || id == "downloadForm")
        });
    let (head, fields) = found?;
    let mut query = Serializer::new(String::new());
    let action = at.join(&attribute(&head, "action")?).ok()?;
    query.extend_pairs(action.as_url().query_pairs());
    for input in INPUT.as_ref()?.captures_iter(&fields) {
        if let Some(name) = attribute(&input[1], "name") {
            query.append_pair(&name, &attribute(&input[1], "value").unwrap_or_default());
        }
    }
    Some(action.with_query(&query.finish()))
}

fn link(page: &str, at: &SafeUrl) -> Option<SafeUrl> {
    static LINK: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r#"(?is)href="([^"]*[?&](?:amp;)?confirm=[^"]*)""#).ok());
    let found = LINK.as_ref()?.captures(page)?;
    at.join(&sniff::unescaped(&found[1])).ok()
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let pattern = format!(r#"(?is)\b{name}\s*=\s*"([^"]*)""#);
    let found = Regex::new(&pattern).ok()?.captures(tag)?;
    Some(sniff::unescaped(&found[1]))
}

/// The same origin, or both of Google's.
fn same_site(at: &SafeUrl, target: &SafeUrl) -> bool {
    let google = |url: &SafeUrl| url.as_url().scheme() == "https" && is_google(url.host());
    at.same_origin(target) || (google(at) && google(target))
}

fn is_google(host: &str) -> bool {
    matches!(
        host,
        "drive.google.com" | "docs.google.com" | "drive.usercontent.google.com"
    )
}

/// Whether answers of this host may be such a page; `drive` stands in for the
/// real one where tests need it.
pub(super) fn may_ask(url: &SafeUrl, drive: Option<&SafeUrl>) -> bool {
    is_google(url.host()) || drive.is_some_and(|drive| url.same_origin(drive))
}

/// The page that says a file was downloaded too often today.
pub(super) fn over_quota(title: &str) -> Option<ProviderError> {
    title
        .to_ascii_lowercase()
        .contains("quota exceeded")
        .then(|| {
            ProviderError::new(
                ErrorKind::RateLimited,
                "Google Drive says that this file was downloaded too often lately",
            )
            .hint("wait up to 24 hours, or ask its owner for another link")
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_page_leads_off_its_site(action in ".{0,80}", name in ".{0,20}", junk in ".{0,80}") {
            let at = at("https://drive.google.com/uc?id=1");
            let page = format!(
                "<form id=\"download-form\" action=\"{action}\"><input name=\"{name}\" value=\"{junk}\"></form>\
                 <a href=\"{action}?confirm={junk}\">"
            );
            if let Some(url) = confirmed(&page, &at) {
                prop_assert!(same_site(&at, &url), "{}", url);
            }
        }
    }

    const FORM: &str = r#"<!DOCTYPE html><html><head><title>Google Drive - Virus scan warning</title></head><body>
        <form id="other" action="https://evil.example/"></form>
        <form id="download-form" action="https://drive.usercontent.google.com/download" method="get">
        <input type="submit" value="Download anyway"/><input type="hidden" name="id" value="1AbC">
        <input type="hidden" name="export" value="download"><input type="hidden" name="confirm" value="t">
        <input type="hidden" name="uuid" value="a&amp;b"></form></body></html>"#;

    fn at(text: &str) -> SafeUrl {
        SafeUrl::parse(text).unwrap()
    }

    #[test]
    fn the_forms_hidden_fields_are_sent_along() {
        let url = confirmed(
            FORM,
            &at("https://drive.usercontent.google.com/download?id=1AbC"),
        );
        assert_eq!(
            url.unwrap().as_url().as_str(),
            "https://drive.usercontent.google.com/download?id=1AbC&export=download&confirm=t&uuid=a%26b"
        );
    }

    #[test]
    fn the_older_link_is_taken() {
        let page =
            r#"<a id="uc-download-link" href="/uc?export=download&amp;confirm=Xy1z&amp;id=1AbC">"#;
        let url = confirmed(page, &at("https://drive.google.com/uc?id=1AbC"));
        assert_eq!(
            url.unwrap().as_url().as_str(),
            "https://drive.google.com/uc?export=download&confirm=Xy1z&id=1AbC"
        );
    }

    #[test]
    fn a_form_that_leads_elsewhere_is_not_followed() {
        let page = FORM.replace(
            "https://drive.usercontent.google.com",
            "https://evil.example",
        );
        assert_eq!(
            confirmed(&page, &at("https://drive.google.com/uc?id=1")),
            None
        );
        let page = FORM.replace("https://drive", "http://drive");
        assert_eq!(
            confirmed(&page, &at("https://drive.google.com/uc?id=1")),
            None
        );
        assert_eq!(
            confirmed("<html></html>", &at("https://drive.google.com/uc?id=1")),
            None
        );
    }
}
