//! Lists on a hub that sources come from: an author's repositories, a
//! collection, a creator's models, a search.
//!
//! Read page by page: a list of any length costs one page of memory, and the
//! names already seen.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use async_trait::async_trait;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};

use crate::civitai::{CivitaiId, CivitaiListing, CivitaiTarget};
use crate::huggingface::HfListing;
use crate::{
    Auth, ErrorKind, Locator, ProviderError, ProviderKind, Providers, Reference, SourceError,
    source,
};

/// Most pages of one list. The largest authors have some ten thousand models.
const MAX_PAGES: usize = 10_000;

/// A list that was understood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "provider", rename_all = "lowercase")]
pub enum Listing {
    /// An author's repositories, or a collection.
    HuggingFace(HfListing),
    /// A creator's models, a tag's, or a search.
    Civitai(CivitaiListing),
    /// The published versions of one model, newest first.
    #[serde(rename = "civitai-versions")]
    CivitaiVersions {
        /// The model.
        model: CivitaiId,
    },
}

/// What sort of list it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListingKind {
    /// Somebody's repositories.
    Author,
    /// What somebody put together.
    Collection,
    /// A creator's models.
    Creator,
    /// Models of a tag.
    Tag,
    /// Whatever a search finds.
    Search,
    /// Versions of a model.
    Versions,
}

impl Listing {
    /// Whose it is.
    pub fn provider(&self) -> ProviderKind {
        match self {
            Self::HuggingFace(_) => ProviderKind::HuggingFace,
            Self::Civitai(_) | Self::CivitaiVersions { .. } => ProviderKind::Civitai,
        }
    }

    /// What sort of list it is.
    pub fn kind(&self) -> ListingKind {
        match self {
            Self::HuggingFace(HfListing::Collection { .. }) => ListingKind::Collection,
            Self::HuggingFace(HfListing::Repositories {
                author: Some(_),
                search: None,
                tags,
                ..
            }) if tags.is_empty() => ListingKind::Author,
            Self::HuggingFace(HfListing::Repositories { .. }) => ListingKind::Search,
            Self::Civitai(listing) => listing.kind(),
            Self::CivitaiVersions { .. } => ListingKind::Versions,
        }
    }

    /// The versions of the model that a reference names, where it names no
    /// version and no file of one.
    pub fn versions_of(of: &Reference) -> Option<Self> {
        let Locator::Civitai(named) = &of.locator else {
            return None;
        };
        match named.target {
            CivitaiTarget::Model(model) if named.file.is_none() && named.filter.is_empty() => {
                Some(Self::CivitaiVersions { model })
            }
            _ => None,
        }
    }
}

/// One entry of a list, with what the list itself tells. What it does not
/// tell is `None`; no entry costs a request of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Listed {
    /// The source that imports it.
    pub source: String,
    /// What it is of, the same at every revision: by this two lists know the
    /// same entry.
    pub subject: String,
    /// What a person calls it.
    pub name: String,
    /// What resolving would pin it to: a commit, or a version's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// When it last changed, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated: Option<i64>,
    /// What it is, in the hub's word: `LORA`, `text-generation`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_type: Option<String>,
    /// The model it was made from or for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_model: Option<String>,
    /// How large what would be imported is, in bytes, as far as the hub says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Whether it may be less: the hub counts old revisions and other files too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_at_most: bool,
}

/// Where the next page starts, in the hub's own terms.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Cursor(pub(crate) String);

/// One page of a list. An empty one with a `next` is not the end.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// Its entries.
    pub entries: Vec<Listed>,
    /// The next page, if there is one.
    pub next: Option<Cursor>,
}

/// A hub that has lists.
#[async_trait]
pub trait Catalog: Send + Sync {
    /// Whose lists these are.
    fn hub(&self) -> ProviderKind;

    /// Reads a list's address, without any network traffic. `None`: it is no
    /// list of this hub, and perhaps a source.
    fn parse_listing(&self, source: &str) -> Option<Result<Listing, SourceError>>;

    /// Asks for one page: the first, or the one that the page before named.
    async fn page(
        &self,
        of: &Listing,
        at: Option<&Cursor>,
        auth: &Auth,
    ) -> Result<Page, ProviderError>;
}

impl Providers {
    /// Reads a list's address. `None`: it names no list, and perhaps a source.
    ///
    /// # Errors
    /// [`SourceError`] for a list that is malformed.
    pub fn parse_listing(&self, source: &str) -> Result<Option<Listing>, SourceError> {
        let text = source::trimmed(source)?;
        self.catalogs
            .iter()
            .find_map(|catalog| catalog.parse_listing(text))
            .transpose()
    }

    /// Every entry of a list, each once, in the hub's order. Pages are asked
    /// for as they are needed.
    pub fn list<'a>(
        &'a self,
        of: &'a Listing,
        auth: &'a Auth,
    ) -> BoxStream<'a, Result<Listed, ProviderError>> {
        let catalog = self
            .catalogs
            .iter()
            .find(|catalog| catalog.hub() == of.provider());
        let Some(catalog) = catalog else {
            return stream::empty().boxed();
        };
        let walk = Walk {
            catalog: catalog.as_ref(),
            of,
            auth,
            at: Next::First,
            pages: 0,
            asked: HashSet::new(),
        };
        let mut seen = Seen::default();
        stream::try_unfold(walk, Walk::step)
            .map_ok(|entries| stream::iter(entries.into_iter().map(Ok)))
            .try_flatten()
            .try_filter(move |entry| std::future::ready(seen.is_new(&entry.subject)))
            .boxed()
    }
}

/// The names that came before, as 64 bits each: pages move under the reader
/// while a hub's list changes, so the same entry may come twice.
#[derive(Default)]
struct Seen {
    hasher: RandomState,
    hashes: HashSet<u64>,
}

impl Seen {
    fn is_new(&mut self, name: &str) -> bool {
        self.hashes.insert(self.hasher.hash_one(name))
    }
}

enum Next {
    First,
    At(Cursor),
    End,
}

struct Walk<'a> {
    catalog: &'a dyn Catalog,
    of: &'a Listing,
    auth: &'a Auth,
    at: Next,
    pages: usize,
    asked: HashSet<Cursor>,
}

impl Walk<'_> {
    async fn step(mut self) -> Result<Option<(Vec<Listed>, Self)>, ProviderError> {
        let at = match &self.at {
            Next::End => return Ok(None),
            Next::First => None,
            Next::At(cursor) => Some(cursor),
        };
        let page = self.catalog.page(self.of, at, self.auth).await?;
        self.pages += 1;
        self.at = match page.next {
            None => Next::End,
            Some(next) if self.asked.insert(next.clone()) => Next::At(next),
            Some(_) => return Err(self.broken("its pages go round in a circle")),
        };
        if self.pages >= MAX_PAGES && matches!(self.at, Next::At(_)) {
            return Err(self.broken("it has more pages than anybody would import"));
        }
        Ok(Some((page.entries, self)))
    }

    fn broken(&self, why: &str) -> ProviderError {
        ProviderError::new(
            ErrorKind::Upstream,
            format!("a list at {} can't be read: {why}", self.of.provider()),
        )
        .hint("narrow the list, or try again later")
    }
}
