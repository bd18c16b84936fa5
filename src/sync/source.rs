//! What a sync follows: a source that moves, a list on a hub, or a list of
//! somebody's own.

use std::path::{Path, PathBuf};

use modelferry_providers::listing::{Listing, ListingKind};
use modelferry_providers::net::AddressGuard;
use modelferry_providers::{
    CivitaiTarget, Commit, Locator, Providers, Reference, Revision, SafeUrl, source,
};

use crate::error::{Code, Error};
use crate::list;
use crate::upload::words;

/// One of each, for whoever wrote something else.
pub const EXAMPLES: &str = "org/name or org/name@branch, https://huggingface.co/org, \
     https://huggingface.co/collections/org/title-ID, civitai:4384, https://civitai.com/user/NAME, \
     https://civitai.com/tag/NAME, https://civitai.com/models?query=WORDS, ./list.txt or \
     https://example.com/list.csv";

words!(
    /// What sort of source a sync follows.
    SourceKind {
        /// A Hugging Face repository, or a part of one, at a revision that moves.
        Repo = "repo",
        /// One file behind a URL.
        Url = "url",
        /// Somebody's repositories on Hugging Face.
        Author = "author",
        /// A collection on Hugging Face.
        Collection = "collection",
        /// The versions of a Civitai model.
        CivitaiModel = "civitai-model",
        /// A Civitai creator's models.
        Creator = "creator",
        /// A Civitai tag's models.
        Tag = "tag",
        /// Whatever a search on a hub finds.
        Search = "search",
        /// A list in a file or behind a URL.
        List = "list",
    }
);

/// What a sync follows.
#[derive(Debug, Clone)]
pub enum Source {
    /// One source, as it is at each run.
    One(Box<Reference>),
    /// A list on a hub.
    Listing(Listing),
    /// A list of somebody's own.
    List(ListAt),
}

/// Where a list of somebody's own is.
#[derive(Debug, Clone)]
pub enum ListAt {
    /// A file on this machine, by its whole path.
    File(PathBuf),
    /// Behind a URL.
    Url(SafeUrl),
}

/// What a source may be, for whom it is read.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    /// Who knows the hubs' ways.
    pub providers: &'a Providers,
    /// Which addresses a URL may name; `None` once that was looked at.
    pub guard: Option<&'a AddressGuard>,
    /// Against which folder a list's path is meant; `None` when a file of
    /// this machine may not be named.
    pub folder: Option<&'a Path>,
}

impl Reader<'_> {
    /// Reads a source, without any network traffic. Answers it with its text
    /// as it is kept: a path is whole.
    ///
    /// # Errors
    /// [`Code::InvalidSource`] or [`Code::UnsupportedSource`] with an example,
    /// [`Code::BlockedAddress`] for a URL that may not be reached.
    pub fn read(&self, text: &str) -> Result<(Source, String), Error> {
        let text = source::trimmed(text)?;
        if let Some(list) = text.strip_prefix("list:") {
            return self.list(list);
        }
        let is_path = ["/", "./", "../", "file://"]
            .iter()
            .any(|start| text.starts_with(start));
        if is_path {
            return self.list(text);
        }
        if let Some(listing) = self.providers.parse_listing(text)? {
            return Ok((Source::Listing(listing), text.to_owned()));
        }
        let reference = self.providers.parse(text).map_err(with_examples)?;
        self.one(reference, text)
    }

    fn one(&self, reference: Reference, text: &str) -> Result<(Source, String), Error> {
        if reference.token.is_some() {
            return Err(
                Error::new(Code::InvalidRequest, "the source carries a token").hint(
                    "leave it out, and store it: `modelferry credentials set huggingface|civitai|HOST`",
                ),
            );
        }
        if let Locator::Other { url } = &reference.locator {
            self.check(url)?;
            if list::Format::is_lists_name(url.as_url().path()) {
                return Ok((Source::List(ListAt::Url(url.clone())), text.to_owned()));
            }
        }
        if let Some(listing) = Listing::versions_of(&reference) {
            return Ok((Source::Listing(listing), text.to_owned()));
        }
        refuse_pinned(&reference, text)?;
        Ok((Source::One(Box::new(reference)), text.to_owned()))
    }

    fn list(&self, text: &str) -> Result<(Source, String), Error> {
        let text = text.trim();
        if text.starts_with("http://") || text.starts_with("https://") {
            let url = SafeUrl::parse(text).map_err(|error| {
                let message = format!("{} can't be fetched: {error}", source::quoted(text));
                Error::new(Code::InvalidSource, message)
                    .hint("write it like list:https://example.com/list.csv")
            })?;
            self.check(&url)?;
            return Ok((Source::List(ListAt::Url(url)), format!("list:{text}")));
        }
        let Some(folder) = self.folder else {
            return Err(Error::new(
                Code::InvalidSource,
                "a list on this server's disk can't be named through the API",
            )
            .hint("put the list behind a URL, such as https://example.com/list.txt"));
        };
        let path = text.strip_prefix("file://").unwrap_or(text);
        if path.is_empty() || path == "-" {
            return Err(
                Error::new(Code::InvalidSource, "`list:` names no file that stays")
                    .hint("write it like list:./models.txt"),
            );
        }
        let path = std::path::absolute(folder.join(path))
            .map_err(|error| Error::internal("finding the list", error))?;
        let kept = path.to_str().map(|path| format!("list:{path}"));
        let kept = kept.ok_or_else(|| {
            let message = format!("the path {} is not in UTF-8", path.display());
            Error::new(Code::InvalidSource, message).hint("rename the file or its folder")
        })?;
        Ok((Source::List(ListAt::File(path)), kept))
    }

    fn check(&self, url: &SafeUrl) -> Result<(), Error> {
        match self.guard {
            Some(guard) => Ok(guard.check_url(url)?),
            None => Ok(()),
        }
    }
}

