//! Listing a commit, page by page.

use std::borrow::Cow;
use std::collections::HashSet;

use super::errors::{Asked, refusal};
use super::hub::Hub;
use super::repo::RepoPath;
use super::wire::Entry;
use crate::error::{ErrorKind, ProviderError};
use crate::http::{Answer, Request};
use crate::url::SafeUrl;

/// Most entries, folders included, that a listing may have. The hub itself
/// advises to stay under 100,000 files.
const MAX_ENTRIES: usize = 1_000_000;
/// Most pages: enough for that many entries on a mirror with small pages.
const MAX_PAGES: usize = 20_000;
/// Most pages in a row without an entry: none is to be expected at all.
const MAX_EMPTY_PAGES: usize = 5;
const FIRST_PAGE: &str = "recursive=true&expand=false";

/// Hands every entry of a commit (`asked.revision`), or of one folder of it,
/// to `take`. Holds one page at a time.
pub(super) async fn list(
    hub: &Hub<'_>,
    asked: Asked<'_>,
    below: Option<&RepoPath>,
    mut take: impl FnMut(Entry) -> Result<(), ProviderError>,
) -> Result<(), ProviderError> {
    let tree = hub.tree_url(asked, below);
    let mut seen = HashSet::new();
    let mut query = FIRST_PAGE.to_owned();
    let (mut entries, mut empty) = (0, 0);
    for _ in 0..MAX_PAGES {
        let request = Request::get(tree.with_query(&query)).bearer(hub.token);
        let answer = hub.ask(request, |_| Ok(())).await?;
        if !answer.is_success() {
            return Err(refusal(hub, asked, answer).await);
        }
        let next = next_query(&tree, &answer)?;
        let page: Vec<Entry> = hub.json(answer).await?;
        entries += page.len();
        empty = if page.is_empty() { empty + 1 } else { 0 };
        if entries > MAX_ENTRIES {
            break;
        }
        if empty > MAX_EMPTY_PAGES {
            return Err(broken(&tree, "its pages go on without an entry"));
        }
        page.into_iter().try_for_each(&mut take)?;
        let Some(next) = next else { return Ok(()) };
        if !seen.insert(std::mem::replace(&mut query, next)) || seen.contains(&query) {
            return Err(broken(&tree, "its pages go round in a circle"));
        }
    }
    Err(ProviderError::new(
        ErrorKind::TooLarge,
        format!("{tree} lists more than {MAX_ENTRIES} entries or {MAX_PAGES} pages"),
    )
    .hint("import a folder of it: hf://org/name/folder"))
}

/// The query of the next page. Only that of the `Link` is taken: behind a
/// mirror it names the real hub's host, where neither we nor the token should go.
pub(super) fn next_query(tree: &SafeUrl, answer: &Answer) -> Result<Option<String>, ProviderError> {
    let mut links = answer.headers.get_all("link").iter();
    let next = links.find_map(|value| {
        let header = String::from_utf8_lossy(value.as_bytes());
        next_target(&header).map(ToOwned::to_owned)
    });
    let Some(target) = next else { return Ok(None) };
    let target = tree
        .join(&target)
        .map_err(|error| broken(tree, &format!("its next page can't be read: {error}")))?;
    match target.as_url().query() {
        Some(query) if !query.is_empty() => Ok(Some(query.to_owned())),
        _ => Err(broken(tree, "its next page has no cursor")),
    }
}

/// The target of `rel="next"` in one `Link` header (RFC 8288 §3).
fn next_target(mut header: &str) -> Option<&str> {
    loop {
        let (target, rest) = header.split_once('<')?.1.split_once('>')?;
        let (parameters, rest) = rest.split_at(end_of_link(rest));
        let blank = without_quoted_text(parameters);
        let is_next = blank.split(';').any(|parameter| {
            parameter.split_once('=').is_some_and(|(name, value)| {
                let mut relations = value.trim().trim_matches('"').split_whitespace();
                name.trim().eq_ignore_ascii_case("rel")
                    && relations.any(|r| r.eq_ignore_ascii_case("next"))
            })
        });
        if is_next {
            return Some(target);
        }
        header = rest;
    }
}

/// Where the comma before the next link stands, outside of quotes.
fn end_of_link(parameters: &str) -> usize {
    let mut quoted = false;
    for (at, c) in parameters.char_indices() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => return at,
            _ => {}
        }
    }
    parameters.len()
}

/// The parameters with the separators inside of quotes blanked.
fn without_quoted_text(parameters: &str) -> Cow<'_, str> {
    if !parameters.contains('"') {
        return Cow::Borrowed(parameters);
    }
    let mut quoted = false;
    let blanked = parameters.chars().map(|c| match c {
        '"' => {
            quoted = !quoted;
            c
        }
        ';' | '=' if quoted => '_',
        _ => c,
    });
    Cow::Owned(blanked.collect())
}

fn broken(tree: &SafeUrl, why: &str) -> ProviderError {
    ProviderError::new(
        ErrorKind::Upstream,
        format!("{tree} can't be listed: {why}"),
    )
    .hint("see whether the endpoint (HF_ENDPOINT) is the Hugging Face hub or a true mirror of it")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_link_header_is_read_to_its_end(header in "[<>,;=\" a-z]{0,80}|.{0,80}") {
            if let Some(target) = next_target(&header) {
                let bracketed = format!("<{target}>");
                prop_assert!(header.contains(&bracketed));
            }
        }
    }

    #[test]
    fn only_the_next_relation_is_followed() {
        let cases = [
            (
                r#"<https://h/a?cursor=1>; rel="next""#,
                Some("https://h/a?cursor=1"),
            ),
            ("</a?cursor=1>;rel=next", Some("/a?cursor=1")),
            (
                r#"<a>; rel="prev", <b>; title="x"; rel="next last""#,
                Some("b"),
            ),
            (r#"<a>; rel="prev""#, None),
            (r#"<a,b>; REL="Next""#, Some("a,b")),
            (r#"<a>; title="x, y; rel=next"; rel="next""#, Some("a")),
            (r#"<a>; title="rel=next", <b>; rel=next"#, Some("b")),
            (r#"<a>; title="unclosed, <b>; rel=next"#, None),
            (
                r#"<https://h/xet>; rel="xet-auth", <https://h/t?cursor=2>; rel="next""#,
                Some("https://h/t?cursor=2"),
            ),
            ("<a; rel=next", None),
            ("", None),
        ];
        for (header, target) in cases {
            assert_eq!(next_target(header), target, "{header}");
        }
    }
}
