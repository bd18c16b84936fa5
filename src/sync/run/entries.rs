//! The entries of a list, one by one, filtered, each with what is held of it.

use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use modelferry_providers::listing::{Listed, Listing};

use super::Run;
use crate::error::{Code, Error};
use crate::list;
use crate::request::{ImportRequest, OfSync};
use crate::sync::filter::Newest;
use crate::sync::held::Mark;
use crate::sync::source::{ListAt, Source, shown};

/// An entry that is wanted.
#[derive(Debug)]
pub(super) struct Found {
    /// What the list tells of it.
    pub listed: Listed,
    /// What imports it, or what is wrong with it.
    pub request: Result<ImportRequest, Error>,
    /// What is held of it.
    pub mark: Mark,
}

/// An entry as a list names it.
struct Raw {
    listed: Listed,
    request: Result<ImportRequest, Error>,
}

type Entries<'a, T> = BoxStream<'a, T>;

impl Run<'_> {
    /// Every entry that is wanted. Pages are asked for as they are needed; a
    /// list that breaks off ends, and the run knows why.
    pub(super) async fn entries(&self) -> Result<Entries<'_, Found>, Error> {
        let raw = self.raw().await?;
        let sieve = self.spec.filters.compile()?;
        let mut is_first = true;
        let wanted = raw.filter_map(move |raw| {
            let mark = self.with_held(|held| held.see(&raw.listed.subject));
            let fits = sieve.fits(&raw.listed);
            let is_wanted = fits && (is_first || mark.is_held || self.is_new_enough(&raw.listed));
            is_first &= !fits;
            std::future::ready(is_wanted.then_some(Found {
                listed: raw.listed,
                request: raw.request,
                mark,
            }))
        });
        let Some(most) = self.spec.filters.newest else {
            return Ok(wanted.boxed());
        };
        let mut newest = Newest::new(most);
        let mut wanted = wanted.boxed();
        while let Some(found) = wanted.next().await {
            let (updated, name) = (found.listed.updated, found.listed.subject.clone());
            newest.offer(updated, &name, found);
        }
        Ok(stream::iter(newest.finish()).boxed())
    }

    /// Of a model's versions, those published since the sync was made, unless
    /// the filter says otherwise.
    fn is_new_enough(&self, entry: &Listed) -> bool {
        let filters = &self.spec.filters;
        let is_versions = matches!(
            self.source,
            Source::Listing(Listing::CivitaiVersions { .. })
        );
        if !is_versions || filters.newest.is_some() || filters.since.is_some() {
            return true;
        }
        let made = self.sync.created_at.timestamp();
        entry.updated.is_none_or(|updated| updated >= made)
    }

    async fn raw(&self) -> Result<Entries<'_, Raw>, Error> {
        match &self.source {
            Source::One(_) => {
                let listed = named(&self.spec.source);
                let request = self.request(&listed);
                Ok(stream::iter([Raw { listed, request }]).boxed())
            }
            Source::Listing(listing) => Ok(self.listing(listing)),
            Source::List(at) => {
                let lines = self.lines(at).await?;
                let entries = lines.into_iter().map(|line| self.line(line));
                Ok(stream::iter(entries).boxed())
            }
        }
    }

    fn listing<'r>(&'r self, listing: &'r Listing) -> Entries<'r, Raw> {
        let cancel = self.cancel.clone();
        let listed = self.ferry.providers.list(listing, &self.auth);
        listed
            .map_err(Error::from)
            .take_until(async move { cancel.cancelled().await })
            .scan((), move |(), entry| {
                let entry = match entry {
                    Ok(listed) => Some(Raw {
                        request: self.request(&listed),
                        listed,
                    }),
                    Err(error) => {
                        self.end_of_list(error);
                        None
                    }
                };
                std::future::ready(entry)
            })
            .boxed()
    }

    /// A list that is not there any more is an empty one to whoever holds
    /// something of it.
    fn end_of_list(&self, error: Error) {
        let is_gone = error.code == Code::NotFound && self.with_held(|held| held.count() > 0);
        if !is_gone {
            self.break_off(error);
        }
    }

    fn request(&self, listed: &Listed) -> Result<ImportRequest, Error> {
        let wanted = self.spec.wanted();
        let request = wanted.of(&self.ferry.providers, &listed.source)?;
        Ok(self.owned(request, &listed.subject))
    }

    fn owned(&self, request: ImportRequest, subject: &str) -> ImportRequest {
        ImportRequest {
            owner: self.sync.owner_id.clone(),
            author: self.spec.author.clone(),
            credential: self.spec.credential.clone(),
            sync: Some(OfSync {
                id: self.sync.id.clone(),
                subject: subject.to_owned(),
            }),
            ..request
        }
    }

    async fn lines(&self, at: &ListAt) -> Result<Vec<list::Line>, Error> {
        let defaults = self.spec.wanted();
        match at {
            ListAt::Url(url) => {
                list::fetch(&self.ferry.providers, url, &self.auth, &defaults).await
            }
            ListAt::File(path) => {
                let path = path.clone();
                let read =
                    tokio::task::spawn_blocking(move || list::read(&path, None, &defaults)).await;
                read.map_err(|error| Error::internal("reading the list", error))?
            }
        }
    }

    fn line(&self, line: list::Line) -> Raw {
        let at_line = |error: Error| Error {
            message: format!("line {}: {}", line.number, error.message),
            ..error
        };
        let own = line.entry.and_then(|entry| {
            let request = entry.wanted.of(&self.ferry.providers, &entry.source)?;
            if request.reference.token.is_some() {
                return Err(
                    Error::new(Code::InvalidRequest, "the source carries a token")
                        .hint("store it: `modelferry credentials set huggingface|civitai|HOST`"),
                );
            }
            Ok((entry, request))
        });
        let mut listed = named(&line.text);
        let request = own.map_err(at_line).map(|(entry, request)| {
            // Two lines may take one source in two ways, and a query may be a secret.
            if entry.wanted != self.spec.wanted() || entry.source.contains('?') {
                let key = request.key();
                let short = key.get(..12).unwrap_or(&key);
                listed.subject = format!("{} ({short})", listed.subject);
            }
            self.owned(request, &listed.subject)
        });
        Raw { listed, request }
    }
}

/// An entry of which nothing but its name is known.
fn named(source: &str) -> Listed {
    Listed {
        source: source.to_owned(),
        subject: shown(source),
        name: shown(source),
        revision: None,
        updated: None,
        model_type: None,
        base_model: None,
        size: None,
        is_at_most: false,
    }
}
