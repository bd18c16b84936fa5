//! The hub's lists: an author's page, a list page with filters, a collection.

use url::form_urlencoded;

use super::super::errors::shown;
use super::super::listing::HfListing;
use super::super::repo::{RepoId, RepoType};
use super::OWN_PAGES;
use super::web::{Address, Host, decode, endpoint_segments, refuse_odd};
use crate::source::SourceError;
use crate::url::SafeUrl;

const EXAMPLE: &str = "https://huggingface.co/org, https://huggingface.co/models?author=org or \
                       https://huggingface.co/collections/org/title-0123456789abcdef01234567";

/// Reads a list's address; `None` when it names no list of this hub.
pub(in super::super) fn parse(
    text: &str,
    endpoint: &SafeUrl,
) -> Option<Result<HfListing, SourceError>> {
    if let Some(slug) = text.strip_prefix("hf://collections/") {
        return Some(collection(&slug.split('/').collect::<Vec<_>>()));
    }
    let address = Address::read(text)?;
    let host = Host::of(&address, endpoint)?;
    let raw: Vec<&str> = address.path.split('/').filter(|s| !s.is_empty()).collect();
    let raw = match host {
        Host::Hub | Host::Www => &raw[..],
        Host::Endpoint => raw.strip_prefix(&endpoint_segments(endpoint)[..])?,
    };
    let words: Result<Vec<String>, SourceError> = raw.iter().map(|word| decode(word)).collect();
    let words = match words {
        Ok(words) => words,
        Err(error) => return Some(Err(error)),
    };
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let listing = match *words.as_slice() {
        ["collections", ref slug @ ..] => collection(slug),
        [plural] if RepoType::from_plural(plural).is_some() => {
            filtered(RepoType::from_plural(plural)?, address.query)
        }
        [author] if !OWN_PAGES.contains(&author) && !super::NOT_IMPORTED.contains(&author) => {
            of_author(RepoType::Model, author)
        }
        [author, plural] if RepoType::from_plural(author).is_none() => {
            of_author(RepoType::from_plural(plural)?, author)
        }
        _ => return None,
    };
    Some(refuse_odd(&address, host).and(listing))
}

/// The words of a collection's address: its owner, and a title that ends in its id.
fn collection(slug: &[&str]) -> Result<HfListing, SourceError> {
    let is_name = |word: &str| {
        !word.is_empty()
            && word.len() <= 200
            && word != ".."
            && word
                .chars()
                .all(|c| c.is_alphanumeric() || "-_.".contains(c))
    };
    match slug {
        [owner, title] if is_name(owner) && is_name(title) => Ok(HfListing::Collection {
            slug: format!("{owner}/{title}"),
        }),
        _ => Err(SourceError::malformed(
            format!("{} names no collection", shown(&slug.join("/"))),
            "https://huggingface.co/collections/org/title-0123456789abcdef01234567",
        )),
    }
}

fn of_author(repo_type: RepoType, author: &str) -> Result<HfListing, SourceError> {
    Ok(HfListing::Repositories {
        repo_type,
        author: Some(checked_author(author)?),
        search: None,
        tags: Vec::new(),
    })
}

fn checked_author(author: &str) -> Result<String, SourceError> {
    let is_one_word = !author.contains('/');
    let name = RepoId::parse(author).ok().filter(|_| is_one_word);
    name.map(|name| name.as_str().to_owned()).ok_or_else(|| {
        SourceError::malformed(format!("{} is no author's name", shown(author)), EXAMPLE)
    })
}

/// A list page with filters. One without any is the whole hub: nobody means that.
fn filtered(repo_type: RepoType, query: &str) -> Result<HfListing, SourceError> {
    let (mut author, mut search, mut tags) = (None, None, Vec::new());
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        if value.is_empty() {
            continue;
        }
        match &*key {
            "author" => author = Some(checked_author(&value)?),
            "search" => search = Some(text(&value)?),
            "filter" | "other" | "pipeline_tag" | "library" | "language" | "license" => {
                tags.extend(value.split(',').map(text).collect::<Result<Vec<_>, _>>()?);
            }
            "sort" | "p" => {}
            other => {
                let message = format!("lists can't be narrowed by {}", shown(other));
                return Err(SourceError::unsupported(message, EXAMPLE));
            }
        }
    }
    if author.is_none() && search.is_none() && tags.is_empty() {
        return Err(SourceError::malformed(
            format!("this lists every one of the hub's {}", repo_type.plural()),
            EXAMPLE,
        ));
    }
    Ok(HfListing::Repositories {
        repo_type,
        author,
        search,
        tags,
    })
}

fn text(value: &str) -> Result<String, SourceError> {
    let fits = value.len() <= 200 && !value.chars().any(char::is_control);
    fits.then(|| value.to_owned()).ok_or_else(|| {
        SourceError::malformed(
            format!("{} is no word to search for", shown(value)),
            EXAMPLE,
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Result<HfListing, SourceError>> {
        parse(text, &SafeUrl::parse("https://huggingface.co").unwrap())
    }

    #[test]
    fn each_list_is_read_in_every_form() {
        let of = |author: &str, repo_type| HfListing::Repositories {
            repo_type,
            author: Some(author.into()),
            search: None,
            tags: Vec::new(),
        };
        let collection = HfListing::Collection {
            slug: "acme/fine-0123456789abcdef01234567".into(),
        };
        let cases = [
            ("https://huggingface.co/acme", of("acme", RepoType::Model)),
            ("hf.co/acme/", of("acme", RepoType::Model)),
            (
                "https://huggingface.co/acme/models",
                of("acme", RepoType::Model),
            ),
            (
                "https://huggingface.co/acme/datasets",
                of("acme", RepoType::Dataset),
            ),
            (
                "https://huggingface.co/models?author=acme&sort=modified",
                of("acme", RepoType::Model),
            ),
            (
                "https://huggingface.co/spaces?author=acme#x",
                of("acme", RepoType::Space),
            ),
            (
                "https://huggingface.co/collections/acme/fine-0123456789abcdef01234567",
                collection.clone(),
            ),
            (
                "hf://collections/acme/fine-0123456789abcdef01234567",
                collection,
            ),
            (
                "https://huggingface.co/models?search=tiny&filter=gguf,llama",
                HfListing::Repositories {
                    repo_type: RepoType::Model,
                    author: None,
                    search: Some("tiny".into()),
                    tags: vec!["gguf".into(), "llama".into()],
                },
            ),
        ];
        for (text, listing) in cases {
            assert_eq!(read(text), Some(Ok(listing)), "{text}");
        }
    }

    #[test]
    fn a_repository_or_another_hub_is_no_list() {
        for text in [
            "acme/tiny",
            "hf://acme/tiny",
            "https://huggingface.co/acme/tiny",
            "https://huggingface.co/datasets/acme/tiny",
            "https://huggingface.co/docs",
            "https://example.com/acme",
            "https://huggingface.co/",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_list_that_means_nothing_is_refused_with_an_example() {
        for text in [
            "https://huggingface.co/models",
            "https://huggingface.co/models?author=",
            "https://huggingface.co/models?num_parameters=min:0",
            "https://huggingface.co/models?author=../x",
            "https://huggingface.co/collections/acme",
            "hf://collections/acme/../x",
            "https://user:pw@huggingface.co/acme",
        ] {
            assert!(matches!(read(text), Some(Err(_))), "{text}");
        }
    }
}
