//! The hub's lists: a creator's page, a tag's, a search with filters.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;
use url::form_urlencoded;

use super::super::listing::{CivitaiListing, FILTERS};
use super::hub_url;
use crate::source::quoted;
use crate::{SafeUrl, SourceError};

const EXAMPLE: &str = "https://civitai.com/user/NAME/models, https://civitai.com/tag/NAME or \
                       https://civitai.com/models?query=WORDS&types=LORA";

/// Longest value of a filter, in bytes.
const LONGEST: usize = 200;

type Filters = BTreeMap<String, Vec<String>>;

/// Reads a list's address; `None` when it names no list of this hub.
pub(in super::super) fn parse(
    text: &str,
    endpoint: &SafeUrl,
) -> Option<Result<CivitaiListing, SourceError>> {
    let page = match hub_url(text.trim(), endpoint)? {
        Ok(page) => page,
        Err(error) => return Some(Err(error)),
    };
    let query = page.url.as_url().query().unwrap_or_default();
    let names: Vec<&str> = page.names.iter().map(String::as_str).collect();
    let filters = match *names.as_slice() {
        ["user", name] | ["user", name, "models"] => with("username", name, query),
        ["tag", name] => with("tag", name, query),
        ["models"] | ["search", "models"] | ["api", "v1", "models"] => filters(query),
        _ => return None,
    };
    Some(filters.and_then(|filters| {
        if filters
            .keys()
            .any(|key| !["sort", "period", "nsfw"].contains(&key.as_str()))
        {
            return Ok(CivitaiListing { filters });
        }
        let shown = quoted(&page.url.to_string());
        Err(SourceError::malformed(
            format!("{shown} lists every model of the hub"),
            EXAMPLE,
        ))
    }))
}

fn with(key: &str, name: &str, query: &str) -> Result<Filters, SourceError> {
    let decoded = percent_decode_str(name).decode_utf8_lossy();
    let mut filters = filters(query)?;
    filters.insert(key.to_owned(), vec![value(&decoded)?]);
    Ok(filters)
}

fn filters(query: &str) -> Result<Filters, SourceError> {
    let mut filters = Filters::new();
    for (key, given) in form_urlencoded::parse(query.as_bytes()) {
        let key = match &*key {
            // What the site's own pages and older lists call them.
            "baseModel" | "baseModels[]" => "baseModels",
            "type" | "types[]" | "modelType" => "types",
            "tagname" => "tag",
            "sortBy" => "sort",
            key => key,
        };
        let is_position = ["cursor", "page", "limit", "view", "section"].contains(&key);
        if given.is_empty() || is_position {
            continue;
        }
        if !FILTERS.contains(&key) {
            return Err(SourceError::unsupported(
                format!("lists can't be narrowed by {}", quoted(key)),
                EXAMPLE,
            ));
        }
        filters
            .entry(key.to_owned())
            .or_default()
            .push(value(&given)?);
    }
    Ok(filters)
}

fn value(text: &str) -> Result<String, SourceError> {
    let fits = !text.is_empty() && text.len() <= LONGEST && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned()).ok_or_else(|| {
        SourceError::malformed(format!("{} can't be searched for", quoted(text)), EXAMPLE)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Result<CivitaiListing, SourceError>> {
        parse(text, &SafeUrl::parse("https://civitai.com").unwrap())
    }

    #[test]
    fn each_list_is_read_in_every_form() {
        let cases: &[(&str, &[(&str, &str)])] = &[
            (
                "https://civitai.com/user/WAI0731/models",
                &[("username", "WAI0731")],
            ),
            ("civitai.com/user/WAI0731", &[("username", "WAI0731")]),
            (
                "https://civitai.com/user/a%20b?baseModels=Pony&sort=Newest",
                &[
                    ("username", "a b"),
                    ("baseModels", "Pony"),
                    ("sort", "Newest"),
                ],
            ),
            ("https://civitai.com/tag/anime", &[("tag", "anime")]),
            (
                "https://civitai.com/models?tag=anime&view=feed",
                &[("tag", "anime")],
            ),
            (
                "https://civitai.com/search/models?query=fox&types=LORA",
                &[("query", "fox"), ("types", "LORA")],
            ),
            (
                "https://civitai.com/api/v1/models?limit=3&types=Checkpoint&cursor=1%7C2",
                &[("types", "Checkpoint")],
            ),
        ];
        for (text, pairs) in cases {
            let filters = pairs
                .iter()
                .map(|(key, value)| ((*key).to_owned(), vec![(*value).to_owned()]))
                .collect();
            assert_eq!(read(text), Some(Ok(CivitaiListing { filters })), "{text}");
        }
    }

    #[test]
    fn a_model_or_another_hub_is_no_list() {
        for text in [
            "civitai:4384",
            "https://civitai.com/models/4384",
            "https://civitai.com/images/27463455",
            "https://example.com/models?tag=x",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_list_that_means_nothing_is_refused_with_an_example() {
        for text in [
            "https://civitai.com/models",
            "https://civitai.com/models?sort=Newest",
            "https://civitai.com/models?favourites=true",
            "https://civitai.com/models?query=%00",
            "https://user:pw@civitai.com/user/x",
        ] {
            assert!(matches!(read(text), Some(Err(_))), "{text}");
        }
    }
}