fn with_examples(error: source::SourceError) -> Error {
    let is_unclaimed = error.example == source::SourceError::unclaimed("").example;
    let own = match is_unclaimed {
        true => String::new(),
        false => format!("write it like {}; ", error.example),
    };
    Error::from(error).hint(format!("{own}a sync follows {EXAMPLES}"))
}

/// What never changes is no business of a schedule.
fn refuse_pinned(reference: &Reference, text: &str) -> Result<(), Error> {
    let follow = match &reference.locator {
        Locator::HuggingFace(named) => {
            let commit = named.revision.as_ref().map(Revision::as_str);
            let is_commit = commit.is_some_and(|text| Commit::parse(text).is_ok());
            is_commit.then(|| format!("{}, or a branch of it", named.repo))
        }
        Locator::Civitai(named) => match &named.target {
            CivitaiTarget::Model(_) => None,
            CivitaiTarget::Version {
                model: Some(model), ..
            } => Some(format!("civitai:{model} for its new versions")),
            CivitaiTarget::Version { model: None, .. } | CivitaiTarget::Hash(_) => {
                Some("civitai:MODEL for a model's new versions".to_owned())
            }
        },
        Locator::Other { .. } | Locator::Multipart { .. } => None,
    };
    let Some(follow) = follow else {
        return Ok(());
    };
    Err(Error::new(
        Code::InvalidSource,
        format!(
            "{} is pinned and never changes: there is nothing to follow",
            source::quoted(text)
        ),
    )
    .hint(format!(
        "`modelferry import` imports it once; a sync follows {follow}"
    )))
}

impl Source {
    /// What sort it is.
    pub fn kind(&self) -> SourceKind {
        match self {
            Self::List(_) => SourceKind::List,
            Self::Listing(listing) => match listing.kind() {
                ListingKind::Author => SourceKind::Author,
                ListingKind::Collection => SourceKind::Collection,
                ListingKind::Creator => SourceKind::Creator,
                ListingKind::Tag => SourceKind::Tag,
                ListingKind::Search => SourceKind::Search,
                ListingKind::Versions => SourceKind::CivitaiModel,
            },
            Self::One(reference) => match reference.locator {
                Locator::HuggingFace(_) => SourceKind::Repo,
                Locator::Civitai(_) => SourceKind::CivitaiModel,
                Locator::Other { .. } | Locator::Multipart { .. } => SourceKind::Url,
            },
        }
    }

    /// Its text as others may see it: of a plain URL no query, which may sign.
    pub fn shown(&self, text: &str) -> String {
        let is_search = matches!(
            self.kind(),
            SourceKind::Search | SourceKind::Creator | SourceKind::Tag
        );
        match self {
            // Their queries were read word by word; nothing in them is a secret.
            Self::Listing(_) if is_search => text.to_owned(),
            Self::List(ListAt::File(path)) => path.display().to_string(),
            Self::List(ListAt::Url(url)) => url.with_query("").to_string(),
            Self::One(_) | Self::Listing(_) => shown(text),
        }
    }
}

/// A source's text without what may be a secret in it.
pub fn shown(text: &str) -> String {
    let quoted = source::quoted(text.trim());
    quoted.trim_matches('`').to_owned()
}
